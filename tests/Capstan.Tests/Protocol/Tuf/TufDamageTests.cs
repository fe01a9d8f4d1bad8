using Capstan.Protocol;
using Capstan.Protocol.Tuf;

namespace Capstan.Tests.Protocol.Tuf;

/// <summary>Torn and altered metadata, and a machine that loses power between two saves.</summary>
public sealed class TufDamageTests
{
    [Theory]
    [InlineData(TufRole.Root)]
    [InlineData(TufRole.Timestamp)]
    [InlineData(TufRole.Snapshot)]
    [InlineData(TufRole.Targets)]
    [InlineData(TufRole.Site)]
    public void Every_prefix_and_every_flipped_bit_of_metadata_is_refused_or_harmless(string role)
    {
        var files = Published();
        var original = Find(files, role);
        var trusted = Before(role, files);
        var signed = MetadataFile.Parse(original, TufLimits.For(role), role).CanonicalSigned;

        for (var length = 0; length < original.Length; length++)
            Assert.False(Accepts(original[..length]), $"{length} of {original.Length} bytes");
        var copy = original.ToArray();
        for (var bit = 0; bit < copy.Length * 8; bit++)
        {
            copy[bit / 8] ^= (byte)(1 << bit % 8);
            // Every bit that leaves what was signed as it was, and one bit of every byte, goes the whole way; the others would only show
            // again that ECDSA refuses another text, at ten times the price of reading it.
            var saysTheSame = Says(copy) is { } text && text.AsSpan().SequenceEqual(signed);
            if (saysTheSame || bit % 8 == bit / 8 % 8)
                Assert.True(!Accepts(copy) || saysTheSame, $"bit {bit} is accepted, and it says something else");
            copy[bit / 8] ^= (byte)(1 << bit % 8);
        }
        Assert.True(Accepts(original));

        // Null for what is not even read. Accepted may be what says the same: the case of a digit in a signature.
        byte[]? Says(ReadOnlyMemory<byte> bytes)
        {
            try
            {
                return MetadataFile.Parse(bytes, TufLimits.For(role), role).CanonicalSigned;
            }
            catch (ProtocolException)
            {
                return null;
            }
        }

        bool Accepts(ReadOnlyMemory<byte> bytes)
        {
            try
            {
                Accept(trusted, role, bytes);
                trusted = Before(role, files);
                return true;
            }
            catch (ProtocolException)
            {
                return false;
            }
        }
    }

    [Fact]
    public async Task A_torn_pointer_or_snapshot_changes_nothing_on_the_client()
    {
        var world = await TufWorld.RunningAsync();
        // The bin of this policy is among what is trusted already.
        await world.ReadAsync("policy/a.json");
        world.Time.Advance(TimeSpan.FromMinutes(1));
        world.Set("policy/a.json", "policy a2");
        var files = world.Publish();
        var trust = world.Trust.Copy();
        foreach (var file in files.Where(file => file.IsPointer || file.Path.EndsWith(".snapshot.json", StringComparison.Ordinal)))
        {
            for (var length = 0; length < file.Content.Length; length += 13)
            {
                world.Cap[file.Path] = file.Content[..length].ToArray();
                var refused = await Assert.ThrowsAsync<ProtocolException>(() => world.RefreshAsync());
                Assert.Equal(file.Path, refused.Document);
                Assert.Equal(trust, world.Trust.Files);
                Assert.Equal("policy a", await world.ReadAsync("policy/a.json"));
            }
            world.Cap[file.Path] = file.Content.ToArray();
        }
        Assert.Equal(TufState.Updated, (await world.RefreshAsync()).State);
        Assert.Equal("policy a2", await world.ReadAsync("policy/a.json"));
    }

    [Fact]
    public async Task A_publish_interrupted_before_any_of_its_files_reads_as_the_old_version()
    {
        var world = await TufWorld.RunningAsync();
        world.Set("policy/a.json", "policy a2");
        foreach (var file in world.Repository.Publish(world.Keys, world.Time.GetUtcNow(), 0))
        {
            Assert.Equal(TufState.Unchanged, (await world.RefreshAsync()).State);
            Assert.Equal("policy a", await world.ReadAsync("policy/a.json"));
            world.Cap.Write([file]);
        }
        Assert.Equal(TufState.Updated, (await world.RefreshAsync()).State);
        Assert.Equal("policy a2", await world.ReadAsync("policy/a.json"));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Power_lost_before_any_save_is_made_good_by_the_next_run(bool rotation)
    {
        var crashes = 0;
        for (var changes = 0; ; changes++)
        {
            var world = await TufWorld.RunningAsync();
            await world.ReadAsync("policy/a.json");
            if (rotation)
            {
                var next = world.Keys.Replaced("root", "timestamp", "snapshot", "targets", "policy");
                world.Repository.RotateRoot([world.Keys.ByRole["root"]], [next.ByRole["root"]], 1, next, world.Time.GetUtcNow());
                world.Keys = next;
            }
            world.Set("policy/a.json", "policy a2");
            world.Publish();
            world.Trust.ChangesLeft = changes;
            try
            {
                await world.RefreshAsync();
                await world.ReadAsync("policy/a.json");
                break;
            }
            catch (IOException)
            {
                crashes++;
            }
            world.Trust.ChangesLeft = -1;
            world.Client = world.NewClient();
            await world.RefreshAsync();
            Assert.Equal("policy a2", await world.ReadAsync("policy/a.json"));
            Assert.Equal(TufState.Unchanged, (await world.RefreshAsync()).State);
        }
        // Timestamp, snapshot, bin; with the rotation two deletes, the root and targets, and the role policy.
        Assert.Equal(rotation ? 8 : 3, crashes);
    }

    private static IReadOnlyList<TufFile> Published()
    {
        var world = new TufWorld();
        world.Set("site/site.json", "site");
        return world.Publish();
    }

    private static TrustedMetadata Before(string role, IReadOnlyList<TufFile> files)
    {
        var trusted = TrustedMetadata.Begin(Find(files, TufRole.Root), TufRole.Root);
        foreach (var earlier in new[] { TufRole.Timestamp, TufRole.Snapshot, TufRole.Targets }.TakeWhile(earlier => earlier != role && role != TufRole.Root))
            Accept(trusted, earlier, Find(files, earlier));
        return trusted;
    }

    private static ReadOnlyMemory<byte> Find(IReadOnlyList<TufFile> files, string role) =>
        files.Single(file => file.Path.EndsWith($"{role}.json", StringComparison.Ordinal) && file.Path.StartsWith("metadata/", StringComparison.Ordinal)).Content;

    private static void Accept(TrustedMetadata trusted, string role, ReadOnlyMemory<byte> bytes)
    {
        switch (role)
        {
            case TufRole.Root: TrustedMetadata.Begin(bytes, role); break;
            case TufRole.Timestamp: trusted.AcceptTimestamp(bytes, role); break;
            case TufRole.Snapshot: trusted.AcceptSnapshot(bytes, role); break;
            default: trusted.AcceptTargets(role, role is TufRole.Targets ? TufRole.Root : TufRole.Targets, bytes, role); break;
        }
    }
}
