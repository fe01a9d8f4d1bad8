using Capstan.Client;
using Capstan.Client.Inventory;
using Capstan.Protocol.V1;
using Capstan.Testing;

namespace Capstan.Tests.Client.Inventory;

/// <summary>Whole collections from recorded trees.</summary>
public sealed class CollectorTests : IDisposable
{
    private readonly Samples _machine = new();

    public void Dispose() => _machine.Dispose();

    private HardwareInventory Collect() => new HardwareCollector(_machine.Root, TimeProvider.System).Collect(CancellationToken.None);

    private Samples Laptop() => _machine
        .With("etc/os-release", "PRETTY_NAME=\"Debian GNU/Linux 13 (trixie)\"\nID=debian\nVERSION_ID=\"13\"\n")
        .With("etc/machine-id", "0123456789abcdef0123456789abcdef\n")
        .With("proc/sys/kernel/hostname", "notebook\n").With("etc/hostname", "notebook.example.org\n")
        .With("proc/sys/kernel/osrelease", "6.12.0-amd64\n").With("proc/sys/kernel/arch", "x86_64\n").With("proc/sys/kernel/random/boot_id", "5c6ad95b-b1fb-40b1-89a2-8ff8954f9201\n")
        .With("proc/stat", "cpu 1 2 3\nbtime 1700000000\n").Link("etc/localtime", "/usr/share/zoneinfo/Europe/Berlin")
        .With("proc/meminfo", "MemTotal: 16000000 kB\nSwapTotal: 1000 kB\n")
        .With("proc/cpuinfo", "processor : 0\nvendor_id : GenuineIntel\nmodel name : Intel(R) Core(TM) i5-8265U CPU @ 1.60GHz\nphysical id : 0\ncore id : 0\nflags : fpu\n")
        .With("sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq", "3900000\n")
        .With("sys/devices/system/cpu/cpu0/cache/index0/size", "32K\n").With("sys/devices/system/cpu/cpu0/cache/index1/size", "6144K\n")
        .With("sys/firmware/dmi/tables/DMI", Samples.CorpusFile("Smbios", "laptop")).With("sys/firmware/dmi/tables/smbios_entry_point", Samples.CorpusFile("Smbios", "entry-3.2"))
        .With("proc/self/mountinfo", Samples.CorpusFile("MountInfo", "four"))
        .With("sys/devices/pci0000:00/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0/block/sda/size", "1000215216\n")
        .With("sys/devices/pci0000:00/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0/block/sda/dev", "8:0\n")
        .With("sys/devices/pci0000:00/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0/block/sda/queue/rotational", "0\n")
        .With("sys/devices/pci0000:00/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0/block/sda/device/model", "SAMSUNG MZ7LN512\n")
        .With("sys/devices/pci0000:00/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0/block/sda/device/vendor", "ATA     \n")
        .With("sys/devices/pci0000:00/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0/block/sda/device/vpd_pg80", [0, 0x80, 0, 6, (byte)'S', (byte)'3', (byte)'X', (byte)'1', (byte)' ', (byte)' '])
        .With("sys/devices/pci0000:00/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0/block/sda/sda1/partition", "1\n")
        .With("sys/devices/pci0000:00/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0/block/sda/sda1/size", "2048\n")
        .With("sys/devices/pci0000:00/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0/block/sda/sda1/dev", "8:1\n")
        .With("run/udev/data/b8:1", "S:disk/by-uuid/x\nE:ID_FS_UUID=ignored-the-link-counts\nE:ID_FS_LABEL=System\n")
        .Link("dev/disk/by-uuid/ABCD-1234", "../../sda1")
        .Link("sys/block/sda", "../devices/pci0000:00/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0/block/sda")
        .With("sys/block/loop0/size", "100\n")
        .With("sys/class/net/lo/type", "772\n")
        .With("sys/class/net/wlan0/type", "1\n").With("sys/class/net/wlan0/address", "aa:bb:cc:00:11:22\n").With("sys/class/net/wlan0/flags", "0x1003\n").With("sys/class/net/wlan0/mtu", "1500\n")
        .With("sys/class/net/wlan0/operstate", "up\n").With("sys/class/net/wlan0/speed", "-1\n").Link("sys/class/net/wlan0/device/driver", "../../bus/pci/drivers/iwlwifi")
        .With("sys/class/net/bonding_masters", "\n")
        .With("sys/bus/pci/devices/0000:00:02.0/vendor", "0x8086\n").With("sys/bus/pci/devices/0000:00:02.0/device", "0x3ea0\n").With("sys/bus/pci/devices/0000:00:02.0/class", "0x030000\n")
        .Link("sys/bus/pci/devices/0000:00:02.0/driver", "../../bus/pci/drivers/i915").With("usr/share/misc/pci.ids", "8086  Intel Corporation\n\t3ea0  UHD Graphics 620\n")
        .With("sys/class/drm/card0-eDP-1/status", "connected\n").With("sys/class/drm/card0-HDMI-A-1/status", "disconnected\n").Link("sys/class/drm/card0/device", "../../bus/pci/devices/0000:00:02.0")
        .With("sys/bus/usb/devices/1-2/idVendor", "046d\n").With("sys/bus/usb/devices/1-2/idProduct", "c52b\n").With("sys/bus/usb/devices/1-2/product", "USB Receiver\n").With("sys/bus/usb/devices/1-2:1.0/bInterfaceClass", "03\n")
        .With("run/systemd/sessions/2", "USER=alice\nCLASS=user\nTTY=tty2\nREALTIME=1700000000000000\n");

    [Fact]
    public void A_laptop_is_read_whole()
    {
        Laptop();
        var inventory = Collect();

        Assert.Empty(inventory.Unread);
        Assert.Equal(new ComputerSystem("notebook", "example.org", "LENOVO", "20N2CTO1WW", "PF1ABCDE", "03020100-0504-0706-0809-0a0b0c0d0e0f", null), inventory.System);
        Assert.Equal(new OperatingSystemFacts("Debian GNU/Linux 13 (trixie)", "13", "debian", "6.12.0-amd64", "x86_64", 1700000000, "0123456789abcdef0123456789abcdef", "Europe/Berlin")
        {
            BootId = "5c6ad95b-b1fb-40b1-89a2-8ff8954f9201",
        }, inventory.OperatingSystem);
        Assert.Equal([new Processor("Intel(R) Core(TM) i5-8265U CPU @ 1.60GHz", "GenuineIntel", 1, 1, 3900, 6144 * 1024)], inventory.Processors);
        Assert.Equal((16384000000L, 1024000L, 2), (inventory.Memory.TotalBytes, inventory.Memory.SwapBytes, inventory.Memory.Modules.Count));
        var disk = Assert.Single(inventory.Disks);
        Assert.Equal(("sda", "SAMSUNG MZ7LN512", "S3X1", 512110190592L, "ssd", "ata"), (disk.Name, disk.Model, disk.SerialNumber, disk.SizeBytes, disk.Medium, disk.Bus));
        Assert.Equal([new Partition("sda1", 1048576, "ABCD-1234", "System")], disk.Partitions);
        Assert.Equal(["/", "/mnt/nas", @"/mnt/with blank\and tab"], inventory.FileSystems.Select(f => f.MountPoint));
        var adapter = Assert.Single(inventory.NetworkAdapters);
        Assert.Equal(("wlan0", "aa:bb:cc:00:11:22", "iwlwifi", true, null, 1500), (adapter.Name, adapter.Mac, adapter.Driver, adapter.Up, adapter.SpeedMegabits, adapter.Mtu));
        Assert.Equal([new PciDevice("0000:00:02.0", "8086", "3ea0", "VGA compatible controller", "Intel Corporation", "UHD Graphics 620", "i915")], inventory.PciDevices);
        Assert.Equal([new UsbDevice("1-2", "046d", "c52b", null, "USB Receiver", null)], inventory.UsbDevices);
        var video = Assert.Single(inventory.Video);
        Assert.Equal("Intel Corporation UHD Graphics 620", video.Name);
        Assert.Equal(["eDP-1"], video.Connected);
        Assert.Equal([new LoggedOnUser("alice", "tty2", null, 1700000000)], inventory.LoggedOnUsers);
    }

    [Fact]
    public void A_network_file_system_is_listed_and_never_asked()
    {
        Laptop();
        var nas = Collect().FileSystems.Single(f => f.Type == "nfs4");
        Assert.Equal(("fs1:/export", 0L, 0L), (nas.Device, nas.TotalBytes, nas.FreeBytes));
        Assert.Contains("may hang", nas.Note, StringComparison.Ordinal);
    }

    [Fact]
    public void An_empty_tree_gives_an_inventory_that_names_what_is_missing()
    {
        var inventory = Collect();
        Assert.Equal(["/proc/meminfo", "logged-on users", "smbios"], inventory.Unread.Select(u => u.Source));
        Assert.Equal(0, inventory.Memory.TotalBytes);
    }

    [Fact]
    public void A_failing_class_is_named_and_the_rest_goes_on()
    {
        var tree = new EvidenceTree(_machine.Root);
        Assert.Equal(7, HardwareCollector.Isolated(tree, "disks", () => throw new FormatException("odd"), 7));
        Assert.Equal([new UnreadSource("disks", "failed: FormatException: odd")], tree.Unread);
    }

    [Fact]
    public void Kernel_extracts_replace_a_table_that_is_garbage()
    {
        _machine.With("sys/firmware/dmi/tables/DMI", Samples.CorpusFile("Smbios", "length-3"))
            .With("sys/class/dmi/id/sys_vendor", "Dell Inc.\n").With("sys/class/dmi/id/chassis_type", "17\n").With("sys/class/dmi/id/product_uuid", "4C4C4544-0042-3510-8052-B4C04F4D4D32\n");
        var inventory = Collect();
        Assert.Equal(("Dell Inc.", "4c4c4544-0042-3510-8052-b4c04f4d4d32", "main server chassis"), (inventory.System.Manufacturer, inventory.System.Uuid, inventory.Chassis?.Type));
        Assert.Contains(inventory.Unread, u => u.Source == "/sys/firmware/dmi/tables/DMI");
    }

    [Fact]
    public void An_unchanged_machine_has_an_unchanged_fingerprint()
    {
        Laptop();
        Assert.Equal(InventoryFingerprint.Of(Collect()), InventoryFingerprint.Of(Collect()));
    }

    [Fact]
    public void What_moves_by_itself_does_not_change_the_fingerprint_and_what_lasts_does()
    {
        Laptop();
        var one = Collect();
        var moved = one with
        {
            LoggedOnUsers = [],
            FileSystems = [.. one.FileSystems.Select(f => f with { FreeBytes = f.FreeBytes + 1 })],
            OperatingSystem = one.OperatingSystem with { BootTime = one.OperatingSystem.BootTime + 1 },
            NetworkAdapters = [.. one.NetworkAdapters, new NetworkAdapter("veth1a2b", null, null, true, null, 1500, [])],
        };
        Assert.Equal(InventoryFingerprint.Of(one), InventoryFingerprint.Of(moved));
        Assert.NotEqual(InventoryFingerprint.Of(one), InventoryFingerprint.Of(one with { Memory = one.Memory with { TotalBytes = 1 } }));
        Assert.NotEqual(InventoryFingerprint.Of(one), InventoryFingerprint.Of(one with { OperatingSystem = one.OperatingSystem with { BootId = "other" } }));
        Assert.NotEqual(InventoryFingerprint.Of(one), InventoryFingerprint.Of(one with { FileSystems = [] }));
    }

    [Fact]
    public void A_hardware_file_replaces_the_machine_and_says_so()
    {
        Laptop();
        var inventory = Collect();
        _machine.With("made-up.json", Documents.HardwareInventory.Encode(inventory));
        var loaded = HardwareCollector.FromFile(Path.Combine(_machine.Root, "made-up.json"));
        Assert.Equal("made-up.json", loaded.Evidence);
        Assert.Equal(inventory.System, loaded.System);
        Assert.Equal(Documents.HardwareInventory.Encode(inventory with { Evidence = "made-up.json" }), Documents.HardwareInventory.Encode(loaded));
    }

    [Theory]
    [InlineData("")]
    [InlineData("[]")]
    [InlineData("null")]
    [InlineData("{\"version\":2}")]
    [InlineData("{\"version\":1,\"disks\":[null]}")]
    public void A_bad_hardware_file_is_refused_with_its_name(string json)
    {
        _machine.With("bad.json", json);
        var error = Assert.Throws<ClientException>(() => HardwareCollector.FromFile(Path.Combine(_machine.Root, "bad.json")));
        Assert.Equal("bad_hardware_file", error.Code);
        Assert.Contains("bad.json", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_missing_hardware_file_is_refused() =>
        Assert.Equal("bad_hardware_file", Assert.Throws<ClientException>(() => HardwareCollector.FromFile(Path.Combine(_machine.Root, "none.json"))).Code);

    [Fact]
    public async Task Packages_have_the_date_of_their_file_list_and_a_fixed_order()
    {
        _machine.With("var/lib/dpkg/status", Samples.CorpusFile("DpkgStatus", "three")).With("var/lib/dpkg/info/libc6:amd64.list", "").With("var/lib/dpkg/status.d/base", "Package: base-files\nVersion: 12\n");
        File.SetLastWriteTimeUtc(Path.Combine(_machine.Root, "var/lib/dpkg/info/libc6:amd64.list"), DateTime.UnixEpoch.AddSeconds(1700000000));
        var inventory = await new SoftwareCollector(_machine.Root, TimeProvider.System).CollectAsync(CancellationToken.None);
        Assert.Equal([("base-files", null), ("held", null), ("libc6", 1700000000L)], inventory.Packages.Select(p => (p.Name, p.InstalledAt)));
        Assert.Empty(inventory.Unread);
    }

    [Fact]
    public async Task An_rpm_database_without_its_tool_is_named_with_the_next_step()
    {
        _machine.With("var/lib/rpm/rpmdb.sqlite", "");
        Assert.Contains("install the package rpm", await Unread("no-rpm"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Invariant_4_a_dpkg_status_that_is_empty_or_gone_is_a_failure_and_no_empty_list()
    {
        _machine.With("var/lib/dpkg/info/dpkg.list", "").With("var/lib/dpkg/status", "");
        Assert.Contains("/var/lib/dpkg/status: empty", await Unread(), StringComparison.Ordinal);
        File.Delete(Path.Combine(_machine.Root, "var/lib/dpkg/status"));
        Assert.Contains("/var/lib/dpkg/status: missing", await Unread(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Invariant_4_a_database_without_any_package_is_not_believed()
    {
        _machine.With("var/lib/dpkg/status", "\n");
        Assert.Contains("lists no package at all", await Unread(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Invariant_4_more_packages_than_the_limit_are_a_failure_and_no_short_list()
    {
        _machine.With("var/lib/dpkg/status", string.Concat(Enumerable.Range(0, DpkgStatus.MaxPackages + 1).Select(n => $"Package: p{n}\nStatus: install ok installed\nVersion: 1\n\n")));
        Assert.Contains("more than 100000 packages", await Unread(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("echo 'cannot get shared lock' >&2; exit 1", "cannot get shared lock")]
    [InlineData("printf 'bash\\0371\\037x\\037v\\037p\\0371\\0371\\037s\\036torn'", "in the middle of a package")]
    public async Task Invariant_4_an_rpm_database_that_is_not_read_whole_is_a_failure_whatever_dpkg_says(string script, string cause)
    {
        _machine.With("var/lib/dpkg/status", Samples.CorpusFile("DpkgStatus", "three"));
        Rpm(script);
        Assert.Contains(cause, await Unread("rpm"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_tool_that_complains_at_length_is_not_stopped_by_a_full_pipe()
    {
        Rpm("head -c 300000 /dev/zero >&2; printf 'bash\\0371\\037x\\037v\\037p\\0371\\0371\\037s\\036'");
        var inventory = await new SoftwareCollector(_machine.Root, TimeProvider.System, Path.Combine(_machine.Root, "rpm")).CollectAsync(CancellationToken.None);
        Assert.Equal("bash", Assert.Single(inventory.Packages).Name);
    }

    [Fact]
    public async Task A_machine_without_either_database_says_that_its_packages_are_not_read_yet()
    {
        var error = await Assert.ThrowsAsync<PlatformNotSupportedException>(() => new SoftwareCollector(_machine.Root, TimeProvider.System).CollectAsync(CancellationToken.None));
        Assert.Contains("neither a dpkg nor an rpm database", error.Message, StringComparison.Ordinal);
    }

    private void Rpm(string script)
    {
        _machine.With("var/lib/rpm/rpmdb.sqlite", "").With("rpm", $"#!/bin/sh\n{script}\n");
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(Path.Combine(_machine.Root, "rpm"), UnixFileMode.UserRead | UnixFileMode.UserExecute);
        }
    }

    private async Task<string> Unread(string tool = "no-rpm")
    {
        var refused = await Assert.ThrowsAsync<ClientException>(() => new SoftwareCollector(_machine.Root, TimeProvider.System, Path.Combine(_machine.Root, tool)).CollectAsync(CancellationToken.None));
        Assert.Equal("software_unread", refused.Code);
        return refused.Message;
    }

    [Fact]
    public async Task A_tool_that_never_answers_is_ended_at_its_deadline()
    {
        _machine.With("var/lib/rpm/rpmdb.sqlite", "").With("slow-rpm", "#!/bin/sh\necho started > \"$2/started\"\nexec sleep 600\n");
        var tool = Path.Combine(_machine.Root, "slow-rpm");
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(tool, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        }
        var time = new Capstan.Testing.ManualTime();
        using var watcher = new FileSystemWatcher(Path.Combine(_machine.Root, "var/lib/rpm")) { EnableRaisingEvents = true };
        var started = new TaskCompletionSource();
        watcher.Created += (_, _) => started.TrySetResult();
        var collecting = new SoftwareCollector(_machine.Root, time, tool).CollectAsync(CancellationToken.None);
        await (await Task.WhenAny(started.Task, collecting)).Soon();
        time.Advance(TimeSpan.FromSeconds(30));
        Assert.Contains("did not answer within 30 s", (await Assert.ThrowsAsync<ClientException>(() => collecting)).Message, StringComparison.Ordinal);
    }
}
