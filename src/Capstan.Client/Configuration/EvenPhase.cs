namespace Capstan.Client.Configuration;

/// <summary>A device's place in evenly spread work: the bits of its enrolment ordinal, reversed, as a fraction of the window.</summary>
/// <remarks>Any first N ordinals lie evenly in the window, whatever N is: 0, 1/2, 1/4, 3/4, 1/8 … (the van der Corput sequence).</remarks>
internal static class EvenPhase
{
    /// <summary>From 0 (inclusive) to 1 (exclusive).</summary>
    public static double Fraction(long ordinal)
    {
        var value = (uint)ordinal;
        var reversed = 0u;
        for (var bit = 0; bit < 32; bit++, value >>= 1)
            reversed = reversed << 1 | value & 1;
        return reversed / 4_294_967_296.0;
    }

    /// <summary>The first moment of the device's phase that is at least half a window after <paramref name="last"/>.</summary>
    /// <param name="last">Monotonic moment of the work before.</param>
    /// <param name="origin">What to add to a monotonic moment to get the fleet's common time; any value is valid and only moves the phase.</param>
    /// <returns>Between half a window and one and a half after <paramref name="last"/>, and exactly one window after a moment in phase.</returns>
    public static TimeSpan Next(TimeSpan last, TimeSpan window, long ordinal, TimeSpan origin)
    {
        var phase = (long)(Fraction(ordinal) * window.Ticks);
        var earliest = last.Ticks + window.Ticks / 2;
        var into = Modulo(earliest + origin.Ticks % window.Ticks - phase, window.Ticks);
        return TimeSpan.FromTicks(into == 0 ? earliest : earliest + window.Ticks - into);
    }

    private static long Modulo(long value, long by) => (value % by + by) % by;
}
