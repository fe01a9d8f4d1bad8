using System.Buffers.Binary;

namespace Capstan.Tests.Smb.Pipes;

/// <summary>The server's side of connection-oriented RPC, as little as the tests need: it puts requests together and takes answers apart.</summary>
internal static class RpcServer
{
    public const byte Response = 2;
    public const byte Fault = 3;
    private const int RequestHeaderBytes = 24;

    /// <summary>A message; lengths are filled in.</summary>
    public static byte[] Pdu(byte kind, byte flags, uint callId, params byte[] body)
    {
        byte[] pdu = [5, 0, kind, flags, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, .. body];
        BinaryPrimitives.WriteUInt16LittleEndian(pdu.AsSpan(8), (ushort)pdu.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(pdu.AsSpan(12), callId);
        return pdu;
    }

    /// <summary>An answer in fragments of at most <paramref name="fragmentBytes"/> of stub.</summary>
    public static byte[] Answer(uint callId, byte[] stub, int fragmentBytes)
    {
        var answer = new List<byte>();
        var offset = 0;
        do
        {
            var count = Math.Min(fragmentBytes, stub.Length - offset);
            var flags = (byte)((offset == 0 ? 1 : 0) | (offset + count == stub.Length ? 2 : 0));
            answer.AddRange(Pdu(Response, flags, callId, [0, 0, 0, 0, 0, 0, 0, 0, .. stub.AsSpan(offset, count)]));
            offset += count;
        }
        while (offset < stub.Length);
        return [.. answer];
    }

    public static uint CallId(byte[] pdu) => BinaryPrimitives.ReadUInt32LittleEndian(pdu.AsSpan(12));

    /// <summary>The stub of a request, after a look at every fragment: one call, one operation, flags and lengths right, none larger than agreed.</summary>
    public static byte[] Stub(IReadOnlyList<byte[]> fragments, ushort operation, int maxBytes)
    {
        var stub = new List<byte>();
        for (var i = 0; i < fragments.Count; i++)
        {
            var pdu = fragments[i];
            Assert.InRange(pdu.Length, RequestHeaderBytes, maxBytes);
            Assert.Equal(pdu.Length, BinaryPrimitives.ReadUInt16LittleEndian(pdu.AsSpan(8)));
            Assert.Equal((i == 0 ? 1 : 0) | (i == fragments.Count - 1 ? 2 : 0), pdu[3]);
            Assert.Equal(operation, BinaryPrimitives.ReadUInt16LittleEndian(pdu.AsSpan(22)));
            Assert.Equal(CallId(fragments[0]), CallId(pdu));
            stub.AddRange(pdu[RequestHeaderBytes..]);
        }
        return [.. stub];
    }

    public static bool IsBind(IReadOnlyList<byte[]> fragments) => fragments[0][2] == 11;
}
