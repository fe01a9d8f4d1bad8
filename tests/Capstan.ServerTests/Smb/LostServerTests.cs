using System.Net;
using System.Net.Sockets;
using Capstan.Smb;
using Capstan.Smb.Connection;

namespace Capstan.ServerTests.Smb;

/// <summary>Servers that hang, die or never were there, each told from the others, and from one that refuses.</summary>
public sealed class LostServerTests
{
    private static readonly SmbOptions Impatient = SmbOptions.Default with { ConnectTimeout = Client.Short, KeepAlive = Client.Short };

    [Fact]
    public async Task A_stopped_server_is_silent_at_the_first_word()
    {
        await using var samba = await SambaServer.StartAsync();
        samba.Freeze();
        var failure = await Client.FailureAsync(() => Client.OpenAsync(samba, options: Impatient));
        Assert.Equal((SmbFailure.Silent, SmbCommand.Negotiate), (failure.Failure, failure.Command));
    }

    [Fact]
    public async Task A_server_that_stops_in_the_middle_is_silent_and_the_write_may_have_happened()
    {
        await using var samba = await SambaServer.StartAsync();
        await using var client = await Client.OpenAsync(samba, options: Impatient);
        samba.Freeze();
        var failure = await Client.FailureAsync(async () => await client.Tree.ReplaceAsync("~f", "f", new byte[100], flush: false, default));
        Assert.Equal((SmbFailure.Silent, SmbCompletion.Unknown), (failure.Failure, failure.Completion));
        await client.Connection.Ended;
        Assert.Equal(SmbFailure.Silent, client.Connection.EndCause!.Failure);
        var next = await Client.FailureAsync(async () => await client.Tree.StatAsync("f", default));
        Assert.Equal(SmbCompletion.NotSent, next.Completion);
        samba.Thaw();
        await samba.StatusAsync(status => status.IsEmpty);
    }

    [Fact]
    public async Task A_server_that_is_only_slow_is_not_given_up()
    {
        await using var samba = await SambaServer.StartAsync();
        await using var client = await Client.OpenAsync(samba, options: SmbOptions.Default with { KeepAlive = TimeSpan.FromMinutes(1) });
        samba.Freeze();
        var writing = client.Tree.ReplaceAsync("~f", "f", new byte[100], flush: false, default).AsTask();
        Assert.False(writing.IsCompleted);
        samba.Thaw();
        await writing;
        Assert.Equal(100, (await client.Tree.StatAsync("f", default))!.LengthBytes);
    }

    [Fact]
    public async Task A_server_killed_in_the_middle_of_a_transfer_is_lost_and_what_was_under_way_is_unknown()
    {
        await using var samba = await SambaServer.StartAsync();
        await using var client = await Client.OpenAsync(samba);
        await using var file = await client.Tree.OpenAsync("big", SmbOpen.CreateNew, default);
        samba.Freeze();
        var writing = file.WriteAsync(0, new byte[64 << 20], default).AsTask();
        var reading = client.Tree.StatAsync("big", default).AsTask();
        await samba.KillAsync();
        var failure = await Client.FailureAsync(() => writing);
        Assert.Equal((SmbFailure.Lost, SmbCompletion.Unknown, SmbCommand.Write), (failure.Failure, failure.Completion, failure.Command));
        Assert.Equal(SmbFailure.Lost, (await Client.FailureAsync(() => reading)).Failure);
        await client.Connection.Ended;
        var next = await Client.FailureAsync(async () => await client.Tree.StatAsync("big", default));
        Assert.Equal((SmbFailure.Lost, SmbCompletion.NotSent), (next.Failure, next.Completion));
        var report = await client.Session.LogOffAsync(default);
        Assert.False(report.IsConfirmed);
        Assert.Equal(SmbFailure.Lost, report.Cause!.Failure);
        Assert.Equal(SmbFailure.Unreachable, (await Client.FailureAsync(() => Client.OpenAsync(samba))).Failure);
    }

    [Fact]
    public async Task Nobody_there_is_unreachable()
    {
        using var reserved = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        reserved.Bind(new IPEndPoint(IPAddress.Loopback, 0)); // bound, not listening
        var endpoint = new SmbEndpoint("127.0.0.1", ((IPEndPoint)reserved.LocalEndPoint!).Port);
        var failure = await Client.FailureAsync(async () => await SmbConnection.ConnectAsync(endpoint, SmbOptions.Default, default));
        Assert.Equal((SmbFailure.Unreachable, SmbCompletion.NotSent), (failure.Failure, failure.Completion));
        var unknown = await Client.FailureAsync(async () => await SmbConnection.ConnectAsync(new SmbEndpoint("no-such-host.invalid"), SmbOptions.Default, default));
        Assert.Equal(SmbFailure.Unreachable, unknown.Failure);
    }

    [Fact]
    public async Task A_caller_that_gives_up_keeps_the_connection_and_leaves_nothing_open()
    {
        await using var samba = await SambaServer.StartAsync();
        await using var client = await Client.OpenAsync(samba);
        samba.Freeze();
        using var giveUp = new CancellationTokenSource();
        var opening = client.Tree.OpenAsync("f", SmbOpen.CreateNew, giveUp.Token).AsTask();
        var listing = Exercise.NamesAsync(client.Tree, "");
        await giveUp.CancelAsync();
        var given = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => opening);
        Assert.Equal(giveUp.Token, given.CancellationToken);
        samba.Thaw();
        await listing;
        await client.Connection.EchoAsync(default);
        // The file may have been opened before CANCEL arrived; then it was closed again.
        await samba.StatusAsync(status => status.OpenFiles.Count == 0);
        Assert.Null(client.Connection.EndCause);
    }
}
