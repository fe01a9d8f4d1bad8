using System.Text;
using System.Text.Json;
using Capstan.Protocol;
using Capstan.Protocol.Tuf;

namespace Capstan.Tests.Protocol.Tuf;

public sealed class TufClientTests
{
    [Fact]
    public async Task A_new_client_reads_what_the_site_published()
    {
        var world = await TufWorld.RunningAsync();

        Assert.Equal("site one", await world.ReadAsync("site/site.json"));
        Assert.Equal("policy a", await world.ReadAsync("policy/a.json"));
        Assert.Null(await world.ReadAsync("policy/nobody.json"));
        Assert.Null(await world.ReadAsync("elsewhere/x"));
    }

    [Fact]
    public async Task An_idle_poll_reads_the_timestamp_and_nothing_else()
    {
        var world = await TufWorld.RunningAsync();
        world.Cap.Reads.Clear();

        var update = await world.RefreshAsync();

        Assert.Equal(TufState.Unchanged, update.State);
        Assert.Equal(["metadata/timestamp.json"], world.Cap.Reads);
    }

    [Fact]
    public async Task A_poll_that_finds_a_change_looks_for_the_next_root_first()
    {
        var world = await TufWorld.RunningAsync();
        world.Set("policy/a.json", "policy a2");
        world.Publish();
        world.Cap.Reads.Clear();

        var update = await world.RefreshAsync();

        Assert.Equal(TufState.Updated, update.State);
        Assert.Equal(["metadata/timestamp.json", "metadata/2.root.json", $"metadata/{update.TimestampVersion}.snapshot.json"], world.Cap.Reads);
        Assert.Equal("policy a2", await world.ReadAsync("policy/a.json"));
        Assert.Equal("policy b", await world.ReadAsync("policy/b.json"));
    }

    [Fact]
    public async Task A_complete_run_without_news_looks_for_a_root_and_is_unchanged()
    {
        var world = await TufWorld.RunningAsync();
        world.Cap.Reads.Clear();

        var update = await world.RefreshAsync(complete: true);

        Assert.Equal(TufState.Unchanged, update.State);
        Assert.Equal(["metadata/2.root.json", "metadata/timestamp.json"], world.Cap.Reads);
    }

    [Fact]
    public async Task A_target_carries_the_version_of_the_role_that_lists_it()
    {
        var world = await TufWorld.RunningAsync();
        var before = (await world.Client.ReadTargetAsync("site/site.json", 100, default))!.RoleVersion;
        world.Time.Advance(TimeSpan.FromHours(1));
        world.Set("policy/a.json", "policy a2");
        world.Publish();
        var update = await world.RefreshAsync();

        Assert.Equal(before, (await world.Client.ReadTargetAsync("site/site.json", 100, default))!.RoleVersion);
        Assert.Equal(update.TimestampVersion, (await world.Client.ReadTargetAsync("policy/a.json", 100, default))!.RoleVersion);
    }

    [Fact]
    public async Task A_target_above_the_callers_limit_is_refused_before_it_is_read()
    {
        var world = await TufWorld.RunningAsync();
        world.Cap.Reads.Clear();

        var refused = await Assert.ThrowsAsync<ProtocolException>(() => world.Client.ReadTargetAsync("site/site.json", 7, default).AsTask());

        Assert.Equal(ProtocolError.TooLarge, refused.Error);
        Assert.DoesNotContain(world.Cap.Reads, path => path.StartsWith("targets/", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_new_process_reads_from_the_trust_store_and_only_the_target_from_the_cap()
    {
        var world = await TufWorld.RunningAsync();
        await world.ReadAsync("policy/a.json");
        world.Client = world.NewClient();
        world.Cap.Reads.Clear();

        Assert.Equal("policy a", await world.ReadAsync("policy/a.json"));
        Assert.StartsWith("targets/policy/", Assert.Single(world.Cap.Reads), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_a_root_nothing_is_trusted()
    {
        var world = new TufWorld();
        world.Publish();

        var refused = await Assert.ThrowsAsync<ProtocolException>(() => world.RefreshAsync());

        Assert.Equal(ProtocolError.Missing, refused.Error);
        Assert.Empty(world.Trust.Files);
    }

    [Fact]
    public async Task The_first_root_must_have_the_hash_of_the_token()
    {
        var world = new TufWorld();
        world.Publish();

        var refused = await Assert.ThrowsAsync<ProtocolException>(() => world.Client.TrustRootAsync(new string('0', 64), 1, default).AsTask());

        Assert.Equal((ProtocolError.BadHash, "metadata/1.root.json"), (refused.Error, refused.Document));
        Assert.Empty(world.Trust.Files);
    }

    [Fact]
    public async Task A_trusted_root_is_not_replaced_by_a_token()
    {
        var world = await TufWorld.RunningAsync();
        var root = world.Trust.Files["root"];

        await world.Client.TrustRootAsync(new string('0', 64), 7, default);

        Assert.Same(root, world.Trust.Files["root"]);
    }

    [Fact]
    public async Task The_chain_of_roots_is_walked_from_the_one_in_the_token()
    {
        var world = new TufWorld();
        world.Set("site/site.json", "site");
        world.Publish();
        var (hash, version) = (world.Repository.RootHash, world.Repository.RootVersion);
        for (var i = 0; i < 3; i++)
        {
            var next = world.Keys.Replaced("root", "timestamp");
            world.Repository.RotateRoot([world.Keys.ByRole["root"]], [next.ByRole["root"]], 1, next, world.Time.GetUtcNow());
            world.Keys = next;
            world.Publish();
        }

        await world.Client.TrustRootAsync(hash, version, default);
        await world.RefreshAsync();

        Assert.Equal("site", await world.ReadAsync("site/site.json"));
        Assert.Equal(4, JsonDocument.Parse(world.Trust.Files["root"]).RootElement.GetProperty("signed").GetProperty("version").GetInt32());
    }

    [Fact]
    public async Task More_roots_than_one_run_takes_continue_with_the_next_run()
    {
        var world = await TufWorld.RunningAsync();
        var rotating = world.Keys.ByRole["root"];
        for (var i = 0; i < TufLimits.RootsPerRun + 2; i++)
            world.Repository.RotateRoot([rotating], [rotating], 1, world.Keys, world.Time.GetUtcNow());
        world.Publish();

        await world.RefreshAsync();
        Assert.Equal(1 + TufLimits.RootsPerRun, TrustedRootVersion(world));
        await world.RefreshAsync(complete: true);
        Assert.Equal(1 + TufLimits.RootsPerRun + 2, TrustedRootVersion(world));
    }

    private static int TrustedRootVersion(TufWorld world) =>
        JsonDocument.Parse(world.Trust.Files["root"]).RootElement.GetProperty("signed").GetProperty("version").GetInt32();

    [Fact]
    public async Task Metadata_on_disk_that_no_longer_verifies_is_read_again()
    {
        var world = await TufWorld.RunningAsync();
        foreach (var role in world.Trust.Files.Keys.Where(role => role != "root").ToList())
            world.Trust.Files[role] = Encoding.UTF8.GetBytes("{");
        world.Client = world.NewClient();

        await world.RefreshAsync();

        Assert.Equal("policy a", await world.ReadAsync("policy/a.json"));
    }
}
