using Capstan.Protocol.Content;
using FsCheck;
using FsCheck.Fluent;

namespace Capstan.Tests.Protocol.Content;

public sealed class ChunkCodecTests
{
    [Fact]
    public void What_is_encoded_is_decoded()
    {
        var pattern = from seed in Gen.Choose(0, 1_000_000) from length in Gen.Choose(1, ContentFormat.MaxChunkBytes) from repeated in Gen.Choose(1, length) select (seed, length, repeated);
        Prop.ForAll(pattern.ToArbitrary(), data =>
        {
            var plain = new byte[data.length];
            var part = ChunkerTests.Bytes(data.seed, data.repeated);
            for (var from = 0; from < plain.Length; from += part.Length)
                part.AsSpan(0, Math.Min(part.Length, plain.Length - from)).CopyTo(plain.AsSpan(from));
            var (stored, chunk) = Encode(plain);
            var again = new byte[plain.Length];
            return ChunkCodec.TryDecode(stored, chunk, again) && again.AsSpan().SequenceEqual(plain);
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(200).WithQuietOnSuccess(true));
    }

    [Fact]
    public void What_does_not_get_shorter_is_stored_as_it_is()
    {
        var plain = ChunkerTests.Bytes(1, 20_000);
        var (stored, chunk) = Encode(plain);
        Assert.False(chunk.IsCompressed);
        Assert.Equal(plain, stored);
    }

    [Fact]
    public void What_gets_shorter_is_compressed() => Assert.InRange(Encode(new byte[60_000]).Stored.Length, 1, 200);

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Each_changed_byte_is_noticed(bool isCompressed)
    {
        var plain = isCompressed ? new byte[5_000] : ChunkerTests.Bytes(2, 300);
        plain[7] = 1;
        var (stored, chunk) = Encode(plain);
        Assert.Equal(isCompressed, chunk.IsCompressed);
        for (var i = 0; i < stored.Length; i++)
        {
            stored[i] ^= 0x10;
            // A compressed form may have bits that say nothing; then the chunk is still the chunk.
            var again = new byte[plain.Length];
            Assert.True(!ChunkCodec.TryDecode(stored, chunk, again) || (isCompressed && again.AsSpan().SequenceEqual(plain)));
            stored[i] ^= 0x10;
        }
        Assert.False(ChunkCodec.TryDecode(stored.AsSpan(1), chunk, new byte[plain.Length]));
    }

    private static (byte[] Stored, StoredChunk Chunk) Encode(byte[] plain)
    {
        var stored = new byte[plain.Length];
        var length = ChunkCodec.Encode(plain, stored);
        return (stored[..length], new StoredChunk(length, plain.Length, ContentHash.Of(plain)));
    }
}
