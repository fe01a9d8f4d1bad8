using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Capstan.Protocol.Content;

/// <summary>A SHA-256, as a value of 32 bytes without an allocation: the identity of a chunk, the name of a pack. As text 64 lower-case hexadecimal digits.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 8)]
public readonly record struct ContentHash
{
    /// <summary>Bytes of a hash: 32.</summary>
    public const int Bytes = SHA256.HashSizeInBytes;

    private readonly ulong _0, _1, _2, _3;

    /// <summary>The hash that these bytes are.</summary>
    /// <exception cref="ArgumentException">Not 32 bytes.</exception>
    public ContentHash(ReadOnlySpan<byte> hash)
    {
        if (hash.Length != Bytes)
            throw new ArgumentException($"A hash has {Bytes} bytes, not {hash.Length}.", nameof(hash));
        this = MemoryMarshal.Read<ContentHash>(hash);
    }

    /// <summary>Computes the hash of <paramref name="data"/>.</summary>
    public static ContentHash Of(ReadOnlySpan<byte> data)
    {
        Span<byte> hash = stackalloc byte[Bytes];
        SHA256.HashData(data, hash);
        return new ContentHash(hash);
    }

    /// <exception cref="ArgumentException"><paramref name="destination"/> is shorter than 32 bytes.</exception>
    public void CopyTo(Span<byte> destination) => MemoryMarshal.Write(destination, in this);

    public byte[] ToArray()
    {
        var bytes = new byte[Bytes];
        CopyTo(bytes);
        return bytes;
    }

    /// <summary>Reads 64 lower-case hexadecimal digits, and nothing else.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out ContentHash hash)
    {
        Span<byte> ascii = stackalloc byte[Bytes * 2];
        hash = default;
        return text.Length == ascii.Length && System.Text.Ascii.FromUtf16(text, ascii, out _) == System.Buffers.OperationStatus.Done && TryParse(ascii, out hash);
    }

    /// <summary>As the other, of ASCII.</summary>
    public static bool TryParse(ReadOnlySpan<byte> text, out ContentHash hash)
    {
        hash = default;
        Span<byte> bytes = stackalloc byte[Bytes];
        if (text.Length != Bytes * 2 || text.ContainsAnyInRange((byte)'A', (byte)'F')
            || Convert.FromHexString(text, bytes, out _, out _) != System.Buffers.OperationStatus.Done)
        {
            return false;
        }
        hash = new ContentHash(bytes);
        return true;
    }

    /// <exception cref="FormatException">Not 64 lower-case hexadecimal digits.</exception>
    public static ContentHash Parse(string text) =>
        TryParse(text, out var hash) ? hash : throw new FormatException("A hash is 64 lower-case hexadecimal digits.");

    /// <summary>In the order of the bytes, which is the order of the texts.</summary>
    public static int Compare(ContentHash left, ContentHash right)
    {
        Span<byte> one = stackalloc byte[Bytes], other = stackalloc byte[Bytes];
        left.CopyTo(one);
        right.CopyTo(other);
        return one.SequenceCompareTo(other);
    }

    public override int GetHashCode() => (int)_0;

    public override string ToString()
    {
        Span<byte> bytes = stackalloc byte[Bytes];
        CopyTo(bytes);
        return Convert.ToHexStringLower(bytes);
    }
}
