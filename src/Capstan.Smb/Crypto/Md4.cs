using System.Buffers.Binary;
using System.Numerics;

namespace Capstan.Smb.Crypto;

/// <summary>MD4 (RFC 1320), which the base library does not have. Broken as a hash; here only because the NT hash of a password is made with it ([MS-NLMP] 3.3.2).</summary>
internal static class Md4
{
    public const int HashBytes = 16;

    private const int BlockBytes = 64;

    /// <summary>Writes the 16 bytes of the hash.</summary>
    public static void HashData(ReadOnlySpan<byte> source, Span<byte> hash)
    {
        Span<uint> state = [0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476];
        var left = source;
        for (; left.Length >= BlockBytes; left = left[BlockBytes..])
            Compress(state, left[..BlockBytes]);

        // RFC 1320 3.1 and 3.2: one bit, zeros, and the length in bits; in one block or two.
        Span<byte> tail = stackalloc byte[2 * BlockBytes];
        tail.Clear();
        left.CopyTo(tail);
        tail[left.Length] = 0x80;
        var tailBytes = left.Length < BlockBytes - sizeof(ulong) ? BlockBytes : 2 * BlockBytes;
        BinaryPrimitives.WriteUInt64LittleEndian(tail[(tailBytes - sizeof(ulong))..], (ulong)source.Length * 8);
        for (var at = 0; at < tailBytes; at += BlockBytes)
            Compress(state, tail.Slice(at, BlockBytes));
        tail.Clear();

        for (var i = 0; i < state.Length; i++)
            BinaryPrimitives.WriteUInt32LittleEndian(hash[(4 * i)..], state[i]);
    }

    /// <summary>RFC 1320 3.4: three rounds of sixteen steps; in each step the four words change places.</summary>
    private static void Compress(Span<uint> state, ReadOnlySpan<byte> block)
    {
        ReadOnlySpan<byte> order =
        [
            0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
            0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15,
            0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15,
        ];
        ReadOnlySpan<byte> shifts = [3, 7, 11, 19, 3, 5, 9, 13, 3, 9, 11, 15];

        var (a, b, c, d) = (state[0], state[1], state[2], state[3]);
        for (var step = 0; step < 48; step++)
        {
            var round = step / 16;
            var mixed = round switch
            {
                0 => (b & c) | (~b & d),
                1 => ((b & c) | (b & d) | (c & d)) + 0x5A827999,
                _ => (b ^ c ^ d) + 0x6ED9EBA1,
            };
            var word = BinaryPrimitives.ReadUInt32LittleEndian(block[(4 * order[step])..]);
            var turned = BitOperations.RotateLeft(a + mixed + word, shifts[(4 * round) + (step % 4)]);
            (a, b, c, d) = (d, turned, b, c);
        }

        state[0] += a;
        state[1] += b;
        state[2] += c;
        state[3] += d;
    }
}
