using System.Net.NetworkInformation;
using System.Net.Sockets;
using System.Reflection;
using System.Runtime.InteropServices;
using Capstan.Client.Inventory;
using Capstan.Client.Programs;
using Capstan.Nal.Arbiter.Machine;
using Capstan.Nal.Providers;
using Capstan.Protocol.V1;

namespace Capstan.Client;

/// <summary>What a machine says of itself in requests and heartbeats.</summary>
internal sealed record HostFacts(string HostName, string OperatingSystem, IReadOnlyList<string> Addresses)
{
    public static HostFacts Read() => new(Environment.MachineName, RuntimeInformation.OSDescription, [.. NetworkInterface.GetAllNetworkInterfaces()
        .Where(adapter => adapter.OperationalStatus != OperationalStatus.Down && adapter.NetworkInterfaceType != NetworkInterfaceType.Loopback)
        .SelectMany(adapter => adapter.GetIPProperties().UnicastAddresses)
        .Select(unicast => unicast.Address)
        .Where(address => address.AddressFamily is AddressFamily.InterNetwork or AddressFamily.InterNetworkV6)
        .Select(address => address.ToString().Split('%')[0])
        .Distinct(StringComparer.Ordinal)
        .Order(StringComparer.Ordinal)]);
}

/// <summary>What a client is built from; tests, simulations and benchmarks put their own here.</summary>
internal sealed record ClientParts(
    IReadOnlyList<IStorageProvider> Providers,
    Func<HostFacts> Host,
    Func<CancellationToken, HardwareInventory> Hardware,
    Func<CancellationToken, Task<SoftwareInventory>> Software)
{
    /// <summary>Whether an advertised program runs now: the agent does not end itself meanwhile.</summary>
    public Func<bool> ProgramRuns { get; init; } = static () => false;

    /// <summary>What runs advertised programs; null where none are run.</summary>
    public ProgramMachine? Programs { get; init; }

    /// <summary>What brings the content of packages; null for the CAPs of the site.</summary>
    public Content.IPackageContent? Content { get; init; }

    /// <summary>Told the name of each step of a run before it is done; tests end the client there.</summary>
    public Action<string>? Passing { get; init; }

    /// <summary>The connections of this machine, by its journal; none where there is no journal.</summary>
    public Func<DateTimeOffset, IReadOnlyList<MachineConnection>> Connections { get; init; } = static _ => [];

    /// <summary>As builds are named: <c>linux-x64</c>.</summary>
    public static string Platform { get; } =
        $"{(OperatingSystem.IsWindows() ? "win" : OperatingSystem.IsMacOS() ? "osx" : "linux")}-{RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant()}";

    public static ClientParts OfThisMachine(ClientOptions options, TimeProvider time)
    {
        var hardware = new HardwareCollector("/", time);
        var software = new SoftwareCollector("/", time);
        Func<CancellationToken, HardwareInventory> evidence = options.HardwareFile is { } file ? _ => HardwareCollector.FromFile(file) : hardware.Collect;
        return new ClientParts(
            StorageProviders.All(time),
            HostFacts.Read,
            evidence,
            software.CollectAsync)
        {
            Programs = ProgramMachine.OfThisMachine(),
            Connections = now => options.Machine?.Connections(now) ?? [],
        };
    }

    /// <summary>Version of this program, as <c>--version</c> prints it.</summary>
    public static string Version { get; } =
        typeof(ClientParts).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "0.0.0";
}
