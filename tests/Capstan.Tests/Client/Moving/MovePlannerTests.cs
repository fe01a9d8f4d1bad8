using Capstan.Client.Configuration;
using Capstan.Client.Moving;
using Capstan.Client.Spool;
using Capstan.Protocol.V1;

namespace Capstan.Tests.Client.Moving;

/// <summary>What a move does next, in every state.</summary>
public sealed class MovePlannerTests
{
    private static readonly MoveFacts Told = new() { Lifecycle = ClientLifecycle.Approved, IsTargetSeen = true, IsContacted = true, IsWordGiven = true };

    public static TheoryData<string, string> States => new()
    {
        { "nothing was looked at", nameof(MoveStep.Look) },
        { "seen, nothing waits, its site was not asked", nameof(MoveStep.Deliver) },
        { "items wait", nameof(MoveStep.Deliver) },
        { "a record was never written", nameof(MoveStep.Deliver) },
        { "written, not acknowledged, no last word", nameof(MoveStep.Depart) },
        { "all acknowledged, no last word", nameof(MoveStep.Depart) },
        { "the last word waits", nameof(MoveStep.Deliver) },
        { "the last word is written", nameof(MoveStep.Await) },
        { "the last word is acknowledged", nameof(MoveStep.Leave) },
        { "out of patience", nameof(MoveStep.GiveUp) },
        { "out of patience, may leave behind", nameof(MoveStep.Leave) },
        { "out of patience before the new site was seen", nameof(MoveStep.Look) },
        { "retired with a record that nobody wants", nameof(MoveStep.Leave) },
        { "never approved", nameof(MoveStep.Leave) },
        { "forgotten by its site with a record", nameof(MoveStep.GiveUp) },
        { "forgotten by its site with a record, may leave behind", nameof(MoveStep.Leave) },
        { "there", nameof(MoveStep.Done) },
    };

    [Theory]
    [MemberData(nameof(States))]
    public void Each_state_has_its_step(string state, string step) => Assert.Equal(step, MovePlanner.Plan(Facts(state)).ToString());

    /// <summary>Invariant 6 of design.md 10, here: over all combinations nothing is left that the site may still have to acknowledge, unless it retired the client or a person said so.</summary>
    [Fact]
    public void Invariant_6_nothing_is_left_unacknowledged_by_itself()
    {
        foreach (var facts in All().Where(facts => MovePlanner.Plan(facts) == MoveStep.Leave))
        {
            Assert.True(facts.IsTargetSeen);
            Assert.True(facts.LeavesBehind || facts.Lifecycle == ClientLifecycle.Retired || facts.Unacknowledged == 0, facts.ToString());
            if (facts is { Lifecycle: ClientLifecycle.Approved, LeavesBehind: false })
                Assert.True(facts is { IsWordGiven: true, IsContacted: true, Items: 0, Unwritten: 0 }, facts.ToString());
        }
    }

    [Fact]
    public void What_is_left_behind_is_one_line_that_says_where_it_is()
    {
        Assert.Null(LeftBehind.Text([new SpooledItem(ItemKind.ConfigurationRequest, "", "{}", 1)], []));
        Assert.Equal("1 record (7: heartbeat, status), written to no CAP", LeftBehind.Text([], [Record(7, 0, "status", "heartbeat")]));
        Assert.Equal("3 records (7 to 9: heartbeat, status), 2 of them written to a CAP, from where the site may still take them in and 1 item of no record yet (hardware-inventory)",
            LeftBehind.Text([new SpooledItem(ItemKind.HardwareInventory, "", "{}", 1)], [Record(7, 2, "status"), Record(8, 1, "heartbeat"), Record(9, 0, "status")]));
    }

    private static SpooledRecord Record(long sequence, int attempts, params string[] kinds) => new(sequence, "", "", 1, "", kinds.ToHashSet(StringComparer.Ordinal), attempts, null);

    private static MoveFacts Facts(string state) => state switch
    {
        "nothing was looked at" => new MoveFacts { Lifecycle = ClientLifecycle.Approved },
        "seen, nothing waits, its site was not asked" => Told with { IsContacted = false },
        "items wait" => Told with { Items = 2, IsWordGiven = false },
        "a record was never written" => Told with { Unwritten = 1, Unacknowledged = 1, IsWordGiven = false },
        "written, not acknowledged, no last word" => Told with { Unacknowledged = 2, IsWordGiven = false },
        "all acknowledged, no last word" => Told with { IsWordGiven = false },
        "the last word waits" => Told with { Items = 1 },
        "the last word is written" => Told with { Unacknowledged = 1 },
        "the last word is acknowledged" => Told,
        "out of patience" => Told with { Unacknowledged = 1, IsPatienceOver = true },
        "out of patience, may leave behind" => Told with { Unacknowledged = 1, IsPatienceOver = true, LeavesBehind = true },
        "out of patience before the new site was seen" => Told with { IsTargetSeen = false, IsPatienceOver = true, LeavesBehind = true },
        "retired with a record that nobody wants" => Told with { Lifecycle = ClientLifecycle.Retired, Unacknowledged = 1, IsWordGiven = false },
        "never approved" => Told with { Lifecycle = ClientLifecycle.Installed, IsWordGiven = false, IsContacted = false },
        "forgotten by its site with a record" => Told with { Lifecycle = ClientLifecycle.Installed, Unacknowledged = 1 },
        "forgotten by its site with a record, may leave behind" => Told with { Lifecycle = ClientLifecycle.Installed, Unacknowledged = 1, LeavesBehind = true },
        "there" => Told with { IsThere = true, IsTargetSeen = false },
        _ => throw new ArgumentOutOfRangeException(nameof(state), state, "no such state"),
    };

    private static IEnumerable<MoveFacts> All() =>
        from lifecycle in Enum.GetValues<ClientLifecycle>()
        from bits in Enumerable.Range(0, 32)
        from items in new[] { 0, 1 }
        from unwritten in new[] { 0, 1 }
        from written in new[] { 0, 1 }
        select new MoveFacts
        {
            Lifecycle = lifecycle,
            IsTargetSeen = (bits & 1) != 0,
            IsContacted = (bits & 2) != 0,
            IsWordGiven = (bits & 4) != 0,
            IsPatienceOver = (bits & 8) != 0,
            LeavesBehind = (bits & 16) != 0,
            Items = items,
            Unwritten = unwritten,
            Unacknowledged = unwritten + written,
        };
}
