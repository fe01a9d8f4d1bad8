using System.Net.Sockets;
using System.Text;
using Capstan.Agent;
using Capstan.Testing;
using Capstan.Testing.Stores;

namespace Capstan.Tests.Client;

/// <summary>The service manager is renewed, or is gone, while the client runs: how the client ends is its own affair.</summary>
public sealed class ServiceManagerGoneTests : IAsyncLifetime
{
    private readonly ClientFixture _f = new(new MemoryStore(new ManualTime()));
    private readonly string _root = Directory.CreateTempSubdirectory("capstan-manager-").FullName;

    public async ValueTask InitializeAsync()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "sd_notify is a thing of Linux");
        await _f.InstallAsync();
        await _f.OpenAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await _f.DisposeAsync();
        Directory.Delete(_root, recursive: true);
    }

    [Fact]
    public async Task An_order_to_stop_that_nobody_hears_of_is_an_order_to_stop()
    {
        var name = Path.Combine(_root, "notify");
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(ClientFixture.Stop);
        Task running;
        using (var manager = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified))
        {
            manager.Bind(new UnixDomainSocketEndPoint(name));
            var console = new AgentConsole(TextReader.Null, TextWriter.Null, TextWriter.Null, variable => variable switch { "NOTIFY_SOCKET" => name, "WATCHDOG_USEC" => "60000000", _ => null });
            running = new ServiceWatch(_f.Client!, console, _f.Time).RunAsync(stop.Token);
            var heard = new byte[64];
            Assert.Equal("READY=1", Encoding.ASCII.GetString(heard, 0, await manager.ReceiveAsync(heard, SocketFlags.None, ClientFixture.Stop)));
        }
        _f.Time.Advance(TimeSpan.FromSeconds(30));
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);
    }
}
