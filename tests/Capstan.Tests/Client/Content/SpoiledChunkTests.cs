using Capstan.Client.Configuration;
using Capstan.Client.Content;
using Capstan.Nal.Arbiter;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers.Local;
using Capstan.Protocol;
using Capstan.Protocol.Content;
using Capstan.Protocol.V1;
using Capstan.Testing;
using Capstan.Testing.Content;
using Microsoft.Extensions.Logging.Abstractions;

namespace Capstan.Tests.Client.Content;

/// <summary>Two CAPs in real folders, one of which has a chunk or a pack of a version wrong: each chunk, in each way.</summary>
public sealed class SpoiledChunkTests : IAsyncLifetime
{
    private static readonly PackageKey s_package = new("abcdefgh", 1);

    private static readonly MadeEntry[] s_entries =
    [
        MadeEntry.File("a/noise", MadeEntry.Noise(1, 90_000)),
        MadeEntry.File("b/text", [.. Enumerable.Range(0, 60_000).Select(n => (byte)(n / 100))]),
        MadeEntry.File("c", MadeEntry.Noise(3, 10)),
    ];

    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("capstan-spoiled-");
    private readonly ContentMaker _maker = new("abcdefgh", packBytes: 64 << 10);
    private byte[] _manifest = [];
    private List<(ContentHash Pack, long Offset, StoredChunk Chunk)> _chunks = [];
    private int _clients;

    private string Bad => Path.Combine(_root.FullName, "bad");

    private string Good => Path.Combine(_root.FullName, "good");

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _manifest = _maker.Make(1, s_entries);
        foreach (var (name, bytes) in _maker.Packs)
        {
            Write(Bad, name, bytes);
            Write(Good, name, bytes);
        }
        _chunks = await ChunksAsync();
        Assert.InRange(_chunks.Count, 8, 60);
        Assert.Equal(_maker.Packs.Values.Sum(pack => (long)pack.Length), _chunks.Sum(chunk => (long)chunk.Chunk.StoredBytes));
    }

    public ValueTask DisposeAsync()
    {
        _root.Delete(recursive: true);
        return ValueTask.CompletedTask;
    }

    public static TheoryData<string> ChunkSpoils => ["first byte", "middle byte", "last byte", "zeros", "another chunk", "cut before it", "cut in its middle", "cut before its last byte"];

    [Theory]
    [MemberData(nameof(ChunkSpoils))]
    public async Task Each_chunk_that_is_wrong_on_one_CAP_is_named_and_comes_from_the_other_and_without_another_is_waited_for(string how)
    {
        foreach (var (index, (pack, offset, chunk)) in _chunks.Index())
        {
            var whole = _maker.Packs[pack];
            var spoiled = Spoil(how, whole, (int)offset, chunk, index);
            // Some bits of a compressed chunk may say nothing: what is not wrong is not noticed.
            var isWrong = spoiled.Length < offset + chunk.StoredBytes || !ChunkCodec.TryDecode(spoiled.AsSpan((int)offset, chunk.StoredBytes), chunk, new byte[chunk.LengthBytes]);
            Write(Bad, pack, spoiled);
            // What is short may still be written, and nobody is told of it yet.
            await AssertNamedAndHadElsewhereAsync(isWrong && spoiled.Length == whole.Length ? [pack] : []);
            if (isWrong)
                await AssertWaitedForAsync((pack, whole));
            Write(Bad, pack, whole);
        }
    }

    [Theory]
    [InlineData("missing")]
    [InlineData("empty")]
    [InlineData("a directory")]
    [InlineData("another pack")]
    [InlineData("longer")]
    public async Task Each_pack_that_is_not_what_its_name_says_is_named_and_comes_from_the_other_CAP(string how)
    {
        foreach (var (pack, whole) in _maker.Packs)
        {
            var file = PathOf(Bad, pack);
            File.Delete(file);
            switch (how)
            {
                case "empty": await File.WriteAllBytesAsync(file, [], Stop); break;
                case "a directory": Directory.CreateDirectory(file); break;
                // No shorter than the right one, which could still be written then.
                case "another pack": await File.WriteAllBytesAsync(file, [.. _maker.Packs.First(other => other.Key != pack).Value, .. whole], Stop); break;
                // Nothing reads behind the last chunk: it is for the site to notice.
                case "longer": await File.WriteAllBytesAsync(file, [.. whole, .. whole], Stop); break;
            }
            await AssertNamedAndHadElsewhereAsync(how is "longer" or "empty" ? [] : [pack]);
            if (how != "longer")
                await AssertWaitedForAsync((pack, whole));
            if (Directory.Exists(file))
                Directory.Delete(file);
            Write(Bad, pack, whole);
        }
    }

    [Fact]
    public async Task Every_two_packs_that_changed_places_are_named_both()
    {
        var packs = _maker.Packs.ToList();
        Assert.InRange(packs.Count, 3, 10);
        for (var one = 0; one < packs.Count; one++)
        {
            for (var other = one + 1; other < packs.Count; other++)
            {
                Write(Bad, packs[one].Key, packs[other].Value);
                Write(Bad, packs[other].Key, packs[one].Value);
                await AssertNamedAndHadElsewhereAsync(packs[one].Key, packs[other].Key);
                await AssertWaitedForAsync([(packs[one].Key, packs[one].Value), (packs[other].Key, packs[other].Value)]);
                Write(Bad, packs[one].Key, packs[one].Value);
                Write(Bad, packs[other].Key, packs[other].Value);
            }
        }
    }

    private static byte[] Spoil(string how, byte[] whole, int offset, StoredChunk chunk, int seed)
    {
        var bytes = (byte[])whole.Clone();
        var own = bytes.AsSpan(offset, chunk.StoredBytes);
        switch (how)
        {
            case "first byte": own[0] ^= 0x01; break;
            case "middle byte": own[own.Length / 2] ^= 0x80; break;
            case "last byte": own[^1] ^= 0x10; break;
            case "zeros": own.Clear(); break;
            case "another chunk": MadeEntry.Noise(1_000 + seed, own.Length).CopyTo(own); break;
            case "cut before it": return bytes[..offset];
            case "cut in its middle": return bytes[..(offset + own.Length / 2)];
            default: return bytes[..(offset + own.Length - 1)];
        }
        return bytes;
    }

    /// <param name="wrong">What is wrong; one of them at least is named, and nothing where there are none.</param>
    private async Task AssertNamedAndHadElsewhereAsync(params ContentHash[] wrong)
    {
        await using var client = Client([Bad, Good]);
        ContentFixture.AssertIs(s_entries, Assert.IsType<ContentOutcome.Ready>(await client.EnsureAsync(_manifest)).Directory);
        AssertNames(wrong, client.Told);
        Assert.DoesNotContain(NalPath.FromDirectory(Good).ToString(), client.Told ?? "", StringComparison.Ordinal);
    }

    /// <summary>With the bad CAP alone; what came meanwhile stays, and the rest comes when it is whole.</summary>
    private async Task AssertWaitedForAsync(params (ContentHash Pack, byte[] Whole)[] wrong)
    {
        await using var client = Client([Bad]);
        var waits = Assert.IsType<ContentOutcome.Waits>(await client.EnsureAsync(_manifest));
        AssertNames([.. wrong.Select(pack => pack.Pack)], waits.Cause);
        Assert.InRange(waits.Pause, TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(1));
        Assert.False(client.IsComplete);
        foreach (var (pack, whole) in wrong)
        {
            if (Directory.Exists(PathOf(Bad, pack)))
                Directory.Delete(PathOf(Bad, pack));
            Write(Bad, pack, whole);
        }
        ContentFixture.AssertIs(s_entries, Assert.IsType<ContentOutcome.Ready>(await client.EnsureAsync(_manifest)).Directory);
    }

    private void AssertNames(ContentHash[] wrong, string? told)
    {
        if (wrong.Length == 0)
            Assert.Null(told);
        else
            Assert.True(wrong.Any(pack => told?.Contains($"{NalPath.FromDirectory(Bad)}: pack {pack}", StringComparison.Ordinal) == true), $"{told} names none of {string.Join(", ", wrong)}");
    }

    private OneClient Client(string[] caps) => new(Path.Combine(_root.FullName, FormattableString.Invariant($"client-{_clients++}")), caps);

    private static string PathOf(string cap, ContentHash pack) => Path.Combine(cap, Layout.Pack(pack));

    private static void Write(string cap, ContentHash pack, byte[] bytes)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(PathOf(cap, pack))!);
        File.WriteAllBytes(PathOf(cap, pack), bytes);
    }

    /// <summary>Those of the list, and of all that it names.</summary>
    private async Task<List<(ContentHash Pack, long Offset, StoredChunk Chunk)>> ChunksAsync()
    {
        var found = new List<(ContentHash, long, StoredChunk)>();
        using var tree = new MemoryStream();
        foreach (var extent in Documents.PackageManifest.Decode(_manifest, "made").Tree.ToExtents())
        {
            foreach (var (offset, chunk) in Places(extent))
            {
                found.Add((extent.Pack, offset, chunk));
                var plain = new byte[chunk.LengthBytes];
                Assert.True(ChunkCodec.TryDecode(_maker.Packs[extent.Pack].AsSpan((int)offset, chunk.StoredBytes), chunk, plain));
                tree.Write(plain);
            }
        }
        tree.Position = 0;
        var reader = new TreeReader(tree);
        while (await reader.ReadAsync(Stop) is { } line)
        {
            if (line is Extent extent)
                found.AddRange(Places(extent).Select(place => (extent.Pack, place.Offset, place.Chunk)));
        }
        return [.. found.Distinct()];
    }

    private static IEnumerable<(long Offset, StoredChunk Chunk)> Places(Extent extent)
    {
        var offset = extent.OffsetBytes;
        foreach (var chunk in extent.Chunks)
        {
            yield return (offset, chunk);
            offset += chunk.StoredBytes;
        }
    }

    /// <summary>The content of a new client that tries these CAPs in this order.</summary>
    private sealed class OneClient : IAsyncDisposable
    {
        private readonly ConnectionArbiter _arbiter;
        private readonly PackageContent _content;

        public OneClient(string directory, string[] caps)
        {
            var time = new ManualTime();
            NalPath[] paths = [.. caps.Select(NalPath.FromDirectory)];
            _arbiter = new ConnectionArbiter([new LocalProvider(time)], new ArbiterOptions(), time, new Random(1), NullLoggerFactory.Instance);
            _content = new PackageContent(new ContentCache(directory), new ContentSources(_arbiter, () => paths, () => [paths[0]], "device", new AvoidedCaps(new Clock(time), [], static _ => { })), () => new ContentSettings(),
                (_, _, text) => Told = text, NullLogger.Instance, time, new Random(1));
        }

        /// <summary>What the site was told last.</summary>
        public string? Told { get; private set; }

        public bool IsComplete => _content.Look(s_package).IsComplete;

        public Task<ContentOutcome> EnsureAsync(byte[] manifest) => _content.EnsureAsync(s_package, manifest, new ContentNeed(IsDue: true), new Progress<ContentProgress>(), Stop);

        public async ValueTask DisposeAsync()
        {
            _content.Dispose();
            await _arbiter.DisposeAsync();
        }
    }
}
