using System.Buffers.Binary;
using System.Text;
using Capstan.Smb.Authentication;
using Capstan.Smb.Crypto;

namespace Capstan.Tests.Smb.Authentication;

/// <summary>The server's half of NTLMv2, written for the tests: makes a challenge and judges an AUTHENTICATE_MESSAGE ([MS-NLMP] 3.2.5.1.2).</summary>
internal static class NtlmServer
{
    public const uint AllFlags = 0xE288_8235 | 0x0200_0000;

    public static readonly byte[] ServerChallenge = Convert.FromHexString("0123456789abcdef");

    public static byte[] Pair(ushort id, params ReadOnlySpan<byte> value)
    {
        var pair = new byte[4 + value.Length];
        BinaryPrimitives.WriteUInt16LittleEndian(pair, id);
        BinaryPrimitives.WriteUInt16LittleEndian(pair.AsSpan(2), (ushort)value.Length);
        value.CopyTo(pair.AsSpan(4));
        return pair;
    }

    public static byte[] Text(ushort id, string value) => Pair(id, Encoding.Unicode.GetBytes(value));

    public static byte[] Time(ulong fileTime)
    {
        var bytes = new byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, fileTime);
        return Pair(7, bytes);
    }

    public static byte[] Challenge(uint flags, params byte[][] pairs)
    {
        byte[] info = [.. pairs.SelectMany(p => p), 0, 0, 0, 0];
        var message = new byte[56 + info.Length];
        NtlmMessages.Signature.CopyTo(message);
        BinaryPrimitives.WriteUInt32LittleEndian(message.AsSpan(8), 2);
        BinaryPrimitives.WriteUInt32LittleEndian(message.AsSpan(20), flags);
        ServerChallenge.CopyTo(message, 24);
        BinaryPrimitives.WriteUInt16LittleEndian(message.AsSpan(40), (ushort)info.Length);
        BinaryPrimitives.WriteUInt16LittleEndian(message.AsSpan(42), (ushort)info.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(message.AsSpan(44), 56);
        info.CopyTo(message, 56);
        return message;
    }

    /// <summary>The field whose descriptor stands at <paramref name="at"/>.</summary>
    public static byte[] Field(byte[] message, int at) => message.AsSpan(
        BinaryPrimitives.ReadInt32LittleEndian(message.AsSpan(at + 4)), BinaryPrimitives.ReadUInt16LittleEndian(message.AsSpan(at))).ToArray();

    public static byte[] LmResponse(byte[] authenticate) => Field(authenticate, 12);

    public static byte[] NtResponse(byte[] authenticate) => Field(authenticate, 20);

    public static string Domain(byte[] authenticate) => Encoding.Unicode.GetString(Field(authenticate, 28));

    public static string User(byte[] authenticate) => Encoding.Unicode.GetString(Field(authenticate, 36));

    public static uint Flags(byte[] authenticate) => BinaryPrimitives.ReadUInt32LittleEndian(authenticate.AsSpan(60));

    /// <summary>What the client said of itself and its target: the pairs of its response, by id.</summary>
    public static Dictionary<int, byte[]> Pairs(byte[] authenticate)
    {
        Dictionary<int, byte[]> pairs = [];
        var left = NtResponse(authenticate).AsSpan(16 + 28);
        while (BinaryPrimitives.ReadUInt16LittleEndian(left) is not 0 and var id)
        {
            var length = BinaryPrimitives.ReadUInt16LittleEndian(left[2..]);
            pairs.Add(id, left.Slice(4, length).ToArray());
            left = left[(4 + length)..];
        }

        return pairs;
    }

    /// <summary>Judges proof and MIC; returns the exported session key, or null when one of them is wrong.</summary>
    public static byte[]? Accept(byte[] negotiate, byte[] challenge, byte[] authenticate, string password)
    {
        var ntHash = new byte[16];
        Md4.HashData(Encoding.Unicode.GetBytes(password), ntHash);
        var key = NtlmV2.HmacMd5(ntHash, Encoding.Unicode.GetBytes(User(authenticate).ToUpperInvariant() + Domain(authenticate)));
        var response = NtResponse(authenticate);
        if (!NtlmV2.HmacMd5(key, [.. ServerChallenge, .. response[16..]]).AsSpan().SequenceEqual(response.AsSpan(0, 16)))
            return null;
        var exported = Rc4.Once(NtlmV2.HmacMd5(key, response.AsSpan(0, 16)), Field(authenticate, 52));
        byte[] withoutMic = [.. authenticate];
        withoutMic.AsSpan(72, 16).Clear();
        var mic = NtlmV2.HmacMd5(exported, [.. negotiate, .. challenge, .. withoutMic]);
        return mic.AsSpan().SequenceEqual(authenticate.AsSpan(72, 16)) ? exported : null;
    }
}
