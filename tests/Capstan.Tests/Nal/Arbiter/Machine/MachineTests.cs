using Capstan.Nal;
using Capstan.Nal.Arbiter;
using Capstan.Nal.Arbiter.Accounts;
using Capstan.Nal.Arbiter.Journal;
using Capstan.Nal.Arbiter.Machine;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers;
using Capstan.Testing;
using Capstan.Testing.Stores;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Capstan.Tests.Nal.Arbiter.Machine;

/// <summary>Several arbiters on one machine: each stands for a process, and shares nothing with the others but the machine's directories.</summary>
public sealed class MachineTests : IAsyncDisposable
{
    private static readonly CancellationToken None = CancellationToken.None;
    private static readonly NalPath Share = NalPath.Parse("smb://fs1/cap/");
    private static readonly NalPath OtherName = NalPath.Parse("smb://fs2/cap/");
    private static readonly DateTimeOffset Start = new(2026, 11, 22, 12, 0, 0, TimeSpan.Zero);

    /// <summary>In memory where there is such a place: what is shown here does not depend on how long a disk takes.</summary>
    private readonly DirectoryInfo _directory = Directory.Exists("/dev/shm")
        ? Directory.CreateDirectory($"/dev/shm/capstan-machine-{Guid.NewGuid():N}") : Directory.CreateTempSubdirectory("capstan-machine-");
    private readonly NalMachine _machine;
    private readonly ManualTime _time = new(Start);
    private readonly MemoryProvider _server;
    private readonly List<ConnectionArbiter> _arbiters = [];
    private TimeSpan _uptime = TimeSpan.FromMinutes(5);

    public MachineTests()
    {
        _machine = NalMachine.At(_directory.FullName);
        _server = new MemoryProvider("MSWNET", _time) { Guid = new Guid(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11) };
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var arbiter in _arbiters)
            await arbiter.DisposeAsync();
        Assert.Equal(0, _server.OpenConnections);
        _directory.Delete(recursive: true);
    }

    [Fact]
    public async Task The_budget_is_the_machines_and_those_who_wait_are_served()
    {
        var (one, two) = (New(), New());
        var lease = await LeaseAsync(one, "CCIM");
        var waiting = two.AcquireAsync(Share, new LeasePurpose("APM"), None).AsTask();
        await WaitingAsync();
        Assert.Equal(1, _server.OpenConnections);
        await lease.DisposeAsync();
        await using var late = (await waiting).Lease!;
        Assert.Equal((1, 2), (_server.PeakConnections, _server.Attempts));
    }

    [Fact]
    public async Task Whoever_cannot_wait_is_told_who_has_the_slot()
    {
        var (one, two) = (New(), New());
        await using var lease = await LeaseAsync(one, "CCIM");
        var refusal = (await two.AcquireAsync(Share, new LeasePurpose("nal", Wait: TimeSpan.Zero), None)).Refusal!;
        Assert.Contains($"no slot on fs1:445 is free (1 of 1 held by CCIM of process {Environment.ProcessId}", refusal.Reason, StringComparison.Ordinal);
        Assert.Equal(NalError.WaitForSlot, Assert.Single(refusal.Trace.Candidates).Error);
    }

    [Fact]
    public async Task A_connection_that_only_lingers_gives_way_to_another_process_within_a_beat()
    {
        var (one, two) = (New(), New());
        await (await LeaseAsync(one, "CCIM", keepWarm: true)).DisposeAsync();
        Assert.Equal("idle", Assert.Single(one.Connections()).State);
        var waiting = two.AcquireAsync(Share, new LeasePurpose("APM"), None).AsTask();
        await WaitingAsync();
        _time.Advance(TimeSpan.FromSeconds(1));
        await using var lease = (await waiting).Lease!;
        Assert.Empty(one.Connections());
    }

    [Fact]
    public async Task The_record_is_there_before_the_connection_and_goes_with_its_confirmed_end()
    {
        var arbiter = New();
        _server.OnConnect = (_, _) =>
        {
            Assert.Equal(("connecting", null), (Records()[0].Record!.State, Records()[0].Record!.Session));
            return Task.CompletedTask;
        };
        await using (var lease = await LeaseAsync(arbiter, "CCIM"))
        {
            var entry = Assert.Single(Records());
            Assert.Equal(("SMSClient_ABC/Resource0", true, false), (entry.Name, entry.IsOwned, entry.IsGhost));
            Assert.Equal(("open", 1ul, "fs1:445", _server.Guid, Environment.ProcessId), (entry.Record!.State, entry.Record.Session, entry.Record.Server, entry.Record.ServerGuid, entry.Record.Process));
            _time.Advance(TimeSpan.FromSeconds(1));
            Assert.Equal((1, "CCIM"), (Records()[0].Record!.ReferenceCount, Assert.Single(Records()[0].Record!.Holders)));
        }
        Assert.Empty(Records());
    }

    [Fact]
    public async Task A_close_that_is_not_confirmed_leaves_a_ghost_and_the_next_logon_ends_it()
    {
        var arbiter = New();
        var lease = await LeaseAsync(arbiter, "CCIM");
        var ghost = _server.AddGhost("SMSClient_ABC");
        _server.Break(new NalException(NalError.Connect, "the cable was cut"));
        await lease.DisposeAsync();
        var entry = Assert.Single(Records());
        Assert.Equal(("ghost", true), (entry.Record!.State, entry.IsGhost));
        // What the server counts is this session.
        Rewrite(entry, entry.Record with { Session = ghost });
        await using var next = await LeaseAsync(arbiter, "CCIM");
        Assert.Equal(1, _server.OpenConnections);
        Assert.Equal("open", Assert.Single(Records()).Record!.State);
    }

    [Fact]
    public async Task What_a_dead_process_left_is_ended_by_the_next_logon_of_its_account()
    {
        Crashed("SMSClient_ABC", _server.AddGhost("SMSClient_ABC"));
        await using var lease = await LeaseAsync(New(), "CCIM");
        Assert.Equal((1, 1), (_server.OpenConnections, _server.PeakConnections));
        Assert.Equal("open", Assert.Single(Records()).Record!.State);
    }

    [Fact]
    public async Task What_a_dead_process_left_under_another_account_is_ended_by_a_logon_of_that()
    {
        Crashed("old", _server.AddGhost("old"));
        var arbiter = New();
        arbiter.SetAccounts("fs1:445", [Account("SMSClient_ABC"), Account("old")]);
        await using var lease = await LeaseAsync(arbiter, "CCIM");
        Assert.Equal(["old", "SMSClient_ABC"], _server.Logons);
        Assert.Equal((1, 1), (_server.OpenConnections, _server.PeakConnections));
    }

    /// <summary>A process that dies in between leaves a record of what the server counts then.</summary>
    [Fact]
    public async Task The_logon_that_ends_another_accounts_ghost_is_written_down_until_its_close_is_confirmed()
    {
        var ghost = _server.AddGhost("old");
        Crashed("old", ghost);
        IReadOnlyList<JournalEntry>? seen = null;
        _server.OnClose = () =>
        {
            seen ??= Records();
            return Task.CompletedTask;
        };
        var arbiter = New();
        arbiter.SetAccounts("fs1:445", [Account("SMSClient_ABC"), Account("old")]);
        await using var lease = await LeaseAsync(arbiter, "CCIM");
        var record = Assert.Single(seen!).Record!;
        Assert.Equal(("old", "closing", ghost + 1), (record.Account, record.State, record.Session!.Value));
        Assert.Equal("SMSClient_ABC", Assert.Single(Records()).Record!.Account);
    }

    [Fact]
    public async Task Whoever_stood_in_line_does_not_try_an_account_that_was_refused_meanwhile()
    {
        var (one, two) = (New(), New());
        var lease = await LeaseAsync(one, "CCIM");
        two.SetAccounts("fs1:445", [Account("wrong")]);
        var waiting = two.AcquireAsync(Share, new LeasePurpose("APM"), None).AsTask();
        await WaitingAsync();
        new StoppedAccounts(_machine).Stop(new StoppedAccount("fs1:445", "wrong", "wrong password", Start));
        await lease.DisposeAsync();
        var thrown = await Assert.ThrowsAsync<NalException>(() => waiting);
        Assert.Equal((NalError.Authenticate, Completion.NotSent), (thrown.Error, thrown.Completion));
        Assert.Equal(["SMSClient_ABC"], _server.Logons);
        Assert.Empty(Records());
    }

    [Fact]
    public async Task An_account_that_cannot_end_its_ghost_any_more_is_tried_once_and_stopped()
    {
        _server.Passwords = new Dictionary<string, string>(StringComparer.Ordinal) { ["smsclient_abc"] = "secret" };
        Crashed("old", 77);
        var arbiter = New();
        arbiter.SetAccounts("fs1:445", [Account("SMSClient_ABC"), Account("old")]);
        Assert.Contains("may still count a connection of old", (await arbiter.AcquireAsync(Share, new LeasePurpose("CCIM"), None)).Refusal!.Reason, StringComparison.Ordinal);
        Assert.NotNull((await arbiter.AcquireAsync(Share, new LeasePurpose("CCIM"), None)).Refusal);
        Assert.Equal(["old"], _server.Logons);
        // What nobody can end is gone after the server's idle time.
        _uptime = TimeSpan.FromMinutes(15);
        await (await LeaseAsync(arbiter, "CCIM")).DisposeAsync();
        Assert.Empty(Records());
        Assert.Equal(["old", "SMSClient_ABC"], _server.Logons);
    }

    [Fact]
    public async Task A_ghost_without_an_id_of_an_earlier_start_keeps_its_slot_until_the_servers_idle_time_is_over()
    {
        Crashed("SMSClient_ABC", session: null, boot: "an earlier one");
        var arbiter = New();
        var refusal = (await arbiter.AcquireAsync(Share, new LeasePurpose("CCIM"), None)).Refusal!;
        Assert.Contains("it is assumed gone in 10 min, or at once with: capstan nal drop SMSClient_ABC/Resource0", refusal.Reason, StringComparison.Ordinal);
        Assert.Equal(0, _server.Attempts);
        _uptime = TimeSpan.FromMinutes(15);
        await using var lease = await LeaseAsync(arbiter, "CCIM");
        Assert.Equal("open", Assert.Single(Records()).Record!.State);
    }

    [Theory, InlineData("nonsense"), InlineData("{}\ncheck 0123456789abcdef\n")]
    public async Task A_record_that_cannot_be_read_stays_visible_and_blocks_nobody(string text)
    {
        Crashed("SMSClient_ABC", 1);
        await File.WriteAllTextAsync(Records()[0].File, text, None);
        await (await LeaseAsync(New(), "CCIM")).DisposeAsync();
        var entry = Assert.Single(Records());
        Assert.Null(entry.Record);
        Assert.NotEmpty(entry.Problem);
    }

    [Fact]
    public async Task Nothing_is_opened_that_cannot_be_written_down()
    {
        _machine.Prepare();
        await File.WriteAllTextAsync(Path.Combine(_machine.Journal, "Connections"), "in the way", None);
        var thrown = await Assert.ThrowsAsync<NalException>(async () => await New().AcquireAsync(Share, new LeasePurpose("CCIM"), None));
        Assert.Equal(NalError.WriteLocal, thrown.Error);
        Assert.Equal(0, _server.Attempts);
    }

    [Fact]
    public async Task A_refused_account_is_tried_once_whoever_asks_and_again_after_a_week_or_when_a_person_wants_it()
    {
        _server.Passwords = new Dictionary<string, string>(StringComparer.Ordinal);
        for (var process = 0; process < 3; process++)
            await Assert.ThrowsAsync<NalException>(async () => await New().AcquireAsync(Share, new LeasePurpose("CCIM"), None));
        Assert.Single(_server.Logons);
        var thrown = await Assert.ThrowsAsync<NalException>(async () => await New().AcquireAsync(Share, new LeasePurpose("CCIM"), None));
        Assert.Equal(NalError.Authenticate, thrown.Error);
        Assert.Contains("has refused every account that is known for it (SMSClient_ABC)", thrown.Message, StringComparison.Ordinal);

        _time.Advance(TimeSpan.FromDays(8));
        await Assert.ThrowsAsync<NalException>(async () => await New().AcquireAsync(Share, new LeasePurpose("CCIM"), None));
        Assert.Equal(2, _server.Logons.Count);

        _server.Passwords = null;
        _machine.ResumeAccounts("fs1:445");
        var arbiter = New();
        await (await LeaseAsync(arbiter, "CCIM")).DisposeAsync();
        await (await LeaseAsync(New(), "CCIM")).DisposeAsync();
    }

    [Fact]
    public async Task A_clock_that_was_a_year_ahead_stops_an_account_for_a_week_and_not_for_a_year()
    {
        _server.Passwords = new Dictionary<string, string>(StringComparer.Ordinal);
        _time.Jump(Start.AddYears(1));
        await Assert.ThrowsAsync<NalException>(async () => await New().AcquireAsync(Share, new LeasePurpose("CCIM"), None));
        _time.Jump(Start);
        await Assert.ThrowsAsync<NalException>(async () => await New().AcquireAsync(Share, new LeasePurpose("CCIM"), None));
        _time.Jump(Start.AddDays(8));
        _server.Passwords = null;
        await (await LeaseAsync(New(), "CCIM")).DisposeAsync();
    }

    [Fact]
    public async Task A_hundred_accounts_are_tried_each_once_and_then_none()
    {
        _server.Passwords = new Dictionary<string, string>(StringComparer.Ordinal);
        var arbiter = New();
        arbiter.SetAccounts("fs1:445", [.. Enumerable.Range(0, 100).Select(number => Account($"a{number}"))]);
        await Assert.ThrowsAsync<NalException>(async () => await arbiter.AcquireAsync(Share, new LeasePurpose("CCIM"), None));
        await Assert.ThrowsAsync<NalException>(async () => await arbiter.AcquireAsync(Share, new LeasePurpose("CCIM"), None));
        Assert.Equal(100, _server.Logons.Count);
        Assert.Empty(Records());
    }

    /// <summary>With two slots the same account may log on twice at one time; a session that the server began in between could have the id of the ghost by then.</summary>
    [Fact]
    public async Task The_id_of_a_ghost_goes_with_one_logon_only()
    {
        Crashed("SMSClient_ABC", _server.AddGhost("SMSClient_ABC"));
        var carried = new List<PreviousSession?>();
        var first = new TaskCompletionSource();
        var goOn = new TaskCompletionSource();
        _server.OnConnect = (request, _) =>
        {
            lock (carried)
                carried.Add(request.Previous);
            return carried.Count == 1 ? Hold() : Task.CompletedTask;
        };
        async Task Hold()
        {
            first.SetResult();
            await goOn.Task;
        }
        // The second slot's: it meets the ghost of the first one while that is free.
        using (var slots = new ServerSlots(_machine.Slots, "fs1:445").TryTake([0]))
        {
            var one = New(budget: 2);
            var early = LeaseAsync(one, "CCIM");
            await first.Task;
            Assert.Null(carried[0]);
            goOn.SetResult();
            await (await early).DisposeAsync();
        }
        (first, goOn) = (new TaskCompletionSource(), new TaskCompletionSource());
        carried.Clear();
        var (a, b) = (New(budget: 2), New(budget: 2));
        var holds = LeaseAsync(a, "CCIM");
        await first.Task;
        await using var second = await LeaseAsync(b, "APM");
        goOn.SetResult();
        await using var lease = await holds;
        Assert.Single(carried, previous => previous is not null);
        Assert.Equal(2, Records().Count);
    }

    [Fact]
    public async Task A_connection_that_cannot_begin_to_serve_is_closed_before_its_slot_is_given_back()
    {
        var arbiter = New(new DefectiveProvider(_server));
        var thrown = await Assert.ThrowsAsync<NalException>(async () => await arbiter.AcquireAsync(Share, new LeasePurpose("CCIM"), None));
        Assert.Contains("a defect", thrown.Message, StringComparison.Ordinal);
        Assert.Equal(0, _server.OpenConnections);
        Assert.Empty(Records());
        await (await LeaseAsync(New(), "CCIM")).DisposeAsync();
    }

    [Fact]
    public async Task A_log_that_fails_changes_nothing()
    {
        using var loggers = new FailingLoggers();
        var arbiter = New(loggers: loggers);
        await (await LeaseAsync(arbiter, "CCIM")).DisposeAsync();
        Assert.Equal(0, _server.OpenConnections);
        _server.OnConnect = (_, _) => throw new NalException(NalError.Connect, "not now");
        await Assert.ThrowsAsync<NalException>(async () => await arbiter.AcquireAsync(Share, new LeasePurpose("CCIM"), None));
        _server.OnConnect = null;
        await (await LeaseAsync(arbiter, "CCIM")).DisposeAsync();
        Assert.Empty(Records());
        Assert.Empty(arbiter.Connections());
    }

    [Fact]
    public async Task A_line_that_cannot_be_written_because_the_disk_is_full_refuses_with_its_cause()
    {
        var (one, two) = (New(), New());
        await using var lease = await LeaseAsync(one, "CCIM");
        var line = Path.Combine(_machine.Slots, "fs1%3A445", "line");
        File.Delete(line);
        File.CreateSymbolicLink(line, "/dev/full");
        var thrown = await Assert.ThrowsAsync<NalException>(async () => await two.AcquireAsync(Share, new LeasePurpose("APM"), None));
        Assert.Equal(NalError.WriteLocal, thrown.Error);
        Assert.Contains("No space left", thrown.Message, StringComparison.Ordinal);
    }

    /// <summary>Design, section 5: one server under two names is noticed (ServerGuid) and shares one slot.</summary>
    [Fact]
    public async Task A_server_that_is_met_under_a_second_name_shares_one_slot_from_then_on()
    {
        var (one, two) = (New(), New());
        await (await LeaseAsync(one, "CCIM")).DisposeAsync();
        // That it is one server is known by its answer; this connection closes when it is idle, however warm it was to be kept.
        await (await LeaseAsync(two, "APM", keepWarm: true, OtherName)).DisposeAsync();
        Assert.Empty(two.Connections());
        Assert.Equal(("fs2:445", "fs1:445"), Assert.Single(_machine.SharedNames()) is var shared ? (shared.Server, shared.SameAs) : default);

        await using var lease = await LeaseAsync(one, "CCIM");
        var refusal = (await two.AcquireAsync(OtherName, new LeasePurpose("APM", Wait: TimeSpan.Zero), None)).Refusal!;
        Assert.Contains("held by CCIM of process", refusal.Reason, StringComparison.Ordinal);
        Assert.Equal((1, 1), (_server.OpenConnections, _server.PeakConnections));
    }

    [Fact]
    public async Task One_process_that_needs_two_servers_that_share_a_slot_uses_them_in_turn()
    {
        var arbiter = New();
        await (await LeaseAsync(arbiter, "CCIM")).DisposeAsync();
        await (await LeaseAsync(arbiter, "CCIM", path: OtherName)).DisposeAsync();
        for (var round = 0; round < 3; round++)
        {
            // What is kept warm under the one name gives way to the other.
            await (await LeaseAsync(arbiter, "Publisher", keepWarm: true)).DisposeAsync();
            await (await LeaseAsync(arbiter, "Publisher", keepWarm: true, OtherName)).DisposeAsync();
        }
        await using (await LeaseAsync(arbiter, "Publisher"))
        {
            var waiting = arbiter.AcquireAsync(OtherName, new LeasePurpose("Publisher"), None).AsTask();
            _time.Advance(TimeSpan.FromSeconds(30));
            var refusal = (await waiting).Refusal!;
            Assert.Contains("waited 30.0 s for a slot on fs2:445 (1 of 1 held by Publisher", refusal.Reason, StringComparison.Ordinal);
            Assert.NotNull(refusal.NextTry);
        }
        Assert.Equal(1, _server.PeakConnections);
    }

    /// <summary>Two servers may say the same of themselves: the id of the one must not end a session at the other.</summary>
    [Fact]
    public async Task A_ghost_under_another_name_is_ended_under_that_name()
    {
        new ServerNames(_machine).Notice("fs1:445", _server.Guid!.Value, Start);
        new ServerNames(_machine).Notice("fs2:445", _server.Guid!.Value, Start);
        Crashed("SMSClient_ABC", _server.AddGhost("SMSClient_ABC"), path: OtherName);
        var carried = new List<(string Root, ulong? Id)>();
        _server.OnConnect = (request, _) =>
        {
            carried.Add((request.Path.Root, request.Previous?.Id));
            return Task.CompletedTask;
        };
        await using var lease = await LeaseAsync(New(), "CCIM");
        Assert.Equal([("fs2", 1ul), ("fs1", null)], carried);
        Assert.Equal(1, _server.OpenConnections);
        Assert.Equal("fs1:445", Assert.Single(Records()).Record!.Server);
    }

    [Fact]
    public async Task Whatever_happened_to_the_slots_directory_the_journal_keeps_the_machine_within_its_budget()
    {
        var (one, two) = (New(), New());
        await using (await LeaseAsync(one, "CCIM"))
        {
            Directory.Delete(_machine.Slots, recursive: true);
            var waiting = two.AcquireAsync(Share, new LeasePurpose("APM"), None).AsTask();
            while (!waiting.IsCompleted)
            {
                await Task.WhenAny(waiting, _time.ArmedAsync(TimeSpan.FromMilliseconds(100))).Soon();
                _time.Advance(TimeSpan.FromMilliseconds(100));
            }
            var refusal = (await waiting).Refusal!;
            Assert.Contains("was emptied while it was used", refusal.Reason, StringComparison.Ordinal);
            Assert.Equal(1, _server.PeakConnections);
        }
        await (await LeaseAsync(two, "APM")).DisposeAsync();
        Assert.Equal(1, _server.PeakConnections);
    }

    [Fact]
    public async Task A_slot_whose_file_was_deleted_is_locked_again_at_the_next_beat()
    {
        var (one, two) = (New(), New());
        await using var lease = await LeaseAsync(one, "CCIM");
        Directory.Delete(_machine.Slots, recursive: true);
        _time.Advance(TimeSpan.FromSeconds(1));
        var refusal = (await two.AcquireAsync(Share, new LeasePurpose("APM", Wait: TimeSpan.Zero), None)).Refusal!;
        Assert.Contains("no slot on fs1:445 is free (1 of 1 held by CCIM of process", refusal.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_slot_that_is_blocked_is_tried_again_when_it_is_free()
    {
        Crashed("SMSClient_ABC", session: null, boot: "an earlier one");
        var refusal = (await New().AcquireAsync(Share, new LeasePurpose("CCIM"), None)).Refusal!;
        Assert.Equal(Start + TimeSpan.FromMinutes(10), refusal.NextTry);
    }

    [Fact]
    public async Task Of_five_hundred_accounts_no_more_are_tried_than_are_needed_and_each_once()
    {
        _server.Passwords = new Dictionary<string, string>(StringComparer.Ordinal) { ["a20"] = "secret" };
        var arbiter = New();
        arbiter.SetAccounts("fs1:445", [.. Enumerable.Range(0, 500).Select(number => Account($"a{number}"))]);
        await (await LeaseAsync(arbiter, "CCIM")).DisposeAsync();
        Assert.Equal(Enumerable.Range(0, 21).Select(number => $"a{number}"), _server.Logons);
        Assert.Empty(Records());
        // The one that works is tried first from then on, since those before it rest.
        await (await LeaseAsync(arbiter, "CCIM")).DisposeAsync();
        Assert.Equal(22, _server.Logons.Count);
    }

    [Fact]
    public async Task A_thousand_servers_in_a_list_end_in_the_one_that_answers()
    {
        var arbiter = New();
        arbiter.SetExport("CAPs", [.. Enumerable.Range(0, 1_000).Select(number => NalPath.Parse($"smb://s{number}/cap/"))]);
        for (var number = 0; number < 1_000; number++)
            arbiter.SetAccounts($"s{number}:445", [Account("SMSClient_ABC")]);
        _server.OnConnect = (request, _) => request.Path.Root == "s777" ? Task.CompletedTask : throw new NalException(NalError.Connect, "nothing answers there", completion: Completion.NotSent);
        await using var lease = (await arbiter.AcquireAsync(NalPath.Export("CAPs"), new LeasePurpose("CCIM"), None)).Lease!;
        Assert.Equal("s777", lease.Path.Root);
        Assert.Equal((1_000, 1), (lease.Trace.Candidates.Count, _server.OpenConnections));
        Assert.Single(Records());
    }

    public static TheoryData<int, int, int> AbsurdLimits => new() { { 0, 1, 1 }, { -1, 1, 1 }, { 17, 1, 1 }, { int.MaxValue, 1, 1 }, { 1, -1, 1 }, { 1, 1, 0 }, { 1, 1, -1 } };

    [Theory]
    [MemberData(nameof(AbsurdLimits))]
    public void Absurd_limits_are_refused_with_all_their_readings(int budget, int waiting, int hours)
    {
        var options = new ArbiterOptions { BudgetPerServer = budget, MaxWaitingPerServer = waiting, LongestLease = TimeSpan.FromHours(hours) };
        var thrown = Assert.Throws<ArgumentException>(() => new ConnectionArbiter([_server], options, _time, new Random(1), NullLoggerFactory.Instance));
        Assert.Contains($"the budget per server is {budget} and must be 1 to 16; the queue per server holds {waiting}", thrown.Message, StringComparison.Ordinal);
    }

    private ConnectionArbiter New(IStorageProvider? provider = null, int budget = 1, ILoggerFactory? loggers = null)
    {
        var arbiter = new ConnectionArbiter([provider ?? _server], new ArbiterOptions { Machine = _machine, OrderSeed = "device", BudgetPerServer = budget }, new Boot("this start", () => _uptime), _time, new Random(1), loggers ?? NullLoggerFactory.Instance);
        arbiter.SetAccounts("fs1:445", [Account("SMSClient_ABC")]);
        arbiter.SetAccounts("fs2:445", [Account("SMSClient_ABC")]);
        _arbiters.Add(arbiter);
        return arbiter;
    }

    private static ConnectionAccount Account(string name) => new(name, new Secret("secret"));

    private async Task<Lease> LeaseAsync(ConnectionArbiter arbiter, string component, bool keepWarm = false, NalPath? path = null)
    {
        var asked = arbiter.AcquireAsync(path ?? Share, new LeasePurpose(component, keepWarm), None).AsTask();
        // A child that another test starts has, until it runs its program, the locks that were let go meanwhile. The arbiter looks again by its clock.
        while (await Task.WhenAny(asked, Task.Delay(TimeSpan.FromSeconds(2), TimeProvider.System)) != asked)
            _time.Advance(TimeSpan.FromMilliseconds(100));
        return (await asked).Lease!;
    }

    private IReadOnlyList<JournalEntry> Records() => ConnectionJournal.Read(_machine);

    private static void Rewrite(JournalEntry entry, ConnectionRecord record) => File.WriteAllBytes(entry.File, RecordText.Write(record));

    /// <summary>What a process leaves that was killed.</summary>
    private void Crashed(string account, ulong? session, string boot = "this start", NalPath? path = null)
    {
        _machine.Prepare();
        using var journal = new ConnectionJournal(_machine);
        journal.Create(new ConnectionRecord
        {
            Path = (path ?? Share).ToString(),
            Server = (path ?? Share).Server!,
            Account = account,
            Session = session,
            ServerGuid = _server.Guid,
            Slot = 0,
            Owner = journal.Owner,
            Process = 4711,
            ProcessStart = Start,
            Boot = boot,
            Opened = Start,
            LastUsed = Start,
            State = session is null ? "connecting" : "open",
            NextStep = "",
        });
    }

    private Task WaitingAsync() => Patience.UntilAsync(() => Directory.Exists(Path.Combine(_machine.Slots, "fs1%3A445")) && Directory.GetFiles(Path.Combine(_machine.Slots, "fs1%3A445"), "ticket-*").Length > 0);

    /// <summary>Its connections work, but for one question.</summary>
    private sealed class DefectiveProvider(MemoryProvider inner) : IStorageProvider
    {
        public string Name => inner.Name;

        public string? ServerOf(NalPath path) => inner.ServerOf(path);

        public async ValueTask<IStorageConnection> ConnectAsync(ConnectRequest request, CancellationToken cancellationToken) => new Defective(await inner.ConnectAsync(request, cancellationToken));

        private sealed class Defective(IStorageConnection connection) : IStorageConnection
        {
            public ulong? SessionId => connection.SessionId;

            public Task<NalException>? Broken => throw new InvalidOperationException("a defect");

            public ValueTask<IStore> OpenAsync(NalPath path, CancellationToken cancellationToken) => connection.OpenAsync(path, cancellationToken);

            public ValueTask<bool> CloseAsync(CancellationToken cancellationToken) => connection.CloseAsync(cancellationToken);
        }
    }

    private sealed class FailingLoggers : ILoggerFactory, ILogger
    {
        public void AddProvider(ILoggerProvider provider) => throw new InvalidOperationException("the log is broken");

        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => throw new InvalidOperationException("the log is broken");

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            throw new InvalidOperationException("the log is broken");

        public void Dispose()
        {
            // Nothing is held.
        }
    }
}
