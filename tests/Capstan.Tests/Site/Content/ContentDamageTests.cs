using Capstan.Nal;
using Capstan.Nal.Paths;
using Capstan.Protocol.Content;
using Capstan.Site.Api;
using Capstan.Site.Distribution.Content;
using Capstan.Site.Publish;
using Capstan.Testing;
using Capstan.Testing.Stores;

namespace Capstan.Tests.Site.Content;

/// <summary>Disks that rot, lines that are slow or dead, storage of others: what becomes of packs then.</summary>
public sealed class ContentDamageTests : IAsyncLifetime
{
    private static readonly byte[] s_content = ContentWorld.Bytes(1, 1_000_000);
    private ContentWorld _world = null!;

    public async ValueTask InitializeAsync() => _world = await ContentWorld.CreateAsync();

    public ValueTask DisposeAsync() => _world.DisposeAsync();

    [Fact]
    public async Task A_pack_that_is_damaged_everywhere_comes_back_by_publishing_again()
    {
        var made = await CreateAsync("Test");
        await _world.SpreadAsync();
        var pack = LargestIn(_world.SitePacks);
        Damage(pack, 500_000);
        Damage(LargestIn(_world.CapPacks), 500_000);
        var report = await VerifyAsync();
        Assert.False(report.Ok);
        Assert.All(report.Findings, finding => Assert.Contains("whole", finding.Problem!, StringComparison.Ordinal));
        Assert.False(File.Exists(pack));
        // What lies on the CAP is good but for one chunk: nobody takes it away for nothing.
        Assert.Equal(new FileInfo(LargestIn(_world.CapPacks)).Name, Path.GetFileName(pack));
        var again = await _world.Packages.AddVersionAsync(made.PackageId, Archive(), Stop);
        Assert.Equal((1, false), (again.Version, again.IsNew));
        Assert.InRange(again.NewBytes, 900_000, 1_100_000);
        await _world.SpreadAsync();
        Assert.True((await VerifyAsync()).Ok);
        Assert.Empty((await VerifyAsync()).Findings);
        Assert.Equal(s_content, (await _world.ReadAsync(made))[0].Content);
        Assert.Empty(Directory.EnumerateFiles(Path.Combine(_world.SitePacks, "..", "damaged")));
    }

    [Fact]
    public async Task A_pack_with_another_bad_place_on_each_copy_is_put_together_chunk_by_chunk()
    {
        var made = await CreateAsync("Test");
        await _world.SpreadAsync();
        Damage(LargestIn(_world.SitePacks), 100_000);
        Damage(LargestIn(_world.CapPacks), 900_000);
        var report = await VerifyAsync();
        Assert.True(report.Ok);
        Assert.Contains("chunk by chunk", Assert.Single(report.Findings, finding => finding.Place == ContentVerifier.SitePlace).MendedFrom!, StringComparison.Ordinal);
        Assert.Empty((await VerifyAsync()).Findings);
        Assert.Equal(s_content, (await _world.ReadAsync(made))[0].Content);
    }

    /// <summary>A newer package has brought the same content again, and with it the rows of its chunks: the lists of the older version still say how its pack was made of them.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_pack_whose_chunks_a_later_publication_took_over_is_put_together_of_those(bool isGone)
    {
        var made = await CreateAsync("Test");
        await _world.SpreadAsync();
        foreach (var pack in (string[])[LargestIn(_world.SitePacks), LargestIn(_world.CapPacks)])
        {
            if (isGone)
                File.Delete(pack);
            else
                Damage(pack, 500_000);
        }
        Assert.False((await VerifyAsync()).Ok);
        await _world.Packages.CreateAsync("Other", ContentWorld.Archive(("0", ContentWorld.Bytes(2, 300_000)), ("a", s_content)), Stop);
        var report = await VerifyAsync();
        Assert.Equal("newer packs that have the same, chunk by chunk", Assert.Single(report.Findings, finding => finding.Place == ContentVerifier.SitePlace).MendedFrom);
        await _world.SpreadAsync();
        Assert.Empty((await VerifyAsync()).Findings);
        Assert.Equal(s_content, (await _world.ReadAsync(made))[0].Content);
        Assert.Equal(0, _world.Site.Get<HomePacks>().Amount.Packs);
    }

    [Fact]
    public async Task A_pack_that_the_site_cannot_read_stops_neither_copying_nor_verifying_others()
    {
        await CreateAsync("Test");
        await _world.Packages.CreateAsync("Other", ContentWorld.Archive(("b", ContentWorld.Bytes(2, 700_000))), Stop);
        var unread = LargestIn(_world.SitePacks);
        File.Delete(unread);
        Directory.CreateDirectory(unread);
        await _world.Site.PublishAsync();
        await _world.Site.Get<ContentKeeper>().PassAsync(Stop);
        Assert.Equal("content_damaged", Assert.Single(await _world.Site.Get<CapContentStore>().ListAsync(Stop)).ErrorCode);
        Assert.Equal(3, Directory.GetFiles(_world.CapPacks, "*", SearchOption.AllDirectories).Length);
        var report = await VerifyAsync();
        Assert.Null(report.Failure);
        Assert.Equal(8, report.Packs);
        Assert.Equal(2, report.Findings.Count);
        Assert.Contains("cannot be read", Assert.Single(report.Findings, finding => finding.Place == ContentVerifier.SitePlace).Problem!, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_site_that_came_back_without_its_packs_reads_them_from_its_CAPs_by_itself_however_slow_the_line()
    {
        var made = await CreateAsync("Test");
        await _world.SpreadAsync();
        var lost = LargestIn(_world.SitePacks);
        File.Delete(lost);
        _world.Site.Get<HomePacks>().Look(await _world.Site.Get<ContentStore>().PacksAsync(Stop));
        Assert.Equal("content_incomplete", (await _world.Site.OnlyConditionAsync()).Code);
        // A quarter of a megabyte in four minutes: the pack alone takes twenty.
        var step = TimeSpan.FromMinutes(4);
        _world.CapStore.Add(new StoreFault(StoreOperations.Read, null) { PathPrefix = "packs", Delay = step });
        var began = _world.Time.GetUtcNow();
        var pass = _world.Site.Get<ContentKeeper>().PassAsync(Stop);
        var done = Patience.UntilAsync(() => File.Exists(lost));
        while (await Task.WhenAny(_world.Time.ArmedAsync(step), done) != done)
            _world.Time.Advance(step);
        await done;
        Assert.True(_world.Time.GetUtcNow() - began >= TimeSpan.FromMinutes(20));
        await pass.Soon();
        _world.CapStore.Heal();
        await Patience.UntilAsync(() => _world.Site.Get<HomePacks>().Amount.Packs == 0);
        Assert.Empty((await VerifyAsync()).Findings);
        Assert.Equal(s_content, (await _world.ReadAsync(made))[0].Content);
    }

    [Fact]
    public async Task A_restored_site_whose_packs_are_all_gone_gets_them_back()
    {
        var made = await CreateAsync("Test");
        await _world.SpreadAsync();
        Directory.Delete(_world.SitePacks, recursive: true);
        _world.Site.Get<HomePacks>().Look(await _world.Site.Get<ContentStore>().PacksAsync(Stop));
        Assert.Equal(2, _world.Site.Get<HomePacks>().Amount.Packs);
        await _world.SpreadAsync();
        Assert.Equal(0, _world.Site.Get<HomePacks>().Amount.Packs);
        Assert.Equal(2, Directory.GetFiles(_world.SitePacks, "*", SearchOption.AllDirectories).Length);
        Assert.Empty((await VerifyAsync()).Findings);
        Assert.Equal(s_content, (await _world.ReadAsync(made))[0].Content);
    }

    [Fact]
    public async Task A_version_is_signed_when_a_CAP_has_all_of_it_and_shows_its_way()
    {
        var made = await CreateAsync("Test");
        Assert.NotNull(made.WaitingSince);
        _world.CapStore.Add(new StoreFault(StoreOperations.Create, NalError.StorageFull) { PathPrefix = "packs", Nth = 2 });
        await _world.SpreadAsync();
        Assert.Null(await _world.ManifestAsync(made.PackageId, 1));
        var version = Assert.Single((await _world.Packages.ShowAsync("Test", Stop)).Versions);
        Assert.NotNull(version.WaitingSince);
        var cap = Assert.Single(version.Caps!);
        Assert.Equal((2, 1), (cap.Packs, cap.MissingPacks));
        Assert.NotNull(cap.Problem);
        Assert.NotNull(cap.NextTry);
        _world.CapStore.Heal();
        await LaterAsync(TimeSpan.FromMinutes(15));
        Assert.NotNull(await _world.ManifestAsync(made.PackageId, 1));
        version = Assert.Single((await _world.Packages.ShowAsync("Test", Stop)).Versions);
        Assert.Equal((null, 0), (version.WaitingSince, version.Caps![0].MissingPacks));
    }

    [Fact]
    public async Task A_verification_leaves_a_CAP_that_hangs_and_ends()
    {
        await CreateAsync("Test");
        await _world.SpreadAsync();
        var hold = new StoreHold();
        _world.CapStore.Add(new StoreFault(StoreOperations.Read, null) { PathPrefix = "packs", Hold = hold });
        var verifier = _world.Site.Get<ContentVerifier>();
        verifier.Begin();
        await hold.Reached.Soon();
        _world.Time.Advance(ProgressLimit.Silence);
        await Patience.UntilAsync(() => verifier.Last!.FinishedAt is not null);
        var finding = Assert.Single(verifier.Last!.Findings);
        Assert.Equal((ContentFinding.Unread, false), (finding.State, verifier.Last.Ok));
        Assert.Contains("Nothing moved for 5 minutes", finding.Problem!, StringComparison.Ordinal);
        // The next one begins anew.
        _world.CapStore.Heal();
        hold.Release();
        Assert.True((await VerifyAsync()).Ok);
    }

    [Fact]
    public async Task A_verification_leaves_others_the_room_that_copying_leaves_them()
    {
        await using var disk = await SmallDisk.MountAsync(megabytes: 6);
        await using var world = await ContentWorld.CreateAsync(cap: Path.Combine(disk.Directory, "cap"));
        await world.Packages.CreateAsync("Test", Archive(), Stop);
        await world.Site.PublishAsync();
        disk.Fill();
        var verifier = world.Site.Get<ContentVerifier>();
        verifier.Begin();
        await Patience.UntilAsync(() => verifier.Last!.FinishedAt is not null);
        Assert.Equal(2, verifier.Last!.Findings.Count);
        Assert.All(verifier.Last.Findings, finding => Assert.Equal((ContentFinding.Missing, "there is no room for it; make some, and it comes by itself"), (finding.State, finding.Problem)));
    }

    [Fact]
    public async Task A_pack_that_cannot_be_removed_keeps_none_from_coming()
    {
        var goes = await _world.Packages.CreateAsync("Goes", ContentWorld.Archive(("b", ContentWorld.Bytes(2, 700_000))), Stop);
        await _world.SpreadAsync();
        await _world.Packages.RemoveAsync(goes.PackageId, null, Stop);
        _world.Time.Advance(TimeSpan.FromDays(8));
        _world.CapStore.Add(new StoreFault(StoreOperations.Delete, NalError.AccessDenied) { PathPrefix = $"packs/{Path.GetFileName(LargestIn(_world.CapPacks))[..2]}" });
        var made = await CreateAsync("Test");
        await _world.SpreadAsync();
        Assert.Equal(s_content, (await _world.ReadAsync(made))[0].Content);
        Assert.Null(Assert.Single(await _world.Site.Get<CapContentStore>().ListAsync(Stop)).ErrorCode);
        Assert.Equal(3, Directory.GetFiles(_world.CapPacks, "*", SearchOption.AllDirectories).Length);
        _world.CapStore.Heal();
        await LaterAsync(TimeSpan.FromDays(1));
        Assert.Equal(2, Directory.GetFiles(_world.CapPacks, "*", SearchOption.AllDirectories).Length);
    }

    [Fact]
    public async Task What_no_row_knows_leaves_a_CAP_after_a_month()
    {
        await CreateAsync("Test");
        await _world.SpreadAsync();
        var name = ContentHash.Of([1]).ToString();
        var stray = Path.Combine(_world.CapPacks, name[..2], name);
        Directory.CreateDirectory(Path.GetDirectoryName(stray)!);
        await File.WriteAllBytesAsync(stray, [1], Stop);
        var other = Path.Combine(_world.CapPacks, name[..2], "notes.txt");
        await File.WriteAllBytesAsync(other, [1], Stop);
        await LaterAsync(TimeSpan.FromDays(2));
        await LaterAsync(TimeSpan.FromDays(29));
        Assert.True(File.Exists(stray));
        await LaterAsync(TimeSpan.FromDays(2));
        Assert.False(File.Exists(stray));
        Assert.True(File.Exists(other));
        Assert.Equal(3, Directory.GetFiles(_world.CapPacks, "*", SearchOption.AllDirectories).Length);
    }

    [Fact]
    public async Task Nothing_is_written_or_removed_where_the_pointer_is_not_ours_any_more()
    {
        var goes = await _world.Packages.CreateAsync("Goes", ContentWorld.Archive(("b", ContentWorld.Bytes(2, 700_000))), Stop);
        await _world.SpreadAsync();
        await _world.Packages.RemoveAsync(goes.PackageId, null, Stop);
        await CreateAsync("Test");
        _world.Time.Advance(TimeSpan.FromDays(8));
        var pointer = Path.Combine(_world.Site.CapDirectory, CapWriter.Pointer);
        await File.AppendAllTextAsync(pointer, " ", Stop);
        await _world.Site.Get<ContentKeeper>().PassAsync(Stop);
        Assert.Equal(2, Directory.GetFiles(_world.CapPacks, "*", SearchOption.AllDirectories).Length);
        // The publisher looked whose it is, and wrote ours.
        await _world.Site.PublishAsync();
        await _world.Site.Get<ContentKeeper>().PassAsync(Stop);
        Assert.Equal(2, Directory.GetFiles(_world.CapPacks, "*", SearchOption.AllDirectories).Length);
        Assert.Empty((await VerifyAsync()).Findings);
    }

    [Fact]
    public async Task A_removed_version_leaves_the_count_of_a_CAP()
    {
        var made = await CreateAsync("Test");
        await _world.SpreadAsync();
        Assert.Equal(2, Assert.Single(await _world.Site.Get<CapContentStore>().ListAsync(Stop)).Packs);
        await _world.Packages.RemoveAsync(made.PackageId, null, Stop);
        await _world.SpreadAsync();
        Assert.Equal(0, Assert.Single(await _world.Site.Get<CapContentStore>().ListAsync(Stop)).Packs);
    }

    [Fact]
    public async Task A_CAP_on_which_nothing_is_to_do_is_not_asked()
    {
        await CreateAsync("Test");
        await _world.SpreadAsync();
        await _world.SpreadAsync();
        var counted = new StoreFault(StoreOperations.All, null) { PathPrefix = "packs" };
        _world.CapStore.Add(counted);
        Assert.Equal(TimeSpan.FromMinutes(1), await _world.Site.Get<ContentKeeper>().PassAsync(Stop));
        Assert.Equal(0, counted.Seen);
        // One that is gone is tried when its time has come, and the others are left alone meanwhile.
        var gone = NalPath.FromDirectory(Path.Combine(_world.Site.Directory, "gone"));
        Directory.CreateDirectory(gone.LocalDirectory!);
        await _world.Site.Get<CapAdministration>().AddAsync(gone, new CapAdd(gone.ToString()), Stop);
        Directory.Delete(gone.LocalDirectory!, recursive: true);
        await File.WriteAllTextAsync(gone.LocalDirectory!.TrimEnd('/'), "no folder", Stop);
        await _world.Site.Get<ContentKeeper>().PassAsync(Stop);
        Assert.InRange(await _world.Site.Get<ContentKeeper>().PassAsync(Stop), TimeSpan.FromSeconds(5), TimeSpan.FromMinutes(1));
        Assert.Equal(0, counted.Seen);
    }

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    private static MemoryStream Archive() => ContentWorld.Archive(("a", s_content));

    private Task<PackageVersionRow> CreateAsync(string name) => _world.Packages.CreateAsync(name, Archive(), Stop);

    private async Task LaterAsync(TimeSpan time)
    {
        _world.Time.Advance(time);
        await _world.SpreadAsync();
    }

    private async Task<ContentVerification> VerifyAsync()
    {
        var verifier = _world.Site.Get<ContentVerifier>();
        verifier.Begin();
        await Patience.UntilAsync(() => verifier.Last!.FinishedAt is not null);
        return verifier.Last!;
    }

    private static string LargestIn(string folder) => Directory.GetFiles(folder, "*", SearchOption.AllDirectories).MaxBy(file => new FileInfo(file).Length)!;

    private static void Damage(string file, int at)
    {
        var bytes = File.ReadAllBytes(file);
        bytes[at] ^= 1;
        File.WriteAllBytes(file, bytes);
    }
}
