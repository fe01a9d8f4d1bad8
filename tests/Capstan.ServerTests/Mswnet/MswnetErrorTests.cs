using Capstan.Nal;
using Capstan.Nal.Arbiter;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers;
using Capstan.Nal.Providers.Mswnet;
using Capstan.ServerTests.Smb;
using Capstan.Smb;
using Capstan.Testing.Smb;
using Microsoft.Extensions.Logging.Abstractions;

namespace Capstan.ServerTests.Mswnet;

/// <summary>What real refusals, deaths and silences of a server are called, and that nothing of ours stays there.</summary>
public sealed class MswnetErrorTests
{
    private const ushort Negotiate = 0, SessionSetup = 1;
    private static readonly CancellationToken None = CancellationToken.None;

    [Fact]
    public async Task A_wrong_password_is_one_refused_logon_and_names_account_and_cause()
    {
        await using var samba = await SambaServer.StartAsync();
        await using var arbiter = Arbiter();
        var wrong = new ConnectionAccount("capa", new Secret("typo"));
        var thrown = await FailureAsync(arbiter, Share(samba.Port), wrong);
        Assert.Equal((NalError.Authenticate, 0xC000006Du, false), (thrown.Error, thrown.Code, thrown.IsTransient));
        Assert.Contains($"server 127.0.0.1:{samba.Port} does not accept account capa: wrong password", thrown.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("typo", thrown.ToString(), StringComparison.Ordinal);
        Assert.Equal("capa", Assert.Single(samba.FailedLogons()).Account);

        await using (var lease = await LeaseAsync(arbiter, Share(samba.Port), wrong, SharedSamba.Account("capb")))
            Assert.Equal(["capa", "capb"], Assert.Single(lease.Trace.Candidates).Accounts);
        await samba.StatusAsync(status => status.IsEmpty);
    }

    [Fact]
    public async Task A_share_that_is_not_there_and_a_folder_that_is_not_there_are_told_apart()
    {
        await using var samba = await SambaServer.StartAsync();
        await using var arbiter = Arbiter();
        var share = await FailureAsync(arbiter, NalPath.Parse($"smb://127.0.0.1:{samba.Port}/nothing/"), SharedSamba.Account("capa"));
        Assert.Equal(NalError.NotFound, share.Error);
        Assert.Contains("has no share 'nothing' (STATUS_BAD_NETWORK_NAME (C00000CC))", share.Message, StringComparison.Ordinal);
        var folder = await FailureAsync(arbiter, NalPath.Parse($"smb://127.0.0.1:{samba.Port}/cap/nothing/"), SharedSamba.Account("capa"));
        Assert.Equal(NalError.NotFound, folder.Error);
        Assert.Contains("the folder", folder.Message, StringComparison.Ordinal);
        await samba.StatusAsync(status => status.IsEmpty);
    }

    [Fact]
    public async Task An_account_that_may_only_read_is_told_so_and_leaves_nothing_half_written()
    {
        await using var samba = await SambaServer.StartAsync(new SambaSetup { Shares = [new SambaShare("cap", ("read only", "yes"))] });
        await using var arbiter = Arbiter();
        await using (var lease = await LeaseAsync(arbiter, Share(samba.Port), SharedSamba.Account("capa")))
        {
            foreach (var write in (Func<Task>[])[
                async () => await lease.Store.CreateAsync(StorePath.Parse("a"), new MemoryStream([1]), None),
                async () => await lease.Store.ReplaceAsync(StorePath.Parse("b/c"), new byte[1], None)])
            {
                var thrown = await Assert.ThrowsAsync<NalException>(write);
                Assert.Equal((NalError.AccessDenied, Completion.Refused), (thrown.Error, thrown.Completion));
                Assert.Contains("account capa may not", thrown.Message, StringComparison.Ordinal);
            }
        }
        Assert.Empty(Directory.EnumerateFileSystemEntries(samba.FolderOf("cap")));
    }

    [Fact]
    public async Task A_full_disk_is_named_and_leaves_the_name_free()
    {
        await using var samba = await SambaServer.StartAsync(new SambaSetup { DiskBytes = 1 << 20 });
        await using var arbiter = Arbiter();
        await using var lease = await LeaseAsync(arbiter, Share(samba.Port), SharedSamba.Account("capa"));
        var big = StorePath.Parse("big");
        Assert.Equal(NalError.StorageFull, (await Assert.ThrowsAsync<NalException>(async () => await lease.Store.CreateAsync(big, new MemoryStream(new byte[3 << 20]), None))).Error);
        Assert.Equal(NalError.StorageFull, (await Assert.ThrowsAsync<NalException>(async () => await lease.Store.ReplaceAsync(big, new byte[3 << 20], None))).Error);
        Assert.Null(await lease.Store.StatAsync(big, None));
    }

    [Fact]
    public async Task A_share_with_all_its_connections_taken_is_a_full_server_until_one_is_free()
    {
        await using var samba = await SambaServer.StartAsync(new SambaSetup { Shares = [new SambaShare("cap", ("max connections", "1"))] });
        await using var arbiter = Arbiter();
        await using (await LeaseAsync(arbiter, Share(samba.Port), SharedSamba.Account("capb")))
        {
            await using var second = Arbiter();
            var result = await second.AcquireAsync(Share(samba.Port), Purpose(SharedSamba.Account("capa")), None);
            Assert.False(result.TryGetLease(out _, out var refusal));
            Assert.Contains("is full (its limit is not told; NTSTATUS C000009A INSUFFICIENT_RESOURCES to TREE_CONNECT)", refusal.Reason, StringComparison.Ordinal);
        }
        await arbiter.DisposeAsync();
        await samba.ClientsGoneAsync();
        await using var third = Arbiter();
        await (await LeaseAsync(third, Share(samba.Port), SharedSamba.Account("capa"))).DisposeAsync();
    }

    [Fact]
    public async Task A_file_that_is_replaced_while_the_same_connection_reads_it_is_replaced_as_soon_as_it_is_closed()
    {
        await using var samba = await SambaServer.StartAsync();
        await using var client = await Smb.Client.OpenAsync(samba);
        await client.Tree.ReplaceAsync("t1", "a", new byte[] { 1 }, flush: false, None);
        var reader = await client.Tree.OpenAsync("a", SmbOpen.Read, None);
        // What Windows does for any reader, Samba does for one of the same connection.
        var refused = await Assert.ThrowsAsync<SmbException>(async () => await client.Tree.ReplaceAsync("t2", "a", new byte[] { 2 }, flush: false, None));
        Assert.Equal((NtStatus.AccessDenied, SmbCommand.SetInfo), (refused.Status, refused.Command));
        await reader.DisposeAsync();
        await client.Tree.ReplaceAsync("t3", "a", new byte[] { 2 }, flush: false, None);
        Assert.Equal([2], (await client.Tree.ReadAllAsync("a", 10, None)).Bytes);
    }

    [Fact]
    public async Task A_server_that_is_full_by_its_own_word_is_a_refusal_with_its_status()
    {
        await using var samba = await SambaServer.StartAsync();
        await using var proxy = new FaultProxy(samba.Port, TimeProvider.System);
        // A TREE_CONNECT of 3.1.1 is signed or encrypted, so that nobody on the way can refuse it in the server's name.
        foreach (var answer in (int[])[1, 2])
        {
            // Each its own: one that was refused does not ask again before it is time.
            await using var arbiter = Arbiter();
            proxy.Answers = Faults.Forge(SessionSetup, answer, 0xC00000D0);
            var result = await arbiter.AcquireAsync(Share(proxy.Port), Purpose(SharedSamba.Account("capa")), None);
            Assert.False(result.TryGetLease(out _, out var refusal));
            Assert.Contains("is full (its limit is not told; NTSTATUS C00000D0", refusal.Reason, StringComparison.Ordinal);
            Assert.NotNull(refusal.NextTry);
        }
    }

    [Fact]
    public async Task A_server_that_closes_at_once_is_likely_full_three_times_and_then_an_error()
    {
        await using var samba = await SambaServer.StartAsync();
        await using var proxy = new FaultProxy(samba.Port, TimeProvider.System) { Answers = Faults.At(Negotiate, 1, LinkFate.Closes) };
        // It is the provider that counts; an arbiter that was refused does not ask again before it is time.
        var providers = StorageProviders.All(TimeProvider.System);
        for (var i = 0; i < CapacityDoubt.MostTries; i++)
        {
            await using var patient = Arbiter(providers);
            var result = await patient.AcquireAsync(Share(proxy.Port), Purpose(SharedSamba.Account("capb")), None);
            Assert.False(result.TryGetLease(out _, out var refusal));
            Assert.Contains("is likely full: it accepted the connection and closed it before its first answer", refusal.Reason, StringComparison.Ordinal);
        }
        await using var arbiter = Arbiter(providers);
        var thrown = await FailureAsync(arbiter, Share(proxy.Port), SharedSamba.Account("capb"));
        Assert.Equal(NalError.Connect, thrown.Error);
        Assert.Contains("4 tries", thrown.Message, StringComparison.Ordinal);
        proxy.Answers = FrameFate.Pass;
        await (await LeaseAsync(arbiter, Share(proxy.Port), SharedSamba.Account("capb"))).DisposeAsync();
    }

    [Fact]
    public async Task A_server_that_is_killed_ends_the_lease_with_the_cause()
    {
        await using var samba = await SambaServer.StartAsync();
        await using var arbiter = Arbiter();
        await using var lease = await LeaseAsync(arbiter, Share(samba.Port), SharedSamba.Account("capa"));
        await samba.KillAsync();
        var thrown = await Assert.ThrowsAsync<NalException>(async () =>
        {
            while (true)
                await lease.Store.StatAsync(StorePath.Root, None);
        });
        Assert.True(thrown.IsTransient);
        var next = await FailureAsync(arbiter, Share(samba.Port), SharedSamba.Account("capa"));
        Assert.Equal(NalError.Connect, next.Error);
        Assert.Contains("nothing listens there", next.Message, StringComparison.Ordinal);
        Assert.Empty(arbiter.Connections());
    }

    [Fact]
    public async Task Sessions_are_told_to_an_administrator_and_the_right_is_named_to_others()
    {
        await using var samba = await SambaServer.StartAsync(new SambaSetup { Administrators = ["capb"] });
        await using var arbiter = Arbiter();
        await using var lease = await LeaseAsync(arbiter, Share(samba.Port), SharedSamba.Account("capa"));
        var sessions = await ServerSessions.ListAsync(Share(samba.Port), SharedSamba.Account("capb"), TimeProvider.System, None);
        Assert.Contains(sessions, session => session.User?.EndsWith("capa", StringComparison.OrdinalIgnoreCase) == true);
        var denied = await Assert.ThrowsAsync<NalException>(() => ServerSessions.ListAsync(Share(samba.Port), SharedSamba.Account("capa"), TimeProvider.System, None));
        Assert.Equal(NalError.AccessDenied, denied.Error);
        Assert.Contains("Administrators", denied.Message, StringComparison.Ordinal);
    }

    private static NalPath Share(int port) => NalPath.Parse($"smb://127.0.0.1:{port}/cap/");

    private static ConnectionArbiter Arbiter(IReadOnlyList<IStorageProvider>? providers = null) =>
        new(providers ?? StorageProviders.All(TimeProvider.System), new ArbiterOptions(), TimeProvider.System, new Random(1), NullLoggerFactory.Instance);

    private static LeasePurpose Purpose(params ConnectionAccount[] accounts) => new("test") { Accounts = accounts };

    private static async Task<Lease> LeaseAsync(ConnectionArbiter arbiter, NalPath path, params ConnectionAccount[] accounts)
    {
        var result = await arbiter.AcquireAsync(path, Purpose(accounts), None);
        Assert.True(result.TryGetLease(out var lease, out var refusal), refusal?.Reason);
        return lease;
    }

    private static async Task<NalException> FailureAsync(ConnectionArbiter arbiter, NalPath path, params ConnectionAccount[] accounts) =>
        await Assert.ThrowsAsync<NalException>(async () => await arbiter.AcquireAsync(path, Purpose(accounts), None));
}
