using Capstan.Nal;
using Capstan.Protocol;
using Capstan.Site.Api;
using Capstan.Site.Distribution.Content;
using Capstan.Testing;
using Capstan.Testing.Stores;

namespace Capstan.Tests.Site.Content;

/// <summary>Packs on the site and on its CAPs, over time and through damage.</summary>
public sealed class ContentKeepingTests : IAsyncLifetime
{
    private ContentWorld _world = null!;

    public async ValueTask InitializeAsync() => _world = await ContentWorld.CreateAsync();

    public ValueTask DisposeAsync() => _world.DisposeAsync();

    [Fact]
    public async Task Packs_that_no_version_names_go_after_a_week_and_those_that_another_needs_stay()
    {
        var shared = ContentWorld.Bytes(1, 300_000);
        await CreateAsync("Stays", ("a", shared));
        var goes = await CreateAsync("Goes", ("a", shared), ("b", ContentWorld.Bytes(2, 300_000)));
        await _world.SpreadAsync();
        Assert.Equal((4, 4), (Packs(_world.SitePacks), Packs(_world.CapPacks)));
        await _world.Packages.RemoveAsync(goes.PackageId, null, Stop);
        await LaterAsync(TimeSpan.FromDays(6));
        Assert.Equal((4, 4), (Packs(_world.SitePacks), Packs(_world.CapPacks)));
        await LaterAsync(TimeSpan.FromDays(2));
        Assert.Equal((2, 2), (Packs(_world.SitePacks), Packs(_world.CapPacks)));
        // What went is stored anew.
        var again = await CreateAsync("Again", ("b", ContentWorld.Bytes(2, 300_000)));
        await _world.SpreadAsync();
        Assert.Equal(ContentWorld.Bytes(2, 300_000), (await _world.ReadAsync(again))[0].Content);
    }

    [Fact]
    public async Task A_pack_that_is_named_again_within_the_week_stays()
    {
        var content = ContentWorld.Bytes(3, 300_000);
        var first = await CreateAsync("First", ("a", content));
        await _world.SpreadAsync();
        await _world.Packages.RemoveAsync(first.PackageId, null, Stop);
        await LaterAsync(TimeSpan.FromDays(6));
        var second = await CreateAsync("Second", ("b", content));
        Assert.InRange(second.NewBytes, 1, 10_000);
        await LaterAsync(TimeSpan.FromDays(30));
        Assert.Equal(content, (await _world.ReadAsync(second))[0].Content);
    }

    [Fact]
    public async Task A_pack_that_was_deleted_or_cut_on_a_CAP_comes_again()
    {
        var made = await CreateAsync("Test", ("a", ContentWorld.Bytes(4, 300_000)));
        await _world.SpreadAsync();
        var files = Directory.GetFiles(_world.CapPacks, "*", SearchOption.AllDirectories);
        File.Delete(files[0]);
        using (var cut = File.OpenWrite(files[1]))
            cut.SetLength(10);
        await _world.SpreadAsync();
        Assert.Single(Directory.GetFiles(_world.CapPacks, "*", SearchOption.AllDirectories));
        // An administrator asks, or a day passes.
        _world.Site.Get<ContentKeeper>().LookAgain();
        await _world.SpreadAsync();
        Assert.Equal(ContentWorld.Bytes(4, 300_000), (await _world.ReadAsync(made))[0].Content);
    }

    [Fact]
    public async Task A_line_that_breaks_before_a_pack_is_through_is_told_what_it_takes_and_packs_that_are_carried_there_are_seen()
    {
        var made = await CreateAsync("Test", ("a", ContentWorld.Bytes(6, 900_000)));
        await _world.Site.PublishAsync();
        var hold = new StoreHold();
        var fault = new StoreFault(StoreOperations.Create, NalError.Connect) { Hold = hold, PathPrefix = Layout.Packs, Nth = 1 };
        _world.CapStore.Add(fault);
        var passing = _world.Site.Get<ContentKeeper>().PassAsync(Stop);
        await hold.Reached.WaitAsync(Patience.Limit, TimeProvider.System, Stop);
        _world.Time.Advance(TimeSpan.FromMinutes(4));
        hold.Release();
        await passing;
        var row = Assert.Single(await _world.Site.Get<CapContentStore>().ListAsync(Stop));
        Assert.Equal(nameof(NalError.Connect), row.ErrorCode);
        Assert.Contains("had gone in 4 min (30 kbit/s)", row.LastError, StringComparison.Ordinal);
        Assert.Contains("a connection is given back after 60 min, so this takes a line that brings 2 kbit/s", row.LastError, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', row.LastError!);
        Assert.False(Directory.Exists(_world.CapPacks));
        // As the line says.
        foreach (var pack in Directory.GetFiles(_world.SitePacks, "*", SearchOption.AllDirectories))
        {
            var there = Path.Combine(_world.CapPacks, Path.GetRelativePath(_world.SitePacks, pack));
            Directory.CreateDirectory(Path.GetDirectoryName(there)!);
            File.Copy(pack, there);
        }
        _world.CapStore.Add(new StoreFault(StoreOperations.Create, NalError.AccessDenied) { PathPrefix = Layout.Packs });
        _world.Site.Get<ContentKeeper>().LookAgain();
        _world.Time.Advance(TimeSpan.FromMinutes(1));
        await _world.SpreadAsync();
        Assert.Null(Assert.Single(await _world.Site.Get<CapContentStore>().ListAsync(Stop)).ErrorCode);
        Assert.Equal(ContentWorld.Bytes(6, 900_000), (await _world.ReadAsync(made))[0].Content);
    }

    [Fact]
    public async Task A_full_CAP_is_named_with_its_cause_and_next_try_and_filled_when_there_is_room()
    {
        await using var disk = await SmallDisk.MountAsync(megabytes: 6);
        await using var world = await ContentWorld.CreateAsync(cap: Path.Combine(disk.Directory, "cap"));
        var made = await world.Packages.CreateAsync("Test", ContentWorld.Archive(("a", ContentWorld.Bytes(5, 2_000_000))), Stop);
        await world.Site.PublishAsync();
        disk.Fill();
        await world.Site.Get<ContentKeeper>().PassAsync(Stop);
        var row = Assert.Single(await world.Site.Get<CapContentStore>().ListAsync(Stop));
        Assert.Equal(("cap_full", 1L), (row.ErrorCode, row.Failures));
        Assert.NotNull(row.NextTry);
        Assert.Contains("free", row.LastError!, StringComparison.Ordinal);
        disk.Free();
        // Not before its time.
        await world.Site.Get<ContentKeeper>().PassAsync(Stop);
        Assert.NotNull(Assert.Single(await world.Site.Get<CapContentStore>().ListAsync(Stop)).LastError);
        world.Time.Advance(TimeSpan.FromMinutes(15));
        await world.SpreadAsync();
        Assert.Null(Assert.Single(await world.Site.Get<CapContentStore>().ListAsync(Stop)).LastError);
        Assert.Equal(ContentWorld.Bytes(5, 2_000_000), (await world.ReadAsync(made))[0].Content);
    }

    [Fact]
    public async Task Verifying_mends_the_site_from_a_CAP_and_a_CAP_from_the_site()
    {
        var made = await CreateAsync("Test", ("a", ContentWorld.Bytes(6, 300_000)));
        await _world.SpreadAsync();
        Assert.Empty((await VerifyAsync()).Findings);
        var names = Directory.GetFiles(_world.SitePacks, "*", SearchOption.AllDirectories).Select(Path.GetFileName).Order(StringComparer.Ordinal).ToArray();
        Damage(PathIn(_world.SitePacks, names[0]!));
        File.Delete(PathIn(_world.CapPacks, names[1]!));
        var report = await VerifyAsync();
        Assert.True(report.Ok);
        Assert.Equal([(ContentVerifier.SitePlace, names[0], "damaged", _world.Site.Cap.ToString()), (_world.Site.Cap.ToString(), names[1], "missing", ContentVerifier.SitePlace)],
            report.Findings.Select(finding => (finding.Place, finding.Pack, finding.State, finding.MendedFrom)));
        Assert.Empty((await VerifyAsync()).Findings);
        Assert.Equal(ContentWorld.Bytes(6, 300_000), (await _world.ReadAsync(made))[0].Content);
    }

    [Fact]
    public async Task What_is_nowhere_whole_is_said_and_comes_back_by_publishing_again()
    {
        await CreateAsync("Test", ("a", ContentWorld.Bytes(7, 300_000)));
        await _world.SpreadAsync();
        foreach (var folder in (string[])[_world.SitePacks, _world.CapPacks])
            Directory.Delete(folder, recursive: true);
        var report = await VerifyAsync();
        Assert.False(report.Ok);
        Assert.Equal(4, report.Findings.Count);
        Assert.All(report.Findings, finding => Assert.Null(finding.MendedFrom));
        await CreateAsync("Again", ("a", ContentWorld.Bytes(7, 300_000)));
        await _world.SpreadAsync();
        // The same content is the same packs, so the first package is whole again, too.
        Assert.Empty((await VerifyAsync()).Findings);
    }

    [Fact]
    public async Task A_damaged_pack_of_the_site_is_never_copied()
    {
        await CreateAsync("Test", ("a", ContentWorld.Bytes(8, 300_000)));
        Damage(Directory.GetFiles(_world.SitePacks, "*", SearchOption.AllDirectories).MaxBy(file => new FileInfo(file).Length)!);
        await _world.Site.PublishAsync();
        await _world.Site.Get<ContentKeeper>().PassAsync(Stop);
        Assert.Equal("content_damaged", Assert.Single(await _world.Site.Get<CapContentStore>().ListAsync(Stop)).ErrorCode);
        Assert.DoesNotContain(Directory.Exists(_world.CapPacks) ? Directory.GetFiles(_world.CapPacks, "*", SearchOption.AllDirectories) : [], file => new FileInfo(file).Length > 100_000);
    }

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    private Task<PackageVersionRow> CreateAsync(string name, params (string, byte[])[] entries) => _world.Packages.CreateAsync(name, ContentWorld.Archive(entries), Stop);

    private async Task LaterAsync(TimeSpan time)
    {
        _world.Time.Advance(time);
        await _world.SpreadAsync();
    }

    private async Task<ContentVerification> VerifyAsync()
    {
        var verifier = _world.Site.Get<ContentVerifier>();
        verifier.Begin();
        await verifier.WaitAsync(Stop);
        return verifier.Last is { FinishedAt: not null } report ? report : throw new TimeoutException("The verification has not ended.");
    }

    private static int Packs(string folder) => Directory.GetFiles(folder, "*", SearchOption.AllDirectories).Length;

    private static string PathIn(string folder, string name) => Path.Combine(folder, name[..2], name);

    private static void Damage(string file)
    {
        var bytes = File.ReadAllBytes(file);
        bytes[bytes.Length / 2] ^= 1;
        File.WriteAllBytes(file, bytes);
    }
}
