using System.Globalization;
using Capstan.Nal.Arbiter.Machine;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers;
using Capstan.Testing.Ncp;
using Capstan.Testing.Servers;

namespace Capstan.ServerTests.Nwbind;

/// <summary>A NetWare-like server in this process with one volume, and a machine that uses it.</summary>
internal sealed class NetWareVolume : IAsyncDisposable
{
    public const string Account = "capa";
    public const string Password = "Pw-capa-1";

    private readonly TemporaryDirectory _directory = new();

    public NetWareVolume(Action<NcpServerRules>? set = null)
    {
        var rules = new NcpServerRules();
        Folder = Directory.CreateDirectory(_directory.Combine("vol/CAP_ABC")).FullName;
        rules.Volumes.Add("VOL", new NcpTestVolume(_directory.Combine("vol")));
        set?.Invoke(rules);
        Server = new NcpTestServer(rules).Listen();
    }

    public NcpTestServer Server { get; }

    /// <summary>The directory of the client access point.</summary>
    public string Folder { get; }

    public NalPath Path => NalPath.Parse(string.Create(CultureInfo.InvariantCulture, $"ncp://127.0.0.1:{Server.Port}/VOL/CAP_ABC/"));

    public static ConnectionAccount Capa => new(Account, new Secret(Password));

    /// <summary>Slots and journal of a machine.</summary>
    public string Machine(string name) => Directory.CreateDirectory(_directory.Combine(name)).FullName;

    public static IReadOnlyList<MachineConnection> Journal(string machine) => NalMachine.At(machine).Connections(TimeProvider.System.GetUtcNow());

    public async ValueTask DisposeAsync()
    {
        await Server.DisposeAsync();
        _directory.Dispose();
    }
}
