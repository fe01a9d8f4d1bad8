using Capstan.Nal.Arbiter.Journal;

namespace Capstan.Tests.Nal.Arbiter.Journal;

public sealed class MachineEvidenceTests : IDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("capstan-evidence-");

    public void Dispose() => _directory.Delete(recursive: true);

    [Fact]
    public void It_is_read_from_the_machine_and_shows_no_identity_as_it_stands_there()
    {
        Device("eth0", "52:54:00:00:00:02", "0", hasDevice: true);
        Device("eth1", "52:54:00:00:00:01", "0", hasDevice: true);
        Device("docker0", "02:42:00:00:00:03", "3", hasDevice: false);
        Device("veth1", "02:42:00:00:00:04", "0", hasDevice: false);
        Device("wlan0", "02:42:00:00:00:05", "1", hasDevice: true);
        var read = MachineEvidence.Read(Write("id", "0123456789abcdef\n"), Write("uuid", "4C4C4544"), Path.Combine(_directory.FullName, "net"));
        Assert.Equal(["52:54:00:00:00:01", "52:54:00:00:00:02"], read.Addresses);
        Assert.Equal((16, 16), (read.Id!.Length, read.Product!.Length));
        Assert.NotEqual(read.Id, read.Product);
        Assert.False(MachineEvidence.AreTwo(read, MachineEvidence.Read(Path.Combine(_directory.FullName, "id"), "/nothing", "/nothing")));
    }

    [Fact]
    public void A_system_that_tells_nothing_gives_no_evidence()
    {
        var read = MachineEvidence.Read("/nothing", "/nothing", "/nothing");
        Assert.Equal((null, null, 0), (read.Id, read.Product, read.Addresses.Count));
    }

    private string Write(string name, string text)
    {
        var path = Path.Combine(_directory.FullName, name);
        File.WriteAllText(path, text);
        return path;
    }

    private void Device(string name, string address, string assigned, bool hasDevice)
    {
        var directory = Directory.CreateDirectory(Path.Combine(_directory.FullName, "net", name));
        Write(Path.Combine("net", name, "address"), address + "\n");
        Write(Path.Combine("net", name, "addr_assign_type"), assigned + "\n");
        if (hasDevice)
            directory.CreateSubdirectory("device");
    }
}
