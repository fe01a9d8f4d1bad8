using Capstan.Fleet;
using Capstan.Nal;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers;
using Capstan.Testing;
using Capstan.Testing.Stores;

namespace Capstan.Tests.Fleet;

/// <summary>What the fleet counts at the door, and how it holds a connection.</summary>
public sealed class MeteredProviderTests
{
    private static readonly NalPath s_share = NalPath.Parse("smb://fs1/cap/");

    private readonly ManualTime _time = new();
    private readonly MemoryProvider _server;
    private readonly FleetDoor _fleet;
    private readonly ClientDoor _door;
    private readonly MeteredProvider _provider;

    public MeteredProviderTests()
    {
        _server = new MemoryProvider("MSWNET", _time);
        _fleet = new FleetDoor(_time);
        _door = new ClientDoor(_fleet, _time);
        _provider = new MeteredProvider(_server, _door);
    }

    [Fact]
    public async Task A_connection_lasts_as_long_as_the_cycle_holds_it_counted_from_its_opening()
    {
        Begin(holdSeconds: 10);
        var connection = await ConnectAsync();
        _time.Advance(TimeSpan.FromSeconds(4));
        var closing = connection.CloseAsync(default).AsTask();
        _time.Advance(TimeSpan.FromSeconds(5.9));
        Assert.Equal((false, 1), (closing.IsCompleted, _server.OpenConnections));
        _time.Advance(TimeSpan.FromSeconds(0.1));
        Assert.True(await closing);
        Assert.Equal(0, _server.OpenConnections);
        var history = _fleet.Restart();
        Assert.Equal((1, 0, TimeSpan.FromSeconds(10)), (history.Peak, history.Open, history.Held()));
    }

    [Fact]
    public async Task Work_that_takes_longer_than_the_hold_is_not_prolonged()
    {
        Begin(holdSeconds: 3);
        var connection = await ConnectAsync();
        _time.Advance(TimeSpan.FromSeconds(5));
        Assert.True(await connection.CloseAsync(default));
        Assert.Equal(TimeSpan.FromSeconds(5), _fleet.Restart().Held());
    }

    [Fact]
    public async Task A_run_that_is_stopped_gives_back_at_once()
    {
        using var stop = new CancellationTokenSource();
        Begin(holdSeconds: 60, stop.Token);
        var connection = await ConnectAsync();
        var closing = connection.CloseAsync(default).AsTask();
        Assert.False(closing.IsCompleted);
        await stop.CancelAsync();
        Assert.True(await closing);
    }

    [Fact]
    public async Task A_connection_that_is_broken_is_not_held()
    {
        Begin(holdSeconds: 60);
        var connection = await ConnectAsync();
        _server.Break(new NalException(NalError.Connect, "the cable is cut"));
        Assert.False(await connection.CloseAsync(default));
        Assert.Equal(0, _fleet.Restart().Open);
    }

    [Fact]
    public async Task Attempts_refusals_and_the_first_connection_of_a_cycle_are_counted()
    {
        _server.MaxConnections = 0;
        Begin();
        for (var n = 0; n < 2; n++)
            await Assert.ThrowsAsync<NalException>(() => ConnectAsync());
        Assert.Equal((2, 2, NalError.ServerFull, (TimeSpan?)null), (_door.Cycle.Attempts, _door.Cycle.Refused, _door.Cycle.Failure?.Error, _door.Cycle.Wait));
        _server.MaxConnections = 1;
        _time.Advance(TimeSpan.FromSeconds(7));
        await (await ConnectAsync()).CloseAsync(default);
        _time.Advance(TimeSpan.FromSeconds(7));
        await (await ConnectAsync()).CloseAsync(default);
        Assert.Equal((4, 2, null, TimeSpan.FromSeconds(7)), (_door.Cycle.Attempts, _door.Cycle.Refused, _door.Cycle.Failure, _door.Cycle.Wait));
    }

    [Fact]
    public async Task A_failure_of_another_kind_is_no_refusal_for_capacity()
    {
        _server.Passwords = new Dictionary<string, string>(StringComparer.Ordinal);
        Begin();
        await Assert.ThrowsAsync<NalException>(() => ConnectAsync());
        Assert.Equal((1, 0, NalError.Authenticate), (_door.Cycle.Attempts, _door.Cycle.Refused, _door.Cycle.Failure?.Error));
    }

    [Fact]
    public async Task What_is_open_when_a_new_history_begins_is_part_of_it()
    {
        Begin();
        var connection = await ConnectAsync();
        Assert.Equal(1, _fleet.Restart().Peak);
        await connection.CloseAsync(default);
        var history = _fleet.Restart();
        Assert.Equal((1, 0), (history.Peak, history.Open));
    }

    private void Begin(double holdSeconds = 0, CancellationToken stop = default) =>
        _door.Begin(new FleetCycle { Due = _fleet.Now, Hold = TimeSpan.FromSeconds(holdSeconds) }, stop);

    private async Task<IStorageConnection> ConnectAsync()
    {
        var connection = await _provider.ConnectAsync(new ConnectRequest(s_share, null, null), default);
        await connection.OpenAsync(s_share, default);
        return connection;
    }
}
