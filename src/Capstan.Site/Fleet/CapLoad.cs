using System.Globalization;
using Capstan.Protocol.V1;

namespace Capstan.Site.Fleet;

/// <summary>What clients reported of one CAP in one hour.</summary>
/// <param name="Hour">Its beginning, by the devices' clocks.</param>
internal sealed record CapHour(DateTimeOffset Hour, long Connections, long HeldMilliseconds, long Refused)
{
    /// <summary>How many connections were open at one time on average.</summary>
    public double Mean => HeldMilliseconds / (double)TimeSpan.MillisecondsPerHour;

    /// <summary>How many were open at one time at most, estimated: <see cref="ConcurrencyEstimate.Peak"/>.</summary>
    public int Peak => ConcurrencyEstimate.Peak(Mean, Connections);
}

/// <summary>All that decides how near a CAP is to its limit.</summary>
/// <param name="Hours">Of the last week.</param>
/// <param name="Devices">Distinct ones that were served in the last 90 days.</param>
internal sealed record CapLoadFacts(string Path, string? Licensing, int Headroom, IReadOnlyList<CapHour> Hours, int Devices, int Clients, TimeSpan MeanHold, DateTimeOffset Now)
{
    /// <summary>Distinct ones that were refused in the last 3 days; 0 where that is not known.</summary>
    public int RefusedDevices { get; init; }

    /// <summary>Other CAPs on the same server, which counts them together: hours and devices are of all.</summary>
    public IReadOnlyList<string> Beside { get; init; } = [];
}

/// <param name="Level"><c>ok</c>, <c>near</c> or <c>reached</c>.</param>
/// <param name="Text">One line that says why, for a person; null when all is well.</param>
/// <param name="NextStep">What to do; null when all is well.</param>
/// <param name="Peak">Of the last week.</param>
/// <param name="Refused">Times that clients were refused in the last 3 days.</param>
internal sealed record CapJudgement(string Level, string? Text, string? NextStep, int Peak, int Refused);

/// <summary>Judges the use of a CAP against its limit, before the limit is reached. Pure.</summary>
internal static class CapLoad
{
    public const string Ok = "ok";
    public const string Near = "near";
    public const string Reached = "reached";

    /// <summary>Over which hours are looked at for the peak.</summary>
    public static readonly TimeSpan PeakWindow = TimeSpan.FromDays(7);

    /// <summary>How long a refusal is news. Clients report once a day, so a shorter time would miss some.</summary>
    public static readonly TimeSpan RefusalWindow = TimeSpan.FromDays(3);

    /// <summary>How long a device counts after it was served, as licences per device commonly do.</summary>
    public static readonly TimeSpan SeatWindow = TimeSpan.FromDays(90);

    private const double NearConnections = 0.8;
    private const double NearSeats = 0.9;
    private const int ShownBeside = 3;

    public static CapJudgement Judge(CapLoadFacts facts)
    {
        var peak = facts.Hours.Where(hour => hour.Hour > facts.Now - PeakWindow).Select(hour => hour.Peak).DefaultIfEmpty().Max();
        var refused = (int)Math.Min(int.MaxValue, facts.Hours.Where(hour => hour.Hour > facts.Now - RefusalWindow).Sum(hour => hour.Refused));
        var limit = facts.Licensing is null ? null : LicensingMode.Limit(facts.Licensing);
        var judgement = LicensingMode.Kind(facts.Licensing) switch
        {
            LicensingKind.PerServer => Connections(facts, limit!.Value, peak, refused),
            LicensingKind.PerSeat => Seats(facts, limit!.Value, peak, refused),
            _ when refused > 0 => new(Near, $"{facts.Path}: {Refusals(facts, refused)} for want of room, and no limit is stated for it.",
                "Tell the site what the server allows: `capstan cap add PATH --licensing per-server:N --headroom N`.", peak, refused),
            _ => new CapJudgement(Ok, null, null, peak, refused),
        };
        return judgement.Text is null || facts.Beside.Count == 0 ? judgement
            : judgement with { Text = $"{judgement.Text} Counted together with {string.Join(", ", facts.Beside.Take(ShownBeside))}{(facts.Beside.Count > ShownBeside ? ", …" : "")} on the same server." };
    }

    private static string Refusals(CapLoadFacts facts, int refused) => facts.RefusedDevices == 0
        ? $"the server refused clients {Count(refused)} times in 3 days"
        : $"the server refused {Count(facts.RefusedDevices)} {(facts.RefusedDevices == 1 ? "client" : "clients")} {(refused == 1 ? "once" : $"{Count(refused)} times")} in 3 days";

    private static CapJudgement Connections(CapLoadFacts facts, int limit, int peak, int refused)
    {
        var usable = limit - facts.Headroom;
        var terms = facts.Headroom > 0 ? $"{facts.Licensing} less a headroom of {Count(facts.Headroom)} leaves {Count(usable)}" : $"{facts.Licensing} allows {Count(usable)}";
        if (refused > 0)
            return new(Reached, $"{facts.Path}: {Refusals(facts, refused)}. About {Count(peak)} connections at one time were Capstan's in the last week; {terms}.",
                "`capstan cap sessions` shows who holds the rest. Clients wait and try again by themselves; raise the limit, or add another client access point.", peak, refused);
        if (FleetPace.IsTooSmall(facts.Clients, facts.Licensing, facts.MeanHold))
            return new(Near, string.Create(CultureInfo.InvariantCulture, $"{facts.Path}: {facts.Clients:N0} clients that hold a connection for {facts.MeanHold.TotalSeconds:0.#} s each are too many for {facts.Licensing}: even once a day they need more than a tenth of it."),
                "Raise the limit, or add another client access point.", peak, refused);
        return peak < usable * NearConnections ? new(Ok, null, null, peak, refused)
            : new(peak > usable ? Reached : Near, $"{facts.Path}: about {Count(peak)} connections at one time in the last week; {terms}.",
                "Raise the limit, or add another client access point, before clients are refused.", peak, refused);
    }

    private static CapJudgement Seats(CapLoadFacts facts, int limit, int peak, int refused)
    {
        var counted = $"{facts.Path}: {Count(facts.Devices)} devices in 90 days, and {facts.Licensing} allows {Count(limit)}.";
        if (refused > 0)
            return new(Reached, $"{facts.Path}: {Refusals(facts, refused)} for want of room: it counts connections, too, or has no licence left. {Count(facts.Devices)} devices in 90 days, and {facts.Licensing} allows {Count(limit)}.",
                "`capstan cap sessions` shows who is connected. If the server limits connections, say so: `capstan cap add PATH --licensing per-server:N`; else buy licences.", peak, refused);
        return facts.Devices > limit ? new(Reached, counted, "Buy licences for the devices beyond it, or give some of them another client access point.", peak, refused)
            : facts.Devices >= limit * NearSeats ? new(Near, counted, "Buy licences before more devices are enrolled.", peak, refused)
            : new(Ok, null, null, peak, refused);
    }

    private static string Count(int number) => number.ToString("N0", CultureInfo.InvariantCulture);
}

/// <summary>From a mean to a peak. Pure.</summary>
internal static class ConcurrencyEstimate
{
    private const double Confidence = 0.999;

    /// <summary>Above this mean the sum would need more digits than there are, and the normal distribution is as good.</summary>
    private const double LargeMean = 500;

    /// <summary>Standard deviations that belong to <see cref="Confidence"/>.</summary>
    private const double Deviations = 3.09;

    /// <summary>The number that is not exceeded 99.9 % of the time when starts are independent (a Poisson distribution); never more than there were connections.</summary>
    /// <remarks>Clients start evenly spread, so that the true peak is rather below it.</remarks>
    public static int Peak(double mean, long connections)
    {
        if (mean <= 0)
            return 0;
        double peak;
        if (mean > LargeMean)
            peak = Math.Ceiling(mean + Deviations * Math.Sqrt(mean));
        else
        {
            peak = 0;
            var probability = Math.Exp(-mean);
            for (var sum = probability; sum < Confidence; sum += probability)
                probability *= mean / ++peak;
        }
        return (int)Math.Min(int.MaxValue, Math.Max(1, Math.Min(peak, Math.Max(connections, Math.Ceiling(mean)))));
    }
}
