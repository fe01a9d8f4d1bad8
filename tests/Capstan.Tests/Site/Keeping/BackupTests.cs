using System.Text.Json.Nodes;
using Capstan.Site;
using Capstan.Testing;

namespace Capstan.Tests.Site.Keeping;

/// <summary>A backup is whole, or it is visibly none; nothing is ever replaced or deleted.</summary>
public sealed class BackupTests : IAsyncLifetime
{
    private readonly ManualTime _time = new();
    private SiteHarness _site = null!;
    private FakeDevice _device = null!;

    public async ValueTask InitializeAsync()
    {
        (_site, _device) = await SiteHarness.EnrolledAsync(_time);
        await _site.PublishAsync();
    }

    public async ValueTask DisposeAsync()
    {
        _device.Dispose();
        await _site.DisposeAsync();
    }

    [Fact]
    public async Task Beside_a_site_that_runs_it_is_one_moment_for_the_owner_alone_and_without_the_root_key()
    {
        await using var connection = Capstan.Site.Store.Dialect.Connection(Capstan.Site.Store.Dialect.ConnectionString(_site.Context.Directory.Database, readOnly: true));
        await connection.OpenAsync(CancellationToken.None);
        var report = await _site.BackUpAsync("b1");

        Assert.Equal(("ABC", 1, await _site.VersionAsync(), 1), (report.SiteCode, report.Epoch, report.PublishedVersion, report.Clients));
        Assert.Contains("NOT in it", report.RootKey, StringComparison.Ordinal);
        var files = Directory.EnumerateFiles(report.Directory, "*", SearchOption.AllDirectories).Select(file => Path.GetRelativePath(report.Directory, file)).Order(StringComparer.Ordinal).ToList();
        Assert.Equal(["README.txt", "backup.json", "keys/client.key.pem", "keys/packages.key.pem", "keys/policy.key.pem", "keys/receipts.key.pem", "keys/sealing.key.pem", "keys/site.key.pem",
            "keys/snapshot.key.pem", "keys/targets.key.pem", "keys/timestamp.key.pem", "site.db", "site.json"], files);
        if (!OperatingSystem.IsWindows())
        {
            Assert.Equal("700", Mode(report.Directory));
            Assert.All(files, file => Assert.Equal("600", Mode(Path.Combine(report.Directory, file))));
        }
        // The site goes on: what comes now is in the next one.
        await _site.TakeInAsync(_device, _device.Heartbeat(policy: 9));
        Assert.Equal(9, (await _site.ClientAsync(_device)).PolicyVersion);
    }

    [Fact]
    public async Task The_root_key_is_in_it_when_it_is_asked_for_and_lies_on_the_server()
    {
        var report = await _site.BackUpAsync("b1", withRootKey: true);
        Assert.True(File.Exists(Path.Combine(report.Directory, "keys/root.key.pem")));
        var restored = await KeptSite.RestoreAsync(report.Directory, _site.Backup("life2"), _time);
        Assert.Contains(restored.Notes, note => note.Contains("take it away again", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Beside_a_rotation_of_keys_it_is_refused_because_keys_and_database_would_be_of_two_times()
    {
        Directory.CreateDirectory(Path.Combine(_site.Context.Directory.Keys, SiteKeys.NextFolder));
        var refused = await Assert.ThrowsAsync<SiteException>(() => _site.BackUpAsync("b1"));
        Assert.Contains("rotation", refused.Message, StringComparison.Ordinal);
        Assert.False(File.Exists(Path.Combine(_site.Backup("b1"), "backup.json")));
    }

    [Fact]
    public async Task It_goes_into_a_new_directory_only_and_not_into_the_site()
    {
        Directory.CreateDirectory(_site.Backup("full"));
        var other = Path.Combine(_site.Backup("full"), "mine.txt");
        await File.WriteAllTextAsync(other, "mine");
        Assert.Equal("directory_not_empty", (await Assert.ThrowsAsync<SiteException>(() => _site.BackUpAsync("full"))).Code);
        Assert.Equal("backup_inside", (await Assert.ThrowsAsync<SiteException>(() => _site.BackUpAsync("site/backup"))).Code);
        Assert.Equal("mine", await File.ReadAllTextAsync(other));

        // The same of a restore.
        await _site.BackUpAsync("b1");
        Assert.Equal("directory_not_empty", (await Assert.ThrowsAsync<SiteException>(() => KeptSite.RestoreAsync(_site.Backup("b1"), _site.Backup("full"), _time))).Code);
        Assert.Equal("directory_not_empty", (await Assert.ThrowsAsync<SiteException>(() => KeptSite.RestoreAsync(_site.Backup("b1"), _site.Home(), _time))).Code);
        Assert.Equal([other], Directory.GetFileSystemEntries(_site.Backup("full")));
    }

    /// <summary>Whatever is there when the power fails: the manifest comes last, so each prefix of the work lacks it.</summary>
    [Fact]
    public async Task Interrupted_at_any_file_it_is_refused_by_restore_which_leaves_nothing_behind()
    {
        var whole = (await _site.BackUpAsync("b1")).Directory;
        var files = Directory.GetFiles(whole, "*", SearchOption.AllDirectories).Select(file => Path.GetRelativePath(whole, file)).Where(file => file != "backup.json").ToList();
        for (var count = 0; count <= files.Count; count++)
        {
            var part = _site.Backup($"part{count}");
            foreach (var file in files.Take(count))
                Copy(whole, part, file);
            Directory.CreateDirectory(part);
            Assert.Equal("backup_incomplete", (await Assert.ThrowsAsync<SiteException>(() => KeptSite.RestoreAsync(part, _site.Backup("no"), _time))).Code);
        }
        Assert.False(Directory.Exists(_site.Backup("no")));
    }

    [Fact]
    public async Task Each_file_that_is_missing_cut_or_altered_is_named()
    {
        var whole = (await _site.BackUpAsync("b1")).Directory;
        foreach (var file in Directory.GetFiles(whole, "*", SearchOption.AllDirectories).Where(file => !file.EndsWith("README.txt", StringComparison.Ordinal)))
        {
            var content = await File.ReadAllBytesAsync(file);
            byte[]?[] damages = [null, content[..^1], [.. content[..^1], (byte)(content[^1] ^ 1)]];
            foreach (var damage in damages)
            {
                File.Delete(file);
                if (damage is not null)
                    await File.WriteAllBytesAsync(file, damage);
                var refused = await Assert.ThrowsAsync<SiteException>(() => KeptSite.RestoreAsync(whole, _site.Backup("no"), _time));
                Assert.Contains(Path.GetFileName(file), refused.Message, StringComparison.Ordinal);
            }
            await File.WriteAllBytesAsync(file, content);
        }
        Assert.False(Directory.Exists(_site.Backup("no")));
    }

    [Theory]
    [InlineData("../../stolen.key.pem")]
    [InlineData("keys/../site.key.pem")]
    [InlineData("/etc/passwd")]
    [InlineData("lock")]
    public async Task A_manifest_leads_nowhere_else(string path)
    {
        var backup = (await _site.BackUpAsync("b1")).Directory;
        var file = Path.Combine(backup, "backup.json");
        var manifest = JsonNode.Parse(await File.ReadAllTextAsync(file))!;
        manifest["files"]![0]!["path"] = path;
        await File.WriteAllTextAsync(file, manifest.ToJsonString());
        Assert.Equal("backup_damaged", (await Assert.ThrowsAsync<SiteException>(() => KeptSite.RestoreAsync(backup, _site.Backup("no"), _time))).Code);
    }

    [Fact]
    public async Task Keys_of_another_site_are_noticed_before_the_backup_counts_as_one()
    {
        await using var other = await SiteHarness.CreateAsync(_time);
        File.Copy(Path.Combine(other.Context.Directory.Keys, "timestamp.key.pem"), Path.Combine(_site.Context.Directory.Keys, "timestamp.key.pem"), overwrite: true);
        Assert.Equal("backup_failed", (await Assert.ThrowsAsync<SiteException>(() => _site.BackUpAsync("b1"))).Code);
        Assert.Equal("backup_incomplete", (await Assert.ThrowsAsync<SiteException>(() => KeptSite.RestoreAsync(_site.Backup("b1"), _site.Backup("no"), _time))).Code);
    }

    private static string Mode(string path) => OperatingSystem.IsWindows() ? "" : Convert.ToString((int)File.GetUnixFileMode(path), 8);

    private static void Copy(string from, string to, string file)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Path.Combine(to, file))!);
        File.Copy(Path.Combine(from, file), Path.Combine(to, file));
    }
}
