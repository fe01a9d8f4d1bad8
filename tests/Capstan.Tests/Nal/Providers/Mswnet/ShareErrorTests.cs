using System.Net;
using System.Net.Sockets;
using Capstan.Nal;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers;
using Capstan.Nal.Providers.Mswnet;
using Capstan.Smb;
using Capstan.Testing;
using Capstan.Testing.Smb;

namespace Capstan.Tests.Nal.Providers.Mswnet;

/// <summary>What the statuses of a server are called, with the cause, the limit and the next step.</summary>
public sealed class ShareErrorTests
{
    private static readonly CancellationToken None = CancellationToken.None;

    [Theory]
    [InlineData(0xC00000D0)]
    [InlineData(0xC000009A)]
    [InlineData(0xC0000205)]
    [InlineData(0xC00000CE)]
    public async Task A_share_that_is_full_by_its_own_word_is_a_full_server(uint status)
    {
        await using var world = ShareWorld.Start();
        (world.Server.Rules.Shares["data"].MaxUses, world.Server.Rules.Shares["data"].MaxUsesStatus) = (0, new NtStatus(status));
        var thrown = await FailureAsync(() => world.OpenAsync());
        Assert.Equal((NalError.ServerFull, status, true, Completion.Refused), (thrown.Error, thrown.Code, thrown.IsTransient, thrown.Completion));
        Assert.Contains("to TREE_CONNECT", thrown.Message, StringComparison.Ordinal);
        world.Server.Rules.Shares["data"].MaxUses = null;
        Assert.Null(await (await world.OpenAsync()).StatAsync(StorePath.Parse("a"), None));
    }

    [Theory]
    [InlineData(0xC00000D0)]
    [InlineData(0xC00000CE)]
    public async Task A_server_that_counts_no_further_session_is_full_and_doubted_by_nobody(uint status)
    {
        await using var world = ShareWorld.Start();
        (world.Server.Rules.Licences.Sessions, world.Server.Rules.Licences.SessionsStatus) = (0, new NtStatus(status));
        for (var i = 0; i <= CapacityDoubt.MostTries + 1; i++)
        {
            var thrown = await FailureAsync(() => world.ConnectAsync());
            Assert.Equal((NalError.ServerFull, status, true), (thrown.Error, thrown.Code, thrown.IsTransient));
        }
    }

    [Theory]
    [InlineData(0xC000007F, "the disk at the server is full (STATUS_DISK_FULL (C000007F))")]
    [InlineData(0xC0000044, "the quota of account capa is used up (STATUS_QUOTA_EXCEEDED (C0000044))")]
    [InlineData(0xC0000802, "the quota of account capa is used up (")]
    public async Task A_write_for_which_there_is_no_room_says_whose_limit_it_was_and_leaves_nothing(uint status, string reason)
    {
        await using var world = ShareWorld.Start();
        var store = await world.OpenAsync();
        world.Server.Play(new SmbTrick(SmbCommand.Write, SmbTrickKind.Refuse, Nth: 0, Status: new NtStatus(status)));
        foreach (var write in Writes(store))
        {
            var thrown = await FailureAsync(write);
            Assert.Equal((NalError.StorageFull, status, true, Completion.Refused), (thrown.Error, thrown.Code, thrown.IsTransient, thrown.Completion));
            Assert.Contains(reason, thrown.Message, StringComparison.Ordinal);
        }
        Assert.Null(await store.StatAsync(StorePath.Parse("a"), None));
    }

    [Fact]
    public async Task A_name_that_is_too_long_for_the_server_is_told_so()
    {
        await using var world = ShareWorld.Start();
        var store = await world.OpenAsync();
        foreach (var status in new[] { NtStatus.NameTooLong, NtStatus.ObjectNameInvalid })
        {
            foreach (var write in Writes(store))
            {
                world.Server.Play(new SmbTrick(SmbCommand.Create, SmbTrickKind.Refuse, Nth: 0, Status: status));
                var thrown = await FailureAsync(write);
                Assert.Equal((NalError.Conflict, status.Code, false), (thrown.Error, thrown.Code, thrown.IsTransient));
                Assert.Contains("the name is longer than this server holds", thrown.Message, StringComparison.Ordinal);
            }
            world.Server.PlayNothing();
        }
    }

    [Fact]
    public async Task Clocks_that_differ_are_named_and_not_taken_for_a_wrong_password()
    {
        await using var world = ShareWorld.Start();
        world.Server.Play(new SmbTrick(SmbCommand.SessionSetup, SmbTrickKind.Refuse, Nth: 2, Status: new NtStatus(0xC0000133)));
        var thrown = await FailureAsync(() => world.ConnectAsync());
        Assert.Equal((NalError.Authenticate, 0xC0000133u, true), (thrown.Error, thrown.Code, thrown.IsTransient));
        Assert.Contains("the clocks of this machine and of the server differ too much; set them", thrown.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(null, "the server does not say where it leads")]
    [InlineData(@"\\fs2.example.org\cap", @"use \\fs2.example.org\cap instead")]
    public async Task A_share_that_is_a_DFS_link_is_told_with_its_target(string? target, string where)
    {
        await using var world = ShareWorld.Start();
        world.Server.Rules.Shares["IPC$"].Referral = target;
        world.Server.Play(new SmbTrick(SmbCommand.TreeConnect, SmbTrickKind.Refuse, Status: NtStatus.PathNotCovered));
        var thrown = await FailureAsync(() => world.OpenAsync());
        Assert.Equal((NalError.Resolve, 0xC0000257u, false), (thrown.Error, thrown.Code, thrown.IsTransient));
        Assert.Contains($@"\\127.0.0.1\data is a DFS link, which is not followed: {where}", thrown.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_server_that_accepts_and_says_nothing_may_be_full_and_is_left_after_ten_seconds()
    {
        var time = new ManualTime();
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var path = NalPath.Parse(FormattableString.Invariant($"smb://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}/data/"));
        var connecting = new MswnetProvider(time).ConnectAsync(new ConnectRequest(path, ShareWorld.Capa, null), None).AsTask();
        using var accepted = await listener.AcceptSocketAsync(None).AsTask().Soon();
        // The request is here, so the other side is past its connecting.
        Assert.True(await accepted.ReceiveAsync(new byte[4], None).AsTask().Soon() > 0);
        time.Advance(TimeSpan.FromSeconds(9));
        Assert.False(connecting.IsCompleted);
        time.Advance(TimeSpan.FromSeconds(1));
        var thrown = await FailureAsync(() => connecting);
        Assert.Equal((NalError.ServerFull, true, Completion.Unknown), (thrown.Error, thrown.IsTransient, thrown.Completion));
        Assert.Contains("may be full", thrown.Message, StringComparison.Ordinal);
        Assert.Contains("has said nothing within 10 s", thrown.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_file_that_another_holds_is_a_conflict_that_passes()
    {
        await using var world = ShareWorld.Start();
        world.Server.Files.Add("a", [1]);
        var store = await world.OpenAsync();
        world.Server.Play(new SmbTrick(SmbCommand.Create, SmbTrickKind.Refuse, Status: NtStatus.SharingViolation));
        var thrown = await FailureAsync(async () => await store.ReadAllAsync(StorePath.Parse("a"), 10, None));
        Assert.Equal((NalError.Conflict, NtStatus.SharingViolation.Code, true), (thrown.Error, thrown.Code, thrown.IsTransient));
        Assert.Contains("somebody else has it open", thrown.Message, StringComparison.Ordinal);
        Assert.Equal([1], await store.ReadAllAsync(StorePath.Parse("a"), 10, None));
    }

    [Fact]
    public async Task A_share_is_reached_over_IPv6()
    {
        Assert.SkipUnless(Socket.OSSupportsIPv6, "this machine has no IPv6");
        await using var world = ShareWorld.Start(IPAddress.IPv6Loopback);
        var store = await world.OpenAsync();
        await store.ReplaceAsync(StorePath.Parse("a"), new byte[] { 1 }, None);
        Assert.Equal([1], world.Server.Files.Content("a"));
        var thrown = await FailureAsync(() => world.ConnectAsync(new ConnectionAccount("capa", new Secret("wrong"))));
        Assert.StartsWith(FormattableString.Invariant($"server [::1]:{world.Server.Port} does not accept account capa"), thrown.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_ticket_account_takes_no_password()
    {
        await using var world = ShareWorld.Start();
        var thrown = await FailureAsync(() => world.ConnectAsync(new ConnectionAccount("kerberos:capa@LAB.EXAMPLE", new Secret("x"))));
        Assert.Equal((NalError.Authenticate, Completion.NotSent), (thrown.Error, thrown.Completion));
        Assert.Contains("takes no password", thrown.Message, StringComparison.Ordinal);
    }

    private static Func<Task>[] Writes(IStore store) =>
    [
        async () => await store.CreateAsync(StorePath.Parse("a"), new MemoryStream([1, 2]), None),
        async () => await store.ReplaceAsync(StorePath.Parse("a"), new byte[] { 1, 2 }, None),
    ];

    private static async Task<NalException> FailureAsync(Func<Task> work) => await Assert.ThrowsAsync<NalException>(work);
}
