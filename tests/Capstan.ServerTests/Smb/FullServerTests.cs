using Capstan.Smb;
using Capstan.Testing;

namespace Capstan.ServerTests.Smb;

/// <summary>The ways in which a real server says that it is full, each told from the others.</summary>
public sealed class FullServerTests
{
    [Fact]
    public async Task A_share_with_all_its_connections_taken_is_a_status_until_one_is_free()
    {
        await using var samba = await SambaServer.StartAsync(new SambaSetup { Shares = [new("cap", ("max connections", "2"))] });
        await using var first = await Client.OpenAsync(samba);
        await using var second = await Client.OpenAsync(samba, account: "capb");
        var failure = await Client.FailureAsync(() => Client.OpenAsync(samba));
        Assert.Equal((SmbFailure.Status, NtStatus.InsufficientResources, SmbCommand.TreeConnect, SmbCompletion.Refused), (failure.Failure, failure.Status, failure.Command, failure.Completion));
        await second.Tree.DisconnectAsync(default);
        await using var third = await Client.OpenAsync(samba);
        await Exercise.AllAsync(third.Tree);
    }

    [Fact]
    public async Task A_server_with_all_its_processes_taken_closes_at_once_until_one_is_free()
    {
        // Two of the three are the server's own.
        await using var samba = await SambaServer.StartAsync(new SambaSetup { Global = { ["max smbd processes"] = "3" } });
        await using (var first = await Client.OpenAsync(samba))
        {
            var failure = await Client.FailureAsync(() => Client.OpenAsync(samba));
            Assert.Equal(SmbFailure.ClosedAtOnce, failure.Failure);
            Assert.Contains("full", failure.Message, StringComparison.Ordinal);
            await Exercise.AllAsync(first.Tree);
        }
        await samba.ClientsGoneAsync();
        await using var next = await WhenThereIsRoomAsync(() => Client.OpenAsync(samba));
        await Exercise.AllAsync(next.Tree);
    }

    /// <summary>A process of smbd ends a moment after its session, and is counted until its parent has seen that.</summary>
    private static async Task<T> WhenThereIsRoomAsync<T>(Func<Task<T>> open)
    {
        using var deadline = new CancellationTokenSource(Patience.Limit);
        while (true)
        {
            try
            {
                return await open();
            }
            catch (SmbException full) when (full.Failure == SmbFailure.ClosedAtOnce)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, deadline.Token);
            }
        }
    }

    [Fact]
    public async Task A_share_whose_door_is_closed_by_a_script_is_a_status()
    {
        await using var samba = await SambaServer.StartAsync(new SambaSetup { Shares = [new("cap", ("root preexec", "/bin/false"), ("root preexec close", "yes"))] });
        var failure = await Client.FailureAsync(() => Client.OpenAsync(samba));
        Assert.Equal((SmbFailure.Status, NtStatus.AccessDenied, SmbCommand.TreeConnect), (failure.Failure, failure.Status, failure.Command));
        await samba.StatusAsync(status => status.IsEmpty);
    }
}
