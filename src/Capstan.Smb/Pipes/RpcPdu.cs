using System.Runtime.InteropServices;
using Capstan.Smb.Wire;

namespace Capstan.Smb.Pipes;

/// <summary>Kinds of messages of connection-oriented RPC ([C706] 12.6.4.1).</summary>
internal enum RpcKind
{
    Request = 0,
    Response = 2,
    Fault = 3,
    Bind = 11,
    BindAck = 12,
    BindNak = 13,
}

/// <summary>An interface with its version, or a transfer syntax ([C706] 12.6.3.1).</summary>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct RpcSyntax(Guid Id, uint Version)
{
    public const int Bytes = 20;

    /// <summary>NDR 2.0 ([C706] appendix I).</summary>
    public static readonly RpcSyntax Ndr = new(new Guid("8a885d04-1ceb-11c9-9fe8-08002b104860"), 2);
}

/// <summary>One fragment: what its header says, and the bytes behind the header ([C706] 12.6.3.1).</summary>
internal readonly ref struct RpcFragment(RpcKind kind, uint callId, bool isFirst, bool isLast, ReadOnlySpan<byte> body)
{
    public RpcKind Kind { get; } = kind;
    public uint CallId { get; } = callId;
    public bool IsFirst { get; } = isFirst;
    public bool IsLast { get; } = isLast;
    public ReadOnlySpan<byte> Body { get; } = body;
}

/// <summary>What the server agreed to in a bind: how large fragments may be.</summary>
internal readonly record struct RpcBinding(int MaxSendBytes);

/// <summary>The messages of connection-oriented RPC ([C706] chapter 12, [MS-RPCE] 2.2.2), without security: the pipe's session is the security. Pure and total.</summary>
internal static class RpcPdu
{
    public const int HeaderBytes = 16;

    /// <summary>Header, allocation hint, context and operation.</summary>
    public const int RequestHeaderBytes = HeaderBytes + 8;

    /// <summary>The largest fragment that this side takes, which is what Windows offers.</summary>
    public const int MaxReceiveBytes = 5840;

    /// <summary>The least that every implementation must take ([C706] 12.6.3.2, MustRecvFragSize).</summary>
    private const int LeastFragmentBytes = 1432;

    private const byte First = 1;
    private const byte Last = 2;

    public static byte[] Bind(uint callId, RpcSyntax interfaceId)
    {
        var pdu = new byte[HeaderBytes + 12 + 4 + (2 * RpcSyntax.Bytes)];
        var writer = new WireWriter(pdu);
        Header(ref writer, RpcKind.Bind, First | Last, pdu.Length, callId);
        writer.UInt16(MaxReceiveBytes);
        writer.UInt16(MaxReceiveBytes);
        writer.UInt32(0); // a new association group
        writer.UInt32(1); // contexts
        writer.UInt16(0); // its id
        writer.UInt16(1); // transfer syntaxes
        Syntax(ref writer, interfaceId);
        Syntax(ref writer, RpcSyntax.Ndr);
        return pdu;
    }

    /// <summary>One fragment of a request.</summary>
    /// <param name="stub">The whole stub; <paramref name="offset"/> and <paramref name="count"/> say which part this is.</param>
    public static byte[] Request(uint callId, ushort operation, ReadOnlySpan<byte> stub, int offset, int count)
    {
        var pdu = new byte[RequestHeaderBytes + count];
        var writer = new WireWriter(pdu);
        var flags = (offset == 0 ? First : 0) | (offset + count == stub.Length ? Last : 0);
        Header(ref writer, RpcKind.Request, flags, pdu.Length, callId);
        writer.UInt32((uint)(stub.Length - offset)); // what is still to come, this fragment included
        writer.UInt16(0); // context
        writer.UInt16(operation);
        writer.Bytes(stub.Slice(offset, count));
        return pdu;
    }

    /// <summary>How long the fragment is that begins with <paramref name="header"/> (<see cref="HeaderBytes"/> of it).</summary>
    public static int LengthOf(ReadOnlySpan<byte> header)
    {
        var reader = new WireReader(header, "RPC");
        var (version, minor) = (reader.Byte(), reader.Byte());
        if (version != 5 || minor > 1)
            throw reader.Malformed($"version {version}.{minor}");
        reader.Skip(2);
        var representation = reader.UInt32() & 0xFFFF;
        if (representation != 0x10)
            throw reader.Malformed($"data representation {representation:X4}, and only little-endian, ASCII, IEEE is spoken");
        var length = reader.UInt16();
        if (length is < HeaderBytes or > MaxReceiveBytes)
            throw reader.Malformed($"a fragment of {length} bytes, between {HeaderBytes} and {MaxReceiveBytes} were agreed");
        if (reader.UInt16() != 0)
            throw reader.Malformed("a verification trailer, and no security was agreed");
        return length;
    }

    /// <summary>One whole fragment.</summary>
    public static RpcFragment Parse(ReadOnlySpan<byte> pdu)
    {
        var reader = new WireReader(pdu, "RPC");
        if (LengthOf(reader.At(0, Math.Min(HeaderBytes, pdu.Length))) != pdu.Length)
            throw reader.Malformed($"{pdu.Length} bytes are not one fragment");
        reader.Skip(2);
        var (kind, flags) = ((RpcKind)reader.Byte(), reader.Byte());
        reader.Skip(8);
        return new(kind, reader.UInt32(), (flags & First) != 0, (flags & Last) != 0, pdu[HeaderBytes..]);
    }

    /// <summary>The server's answer to a bind.</summary>
    /// <exception cref="SmbException"><see cref="SmbFailure.Unsupported"/>: the server does not have the interface, or does not speak NDR.</exception>
    public static RpcBinding BindAnswer(RpcFragment fragment, string what)
    {
        var reader = new WireReader(fragment.Body, what);
        switch (fragment.Kind)
        {
            case RpcKind.BindNak:
                throw new SmbException(SmbFailure.Unsupported, $"{what}: the server refuses to bind, reason {reader.UInt16()}", SmbCompletion.Refused, SmbCommand.Ioctl);
            case RpcKind.BindAck:
                break;
            default:
                throw reader.Malformed($"message {(int)fragment.Kind} in answer to a bind");
        }
        reader.Skip(2); // what the server sends at most: we take whatever is within our own limit
        int most = reader.UInt16();
        reader.Skip(4); // association group
        reader.Skip(reader.UInt16()); // secondary address: the pipe's name
        reader.Skip(-(HeaderBytes + reader.Position) & 3);
        var results = reader.Byte();
        reader.Skip(3);
        var (result, reason) = (reader.UInt16(), reader.UInt16());
        var syntax = new RpcSyntax(reader.Guid(), reader.UInt32());
        if (result != 0)
            throw new SmbException(SmbFailure.Unsupported, $"{what}: the server does not offer it (result {result}, reason {reason})", SmbCompletion.Refused, SmbCommand.Ioctl);
        if (results != 1 || syntax != RpcSyntax.Ndr)
            throw reader.Malformed($"{results} results, the first with transfer syntax {syntax.Id}");
        if (most < LeastFragmentBytes)
            throw reader.Malformed($"the server takes fragments of {most} bytes, and {LeastFragmentBytes} is the least");
        return new(Math.Min(most, MaxReceiveBytes));
    }

    /// <summary>The part of the results in one fragment of an answer.</summary>
    /// <exception cref="SmbRpcException">The server answered with a fault.</exception>
    public static ReadOnlySpan<byte> ResponseStub(RpcFragment fragment, string what)
    {
        var reader = new WireReader(fragment.Body, what);
        reader.Skip(8); // allocation hint, context, cancel count
        return fragment.Kind switch
        {
            RpcKind.Response => fragment.Body[reader.Position..],
            RpcKind.Fault => throw SmbRpcException.Faulted(reader.UInt32(), what),
            _ => throw reader.Malformed($"message {(int)fragment.Kind} in answer to a request"),
        };
    }

    private static void Header(ref WireWriter writer, RpcKind kind, int flags, int length, uint callId)
    {
        writer.Byte(5); // version
        writer.Byte(0);
        writer.Byte((byte)kind);
        writer.Byte((byte)flags);
        writer.UInt32(0x10); // little-endian, ASCII, IEEE
        writer.UInt16(length);
        writer.UInt16(0); // no verification trailer
        writer.UInt32(callId);
    }

    private static void Syntax(ref WireWriter writer, RpcSyntax syntax)
    {
        writer.Guid(syntax.Id);
        writer.UInt32(syntax.Version);
    }
}
