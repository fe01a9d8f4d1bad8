using Capstan.Client.Builds;
using Capstan.Protocol.V1;

namespace Capstan.Tests.Client.Builds;

/// <summary>The decision table of domain 5.4 and E3, for builds of the agent: install, upgrade, verify, repair, go back; and nothing on what is missing.</summary>
public sealed class BuildPlannerTests
{
    private static readonly ClientBuild V1 = SampleBuild.Order("1.0.0", 100);
    private static readonly ClientBuild V2 = SampleBuild.Order("2.0.0", 200);
    private static readonly ClientBuild Back = V1 with { Order = 300, Downgrade = true };
    private static readonly ClientBuild Package = V1 with { Version = ClientBuild.OfPackage, Order = 400, Files = [] };
    private static readonly string Old = V1.Id(), New = V2.Id();

    private static BuildFacts On(string running, ClientBuild? wanted, BuildState? state = null) => new()
    {
        Running = running,
        RunningVersion = "0.9.0",
        State = state ?? new BuildState { Current = running },
        Wanted = wanted,
    };

    private static BuildFacts Complete(BuildFacts facts) => facts with { Whole = facts.Wanted!.Files.Select(file => file.Name).ToHashSet(), IsSealed = true };

    private static BuildState Trial(bool held = false) => new() { Current = Old, Previous = "package", Trial = new BuildTrial(New, 200, held) };

    private static BuildState Bad(long order) => new() { Current = Old, Bad = [new BadBuild(New, order, "it crashed")] };

    public static TheoryData<string, object, string> Table => new()
    {
        // what is missing or unknown changes nothing
        { "no order, the package runs", On("package", null), "" },
        { "no order, a build runs", On(Old, null), "" },
        { "no order, and the current build is damaged", On(Old, null) with { IsSealed = false }, "" },
        { "no order, and a trial waits: it was ordered", On(Old, null, Trial()), "restart" },
        // install, upgrade
        { "an order, nothing is here", On("package", V2), "fetch capstan-client, fetch lib.so" },
        { "an order, one file is here", On("package", V2) with { Whole = new HashSet<string> { "lib.so" } }, "fetch capstan-client" },
        { "an order, a file lies in another build", On("package", V2) with { AtHand = new HashSet<string> { V2.Files[1].Sha256 } }, "fetch capstan-client, copy lib.so" },
        { "an order, all is here and not sealed", Complete(On("package", V2)) with { IsSealed = false }, "seal" },
        { "an order, complete", Complete(On("package", V2)), "become Tried current=package trial=" + New },
        { "an upgrade, complete", Complete(On(Old, V2)), $"become Tried current={Old} trial={New}" },
        { "the package has just that content", On("package", V2) with { IsPackageWanted = true }, "" },
        { "it is not this device's turn", On("package", V2) with { IsItsTurn = false }, "waits: place" },
        { "the disk is too full", On("package", V2) with { FreeBytes = 60 << 20 }, "trouble: MiB are free" },
        { "just enough room", On("package", V2) with { FreeBytes = BuildPlanner.ReserveBytes + 2_000 + 1_000 + 2_000 }, "fetch capstan-client, fetch lib.so" },
        { "a byte too little room", On("package", V2) with { FreeBytes = BuildPlanner.ReserveBytes + 2_000 + 1_000 + 2_000 - 1 }, "trouble: MiB are free" },
        // verify, repair
        { "current and whole", Complete(On(New, V2)), "" },
        { "current, one file damaged", On(New, V2) with { Whole = new HashSet<string> { "capstan-client" }, IsSealed = true }, "fetch lib.so" },
        { "current, the list of hashes is gone", Complete(On(New, V2)) with { IsSealed = false }, "seal" },
        // going back
        { "an older version without a word", Complete(On(New, V1)), "waits: goes back only on an order that says so" },
        { "an older version on purpose", Complete(On(New, Back)), $"become Tried current={New} trial={Old}" },
        { "an older version than the package's", On("package", V1) with { RunningVersion = "1.0.1" }, "waits: goes back only" },
        { "the same version as the package's, with another content", Complete(On("package", V1) with { RunningVersion = "1.0.0" }), "become Tried current=package trial=" + Old },
        { "the package's build is ordered", On(New, Package), $"become Tried current={New} trial=package" },
        { "the package's build is ordered and runs", On("package", Package) with { Folders = [Old] }, "drop " + Old },
        // the trial
        { "a trial waits for its start", Complete(On(Old, V2, Trial())), "restart" },
        { "a program runs", Complete(On(Old, V2, Trial())) with { ProgramRuns = true }, "waits: when the program" },
        { "a trial whose file was damaged meanwhile", On(Old, V2, Trial()) with { Whole = new HashSet<string> { "lib.so" }, IsSealed = true }, "fetch capstan-client" },
        { "a damaged trial and no room", On(Old, V2, Trial()) with { FreeBytes = 0 }, "trouble: MiB are free" },
        { "on trial, no contact yet", Complete(On(New, V2, Trial())), "waits: on trial" },
        { "on trial, a whole contact", Complete(On(New, V2, Trial())) with { ContactWasWhole = true }, $"become Confirmed current={New} previous={Old}" },
        { "on trial, a whole contact after its patience", Complete(On(New, V2, Trial())) with { ContactWasWhole = true, IsPatienceOver = true }, $"become Confirmed current={New} previous={Old}" },
        { "on trial, no CAP for too long", Complete(On(New, V2, Trial())) with { IsPatienceOver = true }, $"become Waits current={Old} trial={New} held previous=package" },
        { "on trial, and it gives way", Complete(On(New, V2, Trial(held: true))) with { IsPatienceOver = true }, "restart" },
        { "on trial, no CAP for too long, and a program runs", Complete(On(New, V2, Trial())) with { IsPatienceOver = true, ProgramRuns = true }, "waits: program" },
        { "a held trial, no CAP", Complete(On(Old, V2, Trial(held: true))), "waits: when a CAP was reached" },
        { "a held trial, a CAP again", Complete(On(Old, V2, Trial(held: true))) with { ContactWasWhole = true }, $"become Waits current={Old} trial={New} previous=package" },
        { "all starts used up", Complete(On(Old, V2, Trial())) with { StartsUsed = 3, LastEnd = "killed SEGV" }, $"become Failed current={Old} previous=package bad={New}@200 (3 starts, and it did not report healthy; last: killed SEGV)" },
        { "all starts used up, and held", Complete(On(Old, V2, Trial(held: true))) with { StartsUsed = 3 }, $"become Failed current={Old} previous=package bad={New}@200 (3 starts, and it did not report healthy)" },
        { "two starts used up", Complete(On(Old, V2, Trial())) with { StartsUsed = 2 }, "restart" },
        { "a trial that the launcher has not started, before the first turn", Complete(On(Old, V2, Trial())) with { HadTurn = false }, "waits: after this turn" },
        { "a launcher that was asked and has counted nothing", Complete(On(Old, V2, Trial())) with { IsAskedInVain = true }, "trouble: asked again within the hour" },
        { "a launcher that was asked an hour ago", Complete(On(Old, V2, Trial())) with { IsAskedInVain = true, IsPatienceOver = true }, "restart" },
        { "a launcher that was asked, and an order since", On(Old, Back, Trial()) with { IsAskedInVain = true }, $"become Waits current={Old} previous=package" },
        { "another order while a trial waits", On(Old, Back, Trial()), $"become Waits current={Old} previous=package" },
        { "an older order while a trial waits", Complete(On(Old, V2 with { Order = 150 }, Trial())), "restart" },
        // bad builds
        { "bad under this order", Complete(On(Old, V2, Bad(200))) with { Folders = [Old, New] }, "drop " + New + ", trouble: it crashed" },
        { "bad under an order before, ordered anew", Complete(On(Old, V2, Bad(199))), $"become Tried current={Old} trial={New} bad={New}@199 (it crashed)" },
        // what the launcher chose
        { "the current build was damaged, the one before runs", On(Old, V2, new BuildState { Current = New, Previous = Old }), $"become Returned current={Old}" },
        { "the current build did not get up", On("package", V2, new BuildState { Current = New, CurrentOrder = 200, Previous = Old }) with { LeftOut = [New, Old] }, $"become Failed current=package bad={New}@200 (it did not get up any more)" },
        // housekeeping
        { "builds that nobody goes back to", Complete(On(New, V2, new BuildState { Current = New, Previous = Old })) with { Folders = [Old, New, "0.1.0-abc", "0.2.0-abc"] }, "drop 0.1.0-abc, drop 0.2.0-abc" },
        { "half of another order", On(New, null, new BuildState { Current = New }) with { Folders = [New, Old] }, "drop " + Old },
    };

    [Theory]
    [MemberData(nameof(Table))]
    public void The_plan_is_the_one_of_the_table(string situation, object facts, string expected) =>
        Assert.Equal($"{situation}: {expected}", $"{situation}: {Text(BuildPlanner.Plan((BuildFacts)facts), expected)}");

    [Theory]
    [InlineData(false, false, true)]
    [InlineData(true, false, true)]
    [InlineData(false, true, false)]
    public void A_trial_that_is_told_to_stop_before_its_whole_contact_gives_way(bool held, bool contactWasWhole, bool givesWay) =>
        Assert.Equal(givesWay ? Trial(held: true).ToString() : null, BuildPlanner.Stopped(Trial(held), New, contactWasWhole)?.ToString());

    [Fact]
    public void A_build_that_is_not_on_trial_is_told_to_stop_and_leaves_the_state()
    {
        Assert.Null(BuildPlanner.Stopped(Trial(), Old, contactWasWhole: false));
        Assert.Null(BuildPlanner.Stopped(new BuildState { Current = New }, New, contactWasWhole: false));
    }

    [Fact]
    public void A_state_survives_its_text_and_damage_is_left_out()
    {
        var state = new BuildState
        {
            Current = New,
            CurrentOrder = 66,
            Previous = Old,
            Trial = new BuildTrial("3.0.0-rc.1-0123456789ab", 77, IsHeld: true),
            Bad = [new BadBuild("0.1.0-ffffffffffff", 5, "3 starts; last: killed SEGV")],
        };
        Assert.Equal(state.ToString(), BuildState.Parse(state.ToString()).ToString());
        Assert.Equal("package", BuildState.Parse("").Current);
        Assert.Equal("package", BuildState.Parse("current ../../bin\ntrial -rf\nbad x\nbad x y z\norder -1\n").Current);
        Assert.Null(BuildState.Parse("current ../../bin\ntrial -rf").Trial);
        Assert.Equal(8, Enumerable.Range(0, 20).Aggregate(state, (now, n) => now.WithBad(new BadBuild($"0.0.{n}-a", 1, "x"))).Bad.Count);
        for (var length = 0; length < state.ToString().Length; length++)
            Assert.True(BuildState.IsId(BuildState.Parse(state.ToString()[..length]).Current));
    }

    private static string Text(BuildPlan plan, string expected)
    {
        var steps = plan.Steps.Select(Text).ToList();
        if (expected.Contains("trouble: ", StringComparison.Ordinal) || expected.StartsWith("waits: ", StringComparison.Ordinal))
        {
            var phrase = expected[(expected.LastIndexOf(": ", StringComparison.Ordinal) + 2)..];
            Assert.Contains(phrase, plan.Waiting, StringComparison.Ordinal);
            steps.Add((plan.IsTrouble ? "trouble: " : "waits: ") + phrase);
        }
        return string.Join(", ", steps);
    }

    private static string Text(BuildStep step) => step switch
    {
        BuildStep.Fetch fetch => "fetch " + fetch.File.Name,
        BuildStep.Copy copy => "copy " + copy.File.Name,
        BuildStep.Seal => "seal",
        BuildStep.Restart => "restart",
        BuildStep.Drop drop => "drop " + drop.Id,
        BuildStep.Become become => $"become {become.Change} current={become.State.Current}"
            + (become.State.Trial is { } trial ? $" trial={trial.Id}{(trial.IsHeld ? " held" : "")}" : "")
            + (become.State.Previous is { } previous ? $" previous={previous}" : "")
            + string.Concat(become.State.Bad.Select(bad => $" bad={bad.Id}@{bad.Order} ({bad.Reason})")),
        _ => throw new ArgumentException(step.GetType().Name, nameof(step)),
    };
}
