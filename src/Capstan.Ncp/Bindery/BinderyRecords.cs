using System.Net;
using Capstan.Ncp.Wire;

namespace Capstan.Ncp.Bindery;

/// <summary>An object of the bindery.</summary>
/// <param name="Type">1 user, 2 group, 4 file server.</param>
/// <param name="Name">Upper case.</param>
public sealed record BinderyObject(uint Id, int Type, string Name)
{
    public const int User = 1;
    internal const int NameBytes = 48;

    internal static BinderyObject Read(ReadOnlySpan<byte> data)
    {
        var reader = new NcpReader(data, "a bindery object");
        return new BinderyObject(reader.UInt32Big(), reader.UInt16Big(), reader.FixedText(NameBytes));
    }
}

/// <summary>Who is logged in on a connection.</summary>
/// <param name="LoginTime">By the server's clock, of a time zone that it does not tell; null when nobody is logged in.</param>
public sealed record ConnectionInformation(BinderyObject User, DateTime? LoginTime)
{
    /// <summary>Nobody is logged in, or the number is not in use.</summary>
    public bool IsEmpty => User.Id == 0;

    internal static ConnectionInformation Read(ReadOnlySpan<byte> data)
    {
        var reader = new NcpReader(data, "connection information");
        var found = new BinderyObject(reader.UInt32Big(), reader.UInt16Big(), reader.FixedText(BinderyObject.NameBytes));
        return new ConnectionInformation(found, ServerClock.Read(reader.Take(7)));
    }
}

/// <summary>The address of a connection.</summary>
/// <param name="Kind">2: IPX; 11: UDP or TCP of IPv4. Others are not read.</param>
/// <param name="Address">Null for what is not IPv4.</param>
public sealed record ConnectionAddress(int Kind, IPEndPoint? Address)
{
    internal const int InternetKind = 11;

    internal static ConnectionAddress Read(ReadOnlySpan<byte> data)
    {
        var reader = new NcpReader(data, "a connection's address");
        var network = reader.Take(4);
        reader.Skip(6);
        var socket = reader.UInt16Big();
        var kind = reader.Left > 0 ? reader.Byte() : 0;
        return new ConnectionAddress(kind, kind == InternetKind ? new IPEndPoint(new IPAddress(network), socket) : null);
    }
}

/// <summary>What a server says of itself.</summary>
/// <param name="Version">For people: <c>3.12</c>.</param>
/// <param name="MaxConnections">The most that it gives: slots, and on most versions licences.</param>
/// <param name="ConnectionsInUse">Now.</param>
/// <param name="PeakConnections">The most that were in use at one time.</param>
public sealed record ServerInformation(string Name, string Version, int MaxConnections, int ConnectionsInUse, int PeakConnections)
{
    internal static ServerInformation Read(ReadOnlySpan<byte> data)
    {
        var reader = new NcpReader(data, "server information");
        var name = reader.FixedText(48);
        var (major, minor) = (reader.Byte(), reader.Byte());
        var most = reader.UInt16Big();
        var used = reader.UInt16Big();
        reader.Skip(2 + 1 + 1 + 1);
        return new ServerInformation(name, $"{major}.{minor:D2}", most, used, reader.UInt16Big());
    }
}

/// <summary>The server's date and time: seven bytes (year from 1900, month, day, hour, minute, second, day of the week), of a zone that it does not tell.</summary>
internal static class ServerClock
{
    /// <summary>Null for what is no time.</summary>
    public static DateTime? Read(ReadOnlySpan<byte> fields)
    {
        var reader = new NcpReader(fields, "a time");
        var (year, month, day) = ((int)reader.Byte(), reader.Byte(), reader.Byte());
        var (hour, minute, second) = (reader.Byte(), reader.Byte(), reader.Byte());
        // Years before 80 are of this century, as servers have it that store two digits.
        year += year < 80 ? 2000 : 1900;
        return month is < 1 or > 12 || day < 1 || day > DateTime.DaysInMonth(year, month) || hour > 23 || minute > 59 || second > 59
            ? null
            : new DateTime(year, month, day, hour, minute, second, DateTimeKind.Unspecified);
    }

    /// <summary>Date and time of the DOS file system, little-endian: 2 seconds, from 1980.</summary>
    public static DateTime? ReadDos(ushort date, ushort time)
    {
        var (year, month, day) = (1980 + (date >> 9), (date >> 5) & 15, date & 31);
        var (hour, minute, second) = (time >> 11, (time >> 5) & 63, 2 * (time & 31));
        return month is < 1 or > 12 || day < 1 || day > DateTime.DaysInMonth(year, month) || hour > 23 || minute > 59 || second > 59
            ? null
            : new DateTime(year, month, day, hour, minute, second, DateTimeKind.Unspecified);
    }
}
