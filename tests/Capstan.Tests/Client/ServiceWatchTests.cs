using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Capstan.Agent;
using Capstan.Testing;
using Capstan.Testing.Stores;

namespace Capstan.Tests.Client;

/// <summary>What the agent tells its service manager (sd_notify), on a real datagram socket.</summary>
public sealed class ServiceWatchTests : IAsyncLifetime
{
    private readonly ClientFixture _f = new(new MemoryStore(new ManualTime()));
    private readonly string _root = Directory.CreateTempSubdirectory("capstan-notify-").FullName;

    public async ValueTask InitializeAsync()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "systemd is a thing of Linux");
        await _f.InstallAsync();
        await _f.OpenAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await _f.DisposeAsync();
        Directory.Delete(_root, recursive: true);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task It_is_ready_then_feeds_the_watchdog_then_says_that_it_stops(bool isAbstract)
    {
        var name = isAbstract ? string.Create(CultureInfo.InvariantCulture, $"@capstan-test-{Environment.ProcessId}") : Path.Combine(_root, "notify");
        using var manager = Listen(name);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(ClientFixture.Stop);
        var running = Watch(name, "60000000").RunAsync(stop.Token);
        Assert.Equal("READY=1", await HearAsync(manager));
        await FedAsync(manager, TimeSpan.FromSeconds(30));
        await FedAsync(manager, TimeSpan.FromSeconds(30));
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);
        string last;
        do
            last = await HearAsync(manager);
        while (last == "WATCHDOG=1");
        Assert.Equal("STOPPING=1", last);
    }

    /// <summary>The service manager is renewed, or is gone, while the client runs: how the client ends is its own affair.</summary>
    [Fact]
    public async Task An_order_to_stop_that_nobody_hears_of_is_an_order_to_stop()
    {
        var name = Path.Combine(_root, "notify");
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(ClientFixture.Stop);
        Task running;
        using (var manager = Listen(name))
        {
            running = Watch(name, "60000000").RunAsync(stop.Token);
            Assert.Equal("READY=1", await HearAsync(manager));
        }
        _f.Time.Advance(TimeSpan.FromSeconds(30));
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("0")]
    [InlineData("soon")]
    public async Task Without_a_watchdog_it_only_says_that_it_is_ready_and_stops(string? interval)
    {
        var name = Path.Combine(_root, "notify");
        using var manager = Listen(name);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(ClientFixture.Stop);
        var running = Watch(name, interval).RunAsync(stop.Token);
        Assert.Equal("READY=1", await HearAsync(manager));
        _f.Time.Advance(TimeSpan.FromMinutes(1));
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);
        Assert.Equal("STOPPING=1", await HearAsync(manager));
        Assert.Equal(0, manager.Available);
    }

    [Fact]
    public async Task Without_a_service_manager_it_only_runs()
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(ClientFixture.Stop);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Watch(null, "60000000").RunAsync(stop.Token));
    }

    [Fact]
    public async Task A_socket_that_takes_nothing_ends_it_before_it_runs() =>
        await Assert.ThrowsAsync<SocketException>(() => Watch(Path.Combine(_root, "nobody"), null).RunAsync(ClientFixture.Stop));

    /// <summary>Half of what the manager waits for has passed, and it hears of it.</summary>
    private async Task FedAsync(Socket manager, TimeSpan half)
    {
        _f.Time.Advance(half);
        Assert.Equal("WATCHDOG=1", await HearAsync(manager));
    }

    private ServiceWatch Watch(string? socket, string? interval) =>
        new(_f.Client!, new AgentConsole(TextReader.Null, TextWriter.Null, TextWriter.Null, name => name switch { "NOTIFY_SOCKET" => socket, "WATCHDOG_USEC" => interval, _ => null }), _f.Time);

    private static Socket Listen(string name)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(name[0] == '@' ? '\0' + name[1..] : name));
        return socket;
    }

    private static async Task<string> HearAsync(Socket manager)
    {
        var text = new byte[64];
        return Encoding.ASCII.GetString(text, 0, await manager.ReceiveAsync(text, SocketFlags.None, ClientFixture.Stop).AsTask().Soon());
    }
}
