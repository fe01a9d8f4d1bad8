using System.Globalization;
using Capstan.Client.Content;
using Capstan.Protocol.V1;

namespace Capstan.Client.Programs;

/// <summary>Decides where each advertisement stands, why, and what is done next. Pure: the same facts give the same plan, and what was done is not in the next one.</summary>
internal static class AdvertisementPlanner
{
    /// <summary>When it is looked again for what nothing tells: who is logged on, and how much room the disk has.</summary>
    public static readonly TimeSpan UserCheck = TimeSpan.FromMinutes(1), DiskCheck = TimeSpan.FromHours(1);

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

        // A machine that is about to be started anew begins nothing else.
        var restart = verdicts.FirstOrDefault(verdict => verdict.Restarts);
        var begin = running is null && restart is null;
        var step = verdicts.Select(verdict => verdict.Step).FirstOrDefault(step => step is ProgramStep.Forget or ProgramStep.Notice);
        if (running is null)
            step ??= restart?.Step;
        if (begin)
            step ??= Best(verdicts, verdict => verdict.Step is ProgramStep.Run) ?? Best(verdicts, verdict => verdict.Step is ProgramStep.Fetch);
        var decisions = verdicts.Select(verdict => Queued(verdict, step, running, restart)).ToList();
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
    private static ProgramDecision Queued(Verdict verdict, ProgramStep? step, LedgerRun? running, Verdict? restart)
    {
        if (verdict.Step is not (ProgramStep.Run or ProgramStep.Fetch) || verdict.Step == step)
            return verdict.Decision;
        if (restart is not null)
            return verdict.Decision with { Cause = ProgramCause.Reboot, Reason = $"this machine is started anew first, for {restart.Known.Document.Name}" };
        return running is not null
            ? verdict.Decision with { Cause = ProgramCause.Queue, Reason = $"{running.Program.Name} runs; one program runs at a time" }
            : verdict.Decision with { Cause = ProgramCause.Queue, Reason = "another one goes first" };
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
                Standing.Failed { Last: var last } => Says(ProgramState.Failed, CauseOf(last), ReasonOf(last), IsOn ? schedule.Following : null),
                Standing.Unknown { Last: var last } => Says(ProgramState.Unknown, ProgramCause.Unknown, $"it was begun at {Time(last.StartedAt)}, and nobody saw how it ended; its rule for runs again is {Rules.Rerun}", IsOn ? schedule.Following : null),
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
                return Says(ProgramState.Ended, ProgramCause.Done, "it is offered no more", null) with { Step = new ProgramStep.Forget(known) };
            // The site was restored from a backup: what it does not know is not what it has taken back.
            if (known.IsOfEarlierEpoch)
                return Says(ProgramState.Ended, ProgramCause.Done, "the site was restored from a backup that does not know it; what it did stays", null) with { Step = new ProgramStep.Forget(known) };
            // One that lies further ahead than it can was noted by a clock that was set back since.
            if ((known.WithdrawnAt ?? facts.Now) + facts.RemovalPause is var due && due > facts.Now && due <= facts.Now + facts.RemovalPause)
                return Says(ProgramState.Waiting, ProgramCause.Removal, $"it is offered no more; what it did is removed at {Time(due)}, unless it is offered again", due);
            if (Troubled() is { } troubled)
                return troubled;
            var tried = present.Where(run => run.IsRemoval).ToList();
            if (tried.Count >= Rules.MaxTries)
                return Says(ProgramState.Failed, ProgramCause.Removal, $"it is offered no more; to remove it was tried {tried.Count} times: {ReasonOf(tried[^1])}", null);
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
                return Says(ProgramState.Ended, ProgramCause.Halted, $"the site has halted it{(_document.HaltedBecause is { } why ? $": {why}" : "")}", null);
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
            else if (ring > _begins)
                _begins = ring.Value;
            if (Troubled() is { } troubled)
                return troubled;
            if (Next(schedule) is not { } offer)
                return _chain!;
            if (known.Missing is { } missing)
                return Says(ProgramState.Waiting, ProgramCause.Order, missing, null);
            var isNear = known.IsAsked || ring is null || facts.Now >= ring;
            if (Fits(offer) is { } unfit)
                return unfit;
            // Content comes before its time, so that a fleet does not read it at one moment; a ring has its own.
            var content = isNear && facts.Now >= available ? Brought(offer, offer.Program.Native is not { Action: NativePackage.Remove }) : null;
            if (facts.Now < _begins)
            {
                var waits = Says(ProgramState.Waiting, isNear ? ProgramCause.NotYet : ProgramCause.Ring, isNear ? $"it begins at {Time(_begins)}" : $"its turn in the roll-out is at {Time(_begins)}", _begins);
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
                return Says(ProgramState.Waiting, ProgramCause.Retry, $"it is tried again at {Time(notBefore.Value)}: {ReasonOf(_runs[^1])}", notBefore);
            return Held(offer) ?? Noticed(offer) ?? Runs(offer, schedule.Occasion, isRemoval: false);
        }

        private Verdict? Troubled() => known.Trouble is { } trouble && !(trouble.Until <= facts.Now) ? Says(ProgramState.Waiting, ProgramCause.Trouble, trouble.Cause, trouble.Until) : null;

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
                        _chain = Says(ProgramState.Waiting, ProgramCause.Reboot, $"{name}, which has to be run before, has succeeded when this machine was started anew", null);
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
                return Says(ProgramState.Waiting, ProgramCause.Platform, $"it is for {string.Join(", ", platforms)}, and this machine is {facts.Platform}", null);
            if (facts.MemoryBytes < rules.MemoryBytes)
                return Says(ProgramState.Waiting, ProgramCause.Memory, $"it needs {Bytes(rules.MemoryBytes)} of memory, and this machine has {Bytes(facts.MemoryBytes)}", null);
            return null;
        }

        /// <summary>Null when its content is here, or it needs none.</summary>
        private Verdict? Brought(ProgramOffer offer, bool needsContent)
        {
            var here = needsContent ? facts.Content(Package(offer)) : null;
            var lacking = here is { IsComplete: false } ? Math.Max(0, here.TotalBytes - here.HereBytes) : 0;
            if (facts.FreeBytes < offer.Program.FreeDiskBytes + lacking)
                return Says(ProgramState.Waiting, ProgramCause.Disk, $"it needs {Bytes(offer.Program.FreeDiskBytes + lacking)} on the disk, and {Bytes(facts.FreeBytes)} are free", facts.Now + DiskCheck);
            if (here is null or { IsComplete: true })
                return null;
            if (known.Content is { } wait && (wait.Until is null || wait.Until > facts.Now))
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
                    return Says(ProgramState.Waiting, ProgramCause.Window, $"programs begin by themselves at {facts.Window} only", Sooner(facts.Now + facts.Window.Until(local)));
                if (known.PostponedUntil is { } until && until > facts.Now)
                    return Says(ProgramState.Waiting, ProgramCause.Postponed, $"it was postponed until {Time(until)} ({known.Postponements} of {Rules.MaxPostponements} times)", Sooner(until));
            }
            var rules = offer.Program;
            if ((rules.RunAs == ProgramRules.AsUser || rules.WhenLoggedOn == true) && facts.Users.Count == 0)
                return Says(ProgramState.Waiting, ProgramCause.NoUser, "it runs while somebody is logged on, and nobody is", facts.Now + UserCheck);
            return rules.WhenLoggedOn == false && facts.Users.Count > 0
                ? Says(ProgramState.Waiting, ProgramCause.UserLoggedOn, $"it runs while nobody is logged on, and {facts.Users[0]} is", facts.Now + UserCheck)
                : null;
        }

        private Verdict? Noticed(ProgramOffer offer)
        {
            if (facts.Users.Count == 0 || known.IsAsked || offer.Program.NoticeSeconds == 0)
                return null;
            if (known.NoticedAt is not { } noticed)
                return Says(ProgramState.Waiting, ProgramCause.Notice, "those who are logged on are told", null) with { Step = new ProgramStep.Notice(known) };
            var over = noticed.AddSeconds(offer.Program.NoticeSeconds);
            return over > facts.Now ? Says(ProgramState.Waiting, ProgramCause.Notice, $"those who are logged on were told that it runs at {Time(over)}", over) : null;
        }

        private Verdict Runs(ProgramOffer offer, long occasion, bool isRemoval) =>
            Says(ProgramState.Ready, isRemoval ? ProgramCause.Removal : null, isRemoval ? "it is offered no more, and is removed" : null, null)
                with
            { Step = new ProgramStep.Run(known, offer, occasion, isRemoval, offer.Program.RunAs == ProgramRules.AsUser ? facts.Users[0] : null) };

        private Verdict Reboots(LedgerRun last)
        {
            if (Rules.AfterRun != ProgramRules.Reboot)
                return Says(ProgramState.PendingReboot, ProgramCause.Reboot, "it has succeeded when this machine was started anew, by whoever uses it", null);
            // A machine that cannot be started anew by this program goes on with everything else.
            if (known.Trouble is { } trouble && !(trouble.Until <= facts.Now))
                return Says(ProgramState.PendingReboot, ProgramCause.Trouble, trouble.Cause, trouble.Until);
            var notice = facts.Users.Count > 0 ? (last.EndedAt ?? last.StartedAt).AddSeconds(Rules.NoticeSeconds) : facts.Now;
            var local = TimeOnly.FromDateTime(TimeZoneInfo.ConvertTime(facts.Now, facts.TimeZone).DateTime);
            if (!IsPastDeadline && !facts.Window.Holds(local))
                return Says(ProgramState.PendingReboot, ProgramCause.Window, $"this machine is started anew at {facts.Window} only", Sooner(facts.Now + facts.Window.Until(local)));
            return notice > facts.Now
                ? Says(ProgramState.PendingReboot, ProgramCause.Reboot, $"this machine is started anew at {Time(notice)}", notice) with { Restarts = true }
                : Says(ProgramState.PendingReboot, ProgramCause.Reboot, "this machine is started anew", null) with { Restarts = true, Step = new ProgramStep.Restart(known, last) };
        }

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

        private string Time(DateTimeOffset time) => TimeZoneInfo.ConvertTime(time, facts.TimeZone).ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture);
    }

    public static PackageKey Package(ProgramOffer offer) => new(offer.PackageId, offer.PackageVersion);

    private static DateTimeOffset At(long seconds) => DateTimeOffset.FromUnixTimeSeconds(seconds);

    private static string Bytes(long bytes) => bytes.ToString("N0", CultureInfo.InvariantCulture) + " bytes";
}
