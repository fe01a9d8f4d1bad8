using Capstan.Nal.Providers.Local;
using Capstan.Site.Keeping;
using Capstan.Site.Store;
using Capstan.Testing;
using Microsoft.Extensions.Logging.Abstractions;

namespace Capstan.Tests.Site.Keeping;

/// <summary>What is done in the directory of a site stands in its audit log, too.</summary>
public sealed class LocalAuditTests : IAsyncLifetime
{
    private readonly ManualTime _time = new();
    private SiteHarness _site = null!;

    public async ValueTask InitializeAsync()
    {
        _site = await SiteHarness.CreateAsync(_time);
        await _site.AddCapAsync();
        await _site.PublishAsync();
    }

    public ValueTask DisposeAsync() => _site.DisposeAsync();

    [Fact]
    public async Task New_keys_a_new_epoch_and_a_restore_are_in_the_audit_log_with_who_did_it()
    {
        await _site.BackUpAsync("b1");
        await _site.CloseAsync();
        await KeyRotation.RotateAsync(_site.Home(), ["sealing"], withRoot: false, null, _time, CancellationToken.None);
        await SiteRestore.BeginEpochAsync(_site.Home(), [new LocalProvider(_time)], _time, null, NullLoggerFactory.Instance, CancellationToken.None);
        await KeptSite.RestoreAsync(_site.Backup("b1"), Path.Combine(_site.Backup("life2"), "site"), _time);
        _site = await SiteHarness.OpenAsync(_site.Directory, _time);

        var rows = await RowsAsync(_site.Home());
        Assert.Equal(2, rows.Count);
        Assert.StartsWith($"local:{Environment.UserName} site new-epoch epoch ", rows[0], StringComparison.Ordinal);
        Assert.Equal($"local:{Environment.UserName} site rotate-keys sealing 200", rows[1]);
        var restored = Assert.Single(await RowsAsync(Path.Combine(_site.Backup("life2"), "site")));
        Assert.StartsWith($"local:{Environment.UserName} restore epoch ", restored, StringComparison.Ordinal);
        Assert.Contains("from the backup of 2026-11-22", restored, StringComparison.Ordinal);
    }

    private async Task<IReadOnlyList<string>> RowsAsync(string home)
    {
        await using var database = await SiteDatabase.OpenAsync(Path.Combine(home, "site.db"), _time, CancellationToken.None);
        return [.. (await new AuditStore(database).ListAsync(null, 100, CancellationToken.None)).Select(row => $"{row.Actor} {row.Action} {row.Subject} {row.Outcome}")];
    }
}
