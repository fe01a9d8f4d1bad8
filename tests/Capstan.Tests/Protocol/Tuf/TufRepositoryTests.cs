using System.Text;
using Capstan.Protocol;
using Capstan.Protocol.Tuf;

namespace Capstan.Tests.Protocol.Tuf;

public sealed class TufRepositoryTests
{
    [Theory]
    // Unix seconds, seconds of the publish before, seen on the CAP, expected.
    [InlineData(2_000_000_000, 1_900_000_000, 0, 2_000_000_000)]
    [InlineData(1_900_000_000, 1_900_000_000, 0, 1_900_000_001)]
    [InlineData(1_000_000_000, 1_900_000_000, 0, 1_900_000_001)]
    [InlineData(1_900_000_000, 1_800_000_000, 1_950_000_000, 1_950_000_001)]
    [InlineData(2_000_000_000, 1_800_000_000, 1_950_000_000, 2_000_000_000)]
    public void The_version_is_above_the_last_the_clock_and_what_the_cap_shows(long now, long before, long seen, long expected)
    {
        var keys = TestKeys.New();
        var repository = TufRepository.Create(keys, DateTimeOffset.FromUnixTimeSeconds(before), binBits: 4);
        repository.Publish(keys, DateTimeOffset.FromUnixTimeSeconds(before), 0);
        repository.SetTarget("policy/a.json", new byte[] { 1 });

        var files = repository.Publish(keys, DateTimeOffset.FromUnixTimeSeconds(now), seen);

        Assert.Contains($"metadata/{expected}.snapshot.json", files.Select(file => file.Path));
    }

    [Fact]
    public void One_changed_policy_writes_its_bin_the_snapshot_and_last_the_pointer()
    {
        var world = new TufWorld();
        world.Set("policy/a.json", "one");
        var first = world.Publish();
        Assert.Equal(16 + 4 + 1 + 1 + 1 + 1 + 1, first.Count);
        world.Time.Advance(TimeSpan.FromHours(1));
        world.Set("policy/a.json", "two");

        var files = world.Publish();

        Assert.Equal(4, files.Count);
        Assert.StartsWith("targets/policy/", files[0].Path, StringComparison.Ordinal);
        Assert.Contains(".policy-", files[1].Path, StringComparison.Ordinal);
        Assert.EndsWith(".snapshot.json", files[2].Path, StringComparison.Ordinal);
        Assert.Equal(("metadata/timestamp.json", true), (files[3].Path, files[3].IsPointer));
        Assert.Single(files, file => file.IsPointer);
    }

    [Fact]
    public void Nothing_changed_means_nothing_written_until_the_timestamp_is_a_week_old()
    {
        var world = new TufWorld();
        world.Publish();
        world.Set("policy/a.json", "one");
        world.Publish();
        world.Set("policy/a.json", "one");
        Assert.Empty(world.Publish());
        world.Time.Advance(TimeSpan.FromDays(7) - TimeSpan.FromSeconds(1));
        Assert.Empty(world.Publish());
        world.Time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(["metadata/timestamp.json"], world.Publish().Select(file => file.Path));
        Assert.Equal(["metadata/timestamp.json"], world.Publish(force: true).Select(file => file.Path));
    }

    [Fact]
    public void Whatever_has_less_than_a_third_of_its_life_left_is_signed_again()
    {
        var world = new TufWorld();
        world.Publish();
        world.Time.Advance(TimeSpan.FromDays(243));
        Assert.Equal(["metadata/timestamp.json"], world.Publish().Select(file => file.Path));
        world.Time.Advance(TimeSpan.FromDays(1));
        // 16 bins, 4 delegated roles, targets, snapshot, timestamp.
        Assert.Equal(16 + 4 + 3, world.Publish().Count);
    }

    [Fact]
    public async Task A_loaded_state_continues_where_the_saved_one_was()
    {
        var world = await TufWorld.RunningAsync();
        var state = world.Repository.Save();
        var loaded = TufRepository.Load(state);
        Assert.Equal(state, loaded.Save());
        Assert.Equal((world.Repository.RootHash, world.Repository.RootVersion), (loaded.RootHash, loaded.RootVersion));
        Assert.Empty(loaded.Publish(world.Keys, world.Time.GetUtcNow(), 0));
        Assert.Equal(world.Cap.Files.Keys.Order(StringComparer.Ordinal), loaded.CurrentFiles().Order(StringComparer.Ordinal));

        // A CAP that lost its metadata is whole again.
        foreach (var path in world.Cap.Files.Keys.Where(path => path.StartsWith("metadata/", StringComparison.Ordinal)).ToList())
            world.Cap.Files.Remove(path);
        world.Cap.Write(loaded.AllMetadata());
        world.NewMachine();
        await world.EnrolAsync();
        await world.RefreshAsync();
        Assert.Equal("policy a", await world.ReadAsync("policy/a.json"));
    }

    [Fact]
    public void A_state_that_is_not_ours_is_refused()
    {
        Assert.Throws<ProtocolException>(() => TufRepository.Load("{}"u8));
        Assert.Throws<ProtocolException>(() => TufRepository.Load(default));
        var state = Encoding.UTF8.GetString(new TufWorld().Repository.Save());
        var newer = Encoding.UTF8.GetBytes(state.Replace("\"version\":1,\"binBits\"", "\"version\":2,\"binBits\"", StringComparison.Ordinal));
        Assert.Equal(ProtocolError.UnknownVersion, Assert.Throws<ProtocolException>(() => TufRepository.Load(newer)).Error);
    }

    [Theory]
    [InlineData("elsewhere/a")]
    [InlineData("policy")]
    [InlineData("policy/")]
    [InlineData("policy/../a")]
    [InlineData("policy/a/b")]
    [InlineData("site/.hidden")]
    [InlineData("targets/a")]
    public void A_path_that_no_role_signs_for_is_refused(string path) =>
        Assert.Throws<ArgumentException>(() => new TufWorld().Repository.SetTarget(path, default));

    [Fact]
    public void Keys_that_the_root_does_not_name_cannot_publish()
    {
        var world = new TufWorld();
        Assert.Throws<ArgumentException>(() => world.Repository.Publish(world.Keys.Replaced("timestamp"), world.Time.GetUtcNow(), 0));
    }

    [Fact]
    public async Task A_removed_target_is_gone_and_a_new_key_of_a_delegated_role_needs_no_root()
    {
        var world = await TufWorld.RunningAsync();
        world.Keys = world.Keys.Replaced("policy", "site");
        world.Repository.RemoveTarget("policy/a.json");
        world.Publish();
        await world.RefreshAsync();

        Assert.Null(await world.ReadAsync("policy/a.json"));
        Assert.Equal("policy b", await world.ReadAsync("policy/b.json"));
        Assert.Equal("site one", await world.ReadAsync("site/site.json"));
        Assert.Equal(1, world.Repository.RootVersion);
    }

    [Fact]
    public async Task A_cap_without_anything_that_verifies_shows_version_zero()
    {
        var world = await TufWorld.RunningAsync();
        Assert.True(await world.Repository.VerifiedVersionAsync(world.Cap, default) > 0);
        world.Cap["metadata/timestamp.json"] = world.Cap["metadata/timestamp.json"][..100];
        Assert.Equal(0, await world.Repository.VerifiedVersionAsync(world.Cap, default));
        Assert.Equal(0, await new TufWorld().Repository.VerifiedVersionAsync(world.Cap, default));
        Assert.Equal(0, await world.Repository.VerifiedVersionAsync(new MemoryCap(), default));
    }

    /// <summary>The sizes of design.md section 6: 23 to 58 KB of metadata for one changed policy, an idle day within 200 KB.</summary>
    [Fact]
    public async Task Twenty_thousand_clients_cost_little_metadata_for_one_change()
    {
        var world = new TufWorld(binBits: 8);
        for (var i = 0; i < 20_000; i++)
            world.Set($"policy/{i:d32}.json", $"policy {i}");
        world.Publish();
        await world.EnrolAsync();
        await world.RefreshAsync();
        Assert.Equal("policy 4711", await world.ReadAsync($"policy/{4711:d32}.json"));

        world.Time.Advance(TimeSpan.FromMinutes(1));
        world.Set($"policy/{4711:d32}.json", "changed");
        var metadata = world.Publish().Where(file => file.Path.StartsWith("metadata/", StringComparison.Ordinal)).ToList();

        Assert.Equal(3, metadata.Count);
        Assert.InRange(metadata.Sum(file => file.Content.Length), 20_000, 30_000);
        Assert.InRange(metadata[^1].Content.Length, 400, 600);
    }
}
