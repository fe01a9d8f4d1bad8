using Capstan.Protocol.V1;
using Capstan.Site.Store;
using Capstan.Testing;
using Dapper;

namespace Capstan.Tests.Site;

/// <summary>What a client says of itself, as the site keeps it.</summary>
public class InventoryTests
{
    private static readonly InstalledPackage Shell = new("bash", "5.2-1", "amd64", "Debian", 1_700_000_000, "dpkg", "a shell", 7_000_000);
    private static readonly InstalledPackage Bare = new("font", "1", null, null, null, "rpm", null, null);

    [Fact]
    public async Task Inventory_is_kept_as_it_was_sent()
    {
        var (site, device) = await SiteHarness.EnrolledAsync(new ManualTime());
        await using var _ = site;
        var hardware = Hardware("ThinkCentre M70q");
        var software = new SoftwareInventory { Packages = [Shell, Bare], Unread = [new UnreadSource("/var/lib/rpm", "locked")] };

        await site.TakeInAsync(device, device.Heartbeat(policy: 2), Documents.HardwareInventory.ToItem(hardware), Documents.SoftwareInventory.ToItem(software));

        var (summary, row) = (await site.Get<DeviceStore>().DetailAsync(device.Id.Value, CancellationToken.None))!.Value;
        Assert.Equal(("ThinkCentre M70q", 16_640_000_000L, 2, 2L), (summary.Model, summary.MemoryBytes, summary.PackageCount, summary.PolicyVersion));
        var stored = (await site.Get<InventoryStore>().HardwareAsync(row.Number, CancellationToken.None))!.Value;
        Assert.Equal(Documents.HardwareInventory.Encode(hardware), Documents.HardwareInventory.Encode(Documents.HardwareInventory.Decode(System.Text.Encoding.UTF8.GetBytes(stored.Document))));
        Assert.Equal(Documents.SoftwareInventory.Encode(software), await SoftwareAsync(site, row.Number));
    }

    [Fact]
    public async Task The_next_inventory_adds_changes_and_removes_and_equals_the_last_one_sent()
    {
        var (site, device) = await SiteHarness.EnrolledAsync(new ManualTime());
        await using var _ = site;
        IReadOnlyList<InstalledPackage>[] sent =
        [
            [Bare, Shell],
            [Shell with { InstalledAt = 1_800_000_000 }, new("zsh", "5.9", "amd64", null, null, "dpkg", null, null)],
            [Shell with { Version = "5.3-1" }],
            [],
            [Bare, Shell],
        ];
        foreach (var packages in sent)
        {
            var software = new SoftwareInventory { Packages = [.. packages.OrderBy(package => package.Name, StringComparer.Ordinal)] };
            await site.TakeInAsync(device, Documents.SoftwareInventory.ToItem(software));
            var (summary, row) = (await site.Get<DeviceStore>().DetailAsync(device.Id.Value, CancellationToken.None))!.Value;
            Assert.Equal(packages.Count, summary.PackageCount);
            Assert.Equal(Documents.SoftwareInventory.Encode(software), await SoftwareAsync(site, row.Number));
        }
    }

    [Fact]
    public async Task A_package_that_many_devices_have_is_one_row_whatever_became_of_the_records_around_it()
    {
        var (site, first) = await SiteHarness.EnrolledAsync(new ManualTime());
        await using var _ = site;
        using var second = await site.EnrolAsync("pc2");
        var item = Documents.SoftwareInventory.ToItem(new SoftwareInventory { Packages = [Shell] });
        // Refused for its second item: the first one's package goes with it, and the catalogue must not remember its number.
        await site.TakeInAsync(first, item, new UploadItem(ItemKind.Heartbeat, System.Text.Json.JsonDocument.Parse("""{"version":1}""").RootElement));
        await site.TakeInAsync(first, item);
        await site.TakeInAsync(second, item);

        Assert.Equal((1L, 2L), await site.Context.Database.ReadAsync(
            connection => connection.QuerySingleAsync<(long, long)>("select (select count(*) from package), (select count(*) from device_package)"), CancellationToken.None));
        Assert.Equal("malformed", Assert.Single(await site.QuarantineAsync()).Reason);
    }

    [Fact]
    public async Task A_renamed_machine_is_found_under_its_new_name_only()
    {
        var (site, device) = await SiteHarness.EnrolledAsync(new ManualTime());
        await using var _ = site;
        foreach (var name in new[] { "before", "after", "after" })
        {
            await site.TakeInAsync(device, Documents.Heartbeat.ToItem(new Heartbeat
            {
                HostName = name,
                OperatingSystem = $"System of {name}",
                ClientVersion = "0.1.0",
                PolicyVersion = 3,
                Addresses = [],
                Components = [],
            }));
        }
        var devices = site.Get<DeviceStore>();
        var found = Assert.Single(await devices.ListAsync(null, "of after", null, 0, 10, CancellationToken.None));
        Assert.Equal(("after", "System of after", 3L), (found.HostName, found.OperatingSystem, found.PolicyVersion));
        Assert.Empty(await devices.ListAsync(null, "before", null, 0, 10, CancellationToken.None));
    }

    private static async Task<byte[]> SoftwareAsync(SiteHarness site, long number) =>
        Documents.SoftwareInventory.Encode((await site.Get<InventoryStore>().SoftwareAsync(number, CancellationToken.None))!.Value.Software);

    private static HardwareInventory Hardware(string model) => new()
    {
        System = new ComputerSystem("pc1", null, "LENOVO", model, null, null, null),
        OperatingSystem = new OperatingSystemFacts("Debian GNU/Linux", "13", "debian", "6.12.0-1-amd64", "x86_64", 1_795_000_000, "8f3c", "Europe/Berlin"),
        Memory = new MemoryFacts(16_640_000_000, 1_023_406_080, []),
        Disks = [new Disk("nvme0n1", "SAMSUNG", null, 512_110_190_592, "ssd", "nvme", [new Partition("nvme0n1p1", 536_870_912, null, "EFI")])],
    };
}
