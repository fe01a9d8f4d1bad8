using System.Globalization;
using Capstan.Nal.Arbiter;
using Capstan.Nal.Arbiter.Machine;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers;
using Capstan.Nal.Providers.Nwbind;
using Capstan.Ncp;
using Capstan.Testing.Ncp;
using Microsoft.Extensions.Logging.Abstractions;

namespace Capstan.Tests.Nal.Providers.Nwbind;

/// <summary>A server with one volume on a directory of its own, and machines that use it.</summary>
internal sealed class NwbindWorld : IAsyncDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("capstan-nw-");
    private int _machines;

    public NwbindWorld(Action<NcpServerRules>? set = null)
    {
        var rules = new NcpServerRules();
        Volume = new NcpTestVolume(_directory.CreateSubdirectory("vol").FullName);
        rules.Volumes.Add("VOL", Volume);
        _directory.CreateSubdirectory("vol/CAP_ABC");
        set?.Invoke(rules);
        Server = new NcpTestServer(rules).Listen();
    }

    public static ConnectionAccount Capa { get; } = new("capa", new Secret("Pw-capa-1"));

    public static ConnectionAccount Admin { get; } = new("admin", new Secret("Pw-admin-1"));

    public NcpTestServer Server { get; }

    public NcpTestVolume Volume { get; }

    public NalPath Path => NalPath.Parse(string.Create(CultureInfo.InvariantCulture, $"ncp://127.0.0.1:{Server.Port}/VOL/CAP_ABC/"));

    public static async Task<NwbindConnection> ConnectAsync(NalPath path, ConnectionAccount? account = null, PreviousSession? previous = null, NcpOptions? options = null) =>
        (NwbindConnection)await new NwbindProvider(options ?? NcpOptions.Default).ConnectAsync(new ConnectRequest(path, account ?? Capa, previous), CancellationToken.None);

    /// <summary>Slots and a journal of their own.</summary>
    public string NewMachine() => _directory.CreateSubdirectory(string.Create(CultureInfo.InvariantCulture, $"machine{Interlocked.Increment(ref _machines)}")).FullName;

    /// <summary>A process of a machine.</summary>
    public ConnectionArbiter Process(string machine, int seed = 1, params ConnectionAccount[] accounts)
    {
        var arbiter = new ConnectionArbiter([new NwbindProvider(TimeProvider.System)], new ArbiterOptions { Machine = NalMachine.At(machine) }, TimeProvider.System, new Random(seed), NullLoggerFactory.Instance);
        arbiter.SetAccounts(Path.Server!, accounts.Length == 0 ? [Capa] : accounts);
        return arbiter;
    }

    public async ValueTask DisposeAsync()
    {
        await Server.DisposeAsync();
        _directory.Delete(recursive: true);
    }
}
