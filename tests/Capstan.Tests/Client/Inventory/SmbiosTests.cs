using Capstan.Client.Inventory.Smbios;
using Capstan.Protocol.V1;

namespace Capstan.Tests.Client.Inventory;

public sealed class SmbiosTests
{
    private static SmbiosFacts Laptop(Version? version = null) => SmbiosFacts.Of(SmbiosTable.Parse(Samples.CorpusFile("Smbios", "laptop")), version ?? new Version(3, 2));

    [Fact]
    public void A_laptop_tells_its_names_and_serials()
    {
        var facts = Laptop();

        Assert.Equal(("LENOVO", "20N2CTO1WW", "PF1ABCDE"), (facts.Manufacturer, facts.Model, facts.SerialNumber));
        Assert.Equal(new BiosFacts("LENOVO", "N2IET98W (1.76)", "2021-04-15"), facts.Bios);
        Assert.Equal(new BoardFacts("LENOVO", "20N2CTO1WW", "SDK0J40697 WIN", "L1HF94S01AB"), facts.Board);
        Assert.Equal(new ChassisFacts("notebook", "LENOVO", "PF1ABCDE", null), facts.Chassis);
    }

    [Fact]
    public void Modules_have_their_size_from_either_field_and_empty_sockets_are_left_out() =>
        Assert.Equal(
            [
                new MemoryModule("BANK 0 / ChannelA-DIMM0", 8L << 30, "DDR4", 2666, "Samsung", "M471A1K43CB1-CTD", "12345678"),
                new MemoryModule("BANK 4 / DIMM_P0_A0", 64L << 30, "DDR4", 2666, "Micron", "36ASF8G72PZ", "F0F0F0F0"),
            ],
            Laptop().Modules);

    [Theory]
    [InlineData(3, 2, "03020100-0504-0706-0809-0a0b0c0d0e0f")]
    [InlineData(2, 4, "00010203-0405-0607-0809-0a0b0c0d0e0f")]
    public void The_first_fields_of_a_uuid_are_little_endian_since_2_6(int major, int minor, string expected) =>
        Assert.Equal(expected, Laptop(new Version(major, minor)).Uuid);

    [Theory]
    [InlineData(0x00)]
    [InlineData(0xFF)]
    public void A_uuid_that_nobody_set_is_none(byte value) =>
        Assert.Null(SmbiosFacts.UuidOf(Enumerable.Repeat(value, 16).ToArray(), null));

    [Theory]
    [InlineData("04/15/2021", "2021-04-15")]
    [InlineData("01/02/00", "2000-01-02")]
    [InlineData("12/31/99", "1999-12-31")]
    [InlineData("02/30/2021", "02/30/2021")]
    [InlineData("15.04.2021", "15.04.2021")]
    [InlineData(null, null)]
    public void Dates_of_firmware_become_ISO_or_stay(string? text, string? expected) => Assert.Equal(expected, SmbiosFacts.Date(text));

    [Theory]
    [InlineData("entry-3.2", "3.2")]
    [InlineData("entry-2.4", "2.4")]
    [InlineData("zeros", null)]
    [InlineData("laptop", null)]
    public void The_entry_point_tells_the_version(string file, string? expected) =>
        Assert.Equal(expected, SmbiosTable.VersionOf(Samples.CorpusFile("Smbios", file))?.ToString());

    [Fact]
    public void An_entry_point_with_a_wrong_sum_is_not_believed()
    {
        var bytes = Samples.CorpusFile("Smbios", "entry-3.2");
        bytes[7]++;
        Assert.Null(SmbiosTable.VersionOf(bytes));
    }

    [Fact]
    public void A_torn_table_keeps_what_came_before()
    {
        var facts = SmbiosFacts.Of(SmbiosTable.Parse(Samples.CorpusFile("Smbios", "laptop")[..70]), null);
        Assert.Equal("LENOVO", facts.Bios?.Vendor);
        Assert.Null(facts.Board);
    }
}
