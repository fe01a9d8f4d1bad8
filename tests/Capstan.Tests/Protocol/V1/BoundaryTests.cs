using System.Net;
using Capstan.Protocol.V1;
using FsCheck;
using FsCheck.Fluent;

namespace Capstan.Tests.Protocol.V1;

/// <summary>Ranges of addresses, and where a machine is by all of its addresses.</summary>
public sealed class BoundaryTests
{
    [Theory]
    [InlineData("10.1.0.0/16", "10.1.0.0/16")]
    [InlineData("10.1.0.0-10.1.255.255", "10.1.0.0/16")]
    [InlineData("10.1.0.10-10.1.0.99", "10.1.0.10-10.1.0.99")]
    [InlineData("10.1.0.7", "10.1.0.7/32")]
    [InlineData("0.0.0.0/0", "0.0.0.0/0")]
    [InlineData("2001:db8:7::/48", "2001:db8:7::/48")]
    [InlineData("2001:DB8:7:0::/48", "2001:db8:7::/48")]
    [InlineData("::/0", "::/0")]
    [InlineData("fd00::1-fd00::ff", "fd00::1-fd00::ff")]
    [InlineData("::ffff:10.1.0.7", "10.1.0.7/32")]
    [InlineData("10.1.0.1/16", null)]
    [InlineData("10.1.0.0/33", null)]
    [InlineData("10.1.0.0/", null)]
    [InlineData("/16", null)]
    [InlineData("10.1/16", null)]
    [InlineData("010.1.0.0/16", null)]
    [InlineData("10.1.0.99-10.1.0.10", null)]
    [InlineData("10.1.0.1-2001:db8::1", null)]
    [InlineData("fe80::1%eth0", null)]
    [InlineData("[::1]", null)]
    [InlineData("office", null)]
    [InlineData("", null)]
    [InlineData(null, null)]
    public void A_boundary_has_one_text_or_is_none(string? text, string? expected) => Assert.Equal(expected, Boundary.TryParse(text, out var boundary) ? boundary.ToString() : null);

    [Theory]
    [InlineData("192.168.1.7", "wide")]
    [InlineData("10.1.7.9", "branch")]
    [InlineData("10.1.8.9", "head")]
    // The most specific of all addresses counts, not the first address.
    [InlineData("192.168.1.7 10.1.7.9", "branch")]
    [InlineData("10.1.7.9 192.168.1.7", "branch")]
    [InlineData("::ffff:10.1.7.9", "branch")]
    [InlineData("fd12::5", "ula")]
    [InlineData("fd12::5%eth0", "ula")]
    [InlineData("2001:db8::1", null)]
    // What says nothing of a place is in no boundary, even where one would hold it.
    [InlineData("127.0.0.1", null)]
    [InlineData("169.254.7.7", null)]
    [InlineData("fe80::1%eth0", null)]
    [InlineData("0.0.0.0", null)]
    [InlineData("::", null)]
    [InlineData("224.0.0.1", null)]
    [InlineData("ff02::1", null)]
    [InlineData("not an address", null)]
    [InlineData("", null)]
    public void The_place_of_a_machine_follows_from_all_of_its_addresses(string addresses, string? expected) => Assert.Equal(expected, BoundaryMatch.Find(addresses.Split(' '),
        [("wide", "0.0.0.0/0"), ("head", "10.1.0.0/16"), ("branch", "10.1.7.0/24"), ("ula", "fd00::/8"), ("link", "fe80::/10"), ("broken", "10.1.7.9/33")])?.Name);

    [Fact]
    public void Of_equal_boundaries_the_lowest_name_counts_in_any_order()
    {
        var places = new[] { ("XYZ", "10.1.0.0/16"), ("ABC", "10.1.0.0-10.1.255.255"), ("DEF", "10.0.0.0/8") };
        Assert.Equal("ABC", BoundaryMatch.Find(["10.1.2.3"], places)?.Name);
        Assert.Equal("ABC", BoundaryMatch.Find(["10.1.2.3"], places.Reverse())?.Name);
    }

    [Fact]
    public void Every_boundary_is_read_again_from_its_text_and_holds_exactly_its_addresses()
    {
        var numbers = Gen.Choose(0, int.MaxValue).SelectMany(high => Gen.Choose(0, 1).Select(low => ((uint)high << 1) | (uint)low));
        Prop.ForAll(numbers.Three().ToArbitrary(), test =>
        {
            var (first, last, probe) = (Math.Min(test.Item1, test.Item2), Math.Max(test.Item1, test.Item2), test.Item3);
            Assert.True(Boundary.TryParse($"{Address(first)}-{Address(last)}", out var boundary));
            Assert.True(Boundary.TryParse(boundary.ToString(), out var again));
            Assert.Equal(boundary, again);
            Assert.Equal(probe >= first && probe <= last, boundary.Contains(Address(probe)));
            Assert.Equal(probe >= first && probe <= last, boundary.Contains(Address(probe).MapToIPv6()));
            Assert.True(boundary.Contains(Address(first)) && boundary.Contains(Address(last)));
        }).QuickCheckThrowOnFailure();
    }

    /// <summary>Whatever overlaps: the answer holds an address of the machine, nothing that holds one is smaller, and the order of neither list counts.</summary>
    [Fact]
    public void For_any_places_the_smallest_that_holds_an_address_is_found()
    {
        var place = Gen.Elements("ABC", "DEF", "XYZ").SelectMany(name => Gen.Choose(0, 255).SelectMany(net => Gen.Elements(8, 16, 20, 24, 32).Select(bits => (name, $"{Network(net, bits)}/{bits}"))));
        var machine = Gen.Choose(0, 255).Select(net => $"10.{net % 4}.{net}.{net % 8}").ListOf(3);
        Prop.ForAll(place.ListOf().SelectMany(places => machine.Select(addresses => (Places: places.ToList(), Addresses: addresses.ToList()))).ToArbitrary(), test =>
        {
            var found = BoundaryMatch.Find(test.Addresses, test.Places);
            var holding = test.Places.Select(entry => (entry.name, Range: Parsed(entry.Item2))).Where(entry => test.Addresses.Exists(address => entry.Range.Contains(IPAddress.Parse(address)))).ToList();
            Assert.Equal(holding.Count > 0, found is not null);
            if (found is { } best)
            {
                Assert.DoesNotContain(holding, entry => entry.Range.Extent < best.Boundary.Extent);
                Assert.Equal(holding.Where(entry => entry.Range.Extent == best.Boundary.Extent).Select(entry => entry.name).Order(StringComparer.Ordinal).First(), best.Name);
            }
            Assert.Equal(found?.Name, BoundaryMatch.Find(Enumerable.Reverse(test.Addresses), Enumerable.Reverse(test.Places))?.Name);
        }).QuickCheckThrowOnFailure();
    }

    private static string Network(int net, int bits) => bits switch
    {
        8 => "10.0.0.0",
        16 => $"10.{net % 4}.0.0",
        20 => $"10.{net % 4}.{net & 0xf0}.0",
        24 => $"10.{net % 4}.{net}.0",
        _ => $"10.{net % 4}.{net}.{net % 8}",
    };

    private static Boundary Parsed(string text) => Boundary.TryParse(text, out var boundary) ? boundary : throw new ArgumentException(text, nameof(text));

    private static IPAddress Address(uint number) => new([(byte)(number >> 24), (byte)(number >> 16), (byte)(number >> 8), (byte)number]);
}
