using System.Globalization;
using Capstan.Protocol.V1;
using Capstan.Site.Console;
using Capstan.Site.Store;

namespace Capstan.Site.Status.Clients;

/// <summary>Whether a client is well, and why not: each cause one line, the worst first. Pure.</summary>
/// <remarks>
/// What a client reported about a lasting condition comes again with every cycle in which it lasts, so that a message that was not repeated for two cycles says nothing of now.
/// A client that is silent is judged by its silence: what it said before stands behind it.
/// </remarks>
internal static class ClientHealthRules
{
    public const string Error = "error", Warning = "warning", Information = "information";

    /// <summary>From a Friday morning over a long weekend to the next working day: an office computer that is switched off is well.</summary>
    public static readonly TimeSpan Weekend = TimeSpan.FromDays(5);

    /// <summary>Beyond two weeks no holiday of one machine explains it any more.</summary>
    public static readonly TimeSpan Holiday = TimeSpan.FromDays(14);

    /// <summary>A client that was approved reports within minutes, if it runs.</summary>
    public static readonly TimeSpan FirstReport = TimeSpan.FromHours(1);

    /// <summary>Clocks that differ by less do no harm.</summary>
    public static readonly TimeSpan ClockTolerance = TimeSpan.FromHours(1);

    /// <summary>Uploads come in order within minutes; a gap of a day does not close by itself any more.</summary>
    public static readonly TimeSpan GapLimit = TimeSpan.FromDays(1);

    /// <summary>How long an upload that was refused stays a cause.</summary>
    public static readonly TimeSpan RefusedFor = TimeSpan.FromDays(7);

    /// <summary>How long what was said counts, at least and at most; between them two cycles.</summary>
    public static readonly TimeSpan ShortestMemory = TimeSpan.FromDays(2), LongestMemory = TimeSpan.FromDays(7);

    /// <summary>Refused for capacity so often without a pause of two days, a client does not only wait: the server is too small.</summary>
    public const int ManyRefusals = 20;

    public static IReadOnlyList<ClientCause> Judge(ClientHealthFacts client, FleetFacts fleet)
    {
        var causes = client.State switch
        {
            DeviceState.Approved => Approved(client, fleet),
            DeviceState.Pending => Pending(client, fleet.Now),
            _ => [],
        };
        return [.. causes.OrderBy(cause => Rank(cause.Severity))];
    }

    /// <summary>0 is the worst.</summary>
    public static int Rank(string? severity) => severity switch { Error => 0, Warning => 1, _ => 2 };

    private static IEnumerable<ClientCause> Pending(ClientHealthFacts client, DateTimeOffset now)
    {
        if (now - client.RequestedAt > FirstReport)
            yield return new("waits_for_approval", Warning, $"It has asked to become a client since {Since(client.RequestedAt, now)}, and nobody has answered.",
                "Compare the fingerprint with what `capstan-client status` prints there, then `capstan client approve`; after 7 days the request is forgotten.");
    }

    /// <summary>In the order in which one would look: of causes with the same severity the first is the one to mend.</summary>
    private static IEnumerable<ClientCause> Approved(ClientHealthFacts client, FleetFacts fleet)
    {
        var now = fleet.Now;
        if (client is { MovedTo: { } elsewhere, MovedAt: { } left })
        {
            // Whatever it said before is over, and silence is what it announced.
            yield return new("moved", Information, $"It moved to site {elsewhere} {Since(left, now)}: that was its last word here.",
                "`capstan client retire` ends its certificate here. If it comes back or was interrupted, its next record takes this back by itself.");
            yield break;
        }
        if (client.LastSeen is not { } seen || client.HeartbeatAt is null && client.PolicyVersion is null)
        {
            if (client.ApprovedAt is { } approved && now - approved > FirstReport)
                yield return new("never_reported", now - approved > Weekend ? Error : Warning, $"It was approved {Since(approved, now)} and has reported nothing since.",
                    "Does it run? On it: `capstan-client status` says what it waits for; its connection account must be able to write to a CAP's inbox (`capstan cap check`).");
            yield break;
        }
        if (Silence(client, seen, now) is { } silence)
            yield return silence;
        if (client.Copies > 0)
            yield return new("identity_shared", Warning, $"{Display.Plural(client.Copies, "other machine")} used its identity: a copied disk or virtual machine. It was told to make its own.",
                "Nothing, if both are yours: the copy becomes a client of its own. It must run the client to hear of it.");
        foreach (var cause in Reported(client, now))
            yield return cause;
        if (client.Refused is { } refused && now - refused.At < RefusedFor)
            yield return new("uploads_refused", Error, $"{Display.Plural(refused.Count, "upload")} of it {(refused.Count == 1 ? "was" : "were")} refused, the last {Since(refused.At, now)}: {refused.Reason}.",
                $"`capstan quarantine list` names each reason; docs/events.md says what each means.");
        if (client.WaitingSince is { } waiting && now - waiting > GapLimit)
            yield return new("records_missing", Warning, $"An upload of it waits since {Since(waiting, now)} for one before it that is not there, or for its own end.",
                "Nothing: after 7 days the site goes on without it and asks for everything anew. Find out who deletes in the inbox of that CAP.");
        if (Behind(client, now) is { } behind)
            yield return behind;
        if (Clock(client, now) is { } clock)
            yield return clock;
        if (Build(client, fleet) is { } build)
            yield return build;
    }

    private static ClientCause? Silence(ClientHealthFacts client, DateTimeOffset seen, DateTimeOffset now)
    {
        var silent = now - seen;
        var warns = Max(client.Cycle * 3, Weekend);
        var severity = silent > Max(Max(client.Heartbeat * 2, warns), Holiday) ? Error : silent > warns ? Warning : null;
        return severity is null ? null : new("silent", severity, $"Nothing came from it since {Since(seen, now)}; it reports every {Display.Duration(client.Cycle)}.",
            "Is it switched on, and can it reach a CAP? On it: `capstan-client status` names the cause and the next try.");
    }

    /// <summary>What it said itself and what still holds, errors first.</summary>
    private static IEnumerable<ClientCause> Reported(ClientHealthFacts client, DateTimeOffset now)
    {
        foreach (var component in client.Components.Where(component => component.State == "failed" && !IsReported(component.Name)))
            yield return new("component_failed", Error, $"{component.Name} fails: {component.Detail}", Remedies.Of("component_failed"));
        foreach (var said in client.Conditions.Where(said => IsRecent(said) && !IsOver(said, client)))
        {
            if (said.Code == "cap_full")
                yield return new("capacity", said.RepeatCount >= ManyRefusals ? Warning : Information,
                    $"It waits for a free connection ({Display.Count(said.RepeatCount)} refusals, the last told {Since(Times.At(said.ReceivedAt), now)}): {said.Text}", Remedies.Of(said.Code));
            else if (Remedies.IsCause(said.Code, said.Severity))
                yield return new(said.Code, said.Severity, said.Text, Remedies.Of(said.Code));
        }

        bool IsReported(string component) => client.Conditions.Any(said => said.Code == "component_failed" && said.Component == component
            && IsRecent(said) && !IsOver(said, client));

        bool IsRecent(ConditionRow said) => now - Times.At(said.ReceivedAt) <= Max(ShortestMemory, Min(client.Cycle * 2, LongestMemory));
    }

    /// <summary>Whether something later says that it is mended.</summary>
    private static bool IsOver(ConditionRow said, ClientHealthFacts client) => said.Code switch
    {
        "component_failed" => client.HeartbeatAt is { } heartbeat && heartbeat > Times.At(said.ReceivedAt) && !client.Components.Any(component => component.Name == said.Component && component.State == "failed"),
        "build_failed" or "build_waits" or "build_invalid" or "build_damaged" => client.Conditions.Any(later => later.Code == "build_changed" && later.ReceivedAt >= said.ReceivedAt),
        _ => false,
    };

    /// <summary>It has reported since its policy changed, a whole cycle later, and still had an older one.</summary>
    private static ClientCause? Behind(ClientHealthFacts client, DateTimeOffset now) =>
        client is { HeartbeatAt: { } heartbeat, PolicySignedAt: { } signed, PolicySignedVersion: { } version } && (client.PolicyVersion ?? 0) < version && heartbeat - signed > client.Cycle
            ? new("policy_behind", Warning, string.Create(CultureInfo.InvariantCulture,
                    $"Its policy changed {Since(signed, now)} (version {version}), and {Since(heartbeat, now)} it still had version {client.PolicyVersion ?? 0}."),
                "Does the CAP that it uses show the present version? `capstan cap list`, `capstan cap check PATH`. `capstan client diagnose` asks it what it sees.")
            : null;

    /// <summary>Ahead: made after it arrived. Behind: made before the policy was signed that it says to have.</summary>
    private static ClientCause? Clock(ClientHealthFacts client, DateTimeOffset now)
    {
        if (client is not { HeartbeatAt: { } arrived, HeartbeatMadeAt: { } made })
            return null;
        var wrong = made - arrived > ClockTolerance ? $"ahead by {Display.Duration(made - arrived)} or more"
            // Signed in the future, the site's own clock was wrong then.
            : client is { PolicySignedAt: { } signed, PolicySignedVersion: { } version, PolicyVersion: { } has } && has >= version && signed <= now && signed - made > ClockTolerance ? $"behind by {Display.Duration(signed - made)} or more"
            : null;
        return wrong is null ? null : new("clock_wrong", Warning, $"Its clock is {wrong}: its last heartbeat was made at {Display.Utc(made)} by it, and came {Display.Utc(arrived)}.",
            "Set its clock (timedatectl), and leave it to a time service. With a clock far ahead it takes metadata for expired, and no new orders.");
    }

    /// <summary>Only where an order is for its platform, it may obey, and the build is newer: what goes back needs an order that says so.</summary>
    private static ClientCause? Build(ClientHealthFacts client, FleetFacts fleet)
    {
        if (client is not { ClientVersion: { } told, Platform: { } platform, HoldsBuilds: false, HeartbeatAt: { } heartbeat }
            || fleet.Builds.FirstOrDefault(build => build.Platform == platform) is not { } ordered
            // A version as it is told may have the commit behind it.
            || !BuildVersion.TryParse(told.Split('+')[0], out var runs) || !BuildVersion.TryParse(ordered.Version, out var wanted) || runs.CompareRank(wanted) >= 0)
            return null;
        return heartbeat > ordered.Settled + client.Cycle
            ? new("build_behind", Warning, $"It runs build {told}, and {ordered.Version} was ordered {Since(ordered.OrderedAt, fleet.Now)}.",
                "On it: `capstan-client status` says what the build waits for. Where the client was started without its launcher, it takes no builds.")
            : null;
    }

    private static string Since(DateTimeOffset at, DateTimeOffset now) => $"{Display.Utc(at)} ({Display.Relative(at, now)})";

    private static TimeSpan Max(TimeSpan left, TimeSpan right) => left > right ? left : right;

    private static TimeSpan Min(TimeSpan left, TimeSpan right) => left < right ? left : right;
}
