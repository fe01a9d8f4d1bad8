using Capstan.Smb;
using Capstan.Testing.Smb;

namespace Capstan.Tests.Smb.Connection;

public sealed class DisposeTests
{
    [Theory]
    [InlineData(SmbTrickKind.Interim)]
    [InlineData(SmbTrickKind.Silence)]
    public async Task Disposing_ends_everything_under_way_and_leaves_nothing(SmbTrickKind trick)
    {
        await using var world = await SmbWorld.OpenAsync();
        world.Server.Files.Add("a", [1, 2, 3]);
        world.Server.Play(SmbCommand.Read, trick, nth: 0);
        var hold = world.Server.Hold(SmbCommand.Create);
        var all = Enumerable.Range(0, 20).Select(_ => world.Tree.ReadAllAsync("a", 10, CancellationToken.None).AsTask()).ToArray();
        await hold.Reached;
        await world.Connection.DisposeAsync();
        foreach (var one in all)
        {
            if (await Record.ExceptionAsync(() => one) is { } thrown)
                Assert.Equal(SmbFailure.Lost, Assert.IsType<SmbException>(thrown).Failure);
        }
        Assert.NotNull(await Record.ExceptionAsync(() => all[0]));
        await world.Server.QuietAsync();
        Assert.Equal(SmbHoldings.Nothing, world.Server.Holdings);
    }

    [Fact]
    public async Task Disposing_a_silent_server_takes_five_seconds_at_most()
    {
        await using var world = await SmbWorld.OpenAsync();
        world.Link.ToClient.IsStalled = true;
        var disposing = world.Connection.DisposeAsync().AsTask();
        await world.Server.SeesAsync(SmbCommand.Logoff);
        Assert.False(disposing.IsCompleted);
        world.Time.Advance(TimeSpan.FromSeconds(5));
        await disposing;
    }

    [Fact]
    public async Task Disposing_during_a_logon_ends_it()
    {
        await using var world = await SmbWorld.ConnectAsync();
        var hold = world.Server.Hold(SmbCommand.SessionSetup);
        var logon = world.Connection.LogOnAsync(SmbWorld.Capa, 0, CancellationToken.None).AsTask();
        await hold.Reached;
        await world.Connection.DisposeAsync();
        Assert.Equal(SmbFailure.Lost, (await Assert.ThrowsAsync<SmbException>(() => logon)).Failure);
    }
}
