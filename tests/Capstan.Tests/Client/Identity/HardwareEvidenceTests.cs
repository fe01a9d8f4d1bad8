using Capstan.Client.Identity;
using Capstan.Protocol.V1;

namespace Capstan.Tests.Client.Identity;

public sealed class HardwareEvidenceTests
{
    private const string Uuid = "4c4c4544-0043-3010-8052-b4c04f564231", OtherUuid = "0d3f6c1e-1f2e-4000-8000-000000000071";

    [Theory]
    // The machine as it was, and as it is found.
    [InlineData("uuid:a board:b disk:c", "uuid:a board:b disk:c", "Same")]
    [InlineData("uuid:a board:b disk:c", "uuid:x board:y disk:c", "Same")] // Another board.
    [InlineData("uuid:a board:b disk:c", "uuid:a board:b disk:z", "Same")] // Another disk.
    [InlineData("uuid:a disk:c mac:m", "uuid:x disk:y mac:z", "Other")] // A copy on another machine.
    [InlineData("uuid:a mac:m", "uuid:x mac:y", "Other")] // A copied virtual machine.
    [InlineData("mac:m", "mac:y", "Other")]
    [InlineData("uuid:a board:b", "mac:m", "Unknown")] // Read by another user: nothing to compare.
    [InlineData("", "uuid:a", "Unknown")]
    [InlineData("uuid:a", "", "Unknown")]
    [InlineData("", "", "Unknown")]
    [InlineData("disk:same", "mac:same", "Unknown")] // Of another kind.
    public void One_value_that_stayed_is_enough(string before, string now, string match) =>
        Assert.Equal(match, HardwareEvidence.Compare(Of(before), Of(now)).ToString());

    [Theory]
    [InlineData("Default string")]
    [InlineData("To be filled by O.E.M.")]
    [InlineData("System Serial Number")]
    [InlineData("00000000")]
    [InlineData("FFFFFFFFFFFF")]
    [InlineData("123456789")]
    [InlineData("N/A")]
    [InlineData(" ")]
    [InlineData("...........")]
    public void Serial_numbers_that_many_machines_have_do_not_count(string serial) => Assert.Empty(HardwareEvidence.Of(Machine() with
    {
        System = new ComputerSystem("pc1", null, null, null, serial, null, null),
        Board = new BoardFacts(null, null, null, serial),
        Disks = [new Disk("sda", null, serial, 1, null, "sata", [])],
    }).Values);

    [Theory]
    [InlineData("00000000-0000-0000-0000-000000000000")]
    [InlineData("FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF")]
    [InlineData("03000200-0400-0500-0006-000700080009")]
    [InlineData("fefefefe-fefe-fefe-fefe-fefefefefefe")]
    [InlineData("Not Settable")]
    public void Uuids_that_whole_series_have_do_not_count(string uuid) =>
        Assert.Empty(HardwareEvidence.Of(Machine() with { System = new ComputerSystem("pc1", null, null, null, null, uuid, null) }).Values);

    [Theory]
    [InlineData("eth0", "00:00:00:00:00:00", "e1000e")]
    [InlineData("eth0", "ff:ff:ff:ff:ff:ff", "e1000e")]
    [InlineData("eth0", "01:00:5e:00:00:01", "e1000e")] // A group address.
    [InlineData("enx0", "00:e0:4c:68:00:01", "r8152")] // A docking station.
    [InlineData("usb0", "00:e0:4c:68:00:01", "something")]
    [InlineData("docker0", "02:42:ac:11:00:02", null)]
    [InlineData("vmnet8", "00:50:56:c0:00:08", "vmnet")]
    [InlineData("eth0", "02:42:ac:11:00:02", "e1000e")] // Made up by software.
    [InlineData("eth0", "nonsense", "e1000e")]
    public void Adapters_that_travel_or_are_virtual_do_not_count(string name, string mac, string? driver) =>
        Assert.Empty(HardwareEvidence.Of(Machine() with { NetworkAdapters = [new NetworkAdapter(name, mac, driver, true, null, 1500, [])] }).Values);

    [Theory]
    [InlineData("QM00001", "sata")]
    [InlineData("drive-scsi0", "scsi")]
    [InlineData("S3Z8NB0K123456", "usb")] // A stick.
    public void Disks_that_travel_or_that_every_guest_has_do_not_count(string serial, string bus) =>
        Assert.Empty(HardwareEvidence.Of(Machine() with { Disks = [new Disk("sda", null, serial, 1, null, bus, [])] }).Values);

    [Fact]
    public void What_is_a_machines_own_counts_whatever_its_case_and_order()
    {
        var evidence = HardwareEvidence.Of(Machine() with
        {
            System = new ComputerSystem("pc1", null, null, null, "5CG1234XYZ", Uuid.ToUpperInvariant(), null),
            Board = new BoardFacts(null, null, null, "PJWVU00WB5T0AB"),
            Disks = [new Disk("sdb", null, "WD-WX12A34", 1, null, "sata", []), new Disk("nvme0n1", null, "S3Z8NB0K123456", 1, null, "nvme", [])],
            NetworkAdapters = [new NetworkAdapter("eth0", "3C:52:82:11:22:33", "e1000e", true, null, 1500, []), new NetworkAdapter("ens3", "52:54:00:12:34:56", "virtio_net", true, null, 1500, [])],
        });
        Assert.Equal(["board:pjwvu00wb5t0ab", "disk:s3z8nb0k123456", "disk:wd-wx12a34", "mac:3c:52:82:11:22:33", "mac:52:54:00:12:34:56", "system:5cg1234xyz", $"uuid:{Uuid}"], evidence.Values);
        Assert.Equal(evidence.Values, HardwareEvidence.Parse(evidence.ToText()).Values);
        Assert.Equal(MachineMatch.Other, HardwareEvidence.Compare(evidence, HardwareEvidence.Of(Machine() with { System = new ComputerSystem("pc1", null, null, null, null, OtherUuid, null) })));
    }

    private static HardwareEvidence Of(string values) => new(values.Split(' ', StringSplitOptions.RemoveEmptyEntries));

    private static HardwareInventory Machine() => ClientFixture.SampleHardware("pc1");
}
