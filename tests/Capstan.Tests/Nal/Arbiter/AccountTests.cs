using Capstan.Nal;
using Capstan.Nal.Arbiter;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers;
using Capstan.Testing;
using Capstan.Testing.Stores;
using Microsoft.Extensions.Logging.Abstractions;

namespace Capstan.Tests.Nal.Arbiter;

/// <summary>Which account is tried when, and what becomes of leases whose connection breaks.</summary>
public sealed class AccountTests : IAsyncDisposable
{
    private static readonly CancellationToken None = CancellationToken.None;
    private static readonly NalPath Share = NalPath.Parse("smb://fs1/cap/");
    private static readonly LeasePurpose Purpose = new("CCIM");
    private static readonly ConnectionAccount Old = new("cap-1", new Secret("old")), New = new("cap-2", new Secret("new")), Wrong = new("cap-3", new Secret("typo"));

    private readonly ManualTime _time = new();
    private readonly MemoryProvider _server;
    private readonly ConnectionArbiter _arbiter;

    public AccountTests()
    {
        _server = new MemoryProvider("MSWNET", _time) { Passwords = new Dictionary<string, string> { ["cap-1"] = "old", ["cap-2"] = "new", ["cap-3"] = "right" } };
        _arbiter = new ConnectionArbiter([_server], new ArbiterOptions { UseRandomPathSelection = false }, _time, new Random(1), NullLoggerFactory.Instance);
    }

    public async ValueTask DisposeAsync()
    {
        await _arbiter.DisposeAsync();
        Assert.Equal(0, _server.OpenConnections);
    }

    [Fact]
    public async Task Accounts_of_the_server_are_tried_in_order_until_one_is_accepted()
    {
        _arbiter.SetAccounts("fs1:445", [Wrong, New, Old]);
        await using var lease = (await _arbiter.AcquireAsync(Share, Purpose, None)).Lease!;
        Assert.Equal(["cap-3", "cap-2"], _server.Logons);
        Assert.Equal(["cap-3", "cap-2"], Assert.Single(lease.Trace.Candidates).Accounts);
        Assert.Equal("cap-2", Assert.Single(_arbiter.Connections()).Account);
    }

    [Fact]
    public async Task A_live_connection_is_taken_whatever_account_it_has()
    {
        _arbiter.SetAccounts("fs1:445", [Wrong, New]);
        await using var first = (await _arbiter.AcquireAsync(Share, Purpose, None)).Lease!;
        await using var second = (await _arbiter.AcquireAsync(Share, new LeasePurpose("APM"), None)).Lease!;
        Assert.Equal(["cap-3", "cap-2"], _server.Logons);
        Assert.Equal(["cap-2"], Assert.Single(second.Trace.Candidates).Accounts);
    }

    [Fact]
    public async Task When_no_account_is_accepted_each_is_named_with_its_cause_and_was_tried_once()
    {
        _arbiter.SetAccounts("fs1:445", [Wrong, new ConnectionAccount("CAP-3", new Secret("typo")), new ConnectionAccount("nobody", new Secret("x"))]);
        var other = NalPath.Parse("smb://fs1/second/");
        _arbiter.SetExport("CAPs", [Share, other]);
        var thrown = await Assert.ThrowsAsync<NalException>(async () => await _arbiter.AcquireAsync(NalPath.Export("CAPs"), Purpose, None));
        Assert.Equal(NalError.Authenticate, thrown.Error);
        Assert.Equal(["cap-3", "nobody"], _server.Logons);
        Assert.Contains("does not accept account cap-3: wrong password; server fs1 does not accept account nobody", thrown.Message, StringComparison.Ordinal);
        Assert.All(thrown.Trace!.Candidates, candidate => Assert.Equal(["cap-3", "nobody"], candidate.Accounts));
    }

    [Fact]
    public async Task Accounts_are_of_one_server_and_the_name_of_this_process_is_never_tried()
    {
        _arbiter.SetAccounts("fs2:445", [New]);
        var thrown = await Assert.ThrowsAsync<NalException>(async () => await _arbiter.AcquireAsync(Share, Purpose, None));
        Assert.Equal(NalError.Authenticate, thrown.Error);
        Assert.Equal([""], _server.Logons);
        _arbiter.SetAccounts("fs2:4450", [Old]);
        await using var lease = (await _arbiter.AcquireAsync(NalPath.Parse("smb://FS2:4450/cap/"), Purpose, None)).Lease!;
        Assert.Equal(["", "cap-1"], _server.Logons);
    }

    [Fact]
    public async Task A_request_may_bring_its_own_accounts()
    {
        _arbiter.SetAccounts("fs1:445", [New]);
        await using var lease = (await _arbiter.AcquireAsync(Share, Purpose with { Accounts = [Old] }, None)).Lease!;
        Assert.Equal(["cap-1"], _server.Logons);
    }

    [Fact]
    public async Task Another_account_may_open_a_root_that_the_first_may_not()
    {
        var provider = new GuardedRoots(_server);
        await using var arbiter = new ConnectionArbiter([provider], new ArbiterOptions(), _time, new Random(1), NullLoggerFactory.Instance);
        arbiter.SetAccounts("fs1:445", [Old, New]);
        await using var lease = (await arbiter.AcquireAsync(Share, Purpose, None)).Lease!;
        Assert.Equal(["cap-1", "cap-2"], _server.Logons);
        Assert.Equal(1, _server.OpenConnections);
    }

    [Fact]
    public async Task Leases_on_a_broken_connection_say_why_and_the_next_request_connects_anew()
    {
        _arbiter.SetAccounts("fs1:445", [New]);
        await using var lease = (await _arbiter.AcquireAsync(Share, Purpose, None)).Lease!;
        _server.Break(new NalException(NalError.Connect, "the cable was cut", server: "fs1:445"));
        await using var next = (await _arbiter.AcquireAsync(Share, new LeasePurpose("APM"), None)).Lease!;
        // The queue was for the slot: only after the close of the broken one.
        Assert.Equal((2, 1, 1), (_server.Attempts, _server.OpenConnections, _server.PeakConnections));
        var thrown = await Assert.ThrowsAsync<NalException>(async () => await lease.Store.StatAsync(StorePath.Root, None));
        Assert.Equal((NalError.Connect, true, Completion.NotSent), (thrown.Error, thrown.IsTransient, thrown.Completion));
        Assert.Contains(@"the lease on MSWNET:\\fs1\cap\ ended with its connection: the cable was cut", thrown.Message, StringComparison.Ordinal);
        await next.Store.StatAsync(StorePath.Root, None);
        await lease.DisposeAsync();
        Assert.Equal(["APM"], Assert.Single(_arbiter.Connections()).Holders);
    }

    /// <summary>The first account may log on, and not open the root.</summary>
    private sealed class GuardedRoots(MemoryProvider server) : IStorageProvider
    {
        public string Name => "MSWNET";

        public string? ServerOf(NalPath path) => path.Server;

        public async ValueTask<IStorageConnection> ConnectAsync(ConnectRequest request, CancellationToken cancellationToken) =>
            new Guarded(await server.ConnectAsync(request, cancellationToken), request.Account?.Name != "cap-1");

        private sealed class Guarded(IStorageConnection inner, bool allowed) : IStorageConnection
        {
            public ulong? SessionId => null;

            public ValueTask<IStore> OpenAsync(NalPath path, CancellationToken cancellationToken) => allowed
                ? inner.OpenAsync(path, cancellationToken)
                : throw new NalException(NalError.AccessDenied, "this account may not open the share", path.ToString());

            public ValueTask<bool> CloseAsync(CancellationToken cancellationToken) => inner.CloseAsync(cancellationToken);
        }
    }
}
