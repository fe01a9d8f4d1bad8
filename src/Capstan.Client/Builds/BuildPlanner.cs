using System.Globalization;
using Capstan.Protocol.V1;

namespace Capstan.Client.Builds;

/// <summary>What the planner decides from: the order, what lies on the disk, and how this process is doing.</summary>
internal sealed record BuildFacts
{
    /// <summary>The build that this process is.</summary>
    public required string Running { get; init; }

    /// <summary>What this program says of itself; counts where the package's build runs, whose id says no version.</summary>
    public required string RunningVersion { get; init; }

    public required BuildState State { get; init; }

    /// <summary>The last good order for this platform; null for none, which changes nothing.</summary>
    public ClientBuild? Wanted { get; init; }

    /// <summary>Names of its files that lie in its folder as they were signed.</summary>
    public IReadOnlySet<string> Whole { get; init; } = new HashSet<string>(StringComparer.Ordinal);

    /// <summary>Its folder has the list of hashes that the launcher checks: it was complete once.</summary>
    public bool IsSealed { get; init; }

    /// <summary>Hashes of content that lies in another build on this disk.</summary>
    public IReadOnlySet<string> AtHand { get; init; } = new HashSet<string>(StringComparer.Ordinal);

    /// <summary>The package's build has just the wanted content.</summary>
    public bool IsPackageWanted { get; init; }

    /// <summary>Builds that have a folder.</summary>
    public IReadOnlyCollection<string> Folders { get; init; } = [];

    /// <summary>Builds that the launcher leaves out, because they did not get up.</summary>
    public IReadOnlyCollection<string> LeftOut { get; init; } = [];

    /// <summary>Of the trial's starts; at least <see cref="BuildState.Starts"/> when they are used up.</summary>
    public int StartsUsed { get; init; }

    /// <summary>How the trial's last start ended, for people; null for unknown.</summary>
    public string? LastEnd { get; init; }

    /// <summary>An advertised program runs: this process does not end itself.</summary>
    public bool ProgramRuns { get; init; }

    /// <summary>This device's place in the time over which the fleet begins has come.</summary>
    public bool IsItsTurn { get; init; } = true;

    /// <summary>Bytes on the disk of the builds.</summary>
    public long FreeBytes { get; init; } = long.MaxValue;

    /// <summary>Since this process began, it has verified the site's metadata on a CAP, and has done all that it had to do there.</summary>
    public bool ContactWasWhole { get; init; }

    /// <summary>This process has run for <see cref="BuildPlanner.TrialPatience"/>.</summary>
    public bool IsPatienceOver { get; init; }

    /// <summary>This process has done one turn of its loop, with what it had to report.</summary>
    public bool HadTurn { get; init; } = true;

    /// <summary>A process before this one ended itself for the trial, and the launcher has not counted a start of it since.</summary>
    public bool IsAskedInVain { get; init; }
}

/// <summary>One step of the plan. Each may be repeated after a crash.</summary>
internal abstract record BuildStep
{
    /// <summary>Read the file's target from a CAP, verify, unpack, verify, put it in its place. Needs a lease.</summary>
    public sealed record Fetch(BuildFile File) : BuildStep;

    /// <summary>Take the file from another build on this disk.</summary>
    public sealed record Copy(BuildFile File) : BuildStep;

    /// <summary>Write the list of hashes: the build is complete.</summary>
    public sealed record Seal : BuildStep;

    /// <summary>Write down another state, and report it.</summary>
    public sealed record Become(BuildState State, BuildChange Change, string Text) : BuildStep;

    /// <summary>End this process, so that the launcher chooses anew.</summary>
    public sealed record Restart : BuildStep;

    /// <summary>Delete a build that nobody goes back to.</summary>
    public sealed record Drop(string Id) : BuildStep;
}

/// <summary>What a change of state is, for the report.</summary>
internal enum BuildChange
{
    /// <summary>A build begins its trial.</summary>
    Tried = 1,
    /// <summary>The build on trial reported healthy.</summary>
    Confirmed = 2,
    /// <summary>A build is bad.</summary>
    Failed = 3,
    /// <summary>The trial waits for the build before to find a CAP, or goes on after that.</summary>
    Waits = 4,
    /// <summary>The launcher has chosen another build than the state says.</summary>
    Returned = 5,
}

/// <param name="Steps">In this order; after them the plan is made anew. Empty: nothing can be done now.</param>
/// <param name="Waiting">Why an order is not carried out now, for people; null when there is none that waits.</param>
/// <param name="IsTrouble">Somebody has to do something about what it waits for.</param>
internal sealed record BuildPlan(IReadOnlyList<BuildStep> Steps, string? Waiting = null, bool IsTrouble = false);

/// <summary>Decides what becomes of the agent's builds (domain 5.4, E3). Pure. What is missing or unknown changes nothing; only a signed order does.</summary>
internal static class BuildPlanner
{
    /// <summary>How long a build on trial may run without one whole contact before the one before it has its turn; and the pause before a launcher that does not start a trial is asked again.</summary>
    public static readonly TimeSpan TrialPatience = TimeSpan.FromHours(1);

    /// <summary>Left free on the disk beside what a build needs.</summary>
    public const long ReserveBytes = 64L << 20;

    public static BuildPlan Plan(BuildFacts facts)
    {
        if (facts.State.Trial is { } trial)
            return trial.Id == facts.Running ? OnTrial(facts, trial) : BesideTrial(facts, trial);
        if (facts.Running != facts.State.Current)
            return Settle(facts);
        if (facts.Wanted is { } wanted && Order(facts, wanted) is { } plan)
            return plan;
        return Tidy(facts);
    }

    private static BuildPlan OnTrial(BuildFacts facts, BuildTrial trial)
    {
        if (facts.ContactWasWhole)
        {
            var state = facts.State with { Previous = facts.State.Current, Current = trial.Id, CurrentOrder = trial.Order, Trial = null };
            return Change(state, BuildChange.Confirmed, $"build {trial.Id} is healthy and stays; before it was {facts.State.Current}");
        }
        if (!facts.IsPatienceOver)
            return new BuildPlan([], $"build {trial.Id} is on trial until it has been at a CAP");
        if (facts.ProgramRuns)
            return new BuildPlan([], $"build {trial.Id} has found no CAP; {facts.State.Current} has its turn when the program that runs has ended");
        return trial.IsHeld
            ? new BuildPlan([new BuildStep.Restart()], $"build {facts.State.Current} has its turn")
            : Change(facts.State with { Trial = trial with { IsHeld = true } }, BuildChange.Waits,
                $"build {trial.Id} on trial found no CAP in {TrialPatience.TotalMinutes:F0} minutes; {facts.State.Current} looks for one, and then the trial goes on");
    }

    private static BuildPlan BesideTrial(BuildFacts facts, BuildTrial trial)
    {
        if (facts.Wanted is { } wanted && wanted.Order > trial.Order)
            return Change(facts.State with { Trial = null }, BuildChange.Waits, $"the trial of build {trial.Id} is over: the site has another order");
        if (facts.StartsUsed >= BuildState.Starts)
        {
            var reason = $"{BuildState.Starts} starts, and it did not report healthy{(facts.LastEnd is { } end ? $"; last: {end}" : "")}";
            return Failed(facts.State with { Trial = null }, new BadBuild(trial.Id, trial.Order, reason), facts.Running);
        }
        if (trial.IsHeld)
            return facts.ContactWasWhole
                ? Change(facts.State with { Trial = trial with { IsHeld = false } }, BuildChange.Waits, $"a CAP was reached; the trial of build {trial.Id} goes on")
                : new BuildPlan([], $"the trial of build {trial.Id} goes on when a CAP was reached");
        if (facts.Wanted is { } same && same.Id() == trial.Id && Missing(facts, same) is { } mending)
            return mending;
        if (facts.ProgramRuns)
            return new BuildPlan([], $"build {trial.Id} is tried when the program that runs has ended");
        // Whatever keeps the launcher from starting it (a full disk, no flock), a process that ends itself at once would never reach a CAP.
        if (!facts.HadTurn)
            return new BuildPlan([], $"build {trial.Id} is tried after this turn");
        if (facts.IsAskedInVain && !facts.IsPatienceOver)
            return new BuildPlan([], $"build {trial.Id} is to be tried, and the launcher does not start it: it cannot count its starts (is the client's disk full? is flock there?), or it runs with another --data. It is asked again within the hour", IsTrouble: true);
        return new BuildPlan([new BuildStep.Restart()], $"build {trial.Id} is tried now");
    }

    /// <summary>The process was told to stop. A trial that had no whole contact gives way: where no session lasts an hour, nobody but the build before it could tell of it.</summary>
    /// <returns>The state that the next start finds; null for the one that stands.</returns>
    public static BuildState? Stopped(BuildState state, string running, bool contactWasWhole) =>
        state.Trial is { } trial && trial.Id == running && !contactWasWhole ? state with { Trial = trial with { IsHeld = true } } : null;

    /// <summary>The launcher did not take the current build: its files are damaged, or it did not get up. What runs is current from now on.</summary>
    private static BuildPlan Settle(BuildFacts facts)
    {
        var current = facts.State.Current;
        var state = facts.State with { Current = facts.Running, CurrentOrder = 0, Previous = null };
        return facts.LeftOut.Contains(current, StringComparer.Ordinal)
            ? Failed(state, new BadBuild(current, facts.State.CurrentOrder, "it did not get up any more"), facts.Running)
            : Change(state, BuildChange.Returned, $"the files of build {current} are damaged or gone; {facts.Running} runs");
    }

    /// <returns>Null when the order is carried out.</returns>
    private static BuildPlan? Order(BuildFacts facts, ClientBuild wanted)
    {
        var id = wanted.Id();
        if (id == facts.State.Current)
            return Missing(facts, wanted);
        if (facts.IsPackageWanted && facts.State.Current == ClientBuild.OfPackage)
            return null;
        if (facts.State.IsBad(id, wanted.Order))
            return new BuildPlan([.. Tidy(facts).Steps], $"build {id} is bad and is not tried again under this order: {facts.State.Bad.Last(bad => bad.Id == id).Reason}", IsTrouble: true);
        if (!wanted.Downgrade && id != ClientBuild.OfPackage && IsOlder(wanted.Version, facts))
            return new BuildPlan([.. Tidy(facts).Steps], $"the site wants version {wanted.Version}, and the newer {Version(facts)} runs: a client goes back only on an order that says so");
        if (!facts.IsItsTurn)
            return new BuildPlan([.. Tidy(facts).Steps], $"build {id} comes at this device's place in the time over which the fleet begins");
        if (Missing(facts, wanted) is { } missing)
            return missing;
        var state = facts.State with { Trial = new BuildTrial(id, wanted.Order) };
        return Change(state, BuildChange.Tried, $"build {id} is complete and verified; it is tried, and {facts.State.Current} comes back if it fails");
    }

    /// <summary>What the wanted build's folder lacks; null when it is complete.</summary>
    private static BuildPlan? Missing(BuildFacts facts, ClientBuild wanted)
    {
        var missing = wanted.Files.Where(file => !facts.Whole.Contains(file.Name)).ToList();
        if (missing.Count == 0)
            return facts.IsSealed || wanted.Files.Count == 0 ? null : new BuildPlan([new BuildStep.Seal()]);
        // Packed parts and unpacked files lie side by side for a moment.
        var needed = missing.Sum(file => file.LengthBytes) + missing.Max(file => file.LengthBytes) + ReserveBytes;
        if (needed > facts.FreeBytes)
            return new BuildPlan([], string.Create(CultureInfo.InvariantCulture, $"build {wanted.Id()} needs {needed >> 20} MiB on the client's disk, and {facts.FreeBytes >> 20} MiB are free"), IsTrouble: true);
        return new BuildPlan([.. missing.Select(BuildStep (file) => facts.AtHand.Contains(file.Sha256) ? new BuildStep.Copy(file) : new BuildStep.Fetch(file))],
            $"{missing.Count} of {wanted.Files.Count} files of build {wanted.Id()} are not here yet");
    }

    /// <summary>Builds that nobody goes back to. What an order that still stands has brought is kept.</summary>
    private static BuildPlan Tidy(BuildFacts facts)
    {
        HashSet<string?> kept = [facts.State.Current, facts.State.Previous, facts.Running];
        if (facts.Wanted is { } wanted && !facts.State.IsBad(wanted.Id(), wanted.Order))
            kept.Add(wanted.Id());
        return new BuildPlan([.. facts.Folders.Where(id => !kept.Contains(id)).Order(StringComparer.Ordinal).Select(id => new BuildStep.Drop(id))]);
    }

    private static bool IsOlder(string wanted, BuildFacts facts) =>
        BuildVersion.TryParse(wanted, out var target) && BuildVersion.TryParse(Version(facts), out var present) && target.CompareRank(present) < 0;

    /// <summary>Of the build that runs: an id is a version and a digest of twelve digits.</summary>
    private static string Version(BuildFacts facts) =>
        facts.Running == ClientBuild.OfPackage || facts.Running.LastIndexOf('-') is not (> 0 and var dash) ? facts.RunningVersion : facts.Running[..dash];

    private static BuildPlan Failed(BuildState state, BadBuild bad, string running) =>
        Change(state.WithBad(bad), BuildChange.Failed, $"build {bad.Id} is bad: {bad.Reason}; {running} runs. It is not tried again until the site orders it anew");

    private static BuildPlan Change(BuildState state, BuildChange change, string text) => new([new BuildStep.Become(state, change, text)]);
}
