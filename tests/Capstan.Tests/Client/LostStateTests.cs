using Capstan.Client.State;
using Capstan.Nal.Providers;
using Capstan.Protocol;
using Capstan.Protocol.V1;
using Capstan.Testing;
using Capstan.Testing.Stores;

namespace Capstan.Tests.Client;

/// <summary>A client whose keys were kept and whose database was not.</summary>
public sealed class LostStateTests : IAsyncLifetime
{
    private readonly MemoryStore _cap = new(new ManualTime());
    private readonly ClientFixture _f;

    public LostStateTests() => _f = new ClientFixture(_cap);

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public ValueTask DisposeAsync() => _f.DisposeAsync();

    [Fact]
    public async Task Without_receipts_it_holds_back_its_records_and_rests_between_its_tries()
    {
        await _f.EnrolAsync();
        var sequence = (await _f.StatusAsync()).Sequence;
        await LoseStateAsync();
        var receipts = await _cap.TakeOutAsync(await _cap.FilesAsync(Layout.Receipts));
        await _f.OpenAsync();
        await RestsAsync("waits for the site's receipts");
        Assert.Empty(await _cap.FilesAsync(Layout.Inbox));

        await _cap.PutAsync(receipts);
        await _f.StepAsync(2);
        await _f.SettleAsync();
        await _f.Site.DrainAsync(ClientFixture.Stop);
        Assert.Empty(_f.Site.Refused);
        Assert.Equal(sequence + 1, _f.Site.Applied[^1].Sequence);
        Assert.Null((await _f.StatusAsync()).Waiting);
    }

    [Fact]
    public async Task Without_the_site_description_it_rests_between_its_tries()
    {
        await _f.EnrolAsync();
        await LoseStateAsync();
        _f.Site.Remove(Layout.SiteDescriptionTarget);
        _f.Time.Advance(TimeSpan.FromSeconds(1));
        await _f.Site.PublishAsync(ClientFixture.Stop);
        await _f.OpenAsync();
        await RestsAsync("the description of site ABC is missing");
    }

    [Fact]
    public async Task A_record_that_was_on_its_way_when_the_state_was_lost_makes_no_fork_for_ever()
    {
        await _f.EnrolAsync();
        var sequence = (await _f.StatusAsync()).Sequence;
        _f.Software = _ => Task.FromResult(ClientFixture.SampleSoftware("2.0"));
        await _f.Client!.RunNowAsync(ClientFixture.Stop);
        var onTheWay = Assert.Single(await _cap.FilesAsync(Layout.Inbox));
        await LoseStateAsync();
        _f.Software = _ => Task.FromResult(ClientFixture.SampleSoftware("3.0"));
        await _f.OpenAsync();
        await _f.StepAsync();
        await _f.SettleAsync();
        var later = await _cap.TakeOutAsync((await _cap.FilesAsync(Layout.Inbox)).Where(file => file != onTheWay));
        Assert.NotEmpty(later);

        // The site takes in what was on its way first.
        await _f.Site.DrainAsync(ClientFixture.Stop);
        await _cap.PutAsync(later);
        await _f.Site.DrainAsync(ClientFixture.Stop);
        Assert.Equal($"fork at {sequence + 1}", _f.Site.Refused[0]);
        await ReportsAsync();

        Assert.Equal("3.0", _f.Site.Items(Documents.SoftwareInventory)[^1].Packages[0].Version);
        Assert.Equal(Enumerable.Range(1, _f.Site.Applied.Count).Select(n => (long)n), _f.Site.Applied.Select(upload => upload.Sequence));
        Assert.DoesNotContain(_f.Site.Items(Documents.StatusMessage), message => message.Code == "chain_forked");
        await _f.StepAsync();
        await _f.SettleAsync();
        Assert.Equal(0, (await _f.StatusAsync()).Spooled);
        await _f.CloseAsync();
        using var database = ClientDatabase.Open(_f.Options.Directory);
        Assert.Null(new ClientState(database).Get(StateKey.ContinuedAfter));
    }

    [Fact]
    public async Task A_directory_from_a_backup_goes_on_behind_the_record_that_the_site_has()
    {
        await _f.EnrolAsync();
        await _f.StepAsync();
        await _f.SettleAsync();
        // A copy of the whole directory lives on elsewhere.
        await _f.CloseAsync();
        var copy = Directory.CreateTempSubdirectory("capstan-clone-").FullName;
        foreach (var file in Directory.GetFiles(_f.Options.Directory, "client.db*"))
            File.Copy(file, Path.Combine(copy, Path.GetFileName(file)));
        _f.Software = _ => Task.FromResult(ClientFixture.SampleSoftware("2.0"));
        await _f.OpenAsync();
        await _f.Client!.RunNowAsync(ClientFixture.Stop);
        await ReportsAsync();
        await _f.CloseAsync();
        foreach (var file in Directory.GetFiles(_f.Options.Directory, "client.db*"))
            File.Delete(file);
        foreach (var file in Directory.GetFiles(copy))
            File.Copy(file, Path.Combine(_f.Options.Directory, Path.GetFileName(file)));
        Directory.Delete(copy, recursive: true);

        await _f.OpenAsync();
        await _f.Client!.RunNowAsync(ClientFixture.Stop);
        await ReportsAsync();
        Assert.Contains(_f.Site.Items(Documents.StatusMessage), message => message.Code == "chain_forked");
        Assert.Equal("2.0", Assert.Single(_f.Site.Items(Documents.SoftwareInventory)[^1].Packages).Version);
    }

    private async Task LoseStateAsync()
    {
        await _f.CloseAsync();
        foreach (var file in Directory.GetFiles(_f.Options.Directory, "client.db*"))
            File.Delete(file);
        await _f.InstallAsync();
    }

    private async Task ReportsAsync()
    {
        await _f.StepAsync(2);
        await _f.SettleAsync();
        await _f.Site.DrainAsync(ClientFixture.Stop);
    }

    /// <summary>Every contact but the first is followed by a pause, and the cause is shown.</summary>
    private async Task RestsAsync(string cause)
    {
        await _f.StepAsync();
        for (var contact = 0; contact < 5; contact++)
        {
            var steps = 0;
            TimeSpan pause;
            while ((pause = await _f.Client!.Loop.StepAsync(ClientFixture.Stop)) == TimeSpan.Zero)
                Assert.True(++steps < 5, "the client does not come to rest");
            Assert.InRange(pause, TimeSpan.FromSeconds(5), TimeSpan.FromMinutes(1));
            var status = await _f.StatusAsync();
            Assert.Contains(cause, status.Waiting, StringComparison.Ordinal);
            Assert.Contains("next try ", status.Waiting, StringComparison.Ordinal);
            _f.Time.Advance(pause);
        }
    }
}
