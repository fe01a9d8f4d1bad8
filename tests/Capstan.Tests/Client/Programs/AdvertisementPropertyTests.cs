using Capstan.Client.Programs;
using Capstan.Protocol.V1;
using FsCheck;
using FsCheck.Fluent;

namespace Capstan.Tests.Client.Programs;

public sealed class AdvertisementPropertyTests
{
    private static readonly string[] s_ids = ["aaaaaaaa", "bbbbbbbb", "cccccccc"];
    private static readonly string[] s_programs = ["install", "other"];
    private static readonly string[] s_reruns = [ProgramRules.Never, ProgramRules.IfFailed, ProgramRules.Always, ProgramRules.OnNewVersion];
    private static readonly (string, int?)[] s_ends = [(ProgramRun.Success, 0), (ProgramRun.SuccessReboot, 3010), (ProgramRun.Failure, 1), (ProgramRun.Retry, 75), (ProgramRun.TimeLimit, 137), (ProgramRun.Unknown, null)];

    [Fact]
    public void Plan_that_was_carried_out_is_empty_in_any_order_of_events() => Check.One(Config.QuickThrowOnFailure.WithMaxTest(500), Prop.ForAll(Events(), events =>
    {
        var machine = new PlannedMachine { IsContentHere = false, ContentSpread = TimeSpan.FromHours(1) };
        foreach (var (kind, value) in events)
        {
            Happens(machine, kind, value);
            machine.Settle();
            var plan = machine.Plan();
            Assert.Null(plan.Step);
            // Nothing is left without a state, and whatever waits for a time has one that is to come.
            Assert.Equal(machine.Advertisements.Count, plan.Decisions.Count);
            Assert.All(plan.Decisions, decision => Assert.True(decision.Next is null || decision.Next > machine.Now, $"{decision}"));
            Assert.DoesNotContain(plan.Decisions, decision => decision.State is ProgramState.Ready or ProgramState.Downloading);
        }
    }));

    [Fact]
    public void Nothing_runs_more_often_than_its_rules_allow() => Check.One(Config.QuickThrowOnFailure.WithMaxTest(500), Prop.ForAll(Events(), events =>
    {
        var machine = new PlannedMachine();
        foreach (var (kind, value) in events)
        {
            Happens(machine, kind, value);
            machine.Settle();
        }
        foreach (var occasion in machine.Runs.Where(run => !run.IsRemoval).GroupBy(run => (run.Program, run.AdvertisementId, run.Occasion, run.PackageVersion)))
        {
            // Three tries; one more for each time that a person asked, each time that it was removed meanwhile, and each time that another advertisement put a lower version in its place.
            var again = events.Count(happened => happened.Kind is 5 or 4);
            var below = machine.Runs.Count(run => run.Program == occasion.Key.Program && run.AdvertisementId != occasion.Key.AdvertisementId && run.PackageVersion < occasion.Key.PackageVersion);
            Assert.True(occasion.Count() <= 3 + (3 * again) + below, $"{occasion.Key}: {occasion.Count()} runs");
        }
    }));

    [Fact]
    public void What_is_wrong_with_one_changes_nothing_for_the_others() => Check.One(Config.QuickThrowOnFailure.WithMaxTest(200), Prop.ForAll(Events(), events =>
    {
        var (with, without) = (new PlannedMachine(), new PlannedMachine());
        var broken = PlannedMachine.Offer("zzzzzzzz", program: "broken") with { Priority = 1_000, Recurrence = new Recurrence { MinuteOfDay = 0, TimeZone = "Nowhere/Land" } };
        with.Add(broken);
        foreach (var (kind, value) in events)
        {
            foreach (var machine in new[] { with, without })
                Happens(machine, kind, value);
            Assert.Equal(without.Settle(), with.Settle());
            Assert.Equal(without.Plan().Decisions, with.Plan().Decisions.Where(decision => decision.AdvertisementId != "zzzzzzzz"));
        }
    }));

    [Fact]
    public void What_is_told_is_what_has_happened_in_any_order_of_events() => Check.One(Config.QuickThrowOnFailure.WithMaxTest(500), Prop.ForAll(Events(), events =>
    {
        var machine = new PlannedMachine { IsContentHere = false, ContentSpread = TimeSpan.FromHours(1) };
        foreach (var (kind, value) in events)
        {
            Happens(machine, kind, value);
            machine.Settle();
            var offered = machine.Advertisements.ToDictionary(known => known.Document.AdvertisementId, known => ProgramKey.Of(known.Document.Offer));
            foreach (var decision in machine.Plan().Decisions)
            {
                var program = offered[decision.AdvertisementId];
                if (decision.State is ProgramState.Succeeded or ProgramState.PendingReboot)
                    Assert.True(machine.Installed.Contains(program), $"{decision}, and it is not here");
                Assert.Equal(machine.Runs.LastOrDefault(run => run.Program == program)?.Id, decision.LastRun?.Id);
            }
        }
    }));

    [Fact]
    public void What_is_offered_no_more_is_gone_in_the_end_unless_its_removal_failed() => Check.One(Config.QuickThrowOnFailure.WithMaxTest(500), Prop.ForAll(Events(), events =>
    {
        var machine = new PlannedMachine();
        foreach (var (kind, value) in events)
        {
            Happens(machine, kind, value);
            machine.Settle();
        }
        var installed = machine.Advertisements.Where(known => known.Document.Offer.Program.Removal is not null).Select(known => ProgramKey.Of(known.Document.Offer)).Where(machine.Installed.Contains).ToHashSet();
        (machine.Window, machine.Ends) = (DailyHours.Any, _ => (ProgramRun.Success, 0));
        machine.Users.Clear();
        foreach (var id in s_ids.Where(id => machine.Advertisements.Exists(known => known.Document.AdvertisementId == id)))
            machine.Change(id, known => known with { IsWithdrawn = true, IsAsked = false, WithdrawnAt = known.WithdrawnAt ?? machine.Now });
        // An hour to think it over, and as often as it may be tried.
        for (var step = 0; step < 6; step++)
        {
            machine.SetClock(machine.Now.AddHours(2));
            machine.Settle();
        }
        foreach (var left in machine.Advertisements)
            Assert.Contains(machine.Runs, run => run is { IsRemoval: true, IsSuccess: false } && run.Program == ProgramKey.Of(left.Document.Offer));
        Assert.All(installed.Where(machine.Installed.Contains), program => Assert.Contains(machine.Runs, run => run is { IsRemoval: true, IsSuccess: false } && run.Program == program));
    }));

    private static Arbitrary<(int Kind, int Value)[]> Events() => Gen.ArrayOf(Gen.Choose(0, 13).SelectMany(kind => Gen.Choose(0, 11).Select(value => (kind, value)))).ToArbitrary();

    private static void Happens(PlannedMachine machine, int kind, int value)
    {
        var id = s_ids[value % s_ids.Length];
        var known = machine.Advertisements.FindIndex(known => known.Document.AdvertisementId == id);
        switch (kind)
        {
            case 0 or 1 or 2:
                var document = PlannedMachine.Offer(id, rules => rules with
                {
                    Rerun = s_reruns[value % s_reruns.Length],
                    Removal = value % 2 == 0 ? new ProgramRemoval { Command = ["remove.sh"] } : null,
                    AfterRun = value == 7 ? ProgramRules.Reboot : ProgramRules.Nothing,
                    NoticeSeconds = value == 5 ? 60 : 0,
                }, s_programs[value % 2], version: 1 + (value / 6)) with
                {
                    StartAt = kind == 1 ? machine.At(value - 4) : null,
                    AvailableFrom = value == 10 ? machine.At(1) : null,
                    Rings = value is 8 or 11 ? [new RolloutRing(30, machine.At(value - 9)), new RolloutRing(100, machine.At(value - 7))] : null,
                    Deadline = value == 4 ? machine.At(2) : null,
                    ExpiresAt = value == 9 ? machine.At(3) : null,
                    Purpose = value == 3 ? Advertisement.Available : Advertisement.Required,
                    Recurrence = kind == 2 && value != 3 ? new Recurrence { EverySeconds = 3_600 * (1 + value) } : null,
                    Priority = value,
                };
                if (known < 0)
                    machine.Add(document);
                else
                    machine.Change(id, before => before with { Document = document, IsWithdrawn = false, WithdrawnAt = null, NoticedAt = null });
                break;
            case 3:
                machine.SetClock(machine.Now.AddMinutes(7 * (1 + value)));
                break;
            case 4:
                if (known >= 0)
                    machine.Change(id, before => before with { IsWithdrawn = true, IsAsked = false, WithdrawnAt = before.WithdrawnAt ?? machine.Now });
                break;
            case 5:
                if (known >= 0)
                    machine.Change(id, before => before with { IsAsked = !before.IsWithdrawn });
                break;
            case 6:
                machine.BootId += "'";
                break;
            case 7:
                if (machine.Users.Count == 0)
                    machine.Users.Add("ada");
                else
                    machine.Users.Clear();
                break;
            case 8:
                machine.Window = value % 2 == 0 ? DailyHours.Any : new DailyHours(new TimeOnly(value, 0), new TimeOnly(value + 1, 0));
                break;
            case 10:
                machine.SetClock(machine.Now.AddHours(-5 * (1 + value)));
                break;
            case 11:
                machine.SetClock(machine.Now.AddDays(1 + value));
                break;
            case 12:
                machine.LoseContent();
                break;
            case 13:
                if (known >= 0)
                    machine.Change(id, before => before with { PostponedUntil = machine.Now.AddHours(value), Postponements = before.Postponements + 1, NoticedAt = null });
                break;
            default:
                var end = s_ends[value % s_ends.Length];
                machine.Ends = _ => end;
                break;
        }
    }
}
