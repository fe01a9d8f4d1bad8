using Capstan.Protocol.Content;

namespace Capstan.Client.Content;

/// <summary>One read of a pack.</summary>
/// <param name="Chunks">That are needed of it, by offset; between them may lie what is not.</param>
internal readonly record struct PackRange(ContentHash Pack, long Offset, int Bytes, ArraySegment<NeededChunk> Chunks)
{
    public bool IsEmpty => Chunks.Count == 0;
}

/// <summary>Makes few large reads of many chunks. Pure.</summary>
internal static class RangePlanner
{
    /// <summary>Longest read: 4 MiB.</summary>
    public const int MostBytes = 4 << 20;

    /// <summary>What is not needed is read, too, where it is no longer than this: 128 KiB. A read more costs more than that on every storage there is.</summary>
    public const int MostGapBytes = 128 << 10;

    /// <summary>By pack, in the order in which packs were first needed, and by offset.</summary>
    public static NeededChunk[] Sort(IEnumerable<NeededChunk> needed)
    {
        NeededChunk[] sorted = [.. needed];
        Array.Sort(sorted, static (left, right) => left.PackOrder != right.PackOrder ? left.PackOrder.CompareTo(right.PackOrder) : left.Offset.CompareTo(right.Offset));
        return sorted;
    }

    /// <summary>The read that begins with the chunk at <paramref name="from"/>; empty at the end.</summary>
    /// <param name="mostBytes">Of this read; one chunk is read whole in any case.</param>
    public static PackRange Next(NeededChunk[] sorted, int from, int mostBytes)
    {
        if (from >= sorted.Length)
            return default;
        var first = sorted[from];
        var end = first.End;
        var to = from + 1;
        for (; to < sorted.Length; to++)
        {
            var next = sorted[to];
            if (next.Pack != first.Pack || next.Offset - end > MostGapBytes || Math.Max(end, next.End) - first.Offset > mostBytes)
                break;
            end = Math.Max(end, next.End);
        }
        return new PackRange(first.Pack, first.Offset, (int)(end - first.Offset), new ArraySegment<NeededChunk>(sorted, from, to - from));
    }
}
