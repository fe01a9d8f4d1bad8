using Capstan.Nal;
using Capstan.Nal.Arbiter.Journal;
using Capstan.Nal.Providers;
using Capstan.Nal.Providers.Nwbind;
using Capstan.Ncp.Bindery;

namespace Capstan.Tests.Nal.Providers.Nwbind;

/// <summary>A connection whose owner is gone is ended only when object, login time and address agree.</summary>
public sealed class GhostTests
{
    private static readonly DateTime Login = new(2026, 11, 22, 17, 20, 31, DateTimeKind.Unspecified);
    private static readonly NwbindSession Ghost = new(17, Login, "10.0.0.5:4711");

    public static TheoryData<string, int, string?, string> Said => new()
    {
        { "CAPA", 0, "10.0.0.5:4711", nameof(NwbindFate.Ours) },
        { "capa", 0, "10.0.0.5:4711", nameof(NwbindFate.Ours) },
        { "CAPB", 0, "10.0.0.5:4711", nameof(NwbindFate.Gone) },
        { "CAPA", 1, "10.0.0.5:4711", nameof(NwbindFate.Gone) },
        { "CAPA", 0, "10.0.0.6:4711", nameof(NwbindFate.Gone) },
        { "CAPA", 0, "10.0.0.5:4712", nameof(NwbindFate.Gone) },
        { "CAPA", 0, null, nameof(NwbindFate.Unproven) },
    };

    [Theory]
    [MemberData(nameof(Said))]
    public void Object_login_time_and_address_must_agree(string user, int secondsLater, string? address, string fate) =>
        Assert.Equal(fate, Ghost.Judge("CAPA", new ConnectionInformation(new BinderyObject(1, 1, user), Login.AddSeconds(secondsLater)), address).ToString());

    [Fact]
    public void A_free_number_is_nobodys() =>
        Assert.Equal(NwbindFate.Gone, Ghost.Judge("CAPA", new ConnectionInformation(new BinderyObject(0, 0, ""), null), null));

    [Fact]
    public void A_session_survives_the_journal() =>
        Assert.Equal(Ghost, NwbindSession.Of(new PreviousSession(Ghost.Id, Server: null, Ghost.Address)));

    [Fact]
    public async Task An_operators_ghost_is_ended_by_its_next_login()
    {
        await using var world = new NwbindWorld();
        var ghost = await NwbindWorld.ConnectAsync(world.Path, NwbindWorld.Admin);
        var next = await NwbindWorld.ConnectAsync(world.Path, NwbindWorld.Admin, PreviousOf(ghost));
        Assert.Single(world.Server.Held);
        Assert.True(await next.CloseAsync(CancellationToken.None));
        Assert.Empty(world.Server.Held);
        // It is over at the server, which says so: that confirms its end.
        Assert.True(await ghost.CloseAsync(CancellationToken.None));
    }

    [Fact]
    public async Task A_ghost_that_may_not_be_ended_is_named_with_who_ends_it_and_nothing_is_opened_beside_it()
    {
        await using var world = new NwbindWorld();
        var ghost = await NwbindWorld.ConnectAsync(world.Path);
        var waits = await Assert.ThrowsAsync<NalException>(() => NwbindWorld.ConnectAsync(world.Path, previous: PreviousOf(ghost)));
        Assert.Equal((NalError.WaitForSlot, true), (waits.Error, waits.IsTransient));
        Assert.Contains("watchdog", waits.Message, StringComparison.Ordinal);
        Assert.Single(world.Server.Held);
        Assert.True(await ghost.CloseAsync(CancellationToken.None));
        var next = await NwbindWorld.ConnectAsync(world.Path, previous: PreviousOf(ghost));
        Assert.True(await next.CloseAsync(CancellationToken.None));
    }

    [Fact]
    public async Task A_connection_of_the_same_account_that_is_not_this_machines_is_left_alone()
    {
        await using var world = new NwbindWorld(rules => rules.HidesAddresses = true);
        var other = await NwbindWorld.ConnectAsync(world.Path, NwbindWorld.Admin);
        // Same number, same account, same login time: what only the address could tell.
        await Assert.ThrowsAsync<NalException>(() => NwbindWorld.ConnectAsync(world.Path, NwbindWorld.Admin, PreviousOf(other)));
        Assert.Single(world.Server.Held);
        Assert.True(await other.CloseAsync(CancellationToken.None));
    }

    [Fact]
    public void The_journal_shows_when_the_servers_watchdog_ends_a_ghost()
    {
        var now = new DateTimeOffset(2026, 11, 22, 18, 0, 0, TimeSpan.Zero);
        var record = new ConnectionRecord
        {
            Path = @"NWBIND:[""SMS_SITE=ABC""]\\server\vol\cap_abc\",
            Server = "server:524",
            Account = "capa",
            Session = Ghost.Id,
            Slot = 0,
            Owner = "gone",
            Process = 1,
            ProcessStart = now,
            Boot = "boot",
            Opened = now,
            LastUsed = now,
            State = ConnectionStates.Ghost,
            NextStep = "",
        };
        var next = GhostRules.NextStep(record, new GhostQuestion("capa", new HashSet<string>(StringComparer.Ordinal), 0, "boot", TimeSpan.FromHours(1), now, TimeSpan.FromMinutes(15)));
        Assert.Contains("clears it if it may; else the server's watchdog ends it, by 2026-11-22 18:15 UTC", next, StringComparison.Ordinal);
    }

    private static PreviousSession PreviousOf(NwbindConnection ghost) => new(ghost.SessionId!.Value, ghost.Identity!.Id, ghost.Identity.LocalAddress);
}
