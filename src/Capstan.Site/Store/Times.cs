namespace Capstan.Site.Store;

/// <summary>Unix milliseconds, the store's form of a time, and back. Out of range (a client's broken clock) is clamped, never refused.</summary>
internal static class Times
{
    private static readonly long Min = DateTimeOffset.MinValue.ToUnixTimeMilliseconds();
    private static readonly long Max = DateTimeOffset.MaxValue.ToUnixTimeMilliseconds();

    public static DateTimeOffset At(long milliseconds) => DateTimeOffset.FromUnixTimeMilliseconds(Math.Clamp(milliseconds, Min, Max));

    public static DateTimeOffset? At(long? milliseconds) => milliseconds is { } value ? At(value) : null;

    public static long Of(DateTimeOffset time) => time.ToUnixTimeMilliseconds();
}
