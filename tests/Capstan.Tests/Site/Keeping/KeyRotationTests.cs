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

    [Theory]
    [InlineData("timestamp")]
    [InlineData("receipts")]
    public async Task Orders_that_waited_to_be_published_are_published_afterwards(string role)
    {
        Assert.True(await _site.Get<Capstan.Site.Load.Enrolment>().RetireAsync(_device.Id.Value, CancellationToken.None));
        await RotateAsync(role, withRoot: false);
        var client = await _site.ClientOfCapAsync(new MemoryTrust());
        await client.RefreshAsync(complete: true, CancellationToken.None);
        var policy = await client.ReadTargetAsync(Layout.PolicyTarget(_device.Id), 1 << 20, CancellationToken.None);
        Assert.Equal("retired", Documents.Policy.Decode(policy!.Content.Span, policy.Path).State);
    }

    /// <summary>The rotation is then the first publication of the restored site.</summary>
    [Theory]
    [InlineData("sealing")]
    [InlineData("policy")]
    [InlineData("timestamp")]
    [InlineData("")]
    public async Task After_a_restore_and_before_its_first_start_clients_follow_all_the_same(string roles)
    {
        await _site.BackUpAsync("b1", withRootKey: true);
        using var later = await _site.EnrolAsync("later");
        _time.Advance(TimeSpan.FromMinutes(2));
        await _site.PublishAsync();
        var client = await _site.ClientOfCapAsync(new MemoryTrust());
        var seen = (await client.RefreshAsync(complete: true, CancellationToken.None)).TimestampVersion;
        await _site.CloseAsync();

        var home = Path.Combine(_site.Backup("life2"), "site");
        var report = await KeptSite.RestoreAsync(_site.Backup("b1"), home, _time);
        await KeyRotation.RotateAsync(home, roles.Split(' ', StringSplitOptions.RemoveEmptyEntries), false, null, _time, CancellationToken.None);
        await using (var restored = await KeptSite.OpenAsync(_site.Backup("life2"), _site.CapDirectory, _time))
        {
            var update = await client.RefreshAsync(complete: true, CancellationToken.None);
            Assert.Equal((TufState.Updated, true), (update.State, update.TimestampVersion > seen));
            var description = await client.ReadTargetAsync(Layout.SiteDescriptionTarget, 1 << 16, CancellationToken.None);
            Assert.Equal(report.Epoch, Documents.SiteDescription.Decode(description!.Content.Span, description.Path).Epoch);
            foreach (var device in new[] { _device, later })
                Assert.NotNull(await client.ReadTargetAsync(Layout.PolicyTarget(device.Id), 1 << 20, CancellationToken.None));
        }
        _site = await SiteHarness.OpenAsync(_site.Directory, _time);
    }

    [Fact]
    public async Task A_former_sealing_key_is_removed_a_while_after_it_opens_nothing_any_more()
    {
        await RotateAsync("sealing", withRoot: false);
        await _site.CloseAsync();
        foreach (var (days, kept, backed) in new[] { (89, 1, 1), (2, 1, 0), (7, 0, 0) })
        {
            _time.Advance(TimeSpan.FromDays(days));
            KeyRotation.ForgetFormer(new SiteDirectory(_site.Home()), _time.GetUtcNow());
            Assert.Equal(kept, Directory.GetFiles(_site.Context.Directory.Keys, "sealing-former-*").Length);
            var report = await _site.BackUpAsync($"after{days}");
            Assert.Equal(backed, Directory.GetFiles(Path.Combine(report.Directory, "keys"), "sealing-former-*").Length);
        }
        await ReopenAsync(isOpen: false);
    }

    [Fact]
    public async Task Keys_of_another_site_are_refused_by_name()
    {
        var key = Path.Combine(_site.Context.Directory.Keys, "snapshot.key.pem");
        await _site.CloseAsync();
        var right = await File.ReadAllTextAsync(key);
        File.Copy(Path.Combine(_site.Context.Directory.Keys, "targets.key.pem"), key, overwrite: true);
        Assert.Equal("keys_of_another_site", (await Assert.ThrowsAsync<SiteException>(() => RotateClosedAsync("sealing", false, null))).Code);
        await File.WriteAllTextAsync(key, right);
        await ReopenAsync(isOpen: false);
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
        // However often it was begun, the former key lies there once.
        Assert.Single(Directory.GetFiles(_site.Context.Directory.Keys, "sealing-former-*"));
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
