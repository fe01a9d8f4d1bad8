using System.Text.Json;
using Capstan.Protocol.Tuf;

namespace Capstan.Tests.Protocol.Tuf;

/// <summary>The versions that a CAP shows, and the means to sign others with the site's own keys, as a faulty site or a thief of its online keys would.</summary>
internal sealed class TufVersions
{
    public TufVersions(TufWorld world)
    {
        using var timestamp = JsonDocument.Parse(world.Cap["metadata/timestamp.json"]);
        Timestamp = timestamp.RootElement.GetProperty("signed").GetProperty("version").GetInt64();
        Snapshot = timestamp.RootElement.GetProperty("signed").GetProperty("meta").GetProperty("snapshot.json").GetProperty("version").GetInt64();
        using var snapshot = JsonDocument.Parse(world.Cap[$"metadata/{Snapshot}.snapshot.json"]);
        Roles = [.. snapshot.RootElement.GetProperty("signed").GetProperty("meta").EnumerateObject()
            .Select(entry => (entry.Name[..^".json".Length], entry.Value.GetProperty("version").GetInt64()))];
    }

    public long Timestamp { get; }
    public long Snapshot { get; }
    public IReadOnlyList<(string Role, long Version)> Roles { get; }

    /// <summary>A snapshot of this version with these roles, and the next timestamp over it.</summary>
    public void Sign(TufWorld world, long version, IReadOnlyList<(string Role, long Version)> roles)
    {
        var snapshot = MetadataWriter.Snapshot(world.Keys.ByRole["snapshot"], version, world.Time.GetUtcNow().AddDays(1), roles);
        world.Cap[$"metadata/{version}.snapshot.json"] = snapshot;
        SignTimestamp(world, Timestamp + 1, version, snapshot);
    }

    public static void SignTimestamp(TufWorld world, long version, long snapshotVersion, byte[] snapshot) =>
        world.Cap["metadata/timestamp.json"] = MetadataWriter.Timestamp(
            world.Keys.ByRole["timestamp"], version, world.Time.GetUtcNow().AddDays(1), world.Time.GetUtcNow(), snapshotVersion, snapshot);
}
