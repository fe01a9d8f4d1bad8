using System.Diagnostics;
using System.Text.Json;
using Capstan.Client;
using Capstan.Client.Inventory;
using Capstan.Protocol.V1;

namespace Capstan.ServerTests.Inventory;

/// <summary>Compares what is collected on this machine with other witnesses: lshw, dpkg-query, rpm and the kernel's own files.</summary>
[Collection(NetworkAdapterGroup.Name)]
public sealed class RealMachineTests
{
    private static readonly Lazy<HardwareInventory> s_hardware = new(() => new HardwareCollector("/", TimeProvider.System).Collect(CancellationToken.None));

    [Fact]
    public void Memory_processors_and_kernel_are_those_of_proc()
    {
        var total = File.ReadLines("/proc/meminfo").First(l => l.StartsWith("MemTotal:", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1];
        Assert.Equal(long.Parse(total) * 1024, s_hardware.Value.Memory.TotalBytes);
        Assert.Equal(File.ReadLines("/proc/cpuinfo").Count(l => l.StartsWith("processor\t", StringComparison.Ordinal)), s_hardware.Value.Processors.Sum(p => p.Threads));
        Assert.Equal(File.ReadAllText("/proc/sys/kernel/osrelease").Trim(), s_hardware.Value.OperatingSystem.Kernel);
    }

    [Fact]
    public async Task Packages_and_versions_are_exactly_those_of_dpkg_query()
    {
        var answer = await Tool.RunAsync("/usr/bin/dpkg-query", "-W", "-f", "${db:Status-Status}\t${Package}\t${Version}\t${Architecture}\n");
        var expected = answer.Split('\n').Where(l => l.StartsWith("installed\t", StringComparison.Ordinal)).Select(l => l["installed\t".Length..]).Order(StringComparer.Ordinal);
        var inventory = await new SoftwareCollector("/", TimeProvider.System).CollectAsync(CancellationToken.None);
        Assert.Equal(expected, inventory.Packages.Where(p => p.Source == "dpkg").Select(p => $"{p.Name}\t{p.Version}\t{p.Architecture}").Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task Disks_and_network_adapters_are_those_of_lshw()
    {
        using var document = JsonDocument.Parse(await Tool.RunAsync("/usr/bin/lshw", "-json", "-quiet"));
        var nodes = Nodes(document.RootElement).ToList();
        // lshw lists adapters with a device and, as "disabled" ones, some virtual ones; those with a MAC must all be ours, and equal.
        var macs = nodes.Where(n => Is(n, "network") && n.TryGetProperty("serial", out _)).Select(n => $"{n.GetProperty("logicalname").GetString()} {n.GetProperty("serial").GetString()}").ToList();
        Assert.NotEmpty(macs);
        Assert.Subset(s_hardware.Value.NetworkAdapters.Select(a => $"{a.Name} {a.Mac}").ToHashSet(StringComparer.Ordinal), macs.ToHashSet(StringComparer.Ordinal));
        foreach (var disk in nodes.Where(n => Is(n, "disk") && n.TryGetProperty("size", out _)))
        {
            var name = disk.GetProperty("logicalname") is { ValueKind: JsonValueKind.Array } names ? names[0].GetString() : disk.GetProperty("logicalname").GetString();
            Assert.Contains(s_hardware.Value.Disks, d => "/dev/" + d.Name == name && d.SizeBytes == disk.GetProperty("size").GetInt64());
        }
    }

    [Fact]
    public void Disks_file_systems_and_addresses_are_those_of_the_system()
    {
        foreach (var disk in s_hardware.Value.Disks)
        {
            Assert.Equal(long.Parse(File.ReadAllText($"/sys/block/{disk.Name}/size")) * 512, disk.SizeBytes);
        }
        Assert.All(s_hardware.Value.FileSystems.Where(f => f.Note is null), f => Assert.Equal(new DriveInfo(f.MountPoint).TotalSize, f.TotalBytes));
        var addresses = System.Net.NetworkInformation.NetworkInterface.GetAllNetworkInterfaces()
            .Where(i => i.NetworkInterfaceType != System.Net.NetworkInformation.NetworkInterfaceType.Loopback)
            .SelectMany(i => i.GetIPProperties().UnicastAddresses, (i, a) => $"{i.Name} {new System.Net.IPAddress(a.Address.GetAddressBytes())}").Order(StringComparer.Ordinal);
        Assert.Equal(addresses, s_hardware.Value.NetworkAdapters.SelectMany(a => a.Addresses, (a, text) => $"{a.Name} {text}").Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Two_collections_have_one_fingerprint() =>
        Assert.Equal(InventoryFingerprint.Of(s_hardware.Value), InventoryFingerprint.Of(new HardwareCollector("/", TimeProvider.System).Collect(CancellationToken.None)));

    [Fact]
    public async Task Rpm_packages_are_listed_by_their_own_tool()
    {
        var root = Directory.CreateTempSubdirectory("capstan-rpm-").FullName;
        try
        {
            var database = Path.Combine(root, "var/lib/rpm");
            Directory.CreateDirectory(database);
            await Tool.RunAsync("/usr/bin/rpm", "--dbpath", database, "--initdb");
            // A database without any package is no answer: unknown is not empty.
            var refusal = await Assert.ThrowsAsync<ClientException>(() => new SoftwareCollector(root, TimeProvider.System).CollectAsync(CancellationToken.None));
            Assert.Equal("software_unread", refusal.Code);

            var spec = Path.Combine(root, "probe.spec");
            await File.WriteAllTextAsync(spec, "Name: capstan-probe\nEpoch: 3\nVersion: 1.2\nRelease: 4\nSummary: A probe, with Zoë\nLicense: none\nVendor: Probe Works\nBuildArch: noarch\n%description\nProbe.\n%files\n");
            await Tool.RunAsync("/usr/bin/rpmbuild", "-bb", "--define", $"_topdir {root}/build", spec);
            var package = Directory.GetFiles(root, "*.rpm", SearchOption.AllDirectories).Single();
            await Tool.RunAsync("/usr/bin/rpm", "--dbpath", database, "--justdb", "--nodeps", "-i", package);
            var inventory = await new SoftwareCollector(root, TimeProvider.System).CollectAsync(CancellationToken.None);
            Assert.Empty(inventory.Unread);
            var probe = Assert.Single(inventory.Packages);
            Assert.True(probe.InstalledAt > 1_700_000_000, $"installed at {probe.InstalledAt}");
            Assert.Equal(new InstalledPackage("capstan-probe", "3:1.2-4", "noarch", "Probe Works", probe.InstalledAt, "rpm", "A probe, with Zoë", 0), probe);
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }
    }

    private static bool Is(JsonElement node, string kind) => node.TryGetProperty("class", out var value) && value.GetString() == kind;

    private static IEnumerable<JsonElement> Nodes(JsonElement node)
    {
        if (node.ValueKind == JsonValueKind.Array)
        {
            return node.EnumerateArray().SelectMany(Nodes);
        }
        return node.TryGetProperty("children", out var children) ? Nodes(children).Prepend(node) : [node];
    }

    /// <summary>A tool of the system: missing, it skips the test on a workstation and fails it in CI.</summary>
    private static class Tool
    {
        public static async Task<string> RunAsync(string path, params string[] arguments)
        {
            if (!File.Exists(path))
            {
                if (Environment.GetEnvironmentVariable("CI") == "true")
                {
                    Assert.Fail($"{path} is missing, and CI must have it");
                }
                Assert.Skip($"{path} is not installed");
            }
            using var process = Process.Start(new ProcessStartInfo(path, arguments) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true })!;
            var errors = process.StandardError.ReadToEndAsync();
            var text = await process.StandardOutput.ReadToEndAsync();
            await process.WaitForExitAsync();
            Assert.True(process.ExitCode == 0, $"{path} {string.Join(' ', arguments)}: exit code {process.ExitCode}: {await errors}");
            return text;
        }
    }
}
