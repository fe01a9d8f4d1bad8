using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Capstan.Protocol;
using Capstan.Protocol.Tuf;

namespace Capstan.Tests.Protocol.Tuf;

/// <summary>What whoever runs the storage may try (TUF 1.0 section 1.5.2). Each leaves the trusted metadata as it was and names the document.</summary>
/// <remarks>Slow retrieval is not here: the deadline of a read belongs to the network layer.</remarks>
public sealed class TufAttackTests
{
    private const string Timestamp = "metadata/timestamp.json";

    [Fact]
    public async Task Arbitrary_software_metadata_by_another_site_is_refused()
    {
        var world = await TufWorld.RunningAsync();
        var other = new TufWorld();
        other.Time.Advance(TimeSpan.FromDays(1));
        other.Set("policy/a.json", "evil");
        other.Publish();
        other.Cap.Files.Remove("metadata/1.root.json");
        world.Cap.Restore(other.Cap.Files);

        await RefusedAsync(world, ProtocolError.BadSignature, Timestamp);
    }

    [Fact]
    public async Task Arbitrary_software_a_target_with_other_content_is_refused()
    {
        var world = await TufWorld.RunningAsync();
        var path = world.Cap.Files.Keys.Single(key => key.EndsWith(".a.json", StringComparison.Ordinal));

        world.Cap[path] = Encoding.UTF8.GetBytes("policy x");
        Assert.Equal(ProtocolError.BadHash, (await Assert.ThrowsAsync<ProtocolException>(() => world.ReadAsync("policy/a.json"))).Error);
        world.Cap[path] = Encoding.UTF8.GetBytes("policy a and more");
        Assert.Equal(ProtocolError.TooLarge, (await Assert.ThrowsAsync<ProtocolException>(() => world.ReadAsync("policy/a.json"))).Error);
        world.Cap.Files.Remove(path);
        var missing = await Assert.ThrowsAsync<ProtocolException>(() => world.ReadAsync("policy/a.json"));
        Assert.Equal((ProtocolError.Missing, path), (missing.Error, missing.Document));
    }

    [Theory]
    [InlineData(Timestamp, TufLimits.TimestampBytes)]
    [InlineData("metadata/2.root.json", TufLimits.RootBytes)]
    public async Task Endless_data_is_refused_at_the_limit(string path, int limit)
    {
        var world = await TufWorld.RunningAsync();
        world.Cap[path] = new byte[limit + 1];

        await RefusedAsync(world, ProtocolError.TooLarge, path, complete: true);
    }

    [Theory]
    [InlineData(TufRole.Root, TufLimits.RootBytes)]
    [InlineData(TufRole.Snapshot, TufLimits.SnapshotBytes)]
    [InlineData(TufRole.Timestamp, TufLimits.TimestampBytes)]
    [InlineData(TufRole.Targets, TufLimits.TargetsBytes)]
    public void Endless_data_is_refused_before_it_is_parsed_even_if_the_source_lets_it_through(string role, int limit)
    {
        Assert.Equal(limit, TufLimits.For(role));
        var refused = Assert.Throws<ProtocolException>(() => MetadataFile.Parse(new byte[limit + 1], limit, role));
        Assert.Equal(ProtocolError.TooLarge, refused.Error);
        Assert.Equal(ProtocolError.Malformed, Assert.Throws<ProtocolException>(() => MetadataFile.Parse(new byte[limit], limit, role)).Error);
    }

    [Fact]
    public async Task Endless_data_a_snapshot_longer_than_the_timestamp_says_is_not_read()
    {
        var world = await TufWorld.RunningAsync();
        world.Time.Advance(TimeSpan.FromMinutes(1));
        world.Set("policy/a.json", "policy a2");
        var snapshot = world.Publish().Single(file => file.Path.EndsWith(".snapshot.json", StringComparison.Ordinal));
        world.Cap[snapshot.Path] = [.. snapshot.Content.ToArray(), (byte)' '];

        await RefusedAsync(world, ProtocolError.TooLarge, snapshot.Path);
    }

    [Fact]
    public async Task Rollback_an_older_timestamp_is_refused()
    {
        var world = await TufWorld.RunningAsync();
        var old = world.Cap.Snapshot();
        world.Time.Advance(TimeSpan.FromMinutes(1));
        world.Set("policy/a.json", "policy a2");
        world.Publish();
        await world.RefreshAsync();
        world.Cap.Restore(old);

        await RefusedAsync(world, ProtocolError.Rollback, Timestamp);
        await RefusedAsync(world, ProtocolError.Rollback, Timestamp, complete: true);
    }

    [Fact]
    public async Task Rollback_a_restored_site_that_did_not_look_at_the_cap_is_refused_and_one_that_looked_is_not()
    {
        var world = await TufWorld.RunningAsync();
        var backup = world.Repository.Save();
        // A burst of publishes runs ahead of the clock by one version each.
        for (var i = 0; i < 5; i++)
        {
            world.Set("policy/a.json", $"policy a, change {i}");
            world.Publish();
        }
        await world.RefreshAsync();
        var seen = await world.Repository.VerifiedVersionAsync(world.Cap, default);
        var onCap = world.Cap.Snapshot();

        world.Repository = TufRepository.Load(backup);
        world.Set("policy/a.json", "restored");
        world.Publish();
        await RefusedAsync(world, ProtocolError.Rollback, Timestamp);

        world.Cap.Restore(onCap);
        world.Repository = TufRepository.Load(backup);
        Assert.Equal(seen, await world.Repository.VerifiedVersionAsync(world.Cap, default));
        world.Set("policy/a.json", "restored");
        world.Cap.Write(world.Repository.Publish(world.Keys, world.Time.GetUtcNow(), seen));
        Assert.Equal(TufState.Updated, (await world.RefreshAsync()).State);
        Assert.Equal("restored", await world.ReadAsync("policy/a.json"));
    }

    [Theory]
    [InlineData("snapshot")]
    [InlineData("role")]
    [InlineData("missing role")]
    public async Task Rollback_by_a_new_timestamp_over_an_older_part_is_refused(string part)
    {
        var world = await TufWorld.RunningAsync();
        var trusted = new TufVersions(world);
        var document = part is "snapshot" ? Timestamp : $"metadata/{trusted.Snapshot + 1}.snapshot.json";
        switch (part)
        {
            case "snapshot":
                trusted.Sign(world, trusted.Snapshot - 1, trusted.Roles);
                break;
            case "role":
                trusted.Sign(world, trusted.Snapshot + 1, [.. trusted.Roles.Select(role => role.Role is "site" ? (role.Role, role.Version - 1) : role)]);
                break;
            default:
                trusted.Sign(world, trusted.Snapshot + 1, [.. trusted.Roles.Where(role => role.Role is not "site")]);
                break;
        }

        await RefusedAsync(world, ProtocolError.Rollback, document);
    }

    [Fact]
    public async Task Rollback_of_the_root_and_gaps_in_its_chain_are_refused()
    {
        var world = await TufWorld.RunningAsync();
        world.Cap["metadata/2.root.json"] = world.Cap["metadata/1.root.json"];
        await RefusedAsync(world, ProtocolError.Rollback, "metadata/2.root.json", complete: true);

        var root = world.Keys.ByRole["root"];
        world.Repository.RotateRoot([root], [root], 1, world.Keys, world.Time.GetUtcNow());
        world.Repository.RotateRoot([root], [root], 1, world.Keys, world.Time.GetUtcNow());
        world.Publish();
        world.Cap["metadata/2.root.json"] = world.Cap["metadata/3.root.json"];
        await RefusedAsync(world, ProtocolError.Rollback, "metadata/2.root.json", complete: true);
    }

    [Fact]
    public async Task Fast_forward_is_undone_by_rotating_the_keys_of_timestamp_and_snapshot()
    {
        var world = await TufWorld.RunningAsync();
        var ahead = TufRepository.Load(world.Repository.Save());
        // The attacker has both online keys and drives the versions up, far beyond any clock.
        world.Cap.Write(ahead.Publish(world.Keys, world.Time.GetUtcNow(), seenOnCap: 9_000_000_000_000, force: true));
        await world.RefreshAsync();
        world.Time.Advance(TimeSpan.FromMinutes(1));
        world.Publish(force: true);
        await RefusedAsync(world, ProtocolError.Rollback, Timestamp);

        var next = world.Keys.Replaced("timestamp", "snapshot");
        world.Repository.RotateRoot([world.Keys.ByRole["root"]], [world.Keys.ByRole["root"]], 1, next, world.Time.GetUtcNow());
        world.Keys = next;
        world.Publish();

        Assert.True((await world.RefreshAsync()).TimestampVersion < 9_000_000_000_000);
        Assert.Equal("policy a", await world.ReadAsync("policy/a.json"));
    }

    [Fact]
    public async Task Indefinite_freeze_becomes_stale_at_the_expiry()
    {
        var world = await TufWorld.RunningAsync();
        world.Time.Advance(TimeSpan.FromDays(30) - TimeSpan.FromSeconds(1));
        Assert.Equal(TufState.Unchanged, (await world.RefreshAsync()).State);

        world.Time.Advance(TimeSpan.FromSeconds(1));

        Assert.Equal(TufState.Stale, (await world.RefreshAsync()).State);
        Assert.Equal(TufState.Stale, (await world.RefreshAsync(complete: true)).State);
        Assert.Equal("policy a", await world.ReadAsync("policy/a.json"));
    }

    [Fact]
    public async Task Mix_and_match_a_role_of_another_moment_is_refused()
    {
        var world = await TufWorld.RunningAsync();
        var old = world.Cap.Files.Single(file => file.Key.EndsWith(".site.json", StringComparison.Ordinal) && file.Key.StartsWith("metadata/", StringComparison.Ordinal)).Value;
        world.Time.Advance(TimeSpan.FromMinutes(1));
        world.Set("site/site.json", "site two");
        var path = world.Publish().Single(file => file.Path.EndsWith(".site.json", StringComparison.Ordinal) && file.Path.StartsWith("metadata/", StringComparison.Ordinal)).Path;
        world.Cap[path] = old;
        await world.RefreshAsync();

        var refused = await Assert.ThrowsAsync<ProtocolException>(() => world.ReadAsync("site/site.json"));
        Assert.Equal((ProtocolError.Rollback, path), (refused.Error, refused.Document));
    }

    [Fact]
    public async Task Mix_and_match_a_bin_in_the_place_of_another_is_refused()
    {
        var world = await TufWorld.RunningAsync();
        var site = Role(world, ".site.json");
        var bin = world.Cap.Files.Keys.Where(key => key.Contains(".policy-", StringComparison.Ordinal)).Order(StringComparer.Ordinal).First();
        world.Cap[site] = world.Cap[bin];

        var refused = await Assert.ThrowsAsync<ProtocolException>(() => world.ReadAsync("site/site.json"));
        Assert.Equal((ProtocolError.BadSignature, site), (refused.Error, refused.Document));
    }

    [Fact]
    public async Task Wrong_keys_each_role_verifies_only_with_its_own_key()
    {
        foreach (var role in new[] { "timestamp", "snapshot", "targets", "site", "policy" })
        {
            var world = await TufWorld.RunningAsync();
            world.NewMachine();
            var forger = world.Keys.ByRole["packages"];
            var path = role is "timestamp" ? Timestamp : Role(world, $".{role}.json");
            var forged = JsonNode.Parse(world.Cap[path])!.AsObject();
            using var signed = CanonicalJson.Parse(Encoding.UTF8.GetBytes(forged["signed"]!.ToJsonString()), "test");
            // Under the rightful key id, and once more under the forger's own.
            var signature = Convert.ToHexStringLower(TufKey.Sign(forger, CanonicalJson.Encode(signed.RootElement)));
            forged["signatures"]![0]!["sig"] = signature;
            forged["signatures"]!.AsArray().Add(new JsonObject { ["keyid"] = TufKey.IdOf(forger), ["sig"] = signature });
            world.Cap[path] = Encoding.UTF8.GetBytes(forged.ToJsonString());
            if (role is "snapshot")
            {
                // The timestamp's hash would see it first: sign a timestamp that says what the forger wants.
                var versions = new TufVersions(world);
                TufVersions.SignTimestamp(world, versions.Timestamp, versions.Snapshot, world.Cap[path]);
            }
            await world.EnrolAsync();

            var refused = await Assert.ThrowsAsync<ProtocolException>(async () =>
            {
                await world.RefreshAsync();
                await world.ReadAsync(role is "policy" ? "policy/a.json" : "site/site.json");
            });

            Assert.Equal((ProtocolError.BadSignature, path), (refused.Error, refused.Document));
        }
    }

    [Fact]
    public async Task Wrong_keys_a_new_root_needs_the_old_threshold_and_its_own()
    {
        var world = await TufWorld.RunningAsync();
        using var second = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var third = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var first = world.Keys.ByRole["root"];
        var now = world.Time.GetUtcNow();

        // Not signed by the old keys; not signed by enough of the new ones; one key twice.
        Assert.Throws<ArgumentException>(() => world.Repository.RotateRoot([second], [second], 1, world.Keys, now));
        Assert.Throws<ArgumentException>(() => world.Repository.RotateRoot([first], [first, first], 2, world.Keys, now));
        world.Repository.RotateRoot([first], [first, second, third], 2, world.Keys, now);
        world.Publish();
        await world.RefreshAsync();
        Assert.Throws<ArgumentException>(() => world.Repository.RotateRoot([first], [first], 1, world.Keys, now));
        Assert.Throws<ArgumentException>(() => world.Repository.RotateRoot([first, first], [first], 1, world.Keys, now));

        // The same, by someone who does not ask this class: the client refuses a root 3 with one of two old signatures.
        var roles = new Dictionary<string, IReadOnlyList<ECDsa>> { ["root"] = [third], ["snapshot"] = [third], ["targets"] = [third], ["timestamp"] = [third] };
        world.Cap["metadata/3.root.json"] = MetadataWriter.Root(roles, 1, [third], 3, now.AddDays(1));
        await RefusedAsync(world, ProtocolError.BadSignature, "metadata/3.root.json", complete: true);
        // And one that the old keys sign but its own do not.
        world.Cap["metadata/3.root.json"] = MetadataWriter.Root(roles, 1, [first, second], 3, now.AddDays(1));
        await RefusedAsync(world, ProtocolError.BadSignature, "metadata/3.root.json", complete: true);
        world.Cap["metadata/3.root.json"] = MetadataWriter.Root(roles, 1, [first, third], 3, now.AddDays(1));
        var revoked = await Assert.ThrowsAsync<ProtocolException>(() => world.RefreshAsync(complete: true));
        Assert.Equal((ProtocolError.BadSignature, Timestamp), (revoked.Error, revoked.Document));
    }

    [Fact]
    public async Task One_key_under_two_ids_counts_once()
    {
        var world = await TufWorld.RunningAsync();
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var roles = new Dictionary<string, IReadOnlyList<ECDsa>> { ["root"] = [key], ["snapshot"] = [key], ["targets"] = [key], ["timestamp"] = [key] };
        var root = JsonNode.Parse(MetadataWriter.Root(roles, 2, [key], 1, world.Time.GetUtcNow().AddDays(1)))!.AsObject();
        var signed = root["signed"]!;
        signed["keys"]!["alias"] = signed["keys"]![TufKey.IdOf(key)]!.DeepClone();
        signed["roles"]!["root"]!["keyids"]!.AsArray().Add("alias");
        using var parsed = CanonicalJson.Parse(Encoding.UTF8.GetBytes(signed.ToJsonString()), "test");
        var signature = Convert.ToHexStringLower(TufKey.Sign(key, CanonicalJson.Encode(parsed.RootElement)));
        root["signatures"] = new JsonArray(new JsonObject { ["keyid"] = TufKey.IdOf(key), ["sig"] = signature }, new JsonObject { ["keyid"] = "alias", ["sig"] = signature });

        var refused = Assert.Throws<ProtocolException>(() => TrustedMetadata.Begin(Encoding.UTF8.GetBytes(root.ToJsonString()), "root"));
        Assert.Equal(ProtocolError.BadSignature, refused.Error);
        Assert.Contains("1 of 2", refused.Message, StringComparison.Ordinal);
        // The same file with a threshold that one key reaches is in order.
        signed["roles"]!["root"]!["threshold"] = 1;
        using var again = CanonicalJson.Parse(Encoding.UTF8.GetBytes(signed.ToJsonString()), "test");
        root["signatures"]![0]!["sig"] = Convert.ToHexStringLower(TufKey.Sign(key, CanonicalJson.Encode(again.RootElement)));
        Assert.Equal(1, TrustedMetadata.Begin(Encoding.UTF8.GetBytes(root.ToJsonString()), "root").Root.Version);
    }

    [Fact]
    public async Task Unknown_members_are_part_of_what_is_signed()
    {
        var world = await TufWorld.RunningAsync();
        world.Time.Advance(TimeSpan.FromMinutes(1));
        world.Publish(force: true);
        var text = Encoding.UTF8.GetString(world.Cap[Timestamp]);
        var altered = text.Replace($"\"x-capstan-signed-at\":{world.Time.GetUtcNow().ToUnixTimeSeconds()}", "\"x-capstan-signed-at\":1", StringComparison.Ordinal);
        Assert.NotEqual(text, altered);
        world.Cap[Timestamp] = Encoding.UTF8.GetBytes(altered);

        await RefusedAsync(world, ProtocolError.BadSignature, Timestamp);
    }

    private static string Role(TufWorld world, string suffix) =>
        world.Cap.Files.Keys.Single(key => key.StartsWith("metadata/", StringComparison.Ordinal) && key.EndsWith(suffix, StringComparison.Ordinal));

    private static async Task RefusedAsync(TufWorld world, ProtocolError error, string document, bool complete = false)
    {
        var before = world.Trust.Copy();
        var refused = await Assert.ThrowsAsync<ProtocolException>(() => world.RefreshAsync(complete));
        Assert.Equal((error, document), (refused.Error, refused.Document));
        Assert.Equal(before, world.Trust.Files);
    }
}
