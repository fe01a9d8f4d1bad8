using System.Text;
using Capstan.Client.Inventory;
using Capstan.Protocol.V1;

namespace Capstan.Tests.Client.Inventory;

public sealed class FactTests
{
    [Theory]
    [InlineData(" a\tb\0", "a b")]
    [InlineData("\u001b[31mred", "[31mred")]
    [InlineData("  \n", null)]
    [InlineData("Zoë", "Zoë")]
    public void Texts_are_without_control_characters(string text, string? expected) => Assert.Equal(expected, FactText.Clean(text));

    [Fact]
    public void A_lone_surrogate_is_replaced() => Assert.Equal("x\ufffdy", FactText.Clean("x\ud800y")); // An attribute cannot hold one.

    [Fact]
    public void Texts_are_bounded_and_never_cut_within_a_character()
    {
        Assert.Equal(4096, FactText.Clean(new string('a', 9000))!.Length);
        Assert.Equal(4096, FactText.Clean("\t" + new string('a', 9000) + "\t")!.Length + 1);
        Assert.False(char.IsHighSurrogate(FactText.Clean("a\t" + string.Concat(Enumerable.Repeat("😀", 4000)))![^1]));
    }

    [Theory]
    [InlineData("To Be Filled By O.E.M.")]
    [InlineData("not specified ")]
    [InlineData("Default string")]
    public void Fillers_of_firmware_are_no_facts(string text) => Assert.Null(FactText.CleanFirmware(text));

    [Fact]
    public void Assignments_lose_their_quotes_and_escapes() =>
        Assert.Equal("Debian \"x\" $5", FactText.Assignments("# c\nA=1\nNAME=\"Debian \\\"x\\\" \\$5\"\nNAME=second\n")["NAME"]);

    [Fact]
    public void Users_of_utmp_are_those_with_a_process()
    {
        Assert.Equal([new LoggedOnUser("alice", "pts/0", "192.0.2.7", 1700000100)], Utmp.Parse(Samples.CorpusFile("Utmp", "three"), Utmp.ShortRecord));
        Assert.Equal([new LoggedOnUser("carol", "tty1", null, 1700000200)], Utmp.Parse(Samples.CorpusFile("Utmp", "arm64"), Utmp.LongRecord));
    }

    [Theory]
    [InlineData(1152, "aarch64", 384)]
    [InlineData(800, "x86_64", 400)]
    [InlineData(9600, "aarch64", 400)]
    [InlineData(9600, "x86_64", 384)]
    public void Records_of_utmp_have_the_size_that_fits_the_file(int length, string architecture, int size) => Assert.Equal(size, Utmp.RecordSize(length, architecture));

    [Fact]
    public void Pci_names_are_found_in_one_pass()
    {
        var names = PciNames.Parse("# c\n1af4  Red Hat, Inc.\n\t1041  Virtio 1.0 network device\n\t\t1af4 1100  sub\n8086  Intel Corporation\n\t1041  wrong vendor\nC 02  Network controller\n\t00  Ethernet\n"u8,
            [PciNames.Key(0x1af4, 0x1041), PciNames.Key(0x8086, 0x9999), PciNames.Key(0xdead, 0xbeef)]);
        Assert.Equal(("Red Hat, Inc.", "Virtio 1.0 network device"), names[PciNames.Key(0x1af4, 0x1041)]);
        Assert.Equal(("Intel Corporation", null), names[PciNames.Key(0x8086, 0x9999)]);
        Assert.Equal(2, names.Count);
    }

    [Fact]
    public void Rpms_answer_is_read_record_by_record() =>
        Assert.Equal([new InstalledPackage("bash", "1:5.2-1.fc40", "x86_64", "Fedora Project", 1700000000, "rpm", "The GNU shell", 8000)],
            RpmQuery.Parse("bash|1:5.2-1.fc40|x86_64|(none)|Fedora Project|1700000000|8000|The GNU\nshell;gpg-pubkey|1|(none)|||1|0|key;short|1;torn|1".Replace('|', '\u001f').Replace(';', '\u001e')));

    [Fact]
    public void A_container_is_named_by_its_manager_and_a_machine_from_a_container_image_is_none()
    {
        var bare = new VirtualizationEvidence(null, false, null, "6.1.0", "LENOVO", "20N2", "LENOVO", false, "tsc hpet", null);
        Assert.Null(Virtualization.Of(bare));
        Assert.Equal("lxc", Virtualization.Of(bare with { Container = "lxc" }));
        Assert.Equal("container-other", Virtualization.Of(bare with { Container = "mine" }));
        Assert.Equal("docker", Virtualization.Of(bare with { HasDockerMarker = true, RootMount = new Mount("0:9", "/", "/", "overlay", "overlay", false) }));
        Assert.Null(Virtualization.Of(bare with { HasDockerMarker = true, RootMount = new Mount("254:0", "/", "/", "ext4", "/dev/vda", false) }));
        Assert.Equal("wsl", Virtualization.Of(bare with { KernelRelease = "5.15.90.1-microsoft-standard-WSL2" }));
    }

    [Theory]
    [InlineData("QEMU", "Standard PC", "SeaBIOS", "kvm-clock tsc", "kvm")]
    [InlineData("QEMU", "Standard PC", "SeaBIOS", "tsc", "qemu")]
    [InlineData("VMware, Inc.", "VMware Virtual Platform", "Phoenix", "tsc", "vmware")]
    [InlineData("Microsoft Corporation", "Virtual Machine", "Microsoft Corporation", "hyperv_clocksource_tsc_page", "microsoft")]
    [InlineData("Microsoft Corporation", "Surface Laptop 5", "Microsoft Corporation", "tsc", "vm-other")]
    [InlineData("innotek GmbH", "VirtualBox", "innotek GmbH", "kvm-clock", "oracle")]
    [InlineData("Amazon EC2", "m5.large", "Amazon EC2", "kvm-clock", "amazon")]
    [InlineData(null, null, null, "tsc kvm-clock", "kvm")]
    [InlineData(null, null, null, "tsc", "vm-other")]
    public void Hypervisors_are_named_by_firmware_or_clock(string? vendor, string? model, string? bios, string clocks, string expected) =>
        Assert.Equal(expected, Virtualization.Of(new VirtualizationEvidence(null, false, null, "6.1.0", vendor, model, bios, true, clocks, null)));

    [Theory]
    [InlineData("A=1\0container=podman\0B=2\0", "podman")]
    [InlineData("xcontainer=podman\0", null)]
    [InlineData("", null)]
    public void The_environment_of_process_1_names_the_container(string environment, string? expected) =>
        Assert.Equal(expected, SystemReader.ContainerOf(Encoding.UTF8.GetBytes(environment)));

    [Theory]
    [InlineData("search corp.example.org other\n", "corp.example.org")]
    [InlineData("domain a.example\nsearch b.example c.example\n", "b.example")]
    [InlineData("# search x\nnameserver 192.0.2.1\n", null)]
    public void The_resolvers_domain_is_the_last_that_is_told(string text, string? expected) => Assert.Equal(expected, SystemReader.ResolverDomain(text));

    [Theory]
    [InlineData("MemTotal:       24684096 kB\nMemFree: 1 kB\n", 25276514304L)]
    [InlineData("MemTotalX: 1 kB\n", null)]
    [InlineData("MemTotal: -1 kB\n", null)]
    public void Memory_is_counted_in_bytes(string text, long? expected) => Assert.Equal(expected, MemoryReader.Value(text, "MemTotal"));

    [Fact]
    public void Only_sessions_of_users_are_logged_on()
    {
        Assert.Equal(new LoggedOnUser("alice", "pts/0", "192.0.2.7", 1700000000),
            UserReader.SessionOf(FactText.Assignments("USER=alice\nCLASS=user\nSTATE=active\nTTY=pts/0\nREMOTE_HOST=192.0.2.7\nREALTIME=1700000000123456\n")));
        Assert.Null(UserReader.SessionOf(FactText.Assignments("USER=gdm\nCLASS=greeter\nSTATE=active\n")));
        Assert.Null(UserReader.SessionOf(FactText.Assignments("USER=alice\nCLASS=user\nSTATE=closing\n")));
    }
}
