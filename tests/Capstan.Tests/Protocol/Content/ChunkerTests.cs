using System.Buffers.Binary;
using Capstan.Protocol.Content;
using Capstan.Tests.Golden;
using FsCheck;
using FsCheck.Fluent;

namespace Capstan.Tests.Protocol.Content;

public sealed class ChunkerTests
{
    private static readonly Config Some = Config.QuickThrowOnFailure.WithMaxTest(60).WithQuietOnSuccess(true);

    /// <summary>Data whose length and place of change chance decides; its bytes come from the seed.</summary>
    private static readonly Arbitrary<(int Seed, int Length)> Data =
        (from seed in Gen.Choose(0, int.MaxValue) from length in Gen.Frequency((1, Gen.Choose(0, 9_000)), (3, Gen.Choose(9_000, 600_000))) select (seed, length)).ToArbitrary();

    /// <summary>Random bytes, one byte, two bytes, short periods, and pieces of each one behind the other.</summary>
    private static readonly Arbitrary<byte[]> Pathological =
        (from pieces in Gen.Choose(1, 4)
         from parts in Gen.ArrayOf(
             from kind in Gen.Choose(0, 3)
             from seed in Gen.Choose(0, int.MaxValue)
             from length in Gen.Choose(1, 150_000)
             select Piece(kind, seed, length), pieces)
         select parts.SelectMany(part => part).ToArray()).ToArbitrary();

    [Fact]
    public void Chunks_are_the_input_and_within_their_lengths() => Prop.ForAll(Data, data =>
    {
        var bytes = Bytes(data.Seed, data.Length);
        var lengths = Cut(bytes);
        return lengths.Sum() == bytes.Length
            && lengths.All(length => length is > 0 and <= ContentFormat.MaxChunkBytes)
            && lengths.SkipLast(1).All(length => length > ContentFormat.MinChunkBytes);
    }).Check(Some);

    [Fact]
    public void Cuts_do_not_depend_on_how_much_is_seen_at_once() => Prop.ForAll(Data, data =>
    {
        var bytes = Bytes(data.Seed, data.Length);
        var piecewise = new List<int>();
        for (int from = 0, seen = 0; from < bytes.Length;)
        {
            seen = Math.Min(bytes.Length, seen + 30_011);
            var length = ContentChunker.Next(bytes.AsSpan(from, seen - from), isLast: seen == bytes.Length);
            if (length > 0)
                piecewise.Add(length);
            from += length;
        }
        return piecewise.SequenceEqual(Cut(bytes));
    }).Check(Some);

    /// <summary>The text of the format, byte by byte, with a table of its own: what another implementation would do.</summary>
    [Fact]
    public void Cuts_are_those_of_the_plain_rule() => Prop.ForAll(Pathological, data => Cut(data).SequenceEqual(PlainCut(data))).Check(Some);

    /// <summary>Around the places where one rule follows another, at every distance from a turn of the loop.</summary>
    [Fact]
    public void Short_data_is_cut_by_the_plain_rule()
    {
        foreach (var around in new[] { 0, ContentFormat.MinChunkBytes, ContentFormat.NormalChunkBytes, ContentFormat.MaxChunkBytes })
        {
            for (var length = Math.Max(0, around - 9); length < around + 70; length++)
            {
                // A chunk with no cut of its own reaches its end by each rule.
                Assert.Equal(PlainCut(new byte[length]), Cut(new byte[length]));
                var bytes = Bytes(length, length);
                Assert.Equal(PlainCut(bytes), Cut(bytes));
            }
        }
    }

    [Fact]
    public void An_insertion_changes_few_chunks() => Prop.ForAll(Data, data =>
    {
        var bytes = Bytes(data.Seed, data.Length);
        var place = data.Length / 3;
        byte[] changed = [.. bytes[..place], .. Bytes(data.Seed ^ 1, 1_000), .. bytes[place..]];
        var known = Hashes(bytes).ToHashSet();
        // One chunk holds the insertion; the cuts find back within the next few, since each has its chance anew.
        return Hashes(changed).Count(hash => !known.Contains(hash)) <= 8;
    }).Check(Some);

    [Fact]
    public void Chunks_of_random_bytes_are_about_as_long_as_meant()
    {
        var mean = Cut(Bytes(1, 16 << 20)).Average();
        Assert.InRange(mean, 14_000, 20_000);
    }

    [Fact]
    public void Bytes_that_never_change_are_cut_at_one_length()
    {
        var lengths = Cut(new byte[1 << 20]);
        Assert.Single(lengths.SkipLast(1).Distinct());
    }

    /// <summary>Two programs that cut differently share nothing: the cuts are a part of the format.</summary>
    [Fact]
    public void Cuts_stay()
    {
        var now = string.Join('\n', Cut(Bytes(20261122, 2 << 20))) + "\n";
        GoldenFile.Same(GoldenFile.Read("chunk-lengths.txt", () => System.Text.Encoding.ASCII.GetBytes(now)), System.Text.Encoding.ASCII.GetBytes(now), "chunk-lengths.txt");
    }

    internal static List<int> Cut(ReadOnlySpan<byte> bytes)
    {
        var lengths = new List<int>();
        while (!bytes.IsEmpty)
        {
            var length = ContentChunker.Next(bytes, isLast: true);
            lengths.Add(length);
            bytes = bytes[length..];
        }
        return lengths;
    }

    private static byte[] Piece(int kind, int seed, int length)
    {
        var random = Bytes(seed, kind == 0 ? length : 64);
        var period = kind switch { 1 => 1, 2 => 2, _ => 1 + random[0] % 63 };
        return kind == 0 ? random : [.. Enumerable.Range(0, length).Select(i => random[i % period])];
    }

    private static List<int> PlainCut(byte[] bytes)
    {
        var lengths = new List<int>();
        for (var from = 0; from < bytes.Length;)
        {
            var (end, hash) = (Math.Min(bytes.Length - from, 65_536), 0UL);
            var length = Math.Min(end, 4_096);
            while (length < end)
            {
                hash = (hash << 1) + s_gear[bytes[from + length]];
                if (hash >> (++length <= 16_384 ? 48 : 52) == 0)
                    break;
            }
            lengths.Add(length);
            from += length;
        }
        return lengths;
    }

    private static readonly ulong[] s_gear = [.. Enumerable.Range(0, 256).Select(value =>
        BinaryPrimitives.ReadUInt64BigEndian(System.Security.Cryptography.SHA256.HashData([.. "capstan-gear-1:"u8, (byte)value])))];

    private static List<ContentHash> Hashes(byte[] bytes)
    {
        var hashes = new List<ContentHash>();
        var from = 0;
        foreach (var length in Cut(bytes))
        {
            hashes.Add(ContentHash.Of(bytes.AsSpan(from, length)));
            from += length;
        }
        return hashes;
    }

    /// <summary>A counter through SHA-256: the same bytes on every platform and version of the runtime.</summary>
    internal static byte[] Bytes(int seed, int length)
    {
        var bytes = new byte[length];
        Span<byte> input = stackalloc byte[8];
        BinaryPrimitives.WriteInt32BigEndian(input, seed);
        Span<byte> block = stackalloc byte[32];
        for (var i = 0; i * 32 < length; i++)
        {
            BinaryPrimitives.WriteInt32BigEndian(input[4..], i);
            System.Security.Cryptography.SHA256.HashData(input, block);
            block[..Math.Min(32, length - i * 32)].CopyTo(bytes.AsSpan(i * 32));
        }
        return bytes;
    }
}
