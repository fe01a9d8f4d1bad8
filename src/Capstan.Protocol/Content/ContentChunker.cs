using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

namespace Capstan.Protocol.Content;

/// <summary>Cuts bytes where their content says so: an insertion moves the cuts near it and no others. Pure; thread-safe.</summary>
/// <remarks>
/// A rolling "gear" hash: <c>h = (h &lt;&lt; 1) + gear[byte]</c> modulo 2^64, begun with 0 at byte 4,096 of the chunk; a cut comes after the byte that makes
/// the 16 highest bits of <c>h</c> zero, from byte 16,384 on the 12 highest, and after 65,536 bytes in any case (normalised as FastCDC, Xia et al., USENIX ATC 2016).
/// <c>gear[b]</c> is the first 8 bytes, big-endian, of SHA-256 over the ASCII text <c>capstan-gear-1:</c> and the byte <c>b</c>.
/// </remarks>
public static class ContentChunker
{
    private const ulong StrictMask = 0xFFFF_0000_0000_0000;
    private const ulong LooseMask = 0xFFF0_0000_0000_0000;

    private static readonly ulong[] s_gear = MakeGear();

    /// <summary>Length of the first chunk of <paramref name="data"/>; 0 when that cannot be told without more.</summary>
    /// <param name="data">From the beginning of a chunk on. Give at least <see cref="ContentFormat.MaxChunkBytes"/> while there are that many.</param>
    /// <param name="isLast">Nothing follows: what is left is a chunk, however short. False: fewer than the longest chunk give 0.</param>
    public static int Next(ReadOnlySpan<byte> data, bool isLast)
    {
        if (data.Length < ContentFormat.MaxChunkBytes && !isLast)
            return 0;
        if (data.Length <= ContentFormat.MinChunkBytes)
            return data.Length;
        var end = Math.Min(data.Length, ContentFormat.MaxChunkBytes);
        var normal = Math.Min(end, ContentFormat.NormalChunkBytes);
        ref var bytes = ref MemoryMarshal.GetReference(data);
        var hash = 0UL;
        var cut = Scan(ref bytes, ContentFormat.MinChunkBytes, normal, StrictMask, ref hash);
        return cut > 0 ? cut : Scan(ref bytes, normal, end, LooseMask, ref hash) is var late and > 0 ? late : end;
    }

    /// <summary>Number of bytes up to and with the one that makes the masked hash zero; 0 for none.</summary>
    /// <remarks>
    /// By reference, since the check of bounds costs a third of the speed; the caller has bounded both ends by the span, and a byte cannot leave a table of 256.
    /// Four bytes a turn, with indices as wide as an address: the plain loop spends more on its counter than on the hash.
    /// </remarks>
    private static int Scan(ref byte bytes, int from, int to, ulong mask, ref ulong hash)
    {
        ref var gear = ref MemoryMarshal.GetArrayDataReference(s_gear);
        var h = hash;
        nint i = from;
        for (; i <= to - 4; i += 4)
        {
            ref var next = ref Unsafe.Add(ref bytes, i);
            var first = (h << 1) + Unsafe.Add(ref gear, (nint)next);
            if ((first & mask) == 0)
                return (int)i + 1;
            var second = (first << 1) + Unsafe.Add(ref gear, (nint)Unsafe.Add(ref next, 1));
            if ((second & mask) == 0)
                return (int)i + 2;
            var third = (second << 1) + Unsafe.Add(ref gear, (nint)Unsafe.Add(ref next, 2));
            if ((third & mask) == 0)
                return (int)i + 3;
            h = (third << 1) + Unsafe.Add(ref gear, (nint)Unsafe.Add(ref next, 3));
            if ((h & mask) == 0)
                return (int)i + 4;
        }
        for (; i < to; i++)
        {
            h = (h << 1) + Unsafe.Add(ref gear, (nint)Unsafe.Add(ref bytes, i));
            if ((h & mask) == 0)
                return (int)i + 1;
        }
        hash = h;
        return 0;
    }

    private static ulong[] MakeGear()
    {
        var gear = new ulong[256];
        byte[] text = [.. Encoding.ASCII.GetBytes("capstan-gear-1:"), 0];
        for (var b = 0; b < gear.Length; b++)
        {
            text[^1] = (byte)b;
            gear[b] = BinaryPrimitives.ReadUInt64BigEndian(SHA256.HashData(text));
        }
        return gear;
    }
}
