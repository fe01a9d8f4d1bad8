using System.Text;
using Capstan.Client.Inventory;
using Capstan.Protocol.V1;

namespace Capstan.Tests.Client.Inventory;

public sealed class ProcessorFactsTests
{
    private static List<Processor> Packages(string cpuinfo) => ProcessorFacts.Packages(ProcessorFacts.Parse(cpuinfo), _ => null, _ => null);

    private static string TwoSockets()
    {
        var text = new StringBuilder();
        for (var i = 0; i < 16; i++)
        {
            // Two packages, four cores each, two threads each.
            text.Append($"processor\t: {i}\nvendor_id\t: GenuineIntel\nmodel name\t: Intel(R) Xeon(R) Gold 6134 CPU @ 3.20GHz\ncpu MHz\t\t: {1200 + i}.000\nphysical id\t: {i / 4 % 2}\nsiblings\t: 8\ncore id\t\t: {i % 4}\ncpu cores\t: 4\nflags\t\t: fpu vme\n\n");
        }
        return text.ToString();
    }

    [Fact]
    public void A_server_with_two_sockets_has_two_packages_of_4_cores_and_8_threads() =>
        Assert.Equal(
            Enumerable.Repeat(new Processor("Intel(R) Xeon(R) Gold 6134 CPU @ 3.20GHz", "GenuineIntel", 4, 8, 3200, null), 2),
            Packages(TwoSockets()));

    [Fact]
    public void A_virtual_machine_without_topology_counts_each_processor_as_a_core() =>
        Assert.Equal([new Processor("QEMU Virtual CPU version 2.5+", "GenuineIntel", 2, 2, null, null)],
            Packages("processor : 0\nvendor_id : GenuineIntel\nmodel name : QEMU Virtual CPU version 2.5+\n\nprocessor : 1\nvendor_id : GenuineIntel\nmodel name : QEMU Virtual CPU version 2.5+\n"));

    [Fact]
    public void An_arm_with_big_and_little_cores_names_both() =>
        Assert.Equal([new Processor("Cortex-A55 + Cortex-A76", "ARM", 2, 2, null, null)],
            Packages("processor\t: 0\nBogoMIPS\t: 48.00\nCPU implementer\t: 0x41\nCPU part\t: 0xd05\n\nprocessor\t: 1\nCPU implementer\t: 0x41\nCPU part\t: 0xd0b\n\nHardware\t: Rockchip RK3588\n"));

    [Fact]
    public void An_unknown_arm_part_keeps_its_number() =>
        Assert.Equal("Qualcomm part 0x001", Assert.Single(Packages("processor : 0\nCPU implementer : 0x51\nCPU part : 0x001\n")).Model);

    [Theory]
    [InlineData("vendor_id       : IBM/S390\n# processors    : 1\nmachine : z15\nprocessor 0: version = FF,  identification = 123456,  machine = 8561\n", "z15", "IBM/S390")]
    [InlineData("processor\t: 0\ncpu\t\t: POWER9, altivec supported\nclock\t\t: 2300.000000MHz\n\ntimebase\t: 512000000\nmodel\t\t: 9006-22P\n", "POWER9, altivec supported", null)]
    [InlineData("processor\t: 0\nhart\t\t: 1\nisa\t\t: rv64imafdc\nuarch\t\t: sifive,u74-mc\n", "sifive,u74-mc", null)]
    public void Other_architectures_tell_their_model(string cpuinfo, string model, string? vendor) =>
        Assert.Equal([new Processor(model, vendor, 1, 1, null, null)], Packages(cpuinfo));

    [Theory]
    [InlineData("")]
    [InlineData("processor : x\n")]
    [InlineData("processor : -1\n")]
    [InlineData(":::\n\0\n")]
    public void Garbage_is_no_processor(string cpuinfo) => Assert.Empty(Packages(cpuinfo));

    [Theory]
    [InlineData("32768K", 33554432L)]
    [InlineData("1M", 1048576L)]
    [InlineData("512", 512L)]
    [InlineData("K", null)]
    [InlineData("", null)]
    [InlineData("99999999999999999999K", null)]
    public void Cache_sizes_are_read(string text, long? bytes) => Assert.Equal(bytes, ProcessorFacts.CacheSize(text));
}
