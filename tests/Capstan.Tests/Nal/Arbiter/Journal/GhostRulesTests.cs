using Capstan.Nal.Arbiter.Journal;
using FsCheck;
using FsCheck.Fluent;

namespace Capstan.Tests.Nal.Arbiter.Journal;

public sealed class GhostRulesTests
{
    private static readonly DateTimeOffset Now = new(2026, 11, 22, 12, 0, 0, TimeSpan.Zero);
    private static readonly TimeSpan IdleTime = TimeSpan.FromMinutes(15);

    /// <summary>A logon of account <c>one</c> on slot 0; the secret of <c>two</c> is at hand, too; the machine was started an hour ago.</summary>
    private static readonly GhostQuestion Logon = new("one", new HashSet<string> { "one", "two" }, Slot: 0, Boot: "boot-2", Uptime: TimeSpan.FromHours(1), Now, IdleTime);

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void An_own_one_with_an_id_is_carried_from_whatever_slot(int slot)
    {
        var ghost = Ghost("one", session: 7, slot);
        var plan = GhostRules.Plan([ghost], Logon);
        Assert.Equal(ghost, plan.Carry);
        Nothing(plan with { Carry = null });
    }

    [Fact]
    public void The_case_of_the_accounts_name_does_not_matter()
    {
        Assert.NotNull(GhostRules.Plan([Ghost("ONE", session: 7)], Logon).Carry);
        Assert.NotNull(GhostRules.Plan([Ghost("TWO", session: 7)], Logon).First);
    }

    [Fact]
    public void Of_two_own_ones_in_the_slot_the_older_is_carried_and_the_other_is_ended_before()
    {
        var (older, younger) = (Ghost("one", session: 7, opened: -60), Ghost("one", session: 8, opened: -5));
        var plan = GhostRules.Plan([younger, older], Logon);
        Assert.Equal((older, younger), (plan.Carry!.Value, plan.First!.Value));
    }

    [Fact]
    public void The_slots_own_one_is_carried_and_that_of_another_slot_waits()
    {
        var (here, there) = (Ghost("one", session: 7, slot: 0, opened: -5), Ghost("one", session: 8, slot: 1, opened: -60));
        var plan = GhostRules.Plan([there, here], Logon);
        Assert.Equal(here, plan.Carry);
        Nothing(plan with { Carry = null });
    }

    [Fact]
    public void Three_own_ones_in_the_slot_end_one_after_the_other()
    {
        List<Ghost> ghosts = [Ghost("one", session: 7, opened: -60), Ghost("one", session: 8, opened: -50), Ghost("one", session: 9, opened: -40)];
        var first = GhostRules.Plan(ghosts, Logon).First!.Value;
        Assert.Equal(8ul, first.Record.Session);
        ghosts.Remove(first);
        Assert.Equal(9ul, GhostRules.Plan(ghosts, Logon).First!.Value.Record.Session);
    }

    [Fact]
    public void Another_known_accounts_one_is_ended_before_by_its_own_logon_in_this_slot_only()
    {
        var ghost = Ghost("two", session: 7);
        var plan = GhostRules.Plan([ghost], Logon);
        Assert.Equal(ghost, plan.First);
        Nothing(plan with { First = null });
        Nothing(GhostRules.Plan([Ghost("two", session: 7, slot: 1)], Logon));
    }

    [Fact]
    public void An_unknown_accounts_one_blocks_its_slot_until_the_idle_time_and_no_other_logon_ends_it()
    {
        var here = Ghost("three", session: 7);
        here = here with { Record = here.Record with { Uptime = Logon.Uptime - TimeSpan.FromMinutes(1) } };
        Assert.Equal(TimeSpan.FromMinutes(14), GhostRules.Plan([here], Logon).BlockedFor);
        Assert.Single(GhostRules.Plan([here], Logon with { Uptime = Logon.Uptime + TimeSpan.FromMinutes(14) }).Gone);
        Nothing(GhostRules.Plan([here with { Record = here.Record with { Slot = 1 } }], Logon));
        Assert.Single(GhostRules.Plan([Ghost("three", session: 7, boot: "boot-1")], Logon).Gone);
        Assert.NotNull(GhostRules.Plan([Ghost("three", session: 7, boot: "boot-1")], Logon with { Uptime = TimeSpan.Zero }).Blocked);
    }

    [Theory]
    [InlineData(null)]
    [InlineData(0ul)]
    public void Without_an_id_one_of_this_start_ends_with_the_logon_in_whatever_slot(ulong? session)
    {
        foreach (var slot in new[] { 0, 1 })
        {
            var plan = GhostRules.Plan([Ghost("one", session, slot)], Logon with { Uptime = TimeSpan.Zero });
            Assert.Single(plan.WithLogon);
            Nothing(plan with { WithLogon = [] });
        }
    }

    [Fact]
    public void Without_an_id_one_of_an_earlier_start_is_gone_after_the_idle_time_and_blocks_its_slot_until_then()
    {
        var ghost = Ghost("one", session: null, boot: "boot-1");
        var plan = GhostRules.Plan([ghost], Logon with { Uptime = IdleTime });
        Assert.Contains("for longer than the 15 min", Assert.Single(plan.Gone).Why, StringComparison.Ordinal);
        Nothing(plan with { Gone = [] });
        plan = GhostRules.Plan([ghost], Logon with { Uptime = IdleTime - TimeSpan.FromMinutes(4) });
        Assert.Equal((ghost, TimeSpan.FromMinutes(4)), (plan.Blocked!.Value, plan.BlockedFor));
        Nothing(plan with { Blocked = null, BlockedFor = default });
        Nothing(GhostRules.Plan([Ghost("one", session: null, slot: 1, boot: "boot-1")], Logon with { Uptime = TimeSpan.Zero }));
    }

    [Theory]
    [InlineData(0, true)]
    [InlineData(7 * 24 * 60, true)]
    [InlineData((7 * 24 * 60) + 1, false)]
    [InlineData(-60, true)]
    [InlineData(-61, false)]
    public void An_id_counts_for_seven_days_and_not_at_all_when_it_is_from_the_future(int minutesAgo, bool counts)
    {
        var ghost = Ghost("one", session: 7, used: -minutesAgo);
        var plan = GhostRules.Plan([ghost], Logon);
        Assert.Equal(counts, plan.Carry is not null);
        Assert.Equal(!counts, plan.Gone.Count == 1);
    }

    public static TheoryData<string?, string?, string?, bool> Machines => new()
    {
        { "a", "x", "m1,m2", false },
        { "a", "x", "m2,m3", false },
        { "a", "x", "", false },
        { "a", null, "", false },
        { null, null, "", false },
        { "b", "x", "m1", true },
        { "a", "y", "m1", true },
        { "a", "x", "m3", true },
        { "a", null, "m3", true },
    };

    [Theory]
    [MemberData(nameof(Machines))]
    public void The_id_of_a_machine_that_this_one_was_copied_from_is_never_sent(string? id, string? product, string? addresses, bool isOther)
    {
        var made = new MachineEvidence(["m1", "m2"], "a", "x");
        var asks = new MachineEvidence(addresses!.Split(',', StringSplitOptions.RemoveEmptyEntries), id, product);
        foreach (var account in new[] { "one", "two" })
        {
            var ghost = Ghost(account, session: 7, boot: "boot-1");
            ghost = ghost with { Record = ghost.Record with { Machine = made } };
            var plan = GhostRules.Plan([ghost], Logon with { Machine = asks, Uptime = TimeSpan.FromMinutes(5) });
            Assert.Equal(!isOther, (plan.Carry ?? plan.First) is not null);
            // What it was is told by the server's idle time.
            Assert.Equal(isOther ? TimeSpan.FromMinutes(10) : TimeSpan.Zero, plan.BlockedFor);
            Assert.Equal(isOther, GhostRules.Plan([ghost], Logon with { Machine = asks, Uptime = IdleTime }).Gone.Count == 1);
        }
        Assert.NotNull(GhostRules.Plan([Ghost("one", session: 7)], Logon with { Machine = asks }).Carry);
    }

    [Fact]
    public void An_id_is_sent_to_the_name_alone_that_gave_it()
    {
        var ghost = Ghost("one", session: 7);
        ghost = ghost with { Record = ghost.Record with { Name = "fs2:445" } };
        Assert.Equal(ghost, GhostRules.Plan([ghost], Logon with { Name = "fs2:445" }).Carry);
        foreach (var name in new[] { null, "fs1:445", "fs3:445" })
        {
            var plan = GhostRules.Plan([ghost], Logon with { Name = name ?? "fs1:445" });
            Assert.Equal((null, ghost), (plan.Carry, plan.First!.Value));
            var beyond = GhostRules.Plan([ghost], Logon with { Name = name ?? "fs1:445", OutOfReach = new HashSet<string> { "fs2:445" }, Uptime = TimeSpan.Zero });
            Assert.Equal((null, null, ghost), (beyond.Carry, beyond.First, beyond.Blocked!.Value));
        }
        // Another slot's is not this logon's to end.
        Nothing(GhostRules.Plan([ghost with { Record = ghost.Record with { Slot = 1 } }], Logon with { Name = "fs1:445" }));
    }

    [Fact]
    public void An_abandoned_one_is_gone_whatever_else_it_is()
    {
        foreach (var ghost in new[] { Ghost("one", session: 7), Ghost("two", session: null, boot: "boot-1") })
        {
            var plan = GhostRules.Plan([ghost with { Record = ghost.Record with { State = ConnectionStates.Abandoned } }], Logon with { Uptime = TimeSpan.Zero });
            Assert.Equal("it was abandoned by hand", Assert.Single(plan.Gone).Why);
            Nothing(plan with { Gone = [] });
        }
    }

    [Fact]
    public void Within_one_start_of_the_machine_no_clock_makes_an_id_old_or_unknown()
    {
        foreach (var used in new[] { -366 * 24 * 60, 366 * 24 * 60 })
        {
            var ghost = Ghost("one", session: 7, used: used);
            Assert.NotNull(GhostRules.Plan([ghost with { Record = ghost.Record with { Uptime = Logon.Uptime - TimeSpan.FromMinutes(5) } }], Logon).Carry);
        }
    }

    [Fact]
    public void What_people_read_as_its_next_step_is_what_will_be_done()
    {
        Assert.Equal("ended by the next logon of one at this server", Next(Ghost("one", session: 7)));
        Assert.Equal("ends with the next working logon at this server", Next(Ghost("one", session: null)));
        Assert.Equal("assumed gone when it has been lost for 15 min", Next(Ghost("one", session: 7, used: -8 * 24 * 60)));
        Assert.Equal("assumed gone when it has been lost for 15 min", Next(Ghost("one", session: null, boot: "boot-1")));
        var abandoned = Ghost("one", session: 7);
        Assert.Equal("forgotten at the next connection to this server", Next(abandoned with { Record = abandoned.Record with { State = ConnectionStates.Abandoned } }));

        static string Next(Ghost ghost) => GhostRules.NextStep(ghost.Record, Logon);
    }

    /// <summary>Invariants 2 and 9: after the logon no ghost is left on its slot, each has one fate, and only an id of the account that logs on is carried.</summary>
    [Fact]
    public void Any_ghosts_have_one_fate_each_and_their_slot_is_free_after_the_logon() =>
        Prop.ForAll(Gen.Choose(0, 1_000_000).ListOf(6).ToArbitrary(), Gen.Choose(0, 30).ToArbitrary(), (picks, uptime) =>
        {
            var logon = Logon with { Uptime = TimeSpan.FromMinutes(uptime) };
            var ghosts = picks.Select((pick, number) => Any(pick, number)).ToList();
            GhostPlan plan;
            // The shell ends the first by a logon of its own, and asks again.
            while ((plan = GhostRules.Plan(ghosts, logon)).First is { } first)
            {
                Assert.Contains(first.Record.Account.ToLowerInvariant(), logon.KnownAccounts);
                Assert.Equal(logon.Slot, first.Record.Slot);
                Assert.True(ghosts.Remove(first));
            }
            string[] fates = [.. plan.Gone.Concat(plan.WithLogon).Select(fate => fate.Ghost.Name), .. plan.Carry is { } carry ? [carry.Name] : Array.Empty<string>(), .. plan.Blocked is { } blocked ? [blocked.Name] : Array.Empty<string>()];
            Assert.Equal(fates.Length, fates.Distinct().Count());
            if (plan.Carry is { } carried)
                Assert.True(string.Equals(carried.Record.Account, logon.Account, StringComparison.OrdinalIgnoreCase) && carried.Record.Session > 0);
            if (plan.Blocked is null)
                Assert.All(ghosts.Where(ghost => ghost.Record.Slot == logon.Slot), ghost => Assert.Contains(ghost.Name, fates));
            Assert.Equal(plan.Blocked is null, plan.BlockedFor == TimeSpan.Zero);
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(2_000).WithQuietOnSuccess(true));

    private static Ghost Any(int pick, int number)
    {
        var ghost = Ghost(((string[])["one", "ONE", "two", "three"])[pick % 4], session: pick / 4 % 3 == 0 ? null : (ulong)number + 1, slot: pick / 12 % 2,
            boot: pick / 24 % 2 == 0 ? "boot-1" : "boot-2", opened: -(pick % 50), used: -(pick / 48 % 3 * 8 * 24 * 60)) with
        { Name = $"Resource{number}" };
        return pick / 144 % 9 == 0 ? ghost with { Record = ghost.Record with { State = ConnectionStates.Abandoned } } : ghost;
    }

    /// <param name="opened">Minutes from now, as <paramref name="used"/>.</param>
    private static Ghost Ghost(string account, ulong? session, int slot = 0, string boot = "boot-2", int opened = -10, int used = 0) => new($"Resource{session}", new ConnectionRecord
    {
        Path = @"MSWNET:\\fs1\cap\",
        Server = "fs1:445",
        Account = account,
        Session = session,
        Slot = slot,
        Owner = "gone",
        Process = 1,
        ProcessStart = Now,
        Boot = boot,
        Opened = Now + TimeSpan.FromMinutes(opened),
        LastUsed = Now + TimeSpan.FromMinutes(used),
        State = ConnectionStates.Open,
        NextStep = "",
    });

    private static void Nothing(GhostPlan plan)
    {
        Assert.Equal((null, null, null, TimeSpan.Zero), (plan.Carry, plan.First, plan.Blocked, plan.BlockedFor));
        Assert.Empty(plan.Gone);
        Assert.Empty(plan.WithLogon);
    }
}
