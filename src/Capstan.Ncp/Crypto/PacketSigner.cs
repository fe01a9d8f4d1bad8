using System.Buffers.Binary;
using System.Numerics;
using System.Security.Cryptography;
using System.Text;

namespace Capstan.Ncp.Crypto;

/// <summary>The signatures of one connection, from its login on. Each request's state follows from that of the one before, so requests are signed once and in order; a reply is
/// verified with the state of its request. Not thread-safe.</summary>
/// <remarks>The compression function is that of MD4 (RFC 1320, 3.4), without its padding.</remarks>
internal sealed class PacketSigner
{
    public const int SignatureBytes = 8;
    private const int BlockBytes = 64;
    private const int RootBytes = 8;
    private const int CoveredBytes = BlockBytes - RootBytes - sizeof(uint);

    private readonly byte[] _root = new byte[RootBytes];
    private readonly uint[] _state = [0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476];

    /// <param name="hash">What the server stores of the password (<see cref="BinderyCipher.Hash"/>).</param>
    /// <param name="loginKey">The key of the login.</param>
    public PacketSigner(ReadOnlySpan<byte> hash, ReadOnlySpan<byte> loginKey)
    {
        Span<byte> block = stackalloc byte[BlockBytes];
        block.Clear();
        hash.CopyTo(block);
        loginKey.CopyTo(block[hash.Length..]);
        Encoding.ASCII.GetBytes("Authorized NetWare Client", block[(hash.Length + loginKey.Length)..]);
        Span<uint> first = stackalloc uint[4];
        Compress(_state, block, first);
        BinaryPrimitives.WriteUInt32LittleEndian(_root, first[0]);
        BinaryPrimitives.WriteUInt32LittleEndian(_root.AsSpan(4), first[1]);
        block.Clear();
    }

    /// <summary>Signs the next request.</summary>
    /// <param name="length">As it goes into the signature: four bytes, whose order the transport decides.</param>
    public void Sign(ReadOnlySpan<byte> covered, ReadOnlySpan<byte> length, Span<byte> signature)
    {
        Mix(covered, length, _state);
        BinaryPrimitives.WriteUInt32LittleEndian(signature, _state[0]);
        BinaryPrimitives.WriteUInt32LittleEndian(signature[4..], _state[1]);
    }

    /// <summary>Whether a reply to the last request carries the right signature.</summary>
    public bool Verify(ReadOnlySpan<byte> covered, ReadOnlySpan<byte> length, ReadOnlySpan<byte> signature)
    {
        Span<byte> expected = stackalloc byte[SignatureBytes];
        SignReply(covered, length, expected);
        return CryptographicOperations.FixedTimeEquals(expected, signature);
    }

    /// <summary>The server's side: a reply does not move the state.</summary>
    public void SignReply(ReadOnlySpan<byte> covered, ReadOnlySpan<byte> length, Span<byte> signature)
    {
        Span<uint> state = stackalloc uint[4];
        Mix(covered, length, state);
        BinaryPrimitives.WriteUInt32LittleEndian(signature, state[0]);
        BinaryPrimitives.WriteUInt32LittleEndian(signature[4..], state[1]);
    }

    private void Mix(ReadOnlySpan<byte> covered, ReadOnlySpan<byte> length, Span<uint> next)
    {
        Span<byte> block = stackalloc byte[BlockBytes];
        block.Clear();
        _root.CopyTo(block);
        length.CopyTo(block[RootBytes..]);
        covered[..Math.Min(covered.Length, CoveredBytes)].CopyTo(block[(RootBytes + sizeof(uint))..]);
        Compress(_state, block, next);
    }

    private static void Compress(ReadOnlySpan<uint> state, ReadOnlySpan<byte> block, Span<uint> next)
    {
        ReadOnlySpan<byte> order =
        [
            0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
            0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15,
            0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15,
        ];
        ReadOnlySpan<byte> shifts = [3, 7, 11, 19, 3, 5, 9, 13, 3, 9, 11, 15];
        var (a, b, c, d) = (state[0], state[1], state[2], state[3]);
        var (a0, b0, c0, d0) = (a, b, c, d);
        for (var step = 0; step < 48; step++)
        {
            var round = step / 16;
            var mixed = unchecked(round switch
            {
                0 => (b & c) | (~b & d),
                1 => ((b & c) | (b & d) | (c & d)) + 0x5A827999,
                _ => (b ^ c ^ d) + 0x6ED9EBA1,
            });
            var word = BinaryPrimitives.ReadUInt32LittleEndian(block[(4 * order[step])..]);
            var turned = BitOperations.RotateLeft(unchecked(a + mixed + word), shifts[(4 * round) + (step % 4)]);
            (a, b, c, d) = (d, turned, b, c);
        }
        unchecked
        {
            (next[0], next[1], next[2], next[3]) = (a0 + a, b0 + b, c0 + c, d0 + d);
        }
    }
}
