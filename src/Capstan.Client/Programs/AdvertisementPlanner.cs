using System.Globalization;
using Capstan.Client.Content;
using Capstan.Protocol.V1;

namespace Capstan.Client.Programs;

/// <summary>Decides where each advertisement stands, why, and what is done next. Pure: the same facts give the same plan, and what was done is not in the next one.</summary>
internal static class AdvertisementPlanner
{
    /// <summary>When it is looked again for what nothing tells: who is logged on, and how much room the disk has.</summary>
    public static readonly TimeSpan UserCheck = TimeSpan.FromMinutes(1), DiskCheck = TimeSpan.FromHours(1);

    /// <summary>How long after its end a notice still counts: who was told yesterday is told again.</summary>
    public static readonly TimeSpan NoticeHolds = TimeSpan.FromHours(1);

    public static ProgramPlan Plan(ProgramFacts facts)
    {
        var runs = facts.Runs.ToLookup(run => run.Program);
        var running = facts.Runs.FirstOrDefault(run => run.Outcome is null);
        var offered = facts.Advertisements.Where(known => !known.IsWithdrawn).Select(known => ProgramKey.Of(known.Document.Offer)).ToHashSet();
        var verdicts = facts.Advertisements.Select(known =>
        {
            var one = new OneAdvertisement(facts, known, key => [.. runs[key]]);
            return known.IsWithdrawn ? one.Withdrawn(offered) : one.Offered();
        }).ToList();

        var forgotten = verdicts.Where(verdict => verdict.Step is ProgramStep.Forget).Select(verdict => verdict.Known).ToList();
        ProgramStep? step = forgotten.Count > 0 ? new ProgramStep.Forget(forgotten) : null;
        // A machine that is about to be started anew begins nothing else. Who is told of something is not told in vain: it is what comes next.
        var restart = verdicts.FirstOrDefault(verdict => verdict.Restarts);
        if (running is null)
            step ??= restart is null ? Best(verdicts, verdict => verdict.Step is ProgramStep.Notice) ?? Best(verdicts, verdict => verdict.Step is ProgramStep.Run) : restart.Step;
        // Content disturbs no program that runs.
        if (restart is null)
            step ??= Best(verdicts, verdict => verdict.Step is ProgramStep.Fetch);
        var decisions = verdicts.Select(verdict => Queued(verdict, step, running, restart, facts.TimeZone)).ToList();
        return new ProgramPlan(decisions, step, decisions.Min(decision => decision.Next));
    }

    /// <summary>The highest priority first; then what ends soonest, then what could begin first.</summary>
    private static ProgramStep? Best(IEnumerable<Verdict> verdicts, Func<Verdict, bool> isMeant) => verdicts.Where(isMeant)
        .OrderByDescending(verdict => verdict.Known.Document.Priority)
        .ThenBy(verdict => verdict.Known.Document.Deadline ?? long.MaxValue)
        .ThenBy(verdict => verdict.Begins)
        .ThenBy(verdict => verdict.Known.Document.AdvertisementId, StringComparer.Ordinal)
        .FirstOrDefault()?.Step;

    /// <summary>What could go on, and is not what goes on now, says what it waits for.</summary>
    private static ProgramDecision Queued(Verdict verdict, ProgramStep? step, LedgerRun? running, Verdict? restart, TimeZoneInfo zone)
    {
        if (verdict.Step is not (ProgramStep.Run or ProgramStep.Fetch or ProgramStep.Notice) || verdict.Step == step || verdict == restart)
            return verdict.Decision;
        if (restart is not null)
            return verdict.Decision with { Cause = ProgramCause.Reboot, Reason = $"this machine is started anew first, for {restart.Known.Document.Name}" };
        var reason = (verdict.Step, step) switch
        {
            (ProgramStep.Fetch, ProgramStep.Fetch first) => $"content is brought here one after the other; that of {first.For.Document.Name} goes first",
            (not ProgramStep.Fetch, _) when running is not null => $"{running.Program.Name} runs since {Display(running.StartedAt, zone)}; one program runs at a time",
            (_, ProgramStep.Run or ProgramStep.Notice) => $"one program runs at a time; {step!.For.Document.Name} goes first",
            _ => "something else is done first",
        };
        return verdict.Decision with { Cause = ProgramCause.Queue, Reason = reason };
    }

    /// <param name="Restarts">The machine is to be started anew for it, now or after a notice.</param>
    private sealed record Verdict(KnownAdvertisement Known, ProgramDecision Decision, DateTimeOffset Begins, ProgramStep? Step = null, bool Restarts = false);

    private sealed class OneAdvertisement(ProgramFacts facts, KnownAdvertisement known, Func<ProgramKey, IReadOnlyList<LedgerRun>> history)
    {
        private readonly Advertisement _document = known.Document;
        private readonly IReadOnlyList<LedgerRun> _runs = history(ProgramKey.Of(known.Document.Offer));
        private DateTimeOffset _begins = known.ReceivedAt;

        private ProgramRules Rules => _document.Offer.Program;

        private LedgerRun? Last => _runs.Count > 0 ? _runs[^1] : null;

        private bool IsPastDeadline => _document.Deadline is { } deadline && facts.Now >= At(deadline);

        public Verdict Offered()
        {
            if (Schedule.Of(known, facts.Now, facts.TimeZone) is not { } schedule)
                return Says(ProgramState.Waiting, ProgramCause.TimeZone, $"this machine does not know the time zone {_document.Recurrence!.TimeZone}", null);
            _begins = schedule.Begins;
            var standing = Standing.Of(_document.Offer, _runs, known, schedule.Occasion, schedule.Begins, isFirst: false, facts.BootId);
            return standing switch
            {
                Standing.Running running => Says(ProgramState.Running, null, $"it runs since {Time(running.Run.StartedAt)}", null),
                Standing.Succeeded { Last: var last } => Says(ProgramState.Succeeded, schedule.Following is null ? null : ProgramCause.Recurs, schedule.Following is { } next && IsOn ? $"it runs again at {Time(next)}" : Before(last), IsOn ? schedule.Following : null),
                Standing.PendingReboot { Last: var last } => Reboots(last),
                Standing.Failed { Last: var last } => Says(ProgramState.Failed, CauseOf(last), IsOn ? $"{ReasonOf(last)}; {RunsNow}" : ReasonOf(last), IsOn ? schedule.Following : null),
                Standing.Unknown { Last: var last } => Says(ProgramState.Unknown, ProgramCause.Unknown, $"it was begun at {Time(last.StartedAt)}, and nobody saw how it ended: the machine went down, or its gate was killed. By its rule ({Rules.Rerun}, {Rules.MaxTries} tries) it is not run again by itself; see what it did, then {RunsNow}", IsOn ? schedule.Following : null),
                Standing.Again { At: var at } when IsOn => Wanted(schedule, at),
                Standing.Again { Last: var last } => Says(ProgramState.Failed, CauseOf(last), ReasonOf(last), null),
                _ => Wanted(schedule, null),
            };
        }

        /// <summary>Not listed any more: what it did goes, if there is a program for that and nobody else offers it.</summary>
        public Verdict Withdrawn(HashSet<ProgramKey> offered)
        {
            var last = Last;
            if (last is { Outcome: null })
                return Says(ProgramState.Running, ProgramCause.Removal, "it is offered no more, and still runs", null);
            var removed = _runs.Select((run, index) => (run, index)).LastOrDefault(pair => pair.run is { IsRemoval: true, IsSuccess: true });
            var present = removed.run is null ? _runs : [.. _runs.Skip(removed.index + 1)];
            if (Rules.Removal is not { } removal || offered.Contains(ProgramKey.Of(_document.Offer)) || present.LastOrDefault(run => run is { IsRemoval: false, IsSuccess: true }) is not { } success)
                return Says(ProgramState.Ended, ProgramCause.Done, "it is offered no more", null) with { Step = new ProgramStep.Forget([known]) };
            // The site was restored from a backup: what it does not know is not what it has taken back.
            if (known.IsOfEarlierEpoch)
                return Says(ProgramState.Ended, ProgramCause.Done, "the site was restored from a backup that does not know it; what it did stays", null) with { Step = new ProgramStep.Forget([known]) };
            if ((known.WithdrawnAt ?? facts.Now) + facts.RemovalPause is var due && due > facts.Now)
                return Says(ProgramState.Waiting, ProgramCause.Removal, $"it is offered no more; what it did is removed at {Time(due)}, unless it is offered again", due);
            if (Troubled() is { } troubled)
                return troubled;
            var tried = present.Where(run => run.IsRemoval).ToList();
            if (tried.Count >= Rules.MaxTries)
                return Says(ProgramState.Failed, ProgramCause.Removal, $"it is offered no more; to remove it was tried {tried.Count} of {Rules.MaxTries} times ({ReasonOf(tried[^1])}), and it is left alone: remove it by hand, or offer the program again and take the offer back", null);
            if (tried.Count > 0 && tried[^1] is var before && (before.EndedAt ?? before.StartedAt).AddSeconds(Rules.RetrySeconds) is var again && again > facts.Now)
                return Says(ProgramState.Waiting, ProgramCause.Removal, $"it is offered no more; to remove it is tried again: {ReasonOf(before)}", again);
            // What was installed is removed by what was installed.
            var offer = _document.Offer with { PackageVersion = removal.Command is null ? _document.Offer.PackageVersion : success.PackageVersion, First = null };
            return Held(offer) ?? Brought(offer, removal.Command is not null) ?? Runs(offer, 0, isRemoval: true);
        }

        private bool IsOn => _document.State == Advertisement.Active && !(_document.ExpiresAt is { } end && facts.Now >= At(end));

        /// <param name="notBefore">Of another try.</param>
        private Verdict Wanted(Schedule schedule, DateTimeOffset? notBefore)
        {
            if (_document.State == Advertisement.Halted)
                return Says(ProgramState.Ended, ProgramCause.Halted, $"the site has halted it{(_document.HaltedBecause is { } why ? $" ({why})" : "")}: nothing of it begins until capstan advertisement resume {_document.AdvertisementId} is given there", null);
            if (!IsOn)
                return Says(ProgramState.Ended, ProgramCause.Expired, $"it ended at {Time(At(_document.ExpiresAt!.Value))}", null);
            var available = _document.AvailableFrom is { } from ? At(from) : known.ReceivedAt;
            var ring = RolloutPlace.Begins(_document, facts.DeviceId) is { } at ? At(at) : (DateTimeOffset?)null;
            if (known.IsAsked || _document.Purpose == Advertisement.Available)
            {
                _begins = available;
                if (facts.Now < available)
                    return Says(ProgramState.Waiting, ProgramCause.NotYet, $"it can be started from {Time(available)} on", available);
                if (!known.IsAsked)
                    return Says(ProgramState.Shown, ProgramCause.Offered, $"start it with: capstan-client run-program {_document.AdvertisementId}", null);
            }
            else if (Later(ring, _document.AvailableFrom) is { } opened && opened > _begins)
                _begins = opened;
            if (Troubled() is { } troubled)
                return troubled;
            if (Next(schedule) is not { } offer)
                return _chain!;
            if (known.Missing is { } missing)
                return Says(ProgramState.Waiting, ProgramCause.Order, missing, null);
            if (Fits(offer) is { } unfit)
                return unfit;
            // Content comes before its time, and to each device of a fleet at another moment; what came without a time is spread by the poll that brought it.
            var reads = known.IsAsked || Later(ring, _document.AvailableFrom) is not { } opens || facts.Now >= _begins ? facts.Now : opens - (facts.ContentSpread * (1 - facts.Phase));
            var content = facts.Now >= reads ? Brought(offer, offer.Program.Native is not { Action: NativePackage.Remove }) : null;
            if (facts.Now < _begins)
            {
                var isRing = !known.IsAsked && ring > facts.Now;
                var waits = Says(ProgramState.Waiting, isRing ? ProgramCause.Ring : ProgramCause.NotYet,
                    (isRing ? $"its turn in the roll-out, in which it is at {RolloutPlace.Of(facts.DeviceId, _document.AdvertisementId).ToString("F1", CultureInfo.InvariantCulture)} %, is at {Time(_begins)}" : $"it begins at {Time(_begins)}") + (reads > facts.Now && reads < _begins ? $"; its content is read from {Time(reads)} on" : "") + (facts.Now >= available ? $"; {RunsNow}" : ""), reads > facts.Now && reads < _begins ? reads : _begins);
                // What keeps its content is looked at again in time, not first at the start.
                return content switch
                {
                    null => waits,
                    { Step: ProgramStep.Fetch fetch } => content with { Step = fetch with { IsDue = false }, Decision = content.Decision with { Next = _begins } },
                    { Decision.Next: { } again } when again < _begins => content,
                    _ => content with { Decision = content.Decision with { Next = _begins } },
                };
            }
            if (content is not null)
                return content;
            if (notBefore > facts.Now)
                return Says(ProgramState.Waiting, ProgramCause.Retry, $"it is tried again at {Time(notBefore.Value)}: {ReasonOf(_runs[^1])} ({Tries(_runs[^1])} of {Rules.MaxTries} tries); {RunsNow}", notBefore);
            return Held(offer) ?? Noticed(offer) ?? Runs(offer, schedule.Occasion, isRemoval: false);
        }

        private Verdict? Troubled() => known.Trouble is { } trouble && trouble.Until > facts.Now ? Says(ProgramState.Waiting, ProgramCause.Trouble, trouble.Cause, trouble.Until) : null;

        private Verdict? _chain;

        /// <summary>What of the chain is to be run next; null, and why in <see cref="_chain"/>, when it cannot go on.</summary>
        private ProgramOffer? Next(Schedule schedule)
        {
            foreach (var first in _document.Offer.Chain().Skip(1).Reverse())
            {
                var name = first.Program.Name;
                switch (Standing.Of(first, history(ProgramKey.Of(first)), known, schedule.Occasion, schedule.Begins, isFirst: true, facts.BootId))
                {
                    case Standing.MustRun:
                        return first;
                    case Standing.Running:
                        _chain = Says(ProgramState.Waiting, ProgramCause.First, $"{name}, which has to be run before, runs", null);
                        return null;
                    case Standing.Again { At: var at } when at > facts.Now:
                        _chain = Says(ProgramState.Waiting, ProgramCause.First, $"{name}, which has to be run before, is tried again at {Time(at)}", at);
                        return null;
                    case Standing.Again:
                        return first;
                    case Standing.PendingReboot:
                        _chain = Says(ProgramState.Waiting, ProgramCause.Reboot, $"{name}, which has to be run before, asks for a restart: start this machine anew", null);
                        return null;
                    case Standing.Failed { Last: var last }:
                        _chain = Says(ProgramState.Failed, ProgramCause.FirstFailed, $"{name}, which has to be run before: {ReasonOf(last)}", null);
                        return null;
                    case Standing.Unknown:
                        _chain = Says(ProgramState.Failed, ProgramCause.FirstFailed, $"{name}, which has to be run before, was begun, and nobody saw how it ended", null);
                        return null;
                }
            }
            return _document.Offer;
        }

        private Verdict? Fits(ProgramOffer offer)
        {
            var rules = offer.Program;
            if (rules.Platforms is { } platforms && !platforms.Contains(facts.Platform, StringComparer.Ordinal))
                return Says(ProgramState.Waiting, ProgramCause.Platform, $"it is for {string.Join(", ", platforms)}, and this machine is {facts.Platform}: it never runs here; another collection, or another program, would", null);
            if (facts.MemoryBytes < rules.MemoryBytes)
                return Says(ProgramState.Waiting, ProgramCause.Memory, $"it needs {Bytes(rules.MemoryBytes)} of memory, and this machine has {Bytes(facts.MemoryBytes)}: it never runs here; another collection, or another program, would", null);
            return null;
        }

        /// <summary>Null when its content is here, or it needs none.</summary>
        private Verdict? Brought(ProgramOffer offer, bool needsContent)
        {
            var here = needsContent ? facts.Content(Package(offer)) : null;
            var lacking = here is { IsComplete: false } ? Math.Max(0, here.TotalBytes - here.HereBytes) : 0;
            if (facts.FreeBytes < offer.Program.FreeDiskBytes + lacking)
                return Says(ProgramState.Waiting, ProgramCause.Disk, $"it needs {Bytes(offer.Program.FreeDiskBytes + lacking)} on the disk{(lacking > 0 ? $", {Bytes(lacking)} of them for its content" : "")}, and {Bytes(facts.FreeBytes)} are free; free some: it is looked again at {Time(facts.Now + DiskCheck)}", facts.Now + DiskCheck);
            if (here is null or { IsComplete: true })
                return null;
            if (known.Content is { } wait && wait.Until > facts.Now)
                return Says(ProgramState.Waiting, ProgramCause.Content, wait.Cause, wait.Until);
            return Says(ProgramState.Downloading, null, null, null) with { Step = new ProgramStep.Fetch(known, offer, IsDue: true) };
        }

        /// <summary>What keeps a program from beginning now that nothing is lacking.</summary>
        private Verdict? Held(ProgramOffer offer)
        {
            if (!known.IsAsked && !IsPastDeadline)
            {
                var local = TimeOnly.FromDateTime(TimeZoneInfo.ConvertTime(facts.Now, facts.TimeZone).DateTime);
                if (!facts.Window.Holds(local))
                    return Says(ProgramState.Waiting, ProgramCause.Window, $"programs begin by themselves at {facts.Window} only, and it is {Clock(local)} here; {RunsNow}", Sooner(facts.Now + facts.Window.Until(local)));
                // What is taken away was not what a person postponed.
                if (!known.IsWithdrawn && known.PostponedUntil is { } until && until > facts.Now)
                    return Says(ProgramState.Waiting, ProgramCause.Postponed, $"a person at this machine postponed it until {Time(until)} ({known.Postponements} of {Rules.MaxPostponements} times); {RunsNow}", Sooner(until));
            }
            var rules = offer.Program;
            if ((rules.RunAs == ProgramRules.AsUser || rules.WhenLoggedOn == true) && facts.Users.Count == 0)
                return Says(ProgramState.Waiting, ProgramCause.NoUser, "it runs while somebody is logged on, and nobody is; it is looked again each minute", facts.Now + UserCheck);
            return rules.WhenLoggedOn == false && facts.Users.Count > 0
                ? Says(ProgramState.Waiting, ProgramCause.UserLoggedOn, $"it runs while nobody is logged on, and {Users} {(facts.Users.Count > 1 ? "are" : "is")}; it is looked again each minute", facts.Now + UserCheck)
                : null;
        }

        private Verdict? Noticed(ProgramOffer offer)
        {
            if (known.IsAsked || !IsToldFirst(offer.Program))
                return null;
            return Told(offer.Program) is not { } over ? Says(ProgramState.Waiting, ProgramCause.Notice, $"those who are logged on ({Users}) are told", null) with { Step = new ProgramStep.Notice(known, offer, IsRestart: false) }
                : over > facts.Now ? Says(ProgramState.Waiting, ProgramCause.Notice, $"those who are logged on ({Users}) were told that it runs at {Time(over)}", over) : null;
        }

        private bool IsToldFirst(ProgramRules rules) => facts.Users.Count > 0 && rules.NoticeSeconds > 0;

        private string Users => string.Join(", ", facts.Users.Take(3)) + (facts.Users.Count > 3 ? $" and {facts.Users.Count - 3} more" : "");

        /// <summary>The end of the time that those who are logged on were given; null when they have to be told, or told again since that was long ago.</summary>
        private DateTimeOffset? Told(ProgramRules rules) =>
            known.NoticedAt is { } noticed && noticed.AddSeconds(rules.NoticeSeconds) is var over && facts.Now < over + NoticeHolds ? over : null;

        private Verdict Runs(ProgramOffer offer, long occasion, bool isRemoval) =>
            Says(ProgramState.Ready, isRemoval ? ProgramCause.Removal : null, isRemoval ? "it is offered no more, and is removed" : null, null)
                with
            { Step = new ProgramStep.Run(known, offer, occasion, isRemoval, offer.Program.RunAs == ProgramRules.AsUser ? facts.Users[0] : null) };

        private Verdict Reboots(LedgerRun last)
        {
            if (Rules.AfterRun != ProgramRules.Reboot)
                return Says(ProgramState.PendingReboot, ProgramCause.Reboot, $"it ended with exit code {last.ExitCode}, which asks for a restart: start this machine anew, then it has succeeded", null);
            // A machine that cannot be started anew by this program goes on with everything else.
            if (known.Trouble is { } trouble && trouble.Until > facts.Now)
                return Says(ProgramState.PendingReboot, ProgramCause.Trouble, trouble.Cause, trouble.Until);
            var local = TimeOnly.FromDateTime(TimeZoneInfo.ConvertTime(facts.Now, facts.TimeZone).DateTime);
            if (!IsPastDeadline && !facts.Window.Holds(local))
                return Says(ProgramState.PendingReboot, ProgramCause.Window, $"it asks for a restart, and this machine is started anew at {facts.Window} only; it is {Clock(local)} here", Sooner(facts.Now + facts.Window.Until(local)));
            if (IsToldFirst(Rules) && Told(Rules) is not { })
                return Says(ProgramState.PendingReboot, ProgramCause.Notice, $"those who are logged on ({Users}) are told that this machine is started anew", null) with { Restarts = true, Step = new ProgramStep.Notice(known, _document.Offer, IsRestart: true) };
            return IsToldFirst(Rules) && Told(Rules) is { } notice && notice > facts.Now
                ? Says(ProgramState.PendingReboot, ProgramCause.Reboot, $"those who are logged on ({Users}) were told that this machine is started anew at {Time(notice)}", notice) with { Restarts = true }
                : Says(ProgramState.PendingReboot, ProgramCause.Reboot, "this machine is started anew", null) with { Restarts = true, Step = new ProgramStep.Restart(known, last) };
        }

        private static string Clock(TimeOnly time) => time.ToString("HH:mm", CultureInfo.InvariantCulture);

        private string RunsNow => $"capstan-client run-program {_document.AdvertisementId} runs it now";

        private int Tries(LedgerRun last) => _runs.Count(run => run.AdvertisementId == last.AdvertisementId && run.Occasion == last.Occasion && run.PackageVersion == last.PackageVersion && !run.IsRemoval);

        /// <summary>A deadline ends what waits for a time.</summary>
        private DateTimeOffset Sooner(DateTimeOffset next) => _document.Deadline is { } deadline && At(deadline) is var end && end > facts.Now && end < next ? end : next;

        private Verdict Says(string state, string? cause, string? reason, DateTimeOffset? next)
        {
            // An end is an event, too.
            if (state is ProgramState.Waiting or ProgramState.Shown or ProgramState.Downloading or ProgramState.Ready && _document.ExpiresAt is { } end && At(end) > facts.Now && !(next <= At(end)))
                next = At(end);
            return new Verdict(known, new ProgramDecision(_document.AdvertisementId, state, cause, reason, next) { LastRun = Last }, _begins);
        }

        private string? Before(LedgerRun last) => last.AdvertisementId == _document.AdvertisementId ? null : $"it succeeded at {Time(last.EndedAt ?? last.StartedAt)}, offered by {last.AdvertisementId}; its rule for runs again is {Rules.Rerun}";

        private static string CauseOf(LedgerRun run) => run.Outcome switch
        {
            ProgramRun.TimeLimit => ProgramCause.TimeLimit,
            ProgramRun.NotStarted => ProgramCause.NotStarted,
            ProgramRun.Unknown => ProgramCause.Unknown,
            _ => ProgramCause.ExitCode,
        };

        private static string ReasonOf(LedgerRun run) => run.Outcome switch
        {
            ProgramRun.TimeLimit => "it passed its time limit and was ended",
            ProgramRun.NotStarted => "it did not start" + (run.Output is { } why ? $": {why.ReplaceLineEndings(" ")}" : ""),
            ProgramRun.Unknown => "nobody saw how it ended",
            _ => string.Create(CultureInfo.InvariantCulture, $"it ended with exit code {run.ExitCode}"),
        };

        private static DateTimeOffset? Later(DateTimeOffset? ring, long? available) =>
            available is not { } from ? ring : ring is { } at && at > At(from) ? at : At(from);

        private string Time(DateTimeOffset time) => Display(time, facts.TimeZone);
    }

    private static string Display(DateTimeOffset time, TimeZoneInfo zone) => TimeZoneInfo.ConvertTime(time, zone).ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture);

    public static PackageKey Package(ProgramOffer offer) => new(offer.PackageId, offer.PackageVersion);

    private static DateTimeOffset At(long seconds) => DateTimeOffset.FromUnixTimeSeconds(seconds);

    private static string Bytes(long bytes) => bytes.ToString("N0", CultureInfo.InvariantCulture) + " bytes";
}
