using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Capstan.Protocol.V1;

/// <summary>A range of IPv4 or IPv6 addresses: a place in the network. Pure.</summary>
/// <remarks>Written as a network (<c>10.1.0.0/16</c>, <c>2001:db8:7::/48</c>), as a range (<c>10.1.0.10-10.1.0.99</c>) or as one address. Equal ranges are equal boundaries, however they were written.</remarks>
[StructLayout(LayoutKind.Auto)]
public readonly record struct Boundary
{
    /// <summary>Most of them for one site, and for one CAP.</summary>
    public const int Most = 64;

    /// <summary>Longest text: two IPv6 addresses and a hyphen.</summary>
    public const int MaxText = 91;

    private Boundary(AddressFamily family, UInt128 first, UInt128 last)
    {
        Family = family;
        First = first;
        Last = last;
    }

    public AddressFamily Family { get; }

    /// <summary>The addresses as numbers; both belong to it.</summary>
    public UInt128 First { get; }
    public UInt128 Last { get; }

    /// <summary>How many addresses it has beside the first: the smaller, the more it says of the place.</summary>
    public UInt128 Extent => Last - First;

    /// <summary>False for a text that is none, for a network with bits below its mask, and for a range that is turned round or mixes IPv4 and IPv6.</summary>
    public static bool TryParse(string? text, out Boundary boundary)
    {
        boundary = default;
        if (text is null || text.Length > MaxText)
            return false;
        if (text.IndexOf('/', StringComparison.Ordinal) is > 0 and var slash)
        {
            if (!Parse(text[..slash], out var family, out var first)
                || !int.TryParse(text.AsSpan(slash + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var bits) || bits > Bits(family))
                return false;
            var host = bits == 0 && Bits(family) == 128 ? UInt128.MaxValue : (UInt128.One << (Bits(family) - bits)) - 1;
            if ((first & host) != 0)
                return false;
            boundary = new Boundary(family, first, first | host);
            return true;
        }
        if (text.IndexOf('-', StringComparison.Ordinal) is > 0 and var hyphen)
        {
            if (!Parse(text[..hyphen], out var from, out var least) || !Parse(text[(hyphen + 1)..], out var to, out var most) || from != to || least > most)
                return false;
            boundary = new Boundary(from, least, most);
            return true;
        }
        if (!Parse(text, out var only, out var number))
            return false;
        boundary = new Boundary(only, number, number);
        return true;
    }

    public bool Contains(IPAddress address)
    {
        var (family, number) = Number(address);
        return family == Family && number >= First && number <= Last;
    }

    /// <summary>Whether both have an address in common.</summary>
    public bool Overlaps(Boundary other) => Family == other.Family && First <= other.Last && other.First <= Last;

    /// <summary>The one text of a range: a network where it is one, else both ends.</summary>
    public override string ToString()
    {
        var bits = Bits(Family);
        var size = Extent + 1;
        // 0 is the whole of IPv6: one more than a number holds.
        if (size == 0 || (UInt128.IsPow2(size) && (First & Extent) == 0))
            return string.Create(CultureInfo.InvariantCulture, $"{Address(First)}/{(size == 0 ? 0 : bits - (int)UInt128.Log2(size))}");
        return $"{Address(First)}-{Address(Last)}";
    }

    private IPAddress Address(UInt128 number)
    {
        Span<byte> bytes = stackalloc byte[16];
        BinaryPrimitives.WriteUInt128BigEndian(bytes, number);
        return new IPAddress(Family == AddressFamily.InterNetwork ? bytes[12..] : bytes);
    }

    /// <summary>IPv4 in IPv6 clothes is IPv4; the zone of an address says nothing of the place.</summary>
    private static (AddressFamily Family, UInt128 Number) Number(IPAddress address)
    {
        var plain = address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
        Span<byte> bytes = stackalloc byte[16];
        bytes.Clear();
        plain.TryWriteBytes(plain.AddressFamily == AddressFamily.InterNetwork ? bytes[12..] : bytes, out _);
        return (plain.AddressFamily, BinaryPrimitives.ReadUInt128BigEndian(bytes));
    }

    private static bool Parse(string text, out AddressFamily family, out UInt128 number)
    {
        (family, number) = (default, default);
        // A bare number, a short form or leading zeros would be read as an address that nobody meant.
        if (!IPAddress.TryParse(text, out var address) || text.Contains('%', StringComparison.Ordinal) || text.Contains('[', StringComparison.Ordinal)
            || (address.AddressFamily == AddressFamily.InterNetwork && address.ToString() != text))
            return false;
        (family, number) = Number(address);
        return true;
    }

    private static int Bits(AddressFamily family) => family == AddressFamily.InterNetwork ? 32 : 128;
}

/// <summary>Which place a machine is at, by all of its addresses. Pure.</summary>
/// <remarks>Of several boundaries that hold one of the addresses the most specific counts, the one with the fewest addresses; of equal ones the lowest name. Addresses that say nothing of a place never count: loopback, unspecified,
/// link-local of either family, multicast. Unique local addresses of IPv6 count as any other.</remarks>
public static class BoundaryMatch
{
    /// <summary>The name whose boundary is the most specific; null when the machine is outside every boundary.</summary>
    /// <param name="addresses">As the machine tells them; what is none is left out.</param>
    /// <param name="places">Names with their boundaries; a text that is no boundary holds nothing.</param>
    public static (string Name, Boundary Boundary)? Find(IEnumerable<string> addresses, IEnumerable<(string Name, string Boundary)> places)
    {
        var here = addresses.Select(text => IPAddress.TryParse(text.Split('%')[0], out var address) ? address : null).OfType<IPAddress>().Where(SaysWhere).ToList();
        (string Name, Boundary Boundary)? best = null;
        foreach (var (name, text) in places)
        {
            if (!Boundary.TryParse(text, out var boundary) || !here.Exists(boundary.Contains))
                continue;
            if (best is not { } known || boundary.Extent < known.Boundary.Extent || (boundary.Extent == known.Boundary.Extent && string.CompareOrdinal(name, known.Name) < 0))
                best = (name, boundary);
        }
        return best;
    }

    /// <summary>Whether an address tells of a place at all.</summary>
    public static bool SaysWhere(IPAddress address)
    {
        var plain = address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
        if (IPAddress.IsLoopback(plain) || plain.Equals(IPAddress.Any) || plain.Equals(IPAddress.IPv6Any))
            return false;
        if (plain.AddressFamily == AddressFamily.InterNetworkV6)
            return !plain.IsIPv6LinkLocal && !plain.IsIPv6Multicast;
        var bytes = plain.GetAddressBytes();
        return !(bytes[0] == 169 && bytes[1] == 254) && bytes[0] is not (0 or 127) and < 224;
    }
}
