namespace Capstan.Smb.Pipes;

/// <summary>How detailed a list of sessions is ([MS-SRVS] 2.2.2.14 and 3.1.4.5).</summary>
internal enum SessionLevel
{
    Clients = 0,
    Opens = 1,
    Times = 10,
    Everything = 502,
}

/// <summary>One portion of a list.</summary>
/// <param name="Resume">Where the next one begins.</param>
/// <param name="Error"><see cref="Win32Error.MoreData"/> when there is a next one.</param>
internal sealed record SrvsPage<T>(IReadOnlyList<T> Items, uint Resume, Win32Error Error);

/// <summary>Arguments and results of the calls of [MS-SRVS] that are used. Pure; decoders are total.</summary>
internal static class SrvsMessages
{
    /// <summary>srvsvc 3.0 ([MS-SRVS] 1.9).</summary>
    public static readonly RpcSyntax Interface = new(new Guid("4b324fc8-1670-01d3-1278-5a47bf6ee188"), 3);

    public const ushort SessionEnum = 12;
    public const ushort SessionDel = 13;
    public const ushort ShareEnum = 15;
    public const ushort ServerGetInfo = 21;

    private const uint ShareLevel = 1;
    private const uint ServerLevel = 101;

    /// <summary>NetrShareEnum ([MS-SRVS] 3.1.4.8).</summary>
    public static ReadOnlyMemory<byte> ShareEnumRequest(string server, uint resume, uint preferredBytes) =>
        EmptyList(new NdrWriter().Text(server), ShareLevel).UInt32(preferredBytes).Pointer().UInt32(resume).Written;

    /// <summary>NetrSessionEnum ([MS-SRVS] 3.1.4.5) for all clients and users.</summary>
    public static ReadOnlyMemory<byte> SessionEnumRequest(string server, SessionLevel level, uint resume, uint preferredBytes) =>
        EmptyList(new NdrWriter().Text(server).Null().Null(), (uint)level).UInt32(preferredBytes).Pointer().UInt32(resume).Written;

    /// <summary>NetrSessionDel ([MS-SRVS] 3.1.4.6); null means any client, or any user.</summary>
    public static ReadOnlyMemory<byte> SessionDelRequest(string server, string? client, string? user) =>
        new NdrWriter().Text(server).Text(client).Text(user).Written;

    /// <summary>NetrServerGetInfo ([MS-SRVS] 3.1.4.17).</summary>
    public static ReadOnlyMemory<byte> ServerGetInfoRequest(string server) => new NdrWriter().Text(server).UInt32(ServerLevel).Written;

    public static SrvsPage<SmbShare> ShareEnumAnswer(ReadOnlySpan<byte> stub)
    {
        var reader = new NdrReader(stub, "NetrShareEnum");
        var shares = new List<SmbShare>();
        if (ListBegins(ref reader, ShareLevel, 12, out var count))
        {
            var fixedParts = new (bool HasName, uint Type, bool HasRemark)[count];
            for (var i = 0; i < count; i++)
                fixedParts[i] = (reader.Pointer(), reader.UInt32(), reader.Pointer());
            foreach (var (hasName, type, hasRemark) in fixedParts)
            {
                const uint special = 0x80000000;
                var (name, remark) = (Text(ref reader, hasName), Text(ref reader, hasRemark));
                shares.Add(new(name ?? "", (SmbShareKind)(type & 0xFFFF), (type & special) != 0, remark ?? ""));
            }
        }
        return PageEnds(ref reader, shares);
    }

    public static SrvsPage<SmbServerSession> SessionEnumAnswer(ReadOnlySpan<byte> stub, SessionLevel level)
    {
        var reader = new NdrReader(stub, "NetrSessionEnum");
        var sessions = new List<SmbServerSession>();
        if (ListBegins(ref reader, (uint)level, SessionBytes(level), out var count))
        {
            var fixedParts = new SessionFixed[count];
            for (var i = 0; i < count; i++)
                fixedParts[i] = Fixed(ref reader, level);
            foreach (var part in fixedParts)
                sessions.Add(Session(ref reader, part));
        }
        return PageEnds(ref reader, sessions);
    }

    public static Win32Error SessionDelAnswer(ReadOnlySpan<byte> stub)
    {
        var reader = new NdrReader(stub, "NetrSessionDel");
        var error = new Win32Error(reader.UInt32());
        reader.End();
        return error;
    }

    public static (SmbServerInfo? Info, Win32Error Error) ServerGetInfoAnswer(ReadOnlySpan<byte> stub)
    {
        var reader = new NdrReader(stub, "NetrServerGetInfo");
        var level = reader.UInt32();
        SmbServerInfo? info = null;
        if (reader.Pointer())
        {
            if (level != ServerLevel)
                throw reader.Malformed($"level {level} in answer to {ServerLevel}");
            _ = reader.UInt32(); // platform: 500 is everything since Windows NT
            const uint major = 0xF; // the next four bits are a role
            var hasName = reader.Pointer();
            var version = new Version((int)(reader.UInt32() & major), (int)(reader.UInt32() & 0xFFFF));
            var roles = reader.UInt32();
            var hasComment = reader.Pointer();
            var (name, comment) = (Text(ref reader, hasName), Text(ref reader, hasComment));
            info = new(name ?? "", version, roles, comment ?? "");
        }
        var error = new Win32Error(reader.UInt32());
        reader.End();
        if (info is null && error == Win32Error.Success)
            throw reader.Malformed("success without information");
        return (info, error);
    }

    /// <summary>A container that the server is to fill: level, the union's own copy of it, and a pointer to no entries.</summary>
    private static NdrWriter EmptyList(NdrWriter writer, uint level) => writer.UInt32(level).UInt32(level).Pointer().UInt32(0).Null();

    /// <returns>False when there is no list: an error, or nothing to list.</returns>
    private static bool ListBegins(ref NdrReader reader, uint level, int elementBytes, out int count)
    {
        count = 0;
        var (outer, inner) = (reader.UInt32(), reader.UInt32());
        if (outer != level || inner != level)
            throw reader.Malformed($"levels {outer} and {inner} in answer to {level}");
        if (!reader.Pointer())
            return false;
        var entries = reader.UInt32();
        if (!reader.Pointer())
            return entries == 0 ? false : throw reader.Malformed($"{entries} entries and no list");
        count = reader.Count(entries, elementBytes);
        return true;
    }

    private static SrvsPage<T> PageEnds<T>(ref NdrReader reader, List<T> items)
    {
        _ = reader.UInt32(); // how many there are in all
        var resume = reader.Pointer() ? reader.UInt32() : 0;
        var error = new Win32Error(reader.UInt32());
        reader.End();
        return new(items, resume, error);
    }

    private static string? Text(ref NdrReader reader, bool isThere) => isThere ? reader.Text() : null;

    private readonly record struct SessionFixed(bool HasClient, bool? HasUser, uint? Opens, uint? Active, uint? Idle, uint? Flags, bool? HasType, bool? HasTransport);

    private static int SessionBytes(SessionLevel level) => level switch
    {
        SessionLevel.Clients => 4,
        SessionLevel.Opens => 24,
        SessionLevel.Times => 16,
        _ => 32,
    };

    private static SessionFixed Fixed(ref NdrReader reader, SessionLevel level)
    {
        var part = new SessionFixed { HasClient = reader.Pointer() };
        if (level == SessionLevel.Clients)
            return part;
        part = part with { HasUser = reader.Pointer() };
        if (level != SessionLevel.Times)
            part = part with { Opens = reader.UInt32() };
        part = part with { Active = reader.UInt32(), Idle = reader.UInt32() };
        if (level != SessionLevel.Times)
            part = part with { Flags = reader.UInt32() };
        return level == SessionLevel.Everything ? part with { HasType = reader.Pointer(), HasTransport = reader.Pointer() } : part;
    }

    /// <summary>The texts come behind the fixed parts of all sessions, in their order.</summary>
    private static SmbServerSession Session(ref NdrReader reader, SessionFixed part)
    {
        const uint guest = 1;
        var client = Text(ref reader, part.HasClient) ?? "";
        var user = part.HasUser is { } hasUser ? Text(ref reader, hasUser) ?? "" : null;
        var type = Text(ref reader, part.HasType is true);
        var transport = Text(ref reader, part.HasTransport is true);
        return new(
            client.TrimStart('\\'), user, part.Opens is { } opens ? (int)Math.Min(opens, int.MaxValue) : null, Seconds(part.Active), Seconds(part.Idle),
            part.Flags is { } flags ? (flags & guest) != 0 : null, type, transport);
    }

    private static TimeSpan? Seconds(uint? seconds) => seconds is { } value ? TimeSpan.FromSeconds(value) : null;
}
