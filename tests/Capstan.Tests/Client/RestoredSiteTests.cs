using Capstan.Protocol;
using Capstan.Protocol.V1;
using Capstan.Testing;
using Capstan.Testing.Stores;

namespace Capstan.Tests.Client;

/// <summary>A client whose site was restored from a backup: it follows by itself, wherever the site's records of it end.</summary>
public sealed class RestoredSiteTests : IAsyncLifetime
{
    private readonly MemoryStore _cap = new(new ManualTime());
    private readonly ClientFixture _f;

    public RestoredSiteTests() => _f = new ClientFixture(_cap);

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public ValueTask DisposeAsync() => _f.DisposeAsync();

    [Fact]
    public async Task Records_that_the_site_has_forgotten_leave_no_gap_and_the_last_state_is_sent_in_full()
    {
        var (device, head) = await BackedUpAsync();
        await ReportAsync("2.0");
        await ReportAsync("3.0");

        await RestoreAsync(device, head);
        await LiveAsync();

        Assert.Empty(_f.Site.Refused);
        Assert.Equal("3.0", _f.Site.Items(Documents.SoftwareInventory)[^1].Packages[0].Version);
        Assert.Equal(head.Sequence + 1, _f.Site.Applied.First(upload => upload.Epoch == 2).Sequence);
        Assert.Equal(0, (await _f.StatusAsync()).Spooled);
    }

    [Fact]
    public async Task Nothing_is_sent_before_the_receipts_of_the_new_epoch_are_there()
    {
        var (device, head) = await BackedUpAsync();
        _f.Site.GoBack(device, head);
        _f.Site.Restore();
        _f.Time.Advance(TimeSpan.FromSeconds(1));
        await _f.Site.PublishAsync(ClientFixture.Stop);
        await _f.StepAsync(2);
        Assert.Empty(await _cap.FilesAsync(Layout.Inbox));
        Assert.Contains("was restored from a backup (epoch 2)", (await _f.StatusAsync()).Waiting, StringComparison.Ordinal);

        await _f.Site.WriteReceiptsAsync(ClientFixture.Stop);
        await LiveAsync();
        Assert.Empty(_f.Site.Refused);
        Assert.DoesNotContain(_f.Site.Items(Documents.StatusMessage), message => message.Code == "receipts_invalid");
    }

    [Fact]
    public async Task A_record_that_the_backup_holds_and_whose_receipt_was_lost_is_not_applied_again()
    {
        await BackedUpAsync();
        _f.Software = _ => Task.FromResult(ClientFixture.SampleSoftware("2.0"));
        await _f.Client!.RunNowAsync(ClientFixture.Stop);
        var receipts = await _cap.TakeOutAsync(await _cap.FilesAsync(Layout.Receipts));
        await _f.Site.DrainAsync(ClientFixture.Stop);
        var applied = _f.Site.Applied.Count;
        var device = (await _f.StatusAsync()).DeviceId;
        var head = _f.Site.Head(device);
        await _cap.PutAsync(receipts);

        await RestoreAsync(device, head);
        await LiveAsync();

        Assert.Empty(_f.Site.Refused);
        Assert.Equal(Enumerable.Range(1, _f.Site.Applied.Count).Select(n => (long)n), _f.Site.Applied.Select(upload => upload.Sequence));
        Assert.All(_f.Site.Applied.Skip(applied), upload => Assert.Equal(2, upload.Epoch));
    }

    [Fact]
    public async Task A_later_backup_that_is_restored_after_an_earlier_one_is_followed_upwards()
    {
        var (device, early) = await BackedUpAsync();
        for (var version = 2; version < 9; version++)
            await ReportAsync($"{version}.0");
        var late = _f.Site.Head(device);
        await RestoreAsync(device, early);
        await LiveAsync();
        Assert.True(_f.Site.Head(device).Sequence < late.Sequence);

        _f.Site.GoBack(device, late);
        await RestoreAsync(device, late);
        await LiveAsync();

        Assert.Empty(_f.Site.Refused);
        Assert.Equal(late.Sequence + 1, _f.Site.Applied.First(upload => upload.Epoch == 3).Sequence);
        Assert.DoesNotContain(_f.Site.Items(Documents.StatusMessage), message => message.Code == "chain_forked");
        Assert.Equal(0, (await _f.StatusAsync()).Spooled);
    }

    [Fact]
    public async Task A_client_that_the_backup_does_not_know_asks_again_and_keeps_what_waits_until_it_is_approved()
    {
        var (device, _) = await BackedUpAsync();
        _f.Software = _ => Task.FromResult(ClientFixture.SampleSoftware("2.0"));
        await _f.Client!.RunNowAsync(ClientFixture.Stop);
        await _cap.TakeOutAsync(await _cap.FilesAsync(Layout.Inbox));
        _f.Site.Remove(Layout.PolicyTarget(Parse(device)));

        await RestoreAsync(device, head: null);
        await LiveAsync();
        var request = _f.Site.Items(Documents.ConfigurationRequest)[^1];
        Assert.Equal((ConfigurationRequest.NoToken, "installed"), (request.TokenId, (await _f.StatusAsync()).State));
        Assert.Equal(2, _f.Site.Applied[^1].Epoch);
        Assert.Single(_f.Site.Applied[^1].Items);

        _f.Site.SetPolicy(request, ordinal: 7);
        _f.Time.Advance(TimeSpan.FromSeconds(1));
        await _f.Site.PublishAsync(ClientFixture.Stop);
        await LiveAsync();

        Assert.Empty(_f.Site.Refused);
        Assert.Equal("approved", (await _f.StatusAsync()).State);
        Assert.Equal("2.0", _f.Site.Items(Documents.SoftwareInventory)[^1].Packages[0].Version);
        Assert.Equal(0, (await _f.StatusAsync()).Spooled);
    }

    [Fact]
    public async Task A_retirement_that_the_site_has_forgotten_is_told()
    {
        var (device, head) = await BackedUpAsync();
        var request = _f.Site.Items(Documents.ConfigurationRequest)[^1];
        _f.Site.SetPolicy(request, state: "retired");
        _f.Time.Advance(TimeSpan.FromSeconds(1));
        await _f.Site.PublishAsync(ClientFixture.Stop);
        await LiveAsync();
        Assert.Equal("retired", (await _f.StatusAsync()).State);

        _f.Site.SetPolicy(request);
        await RestoreAsync(device, head);
        await LiveAsync();

        Assert.Equal("approved", (await _f.StatusAsync()).State);
        Assert.Single(_f.Site.Items(Documents.StatusMessage), message => message.Code == "retirement_forgotten");
    }

    private async Task<(string Device, (long Sequence, string Hash) Head)> BackedUpAsync()
    {
        await _f.EnrolAsync();
        await LiveAsync();
        var device = (await _f.StatusAsync()).DeviceId;
        return (device, _f.Site.Head(device));
    }

    private async Task ReportAsync(string version)
    {
        _f.Software = _ => Task.FromResult(ClientFixture.SampleSoftware(version));
        await _f.Client!.RunNowAsync(ClientFixture.Stop);
        await LiveAsync();
    }

    private async Task RestoreAsync(string device, (long, string)? head)
    {
        _f.Site.GoBack(device, head);
        _f.Site.Restore();
        _f.Time.Advance(TimeSpan.FromSeconds(1));
        await _f.Site.PublishAsync(ClientFixture.Stop);
        await _f.Site.WriteReceiptsAsync(ClientFixture.Stop);
    }

    /// <summary>Some waits of the client, with the site draining between them.</summary>
    private async Task LiveAsync()
    {
        for (var i = 0; i < 6; i++)
        {
            await _f.StepAsync();
            await _f.SettleAsync();
            await _f.Site.DrainAsync(ClientFixture.Stop);
        }
    }

    private static DeviceId Parse(string id) => DeviceId.TryParse(id, out var device) ? device : throw new ArgumentException("not a device id", nameof(id));
}
