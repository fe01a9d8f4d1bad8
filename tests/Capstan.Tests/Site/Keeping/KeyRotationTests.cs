using Capstan.Nal.Paths;
using Capstan.Protocol;
using Capstan.Protocol.Tuf;
using Capstan.Protocol.V1;
using Capstan.Site;
using Capstan.Site.Api;
using Capstan.Site.Keeping;
using Capstan.Site.Publish;
using Capstan.Site.Store;
using Capstan.Testing;
using Capstan.Tests.Protocol.Tuf;

namespace Capstan.Tests.Site.Keeping;

/// <summary>Keys are replaced, and nobody notices but those who had the old ones.</summary>
public sealed class KeyRotationTests : IAsyncLifetime
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

    [Theory]
    [InlineData("", false, 2, 9)]
    [InlineData("", true, 2, 1)]
    [InlineData("timestamp", false, 2, 1)]
    [InlineData("snapshot targets", true, 2, 3)]
    [InlineData("policy", false, 1, 1)]
    [InlineData("site packages client receipts sealing", false, 1, 5)]
    public async Task A_client_that_slept_meanwhile_follows_and_the_old_keys_sign_nothing_any_more(string roles, bool withRoot, int rootVersion, int replaced)
    {
        var sleeper = await _site.ClientOfCapAsync(new MemoryTrust());
        await sleeper.RefreshAsync(complete: true, CancellationToken.None);
        var before = Keys();
        var report = await RotateAsync(roles, withRoot);
        Assert.Equal((rootVersion, replaced), (report.RootVersion, report.Roles.Count));
        // Exactly the files of those roles, and the former sealing key beside the new one.
        var after = Keys();
        Assert.Equal(report.Roles.Order(StringComparer.Ordinal), before.Keys.Where(name => before[name] != after[name]).Select(name => name.Split('.')[0]).Order(StringComparer.Ordinal));
        Assert.Equal(report.Roles.Contains("sealing") ? 1 : 0, after.Keys.Except(before.Keys).Count());
        Assert.False(Directory.Exists(Path.Combine(_site.Context.Directory.Keys, SiteKeys.NextFolder)));

        Assert.Equal(TufState.Updated, (await sleeper.RefreshAsync(complete: true, CancellationToken.None)).State);
        var policy = await sleeper.ReadTargetAsync(Layout.PolicyTarget(_device.Id), 1 << 20, CancellationToken.None);
        Assert.NotNull(policy);
        Assert.Equal(await _site.VersionAsync(), await _site.VersionOnCapAsync());
        // What was sealed to the former key, and what is sealed to the new one.
        await _site.TakeInAsync(_device, _device.Heartbeat(policy: 5));
        using var aware = _device.For(_site.Context);
        await _site.TakeInAsync(aware, aware.Heartbeat(policy: 6));
        Assert.Equal(6, (await _site.ClientAsync(_device)).PolicyVersion);
        Assert.Equal(aware.Sequence, (await _site.ReceiptAsync(_device)).Sequence);
        Assert.Empty(await _site.QuarantineAsync());
    }

    [Fact]
    public async Task The_former_sealing_key_opens_for_ninety_days_and_is_told_to_clients_for_fourteen_less()
    {
        await RotateAsync("sealing", withRoot: false);
        foreach (var (days, told) in new[] { (0, 1), (75, 1), (2, 0) })
        {
            _time.Advance(TimeSpan.FromDays(days));
            await ReopenAsync();
            Assert.Equal(told, (await DescriptionAsync()).FormerSealingKeys?.Count ?? 0);
        }
        await _site.TakeInAsync(_device, _device.Heartbeat(policy: 5));
        Assert.Equal(5, (await _site.ClientAsync(_device)).PolicyVersion);
        _time.Advance(TimeSpan.FromDays(14));
        await _site.TakeInAsync(_device, _device.Heartbeat(policy: 6));
        Assert.Equal("cannot_open", Assert.Single(await _site.QuarantineAsync()).Reason);
    }

    [Fact]
    public async Task Without_the_root_key_it_says_what_to_do_and_what_can_be_done_all_the_same()
    {
        var key = Path.Combine(_site.Context.Directory.Keys, "root.key.pem");
        var stick = _site.Backup("stick.pem");
        File.Move(key, stick);
        await _site.CloseAsync();
        foreach (var (roles, withRoot) in new[] { ("", false), ("timestamp", false), ("site", true) })
        {
            var refused = await Assert.ThrowsAsync<SiteException>(() => RotateClosedAsync(roles, withRoot, null));
            Assert.Equal("root_key_missing", refused.Code);
            Assert.Contains("--root-key FILE", refused.Message, StringComparison.Ordinal);
        }
        Assert.Equal("root_key_wrong", (await Assert.ThrowsAsync<SiteException>(() => RotateClosedAsync("", false, Path.Combine(_site.Context.Directory.Keys, "site.key.pem")))).Code);
        Assert.Equal("bad_role", (await Assert.ThrowsAsync<SiteException>(() => RotateClosedAsync("root", false, stick))).Code);
        Assert.Equal(1, (await RotateClosedAsync("sealing receipts", false, null)).RootVersion);
        Assert.Equal(2, (await RotateClosedAsync("", false, stick)).RootVersion);
        Assert.False(File.Exists(key));
        // A new root key lies where it can be taken away from; the one on the stick signs nothing any more.
        Assert.Equal(key, (await RotateClosedAsync("", true, stick)).NewRootKey);
        Assert.Equal("root_key_wrong", (await Assert.ThrowsAsync<SiteException>(() => RotateClosedAsync("", true, stick))).Code);
        await ReopenAsync(isOpen: false);
    }

    /// <summary>The transaction decides: before it the old keys stay, after it the new ones take their place, wherever the process died.</summary>
    [Fact]
    public async Task Interrupted_between_any_two_files_the_next_start_finishes_it_or_takes_it_back()
    {
        var old = Keys();
        await RotateAsync("", withRoot: true);
        await RotateAsync("", withRoot: false);
        await _site.CloseAsync();
        var now = Keys();
        string? mark;
        await using (var database = await SiteDatabase.OpenAsync(_site.Context.Directory.Database, _time, CancellationToken.None))
            mark = await new SettingStore(database).GetAsync(SettingStore.Rotation, CancellationToken.None);
        var names = old.Keys.Where(name => old[name] != now[name] && name != "root.key.pem").ToList();
        Assert.Equal(9, names.Count);
        // So many keys have taken their place already.
        for (var moved = 0; moved <= names.Count; moved++)
        {
            Wait(names.Skip(moved).Select(name => (name, now[name], Before: old[name])), mark!);
            await ReopenAsync(isOpen: false);
            Assert.Equal(now, Keys().Where(pair => now.ContainsKey(pair.Key)).ToDictionary(StringComparer.Ordinal));
            await _site.CloseAsync();
        }
        // A rotation that the store does not know of.
        Wait(names.Select(name => (name, old[name], Before: now[name])), "another");
        await ReopenAsync(isOpen: false);
        Assert.Equal(now, Keys().Where(pair => now.ContainsKey(pair.Key)).ToDictionary(StringComparer.Ordinal));
        Assert.Equal(await _site.VersionAsync(), await _site.VersionOnCapAsync());

        void Wait(IEnumerable<(string Name, string Next, string Before)> keys, string named)
        {
            var folder = Directory.CreateDirectory(Path.Combine(_site.Context.Directory.Keys, SiteKeys.NextFolder)).FullName;
            foreach (var (name, next, before) in keys)
            {
                File.WriteAllText(Path.Combine(folder, name), next);
                File.WriteAllText(Path.Combine(_site.Context.Directory.Keys, name), before);
            }
            File.WriteAllText(Path.Combine(folder, "rotation"), named);
        }
    }

    [Fact]
    public async Task Passwords_of_accounts_are_sealed_again()
    {
        var path = NalPath.Parse(@"MSWNET:\\fs1\cap\");
        await _site.Context.Database.WriteAsync(async transaction =>
        {
            await CapStore.AddAsync(transaction, path.ToString(), null, 0, _time.GetUtcNow());
            await AccountStore.AddAsync(transaction, _site.Get<SiteAccounts>().Seal(path.ToString(), AccountRole.Site, new Capstan.Nal.Providers.ConnectionAccount("capsite", new Capstan.Nal.Providers.Secret("pw"))));
        }, CancellationToken.None);
        await RotateAsync("sealing", withRoot: false);
        File.Delete(Directory.GetFiles(_site.Context.Directory.Keys, "sealing-former-*").Single());
        await ReopenAsync();
        Assert.Equal("pw", Assert.Single(await _site.Get<SiteAccounts>().OfSiteAsync(path.ToString(), CancellationToken.None)).Password.Reveal());
    }

    [Fact]
    public async Task A_production_client_that_was_off_through_four_rotations_reports_what_it_had_written_before()
    {
        var client = new LivingClient("pc7", _site.Directory, _site.CapDirectory, _time);
        await client.InstallAsync((await _site.Get<TokenIssuer>().CreateAsync(new TokenRequest(), CancellationToken.None)).Token);
        for (var i = 0; i < 4; i++)
            await LiveAsync();
        await client.ReportAsync();
        // Written, and lost on the way: it must be written again.
        foreach (var file in _site.Inbox().ToList())
            File.Delete(file);
        foreach (var (roles, withRoot) in new[] { ("", true), ("", false), ("sealing receipts timestamp", false), ("", true) })
        {
            await RotateAsync(roles, withRoot);
            _time.Advance(TimeSpan.FromDays(30));
        }
        await ReopenAsync();
        for (var i = 0; i < 4; i++)
            await LiveAsync();

        var status = await client.StatusAsync();
        var known = (await _site.Get<DeviceStore>().DetailAsync(client.DeviceId, CancellationToken.None))!.Value;
        Assert.Equal((0, known.Summary.Sequence, "approved"), (status.Spooled, status.Sequence, status.State));
        Assert.Equal(client.Version, (await _site.Get<InventoryStore>().SoftwareAsync(known.Row.Number, CancellationToken.None))!.Value.Software.Packages.Single().Version);
        Assert.Empty(await _site.QuarantineAsync());
        await client.CloseAsync();

        async Task LiveAsync()
        {
            await client.SettleAsync();
            await _site.DrainAsync();
            await _site.PublishAsync();
            _time.Advance(TimeSpan.FromMinutes(6));
        }
    }

    private async Task<RotationReport> RotateAsync(string roles, bool withRoot)
    {
        await _site.CloseAsync();
        var report = await RotateClosedAsync(roles, withRoot, null);
        await ReopenAsync(isOpen: false);
        return report;
    }

    private Task<RotationReport> RotateClosedAsync(string roles, bool withRoot, string? rootKey) =>
        KeyRotation.RotateAsync(_site.Home(), roles.Split(' ', StringSplitOptions.RemoveEmptyEntries), withRoot, rootKey, _time, CancellationToken.None);

    private async Task ReopenAsync(bool isOpen = true)
    {
        if (isOpen)
            await _site.CloseAsync();
        _time.Advance(TimeSpan.FromSeconds(2));
        _site = await KeptSite.OpenAsync(_site.Directory, _site.CapDirectory, _time);
        _site.KeepDirectory = false;
    }

    private async Task<SiteDescription> DescriptionAsync()
    {
        var client = await _site.ClientOfCapAsync(new MemoryTrust());
        await client.RefreshAsync(complete: true, CancellationToken.None);
        var target = await client.ReadTargetAsync(Layout.SiteDescriptionTarget, 1 << 16, CancellationToken.None);
        return Documents.SiteDescription.Decode(target!.Content.Span, target.Path);
    }

    private Dictionary<string, string> Keys() => Directory.GetFiles(_site.Context.Directory.Keys, "*.key.pem").ToDictionary(file => Path.GetFileName(file), File.ReadAllText, StringComparer.Ordinal);
}
