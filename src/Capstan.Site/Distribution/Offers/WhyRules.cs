using System.Globalization;
using Capstan.Protocol.V1;
using Capstan.Site.Api;
using Capstan.Site.Collections;
using Capstan.Site.Console;

namespace Capstan.Site.Distribution.Offers;

/// <summary>All that the site knows of one client and one advertisement.</summary>
/// <param name="State">One of those of an advertisement: active, halted, expired, ended, removed.</param>
/// <param name="Member">Null when the client is not in the collection.</param>
/// <param name="IsSigned">The client's signed policy lists it.</param>
/// <param name="SignedVersion">Of that policy, and <paramref name="HeldVersion"/>, the one that the client has said to have.</param>
/// <param name="Windows">What is set for the client as its maintenance windows; null for no such setting.</param>
/// <param name="Told">What the client reported; null for nothing.</param>
internal sealed record WhyFacts(string AdvertisementId, string Name, Advertisement Document, string State, string DeviceId, string HostName, string DeviceState, string Collection, string? Query, MemberWhy? Member,
    bool IsSigned, long? SignedVersion, long? HeldVersion, string? Platform, long? MemoryBytes, string? Windows, AdvertisementClient? Told, DateTimeOffset? LastSeen)
{
    /// <summary>What of its content no CAP has whole yet, in one sentence; null for nothing.</summary>
    public string? OnItsWay { get; init; }
}

/// <summary>Why a program has run on a client, or not yet: the chain step by step, the first step that is not met as the answer. Pure.</summary>
internal static class WhyRules
{
    public static WhyDocument Of(WhyFacts facts, DateTimeOffset now)
    {
        var steps = new List<WhyStep> { Member(facts), Offer(facts), Policy(facts), Time(facts, now), Needs(facts), Content(facts), Run(facts) };
        var (answer, next, at) = Answer(facts, steps, now);
        return new WhyDocument(facts.AdvertisementId, facts.Name, facts.DeviceId, facts.HostName, answer, next, at, steps);
    }

    private static (string Answer, string? Next, DateTimeOffset? At) Answer(WhyFacts facts, List<WhyStep> steps, DateTimeOffset now)
    {
        var told = facts.Told;
        // Where the client has reported, its word is the truth; the site's own view explains why it has not.
        if (facts.Member is null)
            return (steps[0].Text, null, null);
        if (facts.State != Advertisement.Active && told?.State is not (ProgramState.Running or ProgramState.Succeeded or ProgramState.Failed or ProgramState.PendingReboot))
            return (steps[1].Text, null, null);
        if (told is null or { ReportedAt: null })
        {
            if (facts.OnItsWay is { } way)
                return (way, "the site offers it as soon as one client access point has all of it", null);
            if (!facts.IsSigned)
                return (steps[2].Text, "the site signs and publishes the policy, normally within a minute", null);
            if (steps[2].IsMet == false)
                return (steps[2].Text, "the client reads its policy at its next contact", null);
            return ($"The client has the policy and has reported nothing yet. Last heard of: {Display.Relative(facts.LastSeen, now)}.", "the client reports with its next upload", null);
        }
        var answer = $"{Words(told.State)}{(told.Since is { } since ? $" since {Display.Utc(since)}" : "")}{(told.Reason is { } reason ? $": {reason}" : ".")}";
        var next = told.State switch
        {
            ProgramState.Succeeded when facts.Document.Recurrence is not null => "it runs again when it is due",
            ProgramState.Succeeded or ProgramState.Ended => null,
            ProgramState.Failed or ProgramState.Unknown => told.NextTry is null ? $"nothing by itself; look at the run, mend it, then `capstan advertisement edit {facts.AdvertisementId}` or offer a new version" : "it is tried again",
            ProgramState.PendingReboot => "the machine has to be started anew",
            ProgramState.Shown => "a person starts it (`capstan-client run-program`)",
            ProgramState.Running => "it ends, or its time limit does",
            _ => told.NextTry is null ? "it goes on as soon as that is over" : "it is tried again",
        };
        return (answer, next, told.NextTry);
    }

    private static WhyStep Member(WhyFacts facts) => facts.Member switch
    {
        null => new("member", false, $"{Host(facts)} is not in collection {facts.Collection}{(facts.DeviceState == "approved" ? facts.Query is { } query ? $": not by name, and its query does not select it ({query})" : ": not by name, and it has no query" : $": it is {facts.DeviceState}")}."),
        MemberWhy.Name => new("member", true, $"In collection {facts.Collection} by name."),
        MemberWhy.Query => new("member", true, $"In collection {facts.Collection} by its query: {facts.Query}"),
        _ => new("member", true, $"In collection {facts.Collection} by name, and by its query: {facts.Query}"),
    };

    private static WhyStep Offer(WhyFacts facts) => facts.State switch
    {
        Advertisement.Active => new("offer", true, $"{facts.Name} is active, revision {Number(facts.Document.Revision)}: {facts.Document.Offer.PackageName} version {Number(facts.Document.Offer.PackageVersion)}, {facts.Document.Purpose}, priority {facts.Document.Priority}."),
        Advertisement.Halted => new("offer", false, $"{facts.Name} is halted: {facts.Document.HaltedBecause}"),
        "expired" => new("offer", false, $"{facts.Name} expired {Display.Utc(At(facts.Document.ExpiresAt))}: nothing more of it begins."),
        AdvertisementRow.Ended => new("offer", false, $"{facts.Name} was ended {Display.Utc(At(facts.Document.ExpiresAt))}: nothing more of it begins, and what it has installed stays."),
        _ => new("offer", false, $"{facts.Name} was removed: it is offered to nobody."),
    };

    private static WhyStep Policy(WhyFacts facts)
    {
        if (!facts.IsSigned)
            return new("policy", false, facts.OnItsWay is null ? "The client's signed policy does not list it yet." : "The client's signed policy lists it when its content is there.");
        if (facts.Told?.ReportedAt is not null)
            return new("policy", true, $"The client has it{(facts.HeldVersion is { } held ? $" (policy {Number(held)})" : "")}.");
        return facts.HeldVersion >= facts.SignedVersion
            ? new("policy", true, $"The client has policy {Number(facts.HeldVersion)}; it was signed as {Number(facts.SignedVersion)}.")
            : new("policy", false, $"The policy that lists it was signed as {Number(facts.SignedVersion)}; the client has said to have {(facts.HeldVersion is { } older ? Number(older) : "none")}.");
    }

    private static WhyStep Time(WhyFacts facts, DateTimeOffset now)
    {
        var document = facts.Document;
        var parts = new List<string>();
        bool? isMet = true;
        if (RolloutPlace.Begins(document, facts.DeviceId) is { } ring)
        {
            parts.Add($"its place in the roll-out is {RolloutPlace.Of(facts.DeviceId, facts.AdvertisementId).ToString("0.0", CultureInfo.InvariantCulture)} %, which begins {Display.Utc(At(ring))}");
            isMet = At(ring) <= now;
        }
        if (document.Purpose == Advertisement.Available)
            parts.Add(document.AvailableFrom is { } from && At(from) > now ? $"a person may start it from {Display.Utc(At(from))} on" : "a person starts it");
        else if (document.StartAt is { } start)
        {
            parts.Add($"it starts {Display.Utc(At(start))}");
            isMet = isMet == true && At(start) <= now;
        }
        else if (document.Rings is null)
            parts.Add("it starts as soon as it is offered");
        if (document.Recurrence is { } again)
            parts.Add(again.EverySeconds is { } every ? $"again every {Display.Duration(TimeSpan.FromSeconds(every))}" : $"again at {again.MinuteOfDay / 60:00}:{again.MinuteOfDay % 60:00} ({again.TimeZone}){(again.DaysOfWeek is { } days ? $" on {string.Join(", ", days.Select(day => (DayOfWeek)day))}" : "")}");
        if (document.Deadline is { } deadline)
            parts.Add($"from {Display.Utc(At(deadline))} on no window holds it back");
        parts.Add(facts.Windows is null ? "no maintenance window is set" : $"maintenance windows: {facts.Windows} (the client judges them by its own clock)");
        return new("time", isMet, Sentence(string.Join("; ", parts)));
    }

    private static WhyStep Needs(WhyFacts facts)
    {
        var program = facts.Document.Offer.Program;
        var unmet = new List<string>();
        if (program.Platforms is { } platforms && facts.Platform is { } platform && !platforms.Contains(platform, StringComparer.Ordinal))
            unmet.Add($"it is for {string.Join(", ", platforms)}, and this is {platform}");
        if (facts.MemoryBytes < program.MemoryBytes)
            unmet.Add($"it needs {Display.Bytes(program.MemoryBytes)} of memory, and there are {Display.Bytes(facts.MemoryBytes)}");
        if (unmet.Count > 0)
            return new("needs", false, Sentence(string.Join("; ", unmet)));
        var asked = new List<string>();
        if (program.Platforms is { } wanted)
            asked.Add($"platform {string.Join(", ", wanted)}");
        if (program.MemoryBytes > 0)
            asked.Add($"{Display.Bytes(program.MemoryBytes)} of memory");
        if (program.FreeDiskBytes > 0)
            asked.Add($"{Display.Bytes(program.FreeDiskBytes)} free on the disk");
        if (facts.Document.Offer.First is { } first)
            asked.Add($"{first.PackageName}/{first.Program.Name} before it");
        if (program.RunAs == ProgramRules.AsUser || program.WhenLoggedOn == true)
            asked.Add("somebody logged on");
        if (program.WhenLoggedOn == false)
            asked.Add("nobody logged on");
        return new("needs", facts.Told?.Cause is null && asked.Count > 0 ? null : true, asked.Count == 0 ? "It needs nothing beside its content." : $"It needs {string.Join(", ", asked)}; the client judges that.");
    }

    private static WhyStep Content(WhyFacts facts) => facts.OnItsWay is { } way ? new("content", false, way) : facts.Told is not { TotalBytes: { } total } told
        ? new("content", null, "Nothing was said of its content yet.")
        : new("content", told.HereBytes >= total, $"{Display.Bytes(told.HereBytes ?? 0)} of {Display.Bytes(total)} are on the client{(told.Source is { } source ? $", read last from {source}" : "")}.");

    private static WhyStep Run(WhyFacts facts) => facts.Told is not { RunNumber: { } number } told
        ? new("run", null, "It never ran there.")
        : new("run", told.Outcome is null ? null : told.Outcome is ProgramRun.Success or ProgramRun.SuccessReboot, Sentence($"run {Number(number)} began {Display.Utc(told.StartedAt)}{(told.EndedAt is { } ended ? $" and ended {Display.Utc(ended)}" : "")}: {told.Outcome ?? "running"}{(told.ExitCode is { } code ? $", exit code {code.ToString(CultureInfo.InvariantCulture)}" : "")}{(told.Output is { Length: > 0 } output ? $"; it said: {output.Trim()}" : "")}"));

    private static string Words(string state) => state switch
    {
        ProgramState.Received => "The client has received it",
        ProgramState.Shown => "It is offered to whoever uses the machine",
        ProgramState.Waiting => "It waits",
        ProgramState.Downloading => "Its content is being read",
        ProgramState.Ready => "Its content is there, and it is about to run",
        ProgramState.Running => "It is running",
        ProgramState.PendingReboot => "It has run, and the machine has to be started anew",
        ProgramState.Succeeded => "It has succeeded",
        ProgramState.Failed => "It has failed",
        ProgramState.Unknown => "It was begun, and nobody saw how it ended",
        ProgramState.Ended => "It ended before it was run there",
        _ => state,
    };

    private static string Host(WhyFacts facts) => string.IsNullOrWhiteSpace(facts.HostName) ? facts.DeviceId : facts.HostName;

    private static string Sentence(string text) => text.Length == 0 ? text : char.ToUpperInvariant(text[0]) + text[1..] + (text.EndsWith('.') ? "" : ".");

    private static string Number(long? number) => number?.ToString(CultureInfo.InvariantCulture) ?? Display.None;

    private static DateTimeOffset? At(long? seconds) => Display.FromUnixSeconds(seconds);
}
