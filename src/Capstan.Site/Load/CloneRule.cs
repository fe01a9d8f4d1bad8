namespace Capstan.Site.Load;

/// <summary>Who made a record, as far as records tell: an installation on certain hardware, and one start of its client.</summary>
/// <param name="Nonce">Of the installation; anew when its directory is found on other hardware.</param>
/// <param name="Instance">Of one start of the client; null from a client that tells none.</param>
internal sealed record Speaker(string Nonce, string? Instance);

/// <summary>Tells a copied identity from a restored one. Pure.</summary>
/// <remarks>
/// Records are a chain, so what was taken in stands in the order in which it was made. A machine that was set back, moved to other hardware or restarted speaks under a new name and never
/// again under its old one. Who speaks, is followed by somebody else, and speaks again, lives beside that one: two machines have one identity.
/// The original is the one that the identity was registered with, else the one that spoke first.
/// </remarks>
internal static class CloneRule
{
    /// <summary>Changes of the speaker that are remembered for each device: more copies of one identity than this are told apart one after the other.</summary>
    public const int MaxHistory = 8;

    /// <param name="history">Who spoke so far, oldest first, no two neighbours equal.</param>
    /// <param name="now">Who made the record that is taken in now.</param>
    /// <param name="registered">The nonce that the device asked to become a client with.</param>
    /// <returns>The history to keep, and the names (nonces or instances) that are to make an identity of their own; empty for none.</returns>
    public static (IReadOnlyList<Speaker> History, IReadOnlyList<string> Newcomers) Heard(IReadOnlyList<Speaker> history, Speaker now, string registered)
    {
        if (history.Count > 0 && history[^1] == now)
            return (history, []);
        var newcomers = Newcomers(history, now, registered);
        var kept = history.Append(now).Where(speaker => !IsNewcomer(newcomers, speaker));
        return ([.. WithoutRepeats(kept).TakeLast(MaxHistory)], newcomers);
    }

    /// <summary>Whether a record is of a machine that was told to make its own identity.</summary>
    public static bool IsNewcomer(IReadOnlyList<string> newcomers, Speaker speaker) =>
        newcomers.Contains(speaker.Nonce, StringComparer.Ordinal) || (speaker.Instance is { } instance && newcomers.Contains(instance, StringComparer.Ordinal));

    private static List<string> Newcomers(IReadOnlyList<Speaker> history, Speaker now, string registered)
    {
        var others = Between(history, speaker => speaker.Nonce == now.Nonce, speaker => speaker.Nonce);
        if (others.Count > 0)
            return now.Nonce != registered && others.Contains(registered, StringComparer.Ordinal) ? [now.Nonce] : others;
        // One nonce: the hardware tells nothing, and so the starts have to.
        return now.Instance is null ? [] : Between(history, speaker => speaker == now, speaker => speaker.Instance);
    }

    /// <summary>Names that were heard since <paramref name="isSame"/> spoke last but one; empty when it never did.</summary>
    private static List<string> Between(IReadOnlyList<Speaker> history, Func<Speaker, bool> isSame, Func<Speaker, string?> name)
    {
        var before = history.Count - 1;
        while (before >= 0 && !isSame(history[before]))
            before--;
        return before < 0 ? [] : [.. history.Skip(before + 1).Select(name).OfType<string>().Distinct(StringComparer.Ordinal)];
    }

    private static IEnumerable<Speaker> WithoutRepeats(IEnumerable<Speaker> speakers)
    {
        Speaker? last = null;
        foreach (var speaker in speakers)
        {
            if (speaker != last)
                yield return speaker;
            last = speaker;
        }
    }
}
