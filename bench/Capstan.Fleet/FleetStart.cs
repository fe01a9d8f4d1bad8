using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using Capstan.Client.Configuration;

namespace Capstan.Fleet;

/// <summary>When the clients' cycles are due; it replaces the interval that the site publishes.</summary>
/// <param name="Window">Zero: all at once, and each client's next cycle right after the one before. Else each client has one cycle in each window, at its even phase.</param>
internal readonly record struct FleetStart(TimeSpan Window)
{
    private const string Planned = "planned:";

    public static FleetStart AtOnce => default;

    /// <summary>When a cycle is due after the start of the run; null for right after the cycle before.</summary>
    /// <param name="cycle">From 0.</param>
    /// <param name="ordinal">Of the client's enrolment: the production phase, bit reversal of it.</param>
    public TimeSpan? DueAt(int cycle, long ordinal) =>
        Window > TimeSpan.Zero ? Window * (cycle + EvenPhase.Fraction(ordinal))
        : cycle == 0 ? TimeSpan.Zero
        : null;

    /// <summary>Reads <c>at-once</c> or <c>planned:SECONDS</c>.</summary>
    public static bool TryParse(string text, out FleetStart start, [NotNullWhen(false)] out string? fault)
    {
        start = AtOnce;
        fault = null;
        if (text == "at-once")
            return true;
        if (text.StartsWith(Planned, StringComparison.Ordinal)
            && double.TryParse(text.AsSpan(Planned.Length), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var seconds) && seconds is > 0 and <= 86_400)
            start = new FleetStart(TimeSpan.FromSeconds(seconds));
        else
            fault = $"'{text}' is neither at-once nor planned:SECONDS, with a window of more than 0 s and at most a day";
        return fault is null;
    }

    public override string ToString() => Window == TimeSpan.Zero ? "at-once" : string.Create(CultureInfo.InvariantCulture, $"{Planned}{Window.TotalSeconds:0.###}");
}
