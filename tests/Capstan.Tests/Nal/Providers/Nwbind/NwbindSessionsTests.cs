using Capstan.Nal;
using Capstan.Nal.Providers.Mswnet;

namespace Capstan.Tests.Nal.Providers.Nwbind;

public sealed class NwbindSessionsTests
{
    private static readonly CancellationToken None = CancellationToken.None;

    [Fact]
    public async Task Sessions_and_the_limit_are_told_to_anybody_who_is_logged_in()
    {
        await using var world = new NwbindWorld(rules => rules.MaxConnections = 50);
        var client = await NwbindWorld.ConnectAsync(world.Path);
        var (sessions, capacity) = await ServerSessions.ReadAsync(world.Path, NwbindWorld.Admin, TimeProvider.System, None);
        Assert.Equal(["CAPA", "ADMIN"], sessions.Select(session => session.User));
        Assert.All(sessions, session => Assert.Equal("127.0.0.1", session.Client));
        Assert.All(sessions, session => Assert.InRange(session.ActiveFor!.Value, TimeSpan.Zero, TimeSpan.FromMinutes(1)));
        Assert.Equal(new ServerCapacity(2, 50, 2), capacity);
        Assert.Single(world.Server.Held);
        Assert.True(await client.CloseAsync(None));
    }

    [Fact]
    public async Task Only_an_operator_ends_them_and_only_without_an_objection()
    {
        await using var world = new NwbindWorld();
        var client = await NwbindWorld.ConnectAsync(world.Path);
        var denied = await Assert.ThrowsAsync<NalException>(() => ServerSessions.EndAsync(world.Path, NwbindWorld.Capa, "127.0.0.1", "CAPA", _ => null, TimeProvider.System, None));
        Assert.Equal(NalError.AccessDenied, denied.Error);
        Assert.Equal("it is used", await ServerSessions.EndAsync(world.Path, NwbindWorld.Admin, "127.0.0.1", "CAPA", _ => "it is used", TimeProvider.System, None));
        Assert.Single(world.Server.Held);
        Assert.Null(await ServerSessions.EndAsync(world.Path, NwbindWorld.Admin, "127.0.0.1", "CAPA", _ => null, TimeProvider.System, None));
        Assert.Empty(world.Server.Held);
        await client.CloseAsync(None);
    }
}
