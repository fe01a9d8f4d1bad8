namespace Capstan.Site.Distribution.Offers;

/// <summary>When a roll-out stops by itself. Pure.</summary>
internal static class HaltRule
{
    /// <summary>Fewer failures are an accident, whatever their share: half of two machines is one.</summary>
    public const int LeastFailures = 2;

    /// <param name="finished">Machines that have ended, well or not, since the roll-out began or was resumed; <paramref name="failed"/> of them not well.</param>
    /// <param name="haltAt">Percent; null for never.</param>
    /// <returns>Why it stops, in one line; null when it goes on.</returns>
    public static string? Of(int finished, int failed, int? haltAt) =>
        haltAt is { } limit && failed >= LeastFailures && failed * 100L >= (long)limit * finished
            ? string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{failed} of {finished} machines that finished have failed ({100.0 * failed / finished:0.#} %; the limit is {limit} %)")
            : null;
}
