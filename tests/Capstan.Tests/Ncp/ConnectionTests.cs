using Capstan.Ncp;
using Capstan.Ncp.Bindery;
using Capstan.Ncp.Connection;
using Capstan.Testing;
using Capstan.Testing.Ncp;

namespace Capstan.Tests.Ncp;

public sealed class ConnectionTests
{
    private static readonly CancellationToken None = CancellationToken.None;

    public static TheoryData<NcpTransport> Transports => [NcpTransport.Tcp, NcpTransport.Udp];

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task A_connection_is_counted_named_and_given_back(NcpTransport transport)
    {
        await using var world = new NcpWorld();
        var (connection, bindery) = await world.LogInAsync(transport);
        var about = await bindery.InformationAsync(None);
        Assert.Equal(("TESTNW", "3.12", 250, 1), (about.Name, about.Version, about.MaxConnections, about.ConnectionsInUse));
        var own = await bindery.OfAsync(connection.Number, None);
        Assert.Equal(("CAPA", 0x0A000001u), (own.User.Name, own.User.Id));
        Assert.NotNull(own.LoginTime);
        Assert.Equal(connection.LocalAddress, (await bindery.AddressOfAsync(connection.Number, None)).Address);
        Assert.Equal([connection.Number], await bindery.ConnectionsOfAsync("capa", BinderyObject.User, None));
        Assert.True((await bindery.OfAsync(200, None)).IsEmpty);
        Assert.True(await connection.CloseAsync(None));
        Assert.Empty(world.Server.Held);
        Assert.Empty(world.Server.Complaints);
    }

    [Theory]
    [InlineData(NcpSigning.OnDemand, NcpServerSigning.Never, false)]
    [InlineData(NcpSigning.OnDemand, NcpServerSigning.WhereOffered, false)]
    [InlineData(NcpSigning.OnDemand, NcpServerSigning.Required, true)]
    [InlineData(NcpSigning.WhereOffered, NcpServerSigning.Never, false)]
    [InlineData(NcpSigning.WhereOffered, NcpServerSigning.WhereOffered, true)]
    [InlineData(NcpSigning.Required, NcpServerSigning.Required, true)]
    public async Task Packets_are_signed_when_both_want_it_or_one_insists(NcpSigning wish, NcpServerSigning rule, bool isSigned)
    {
        await using var world = new NcpWorld(rules => rules.Signing = rule);
        foreach (var transport in (NcpTransport[])[NcpTransport.Tcp, NcpTransport.Udp])
        {
            var (connection, bindery) = await world.LogInAsync(transport, NcpOptions.Default with { Signing = wish });
            Assert.Equal(isSigned, connection.IsSigned);
            Assert.NotNull(await bindery.ClockAsync(None));
            await bindery.LogOutAsync(None);
            Assert.True((await bindery.OfAsync(connection.Number, None)).IsEmpty);
            Assert.True(await connection.CloseAsync(None));
        }
        Assert.Empty(world.Server.Complaints);
    }

    [Fact]
    public async Task A_server_that_cannot_sign_is_refused_where_signing_is_required_and_keeps_no_connection()
    {
        await using var world = new NcpWorld(rules => rules.KnowsOptions = false);
        var refused = await Assert.ThrowsAsync<NcpException>(() => world.ConnectAsync(options: NcpOptions.Default with { Signing = NcpSigning.Required }));
        Assert.Equal(NcpFailure.Unsupported, refused.Failure);
        Assert.Empty(world.Server.Held);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task The_smaller_buffer_counts_also_at_servers_that_know_no_options(bool knowsOptions)
    {
        await using var world = new NcpWorld(rules => (rules.BufferBytes, rules.KnowsOptions) = (4096, knowsOptions));
        await using var connection = await world.ConnectAsync();
        Assert.Equal((4096, knowsOptions), (connection.BufferBytes, connection.IsSigned));
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task A_full_server_says_so_and_gives_the_slot_that_was_given_back_at_once(NcpTransport transport)
    {
        await using var world = new NcpWorld(rules => rules.MaxConnections = 2);
        var first = await world.ConnectAsync(transport);
        await using var second = await world.ConnectAsync(transport);
        var full = await Assert.ThrowsAsync<NcpException>(() => world.ConnectAsync(transport));
        Assert.Equal((NcpCode.NoFreeConnection, NcpCompletion.Refused), (full.Code, full.Completion));
        Assert.True(await first.CloseAsync(None));
        await using var third = await world.ConnectAsync(transport);
        Assert.Equal(2, world.Server.Held.Count);
    }

    [Fact]
    public async Task A_wrong_password_is_told_from_a_name_that_nobody_has()
    {
        await using var world = new NcpWorld();
        Assert.Equal(NcpCode.Failure, (await Assert.ThrowsAsync<NcpException>(() => world.LogInAsync(password: "wrong"))).Code);
        Assert.Equal(NcpCode.NoSuchObject, (await Assert.ThrowsAsync<NcpException>(() => world.LogInAsync(user: "nobody"))).Code);
    }

    [Fact]
    public async Task A_grace_login_is_a_login()
    {
        await using var world = new NcpWorld(rules => rules.Users["CAPA"].LoginCode = 0xDF);
        var (connection, bindery) = await world.LogInAsync();
        Assert.Equal("CAPA", (await bindery.OfAsync(connection.Number, None)).User.Name);
        Assert.True(await connection.CloseAsync(None));
    }

    [Fact]
    public async Task The_end_of_a_stream_gives_the_connection_back_and_the_end_of_datagrams_waits_for_the_watchdog()
    {
        var time = new ManualTime();
        await using var world = new NcpWorld(rules => (rules.Time, rules.WatchdogQuestions) = (time, 2));
        var (stream, _) = await world.LogInAsync();
        var (lost, _) = await world.LogInAsync(NcpTransport.Udp);
        var (alive, bindery) = await world.LogInAsync(NcpTransport.Udp);
        await stream.DisposeAsync();
        await lost.DisposeAsync();
        await Patience.UntilAsync(() => world.Server.Held.Count == 2);
        // Who lives answers, who is dead is asked twice and then ended.
        for (var minute = 0; minute < 8; minute++)
        {
            time.Advance(TimeSpan.FromMinutes(1));
            await bindery.ClockAsync(None);
        }
        Assert.Equal([alive.Number], world.Server.Held.Select(held => held.Number));
        for (var minute = 0; minute < 5; minute++)
            time.Advance(TimeSpan.FromMinutes(1));
        await Patience.UntilAsync(() => world.Server.Answered(alive.Number));
        Assert.True(await alive.CloseAsync(None));
        Assert.Empty(world.Server.Held);
    }

    [Theory]
    [MemberData(nameof(Transports))]
    public async Task Busy_is_no_silence_and_is_waited_for(NcpTransport transport)
    {
        var time = new ManualTime();
        var hold = new TaskCompletionSource();
        await using var world = new NcpWorld(rules => rules.Hold = function => function == 0x14 ? hold : null);
        var (connection, bindery) = await world.LogInAsync(transport, NcpOptions.Default with { Time = time });
        var asking = bindery.ClockAsync(None);
        await Patience.UntilAsync(() => world.Server.IsHolding);
        hold.SetResult();
        Assert.NotNull(await asking.Soon());
        Assert.Single(world.Server.Seen, seen => seen.Function == 0x14);
        Assert.True(await connection.CloseAsync(None));
    }

    [Fact]
    public async Task A_server_that_says_nothing_ends_the_connection_after_the_limit()
    {
        var time = new ManualTime();
        var hold = new TaskCompletionSource();
        await using var world = new NcpWorld(rules => rules.Hold = function => function == 0x14 ? hold : null);
        world.Server.Rules.SaysBusy = false;
        var (connection, bindery) = await world.LogInAsync(options: NcpOptions.Default with { Time = time });
        var armed = time.ArmedAsync(NcpOptions.Default.RequestTimeout);
        var asking = bindery.ClockAsync(None);
        await armed.Soon();
        time.Advance(NcpOptions.Default.RequestTimeout);
        var silent = await Assert.ThrowsAsync<NcpException>(() => asking.Soon());
        Assert.Equal((NcpFailure.Lost, NcpCompletion.Unknown), (silent.Failure, silent.Completion));
        await connection.Ended.Soon();
        hold.SetResult();
        await connection.DisposeAsync();
    }

    [Fact]
    public async Task Lost_and_doubled_datagrams_do_nothing_twice()
    {
        var random = new Random(20261122);
        NcpFate Next()
        {
            lock (random)
                return random.Next(100) switch { < 15 => NcpFate.IsLost, < 40 => NcpFate.IsDoubled, _ => NcpFate.Arrives };
        }
        await using var world = new NcpWorld(rules => (rules.Incoming, rules.Outgoing) = (Next, Next));
        var (connection, bindery) = await world.LogInAsync(NcpTransport.Udp, NcpOptions.Default with { FirstRetransmission = TimeSpan.FromMilliseconds(5) });
        var volume = await NcpWorld.OpenAsync(connection);
        for (var number = 0; number < 30; number++)
        {
            // A second creation of the same name would be refused, and a second deletion find nothing.
            var file = await volume.CreateAsync("file", None);
            await file.WriteAsync(0, new byte[700], None);
            await file.CloseAsync(None);
            Assert.True(await volume.DeleteAsync("file", None));
        }
        Assert.Equal((30, 30), (world.Server.Seen.Count(seen => seen is { Function: 0x57, Subfunction: 1 }), world.Server.Seen.Count(seen => seen is { Function: 0x57, Subfunction: 8 })));
        Assert.True(await connection.CloseAsync(None));
        Assert.Empty(world.Server.Held);
        Assert.Empty(world.Server.Complaints);
    }

    [Fact]
    public async Task An_answer_that_somebody_changed_ends_the_connection()
    {
        await using var world = new NcpWorld();
        var (connection, bindery) = await world.LogInAsync();
        // The year: behind eight bytes of the record, eight of the signature and eight of the head.
        world.Server.Rules.Tamper = frame => frame[24] ^= 1;
        Assert.Equal(NcpFailure.Tampered, (await Assert.ThrowsAsync<NcpException>(() => bindery.ClockAsync(None))).Failure);
        await connection.Ended.Soon();
        Assert.Equal(NcpFailure.Tampered, connection.EndCause!.Failure);
        await connection.DisposeAsync();
    }

    [Fact]
    public async Task What_an_operator_clears_is_over_with_its_cause()
    {
        await using var world = new NcpWorld();
        var (connection, bindery) = await world.LogInAsync();
        world.Server.Clear(connection.Number);
        Assert.Equal(NcpFailure.Lost, (await Assert.ThrowsAsync<NcpException>(() => bindery.ClockAsync(None))).Failure);
        await connection.Ended.Soon();
        Assert.Contains("ended connection 1", connection.EndCause!.Message, StringComparison.Ordinal);
        await connection.DisposeAsync();
    }

    [Fact]
    public async Task Operators_clear_the_connections_of_others_and_nobody_else_does()
    {
        await using var world = new NcpWorld();
        var (capa, bindery) = await world.LogInAsync();
        var (admin, operators) = await world.LogInAsync(user: "admin", password: "Pw-admin-1");
        Assert.Equal(NcpCode.NoConsoleRights, (await Assert.ThrowsAsync<NcpException>(() => bindery.ClearAsync(admin.Number, None))).Code);
        await operators.ClearAsync(capa.Number, None);
        Assert.Equal([admin.Number], world.Server.Held.Select(held => held.Number));
        Assert.True(await admin.CloseAsync(None));
        await capa.DisposeAsync();
    }

    [Fact]
    public async Task Nothing_listens_is_told_from_silence()
    {
        var nobody = new NcpEndpoint("127.0.0.1", 1);
        Assert.Equal(NcpFailure.Unreachable, (await Assert.ThrowsAsync<NcpException>(() => NcpConnection.ConnectAsync(nobody, NcpOptions.Default, None))).Failure);
        var datagrams = NcpOptions.Default with { Transport = NcpTransport.Udp };
        Assert.Equal(NcpFailure.Unreachable, (await Assert.ThrowsAsync<NcpException>(() => NcpConnection.ConnectAsync(nobody, datagrams, None))).Failure);
    }
}
