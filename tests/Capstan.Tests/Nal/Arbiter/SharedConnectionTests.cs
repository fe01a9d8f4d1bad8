using Capstan.Nal;
using Capstan.Nal.Arbiter;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers;
using Capstan.Testing;
using Capstan.Testing.Stores;
using Microsoft.Extensions.Logging.Abstractions;

namespace Capstan.Tests.Nal.Arbiter;

/// <summary>The shell against a server that counts.</summary>
public sealed class SharedConnectionTests : IAsyncDisposable
{
    private static readonly CancellationToken None = CancellationToken.None;
    private static readonly NalPath Share = NalPath.Parse("smb://fs1/cap/");
    private static readonly NalPath Other = NalPath.Parse("smb://fs2/cap/");

    private readonly ManualTime _time = new();
    private readonly MemoryProvider _server;
    private readonly ConnectionArbiter _arbiter;

    public SharedConnectionTests()
    {
        _server = new MemoryProvider("MSWNET", _time);
        _arbiter = new ConnectionArbiter([_server], new ArbiterOptions { UseRandomPathSelection = false }, _time, new Random(1), NullLoggerFactory.Instance);
    }

    public async ValueTask DisposeAsync()
    {
        await _arbiter.DisposeAsync();
        Assert.Equal(0, _server.OpenConnections);
    }

    [Fact]
    public async Task Many_leases_make_one_attempt_and_one_connection()
    {
        var results = await Task.WhenAll(Enumerable.Range(0, 50).Select(number => _arbiter.AcquireAsync(Share, new LeasePurpose($"c{number}"), None).AsTask()));
        Assert.Equal((1, 1), (_server.Attempts, _server.OpenConnections));
        await Task.WhenAll(results.Select(result => result.Lease!.DisposeAsync().AsTask()));
        Assert.Equal((0, 1), (_server.OpenConnections, _server.PeakConnections));
        Assert.Empty(_arbiter.Connections());
    }

    [Fact]
    public async Task A_full_server_is_a_refusal_with_reading_and_next_try()
    {
        _server.MaxConnections = 0;
        var result = await _arbiter.AcquireAsync(Share, new LeasePurpose("CCIM", Wait: TimeSpan.Zero), None);
        Assert.False(result.TryGetLease(out _, out var refusal));
        Assert.Contains("server fs1 is full (0 of 0 connections); next try 12:00:", refusal.Reason, StringComparison.Ordinal);
        Assert.InRange(refusal.NextTry!.Value - _time.GetUtcNow(), TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(3));
        Assert.Equal(NalError.ServerFull, Assert.Single(refusal.Trace.Candidates).Error);
        Assert.Equal(refusal.NextTry, refusal.Trace.NextTry);
    }

    [Fact]
    public async Task A_full_server_is_asked_again_by_itself_and_nothing_is_held_meanwhile()
    {
        _server.MaxConnections = 0;
        _arbiter.SetServer("fs1:445", new ServerTerms { MeanHold = TimeSpan.FromSeconds(10) });
        var waiting = _arbiter.AcquireAsync(Share, new LeasePurpose("CCIM") { AsksFullServerAgain = true }, None).AsTask();
        await _server.Refused;
        // Whoever cannot wait is told at once, without a try.
        Assert.NotNull((await _arbiter.AcquireAsync(Share, new LeasePurpose("APM", Wait: TimeSpan.Zero), None)).Refusal);
        Assert.Equal((1, 0), (_server.Attempts, _arbiter.Connections().Count));
        _server.MaxConnections = 1;
        _time.Advance(TimeSpan.FromSeconds(15));
        await using var lease = (await waiting).Lease!;
        Assert.Equal(2, _server.Attempts);
    }

    [Fact]
    public async Task A_lease_that_is_held_too_long_ends_without_its_holder()
    {
        await using var lease = (await _arbiter.AcquireAsync(Share, new LeasePurpose("one"), None)).Lease!;
        _time.Advance(TimeSpan.FromHours(1));
        var thrown = await Assert.ThrowsAsync<NalException>(async () => await lease.Store.StatAsync(StorePath.Parse("a"), None));
        Assert.Contains("held for longer than 60 min", thrown.Message, StringComparison.Ordinal);
        await _server.Closed(1);
    }

    [Fact]
    public async Task Two_passwords_under_one_name_share_no_connection()
    {
        _server.Passwords = new Dictionary<string, string>(StringComparer.Ordinal) { ["capa"] = "right" };
        await using var lease = (await _arbiter.AcquireAsync(Share, As("capa", "right"), None)).Lease!;
        var wrong = _arbiter.AcquireAsync(Share, As("capa", "wrong"), None).AsTask();
        await lease.DisposeAsync();
        Assert.Equal(NalError.Authenticate, (await Assert.ThrowsAsync<NalException>(() => wrong)).Error);
    }

    [Fact]
    public async Task A_server_under_another_of_its_names_is_the_same_server()
    {
        _arbiter.SetServer("fs1:445", new ServerTerms { Aliases = ["fs2:445"] });
        await using var one = (await _arbiter.AcquireAsync(Share, new LeasePurpose("one"), None)).Lease!;
        await using var two = (await _arbiter.AcquireAsync(Other, new LeasePurpose("two"), None)).Lease!;
        Assert.Equal(1, _server.OpenConnections);
    }

    [Fact]
    public async Task A_server_that_licenses_devices_keeps_a_connection_for_a_while()
    {
        _arbiter.SetServer("fs1:445", new ServerTerms { Linger = TimeSpan.FromSeconds(60) });
        await (await _arbiter.AcquireAsync(Share, new LeasePurpose("one"), None)).Lease!.DisposeAsync();
        Assert.Equal("idle", Assert.Single(_arbiter.Connections()).State);
        _time.Advance(TimeSpan.FromSeconds(59));
        Assert.Equal(1, _server.OpenConnections);
        _time.Advance(TimeSpan.FromSeconds(1));
        await _server.Closed(1);
    }

    [Fact]
    public async Task An_equal_server_with_room_is_taken_instead_of_a_full_one()
    {
        _arbiter.SetExport("CAPs", [Share, Other]);
        _server.OnConnect = (request, _) => request.Path.Root == "fs1"
            ? throw new NalException(NalError.ServerFull, "server fs1 is full") : Task.CompletedTask;
        await using var lease = (await _arbiter.AcquireAsync(NalPath.Export("CAPs"), new LeasePurpose("CCIM"), None)).Lease!;
        Assert.Equal(Other, lease.Path);
        Assert.Equal(["server fs1 is full", "used"], lease.Trace.Candidates.Select(candidate => candidate.Outcome));
    }

    [Fact]
    public async Task A_caller_who_cancels_leaves_the_attempt_to_the_next_one()
    {
        var gate = new TaskCompletionSource();
        var begun = new TaskCompletionSource();
        _server.OnConnect = (_, _) =>
        {
            begun.TrySetResult();
            return gate.Task;
        };
        using var cancel = new CancellationTokenSource();
        var first = _arbiter.AcquireAsync(Share, new LeasePurpose("one"), cancel.Token).AsTask();
        await begun.Task;
        var second = _arbiter.AcquireAsync(Share, new LeasePurpose("two"), None).AsTask();
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first);
        gate.SetResult();
        await using var lease = (await second).Lease!;
        Assert.Equal(1, _server.Attempts);
        Assert.Equal(["two"], Assert.Single(_arbiter.Connections()).Holders);
    }

    [Fact]
    public async Task A_server_that_does_not_answer_ends_in_an_error_when_the_wait_is_over()
    {
        var gate = new TaskCompletionSource();
        var begun = new TaskCompletionSource();
        _server.OnConnect = (_, _) =>
        {
            begun.TrySetResult();
            return gate.Task;
        };
        var asked = _arbiter.AcquireAsync(Share, new LeasePurpose("one"), None).AsTask();
        await begun.Task;
        _time.Advance(TimeSpan.FromSeconds(30));
        var thrown = await Assert.ThrowsAsync<NalException>(() => asked);
        Assert.Equal((NalError.Connect, true), (thrown.Error, thrown.IsTransient));
        Assert.Contains("waited 30.0 s for an answer of fs1:445", thrown.Message, StringComparison.Ordinal);
        gate.SetResult();
    }

    [Fact]
    public async Task One_silent_server_leaves_the_others_their_part_of_the_wait()
    {
        var begun = new TaskCompletionSource();
        var gate = new TaskCompletionSource();
        _arbiter.SetExport("CAPs", [Share, Other]);
        _server.OnConnect = (request, _) =>
        {
            if (request.Path.Root != "fs1")
                return Task.CompletedTask;
            begun.TrySetResult();
            return gate.Task;
        };
        var asked = _arbiter.AcquireAsync(NalPath.Export("CAPs"), new LeasePurpose("one"), None).AsTask();
        await begun.Task;
        _time.Advance(TimeSpan.FromSeconds(15));
        var result = await asked;
        Assert.Equal(Other, result.Lease!.Path);
        await result.Lease.DisposeAsync();
        gate.SetResult();
    }

    [Fact]
    public async Task A_root_that_hangs_while_it_is_opened_ends_in_an_error_when_the_wait_is_over()
    {
        var provider = new HangingRoots();
        await using var arbiter = new ConnectionArbiter([provider], new ArbiterOptions(), _time, new Random(1), NullLoggerFactory.Instance);
        var asked = arbiter.AcquireAsync(NalPath.FromDirectory("/hangs"), new LeasePurpose("one"), None).AsTask();
        await provider.Reached.Task;
        _time.Advance(TimeSpan.FromSeconds(30));
        var thrown = await Assert.ThrowsAsync<NalException>(() => asked);
        Assert.Equal((NalError.Connect, true), (thrown.Error, thrown.IsTransient));
        Assert.Empty(arbiter.Connections());

        // What hangs holds a thread: the next one does not add another.
        var grace = _time.ArmedAsync(TimeSpan.FromSeconds(1));
        var again = arbiter.AcquireAsync(NalPath.FromDirectory("/hangs"), new LeasePurpose("one"), None).AsTask();
        await grace;
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Contains("has not ended", (await Assert.ThrowsAsync<NalException>(() => again)).Message, StringComparison.Ordinal);
        Assert.Equal(1, provider.Opens);
        provider.Released.SetResult(new MemoryStore(_time));
        await (await arbiter.AcquireAsync(NalPath.FromDirectory("/hangs"), new LeasePurpose("one"), None)).Lease!.DisposeAsync();
    }

    [Fact]
    public async Task Many_roots_that_hang_use_up_the_wait_and_no_more()
    {
        var provider = new HangingRoots();
        await using var arbiter = new ConnectionArbiter([provider], new ArbiterOptions(), _time, new Random(1), NullLoggerFactory.Instance);
        arbiter.SetExport("CAPs", [.. Enumerable.Range(0, 32).Select(number => NalPath.FromDirectory($"/hangs/{number}"))]);
        var started = _time.GetTimestamp();
        var asked = arbiter.AcquireAsync(NalPath.Export("CAPs"), new LeasePurpose("one"), None).AsTask();
        for (var part = 0; part < 6; part++)
        {
            await provider.Opened.WaitAsync();
            _time.Advance(TimeSpan.FromSeconds(5));
        }
        var thrown = await Assert.ThrowsAsync<NalException>(() => asked);
        Assert.Equal((NalError.Connect, TimeSpan.FromSeconds(30)), (thrown.Error, _time.GetElapsedTime(started)));
        Assert.Equal(26, thrown.Trace!.Candidates.Count(candidate => candidate.Outcome == "not tried, because the wait was over"));
    }

    [Fact]
    public async Task A_write_that_was_given_up_and_hangs_is_overtaken_by_no_newer_one()
    {
        var hold = new StoreHold();
        var slow = new FaultStore(new MemoryStore(_time), _time).Add(new StoreFault(StoreOperations.Replace, null) { Nth = 1, Hold = hold });
        var provider = new HangingRoots();
        provider.Released.SetResult(slow);
        await using var arbiter = new ConnectionArbiter([provider], new ArbiterOptions(), _time, new Random(1), NullLoggerFactory.Instance);
        var file = StorePath.Parse("pointer");
        using var enough = new CancellationTokenSource();
        await using (var lease = (await arbiter.AcquireAsync(NalPath.FromDirectory("/slow"), new LeasePurpose("one"), None)).Lease!)
        {
            var old = lease.Store.ReplaceAsync(file, new byte[] { 1 }, enough.Token).AsTask();
            await hold.Reached;
            await enough.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => old);
        }
        var grace = _time.ArmedAsync(TimeSpan.FromSeconds(1));
        var next = arbiter.AcquireAsync(NalPath.FromDirectory("/slow"), new LeasePurpose("two"), None).AsTask();
        await grace;
        Assert.False(next.IsCompleted);
        hold.Release();
        await using var late = (await next).Lease!;
        await late.Store.ReplaceAsync(file, new byte[] { 2 }, None);
        Assert.Equal([2], await late.Store.ReadAllAsync(file, 10, None));
    }

    [Fact]
    public async Task Disposing_ends_those_who_wait()
    {
        var begun = new TaskCompletionSource();
        _server.OnConnect = async (_, token) =>
        {
            begun.TrySetResult();
            await Task.Delay(Timeout.InfiniteTimeSpan, _time, token);
        };
        var asked = _arbiter.AcquireAsync(Share, new LeasePurpose("one"), None).AsTask();
        await begun.Task;
        await _arbiter.DisposeAsync();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => asked);
    }

    [Fact]
    public async Task The_last_lease_waits_for_the_close()
    {
        var gate = new TaskCompletionSource();
        _server.OnClose = () => gate.Task;
        var lease = (await _arbiter.AcquireAsync(Share, new LeasePurpose("one"), None)).Lease!;
        var back = lease.DisposeAsync().AsTask();
        Assert.False(back.IsCompleted);
        Assert.Equal("closing", Assert.Single(_arbiter.Connections()).State);
        gate.SetResult();
        await back;
        Assert.Empty(_arbiter.Connections());
    }

    [Fact]
    public async Task Whatever_a_provider_throws_reaches_the_caller_as_one_exception()
    {
        _server.OnConnect = (_, _) => throw new InvalidOperationException("a surprise");
        var thrown = await Assert.ThrowsAsync<NalException>(async () => await _arbiter.AcquireAsync(Share, new LeasePurpose("one"), None));
        Assert.Equal(NalError.Connect, thrown.Error);
        Assert.Contains("a surprise", thrown.Message, StringComparison.Ordinal);
    }

    private static LeasePurpose As(string account, string password) => new("nal") { Accounts = [new ConnectionAccount(account, new Secret(password))] };

    /// <summary>As a mount whose server has gone: nothing answers, and nobody looks at the token.</summary>
    private sealed class HangingRoots : IStorageProvider, IStorageConnection
    {
        public TaskCompletionSource Reached { get; } = new();
        public TaskCompletionSource<IStore> Released { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
        public SemaphoreSlim Opened { get; } = new(0);
        public int Opens { get; private set; }
        public string Name => "LOCAL";
        public ulong? SessionId => null;

        public string? ServerOf(NalPath path) => null;

        public ValueTask<IStorageConnection> ConnectAsync(ConnectRequest request, CancellationToken cancellationToken) => ValueTask.FromResult<IStorageConnection>(this);

        public ValueTask<IStore> OpenAsync(NalPath path, CancellationToken cancellationToken)
        {
            Opens++;
            Opened.Release();
            Reached.TrySetResult();
            return new ValueTask<IStore>(Released.Task);
        }

        public ValueTask<bool> CloseAsync(CancellationToken cancellationToken) => ValueTask.FromResult(true);
    }
}
