using Capstan.Client.Programs;
using Capstan.Protocol.V1;

namespace Capstan.Tests.Client.Programs;

public sealed class AdvertisementPlannerTests
{
    private readonly PlannedMachine _machine = new();

    /// <summary>Table E1 of the domain, cell by cell: what the history of (package, program) is, what offers it, when, and what follows. "new" is another advertisement than the one that the program ran for.</summary>
    public static TheoryData<string, string, string, string> TableE1 => new()
    {
        // history, advertisement, schedule, result
        { "none", "required", "now", "ready → Run" },
        { "none", "required", "asap", "ready → Run" },
        { "none", "required", "future", "waiting not-yet" },
        { "none", "optional", "now", "shown offered" },
        { "none", "optional", "future", "waiting not-yet" },
        { "success", "required same", "now", "succeeded" },
        { "success", "required same", "asap", "succeeded" },
        { "success", "required new", "before the run", "succeeded" },
        { "success", "required new", "now", "succeeded" },
        { "success", "required same, recurring", "due", "ready → Run" },
        { "success", "required same, recurring", "not due", "succeeded recurs" },
        { "success", "optional new", "now", "succeeded" },
        { "failed", "required same", "now", "failed exit-code" },
        { "failed", "required new", "now", "ready → Run" },
        { "failed", "required new", "before the run", "failed exit-code" },
        { "failed", "required new", "future", "waiting not-yet" },
        { "failed", "required same, recurring", "due", "ready → Run" },
        { "failed", "required same, recurring", "not due", "failed exit-code" },
        { "failed", "optional new", "now", "shown offered" },
        { "none", "required same, recurring", "due", "ready → Run" },
        { "none", "expired", "now", "ended expired" },
        { "failed", "expired new", "now", "ended expired" },
        { "success", "expired", "now", "succeeded" },
        { "none", "halted", "now", "ended halted" },
        { "failed", "halted new", "now", "ended halted" },
        { "none", "required same, recurring, expired", "due", "ended expired" },
    };

    [Theory]
    [MemberData(nameof(TableE1))]
    public void Program_runs_as_table_E1_says(string history, string offer, string schedule, string result)
    {
        // The run was an hour ago; what recurs began three hours ago.
        var isNew = offer.Contains("new", StringComparison.Ordinal);
        long? start = schedule switch
        {
            "now" => isNew ? _machine.At(0) : _machine.At(-2),
            "before the run" => _machine.At(-2),
            "future" => _machine.At(1),
            "due" or "not due" => _machine.At(-3),
            _ => null,
        };
        if (offer.StartsWith("optional", StringComparison.Ordinal))
            start = null;
        var document = PlannedMachine.Offer() with
        {
            Purpose = offer.StartsWith("optional", StringComparison.Ordinal) ? Advertisement.Available : Advertisement.Required,
            AvailableFrom = schedule == "future" && offer.StartsWith("optional", StringComparison.Ordinal) ? _machine.At(1) : null,
            StartAt = start,
            State = offer.StartsWith("halted", StringComparison.Ordinal) ? Advertisement.Halted : Advertisement.Active,
            ExpiresAt = offer.Contains("expired", StringComparison.Ordinal) ? _machine.At(0) : null,
            // Due: it came round again after the run. Not due: the run was for the last time.
            Recurrence = offer.Contains("recurring", StringComparison.Ordinal) ? new Recurrence { EverySeconds = schedule == "due" ? 3 * 3_600 : 2 * 3_600 } : null,
        };
        _machine.Add(document, known => known with { ReceivedAt = _machine.Now.AddHours(isNew ? 0 : -3) });
        if (history != "none")
            _machine.Runs.Add(Run(history == "success", isNew ? "bbbbbbbb" : "aaaaaaaa", document.Recurrence is null ? start ?? 0 : schedule == "due" ? _machine.At(-3) : _machine.At(-1)));

        Assert.Equal(result, _machine.Says());
    }

    [Theory]
    [InlineData(ProgramRules.Never, "failed", 1, "failed exit-code")]
    [InlineData(ProgramRules.IfFailed, "failed", 1, "ready → Run")]
    [InlineData(ProgramRules.Always, "failed", 1, "ready → Run")]
    [InlineData(ProgramRules.OnNewVersion, "failed", 1, "ready → Run")]
    [InlineData(ProgramRules.Never, "success", 2, "succeeded")]
    [InlineData(ProgramRules.IfFailed, "success", 2, "succeeded")]
    [InlineData(ProgramRules.Always, "success", 1, "ready → Run")]
    [InlineData(ProgramRules.OnNewVersion, "success", 1, "succeeded")]
    [InlineData(ProgramRules.OnNewVersion, "success", 2, "ready → Run")]
    public void Program_that_is_offered_again_runs_by_its_rule(string rerun, string history, long version, string result)
    {
        _machine.Add(PlannedMachine.Offer(rules: rules => rules with { Rerun = rerun }, version: version));
        _machine.Runs.Add(Run(history == "success", "bbbbbbbb", 0));

        Assert.Equal(result, _machine.Says());
    }

    [Theory]
    [InlineData(ProgramRules.Never, 1, "unknown unknown")]
    [InlineData(ProgramRules.IfFailed, 1, "waiting retry")]
    [InlineData(ProgramRules.IfFailed, 3, "unknown unknown")]
    public void Unknown_outcome_follows_the_rule_and_not_for_ever(string rerun, int times, string result)
    {
        _machine.Add(PlannedMachine.Offer(rules: rules => rules with { Rerun = rerun }));
        for (var i = 0; i < times; i++)
            _machine.Runs.Add(Run(true, "aaaaaaaa", 0) with { Outcome = ProgramRun.Unknown, StartedAt = _machine.Now, EndedAt = null, ExitCode = null });

        Assert.Equal(result, _machine.Says());
    }

    [Fact]
    public void Code_that_asks_for_it_is_tried_again_so_often()
    {
        _machine.Add(PlannedMachine.Offer());
        _machine.Ends = _ => (ProgramRun.Retry, 75);
        for (var tries = 0; tries < 2; tries++)
        {
            Assert.Equal(["install"], _machine.Settle());
            Assert.Equal("waiting retry", _machine.Says());
            Assert.Equal(_machine.Now.AddSeconds(600), _machine.Plan().Wake);
            _machine.Now = _machine.Now.AddSeconds(600);
        }
        Assert.Equal(["install"], _machine.Settle());
        Assert.Equal("failed exit-code", _machine.Says());
    }

    [Fact]
    public void Machine_that_has_to_be_started_anew_has_succeeded_then()
    {
        _machine.Add(PlannedMachine.Offer());
        _machine.Ends = _ => (ProgramRun.SuccessReboot, 3010);
        _machine.Settle();
        Assert.Equal("pending-reboot reboot", _machine.Says());
        _machine.BootId = "boot 2";
        Assert.Equal("succeeded", _machine.Says());
    }

    [Fact]
    public void Machine_is_started_anew_once_and_nothing_begins_before_that()
    {
        _machine.Add(PlannedMachine.Offer("aaaaaaaa", rules => rules with { AfterRun = ProgramRules.Reboot, NoticeSeconds = 60 }) with { Priority = 1 });
        _machine.Add(PlannedMachine.Offer("bbbbbbbb", program: "other"));
        _machine.Ends = offer => offer.Program.Name == "install" ? (ProgramRun.SuccessReboot, 1641) : (ProgramRun.Success, 0);
        _machine.Users.Add("ada");
        Assert.Equal([], _machine.Settle().Where(name => name != "other"));
        _machine.Now = _machine.Now.AddSeconds(60);
        Assert.Equal(["install"], _machine.Settle());
        Assert.Equal("pending-reboot reboot", _machine.Says("aaaaaaaa"));
        _machine.Now = _machine.Now.AddSeconds(60);
        Assert.Equal(["restart"], _machine.Settle());
        Assert.Equal("succeeded", _machine.Says("aaaaaaaa"));
    }

    [Fact]
    public void Program_is_run_after_those_that_it_needs_and_not_after_their_failure()
    {
        var first = PlannedMachine.OfferOf(program: "runtime") with { First = PlannedMachine.OfferOf(program: "kernel") };
        _machine.Add(PlannedMachine.Offer() is var document ? document with { Offer = document.Offer with { First = first } } : document);
        Assert.Equal(["kernel", "runtime", "install"], _machine.Settle());
        Assert.Equal([], _machine.Settle());

        var other = new PlannedMachine { Ends = offer => offer.Program.Name == "runtime" ? (ProgramRun.Failure, 9) : (ProgramRun.Success, 0) };
        other.Add(PlannedMachine.Offer() is var again ? again with { Offer = again.Offer with { First = first } } : again);
        Assert.Equal(["kernel", "runtime"], other.Settle());
        Assert.Equal("failed first-failed", other.Says());
    }

    [Theory]
    [InlineData("another platform", "waiting platform", null)]
    [InlineData("memory", "waiting memory", null)]
    [InlineData("disk", "waiting disk", 3_600)]
    [InlineData("nobody logged on", "waiting no-user", 60)]
    [InlineData("a ring", "waiting ring", 7_200)]
    [InlineData("a ring that has begun", "ready → Run", null)]
    [InlineData("a time zone of nowhere", "waiting time-zone", null)]
    [InlineData("an expiry to come", "waiting platform", 10_800)]
    public void Each_reason_has_its_word_and_its_time(string what, string result, int? seconds)
    {
        _machine.Add(what switch
        {
            "another platform" => PlannedMachine.Offer(rules: rules => rules with { Platforms = ["win-x64"] }),
            "memory" => PlannedMachine.Offer(rules: rules => rules with { MemoryBytes = 2L << 30 }),
            "disk" => PlannedMachine.Offer(rules: rules => rules with { FreeDiskBytes = 2L << 40 }),
            "nobody logged on" => PlannedMachine.Offer(rules: rules => rules with { RunAs = ProgramRules.AsUser }),
            "a ring" => PlannedMachine.Offer() with { Rings = [new RolloutRing(100, _machine.At(2))] },
            "a ring that has begun" => PlannedMachine.Offer() with { Rings = [new RolloutRing(100, _machine.At(-2))] },
            "a time zone of nowhere" => PlannedMachine.Offer() with { Recurrence = new Recurrence { MinuteOfDay = 0, TimeZone = "Nowhere/Land" } },
            _ => PlannedMachine.Offer(rules: rules => rules with { Platforms = ["win-x64"] }) with { ExpiresAt = _machine.At(3) },
        });

        Assert.Equal((result, seconds is null ? null : (DateTimeOffset?)_machine.Now.AddSeconds(seconds.Value)), (_machine.Says(), _machine.Plan().Wake));
    }

    [Fact]
    public void Window_and_postponement_hold_until_the_deadline_and_not_what_a_person_asked_for()
    {
        // It is noon.
        _machine.Window = new DailyHours(new TimeOnly(22, 0), new TimeOnly(6, 0));
        _machine.Add(PlannedMachine.Offer() with { Deadline = _machine.At(4) }, known => known with { PostponedUntil = _machine.Now.AddHours(11), Postponements = 1 });
        Assert.Equal("waiting window", _machine.Says());
        Assert.Equal(_machine.Now.AddHours(4), _machine.Plan().Wake);
        _machine.Window = DailyHours.Any;
        Assert.Equal("waiting postponed", _machine.Says());
        _machine.Change("aaaaaaaa", known => known with { IsAsked = true });
        Assert.Equal("ready → Run", _machine.Says());
        _machine.Change("aaaaaaaa", known => known with { IsAsked = false });
        _machine.Now = _machine.Now.AddHours(4);
        _machine.Window = new DailyHours(new TimeOnly(22, 0), new TimeOnly(6, 0));
        Assert.Equal("ready → Run", _machine.Says());
    }

    [Fact]
    public void Content_comes_before_the_start_and_a_failure_waits_its_time()
    {
        _machine.IsContentHere = false;
        _machine.Add(PlannedMachine.Offer() with { StartAt = _machine.At(5) });
        Assert.False(Assert.IsType<ProgramStep.Fetch>(_machine.Plan().Step).IsDue);
        _machine.Change("aaaaaaaa", known => known with { Content = new ContentWait("no CAP", _machine.Now.AddMinutes(10)) });
        Assert.Equal("waiting content", _machine.Says());
        // It is asked for again long before the start, at which the whole fleet would ask.
        Assert.Equal(_machine.Now.AddMinutes(10), _machine.Plan().Wake);
        _machine.Now = _machine.Now.AddHours(5);
        Assert.Equal("downloading → Fetch", _machine.Says());
        Assert.True(Assert.IsType<ProgramStep.Fetch>(_machine.Plan().Step).IsDue);
        Assert.Equal(["install"], _machine.Settle());
    }

    [Fact]
    public void Higher_priority_goes_first_and_one_runs_at_a_time()
    {
        _machine.Add(PlannedMachine.Offer("aaaaaaaa", program: "low"));
        _machine.Add(PlannedMachine.Offer("bbbbbbbb", program: "high") with { Priority = 5 });
        Assert.Equal("ready queue → Run", _machine.Says("aaaaaaaa"));
        Assert.Equal(["high", "low"], _machine.Settle());
        _machine.Add(PlannedMachine.Offer("cccccccc", program: "third"));
        _machine.Runs[0] = _machine.Runs[0] with { Outcome = null, EndedAt = null };
        Assert.Null(_machine.Plan().Step);
        Assert.Equal("running", _machine.Says("bbbbbbbb"));
        Assert.Equal("ready queue", _machine.Says("cccccccc"));
    }

    [Fact]
    public void What_is_offered_no_more_is_removed_once_when_nobody_else_offers_it_and_it_had_succeeded()
    {
        var document = PlannedMachine.Offer(rules: rules => rules with { Removal = new ProgramRemoval { Command = ["remove.sh"] } });
        _machine.Add(document);
        _machine.Add(document with { AdvertisementId = "bbbbbbbb" });
        Assert.Equal(["install"], _machine.Settle());
        _machine.Change("aaaaaaaa", known => known with { IsWithdrawn = true });
        Assert.Equal([], _machine.Settle());
        _machine.Change("bbbbbbbb", known => known with { IsWithdrawn = true, WithdrawnAt = _machine.Now });
        // Who goes from one collection to another is in neither for a moment.
        Assert.Equal([], _machine.Settle());
        Assert.Equal(_machine.Now.AddHours(1), _machine.Plan().Wake);
        _machine.Now = _machine.Now.AddHours(1);
        Assert.Equal(["-install"], _machine.Settle());
        Assert.Empty(_machine.Advertisements);

        // Offered again, it is as if it had never been.
        _machine.Now = _machine.Now.AddHours(1);
        _machine.Add(document);
        Assert.Equal(["install"], _machine.Settle());
    }

    /// <summary>A restored site does not know what it ordered after the backup: that is not an order to undo it.</summary>
    [Fact]
    public void What_a_restored_site_does_not_know_any_more_stays_installed()
    {
        _machine.Add(PlannedMachine.Offer(rules: rules => rules with { Removal = new ProgramRemoval { Command = ["remove.sh"] } }));
        Assert.Equal(["install"], _machine.Settle());
        _machine.Change("aaaaaaaa", known => known with { IsWithdrawn = true, WithdrawnAt = _machine.Now.AddDays(-1), IsOfEarlierEpoch = true });
        Assert.Equal([], _machine.Settle());
        Assert.Empty(_machine.Advertisements);
    }

    [Fact]
    public void What_failed_here_is_left_alone_for_a_while_and_holds_up_no_other()
    {
        _machine.Add(PlannedMachine.Offer("aaaaaaaa", program: "first") with { Priority = 9 });
        _machine.Add(PlannedMachine.Offer("bbbbbbbb", program: "second"));
        _machine.Change("aaaaaaaa", known => known with { Trouble = new ContentWait("the disk cannot be read", _machine.Now.AddMinutes(4)) });
        Assert.Equal(["second"], _machine.Settle());
        Assert.Equal("waiting trouble", _machine.Says("aaaaaaaa"));
        _machine.Now = _machine.Now.AddMinutes(4);
        Assert.Equal(["first"], _machine.Settle());
    }

    [Fact]
    public void Who_asks_before_the_ring_gets_the_content_first()
    {
        _machine.IsContentHere = false;
        _machine.Add(PlannedMachine.Offer() with { Rings = [new RolloutRing(100, _machine.At(48))] });
        _machine.Change("aaaaaaaa", known => known with { IsAsked = true });
        Assert.Equal("downloading → Fetch", _machine.Says());
    }

    [Fact]
    public void Removal_that_fails_is_tried_so_often_and_stays_visible()
    {
        _machine.Add(PlannedMachine.Offer(rules: rules => rules with { Removal = new ProgramRemoval { Command = ["remove.sh"] } }));
        _machine.Settle();
        _machine.Change("aaaaaaaa", known => known with { IsWithdrawn = true, WithdrawnAt = _machine.Now.AddHours(-1) });
        _machine.Ends = _ => (ProgramRun.Failure, 1);
        for (var tries = 0; tries < 3; tries++)
        {
            Assert.Equal(["-install"], _machine.Settle());
            _machine.Now = _machine.Now.AddHours(1);
        }
        Assert.Equal([], _machine.Settle());
        Assert.Equal("failed removal", _machine.Says());
    }

    [Fact]
    public void Expiry_removes_nothing()
    {
        _machine.Add(PlannedMachine.Offer(rules: rules => rules with { Removal = new ProgramRemoval { Command = ["remove.sh"] } }) with { ExpiresAt = _machine.At(1) });
        _machine.Settle();
        _machine.Now = _machine.Now.AddHours(2);

        Assert.Equal([], _machine.Settle());
        Assert.Equal("succeeded", _machine.Says());
    }

    [Fact]
    public void Person_runs_what_is_optional_once_for_each_time_of_asking()
    {
        _machine.Add(PlannedMachine.Offer() with { Purpose = Advertisement.Available });
        Assert.Equal([], _machine.Settle());
        for (var times = 0; times < 2; times++)
        {
            _machine.Change("aaaaaaaa", known => known with { IsAsked = true });
            Assert.Equal(["install"], _machine.Settle());
        }
    }

    private LedgerRun Run(bool succeeded, string advertisement, long occasion) => new()
    {
        Id = "1",
        Program = new ProgramKey("pppppppp", "install"),
        Number = 1,
        PackageVersion = 1,
        AdvertisementId = advertisement,
        Revision = 1,
        Occasion = occasion,
        BootId = "boot 1",
        StartedAt = _machine.Now.AddHours(-1),
        EndedAt = _machine.Now.AddHours(-1),
        Outcome = succeeded ? ProgramRun.Success : ProgramRun.Failure,
        ExitCode = succeeded ? 0 : 9,
    };
}
