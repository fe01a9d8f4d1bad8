using Capstan.Protocol;
using Capstan.Protocol.V1;
using Capstan.Site;
using Capstan.Site.Api;
using Capstan.Site.Collections;
using Capstan.Site.Distribution.Offers;
using Capstan.Site.Store;
using Capstan.Testing;
using Capstan.Tests.Protocol.Tuf;
using Dapper;

namespace Capstan.Tests.Site.Offers;

/// <summary>A site with a CAP, packages and a program, and what tests of offers do with it.</summary>
public abstract class OfferWorld : IAsyncLifetime
{
    private protected const string Package = "pkgaaaaa", Runtime = "pkgbbbbb", Deb = "pkgccccc";

    private protected readonly ManualTime Clock = new();
    private protected SiteHarness Site = null!;

    private protected static CancellationToken Stop => TestContext.Current.CancellationToken;

    private protected ProgramAdministration Programs => Site.Get<ProgramAdministration>();

    private protected AdvertisementAdministration Offers => Site.Get<AdvertisementAdministration>();

    private protected CollectionAdministration Collections => Site.Get<CollectionAdministration>();

    public async ValueTask InitializeAsync()
    {
        Site = await SiteHarness.CreateAsync(Clock);
        await Site.AddCapAsync();
        await PackageAsync(Package, "Firefox", 1);
        await PackageAsync(Runtime, "Runtime", 3);
        await PackageAsync(Deb, "hello", 1, """{"format":"deb","name":"hello-capstan","version":"1.0","architecture":"all","file":"hello.deb"}""");
        await Programs.CreateAsync(new ProgramCreate("Firefox", Rules: Rules("install")), Stop);
    }

    public async ValueTask DisposeAsync()
    {
        await Site.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    private protected static ProgramRules Rules(string name) => ProgramAdministration.Defaults(name) with { Command = ["setup.sh", "--quiet"] };

    private protected async Task<string> OfferAsync() => (await Offers.CreateAsync(new AdvertisementCreate("Firefox", "All Systems"), Stop)).AdvertisementId!;

    private protected AdvertisementState State(string id, string state, string? cause = null) =>
        new() { AdvertisementId = id, Revision = Clock.GetUtcNow().ToUnixTimeSeconds(), State = state, Cause = cause, Since = Clock.GetUtcNow().ToUnixTimeMilliseconds() };

    private protected ProgramRun Run(int number, int? code) => new()
    {
        Number = number,
        PackageVersion = 1,
        StartedAt = Clock.GetUtcNow().ToUnixTimeMilliseconds(),
        EndedAt = Clock.GetUtcNow().ToUnixTimeMilliseconds(),
        Outcome = code switch { 0 => ProgramRun.Success, null => ProgramRun.Unknown, _ => ProgramRun.Failure },
        ExitCode = code,
    };

    private protected Task ReportAsync(FakeDevice device, params IReadOnlyList<AdvertisementState> states) =>
        Site.TakeInAsync(device, Documents.ProgramsReport.ToItem(new ProgramsReport { MadeAt = Clock.GetUtcNow().ToUnixTimeMilliseconds(), Advertisements = states }));

    private protected async Task<AdvertisementFunnel> FunnelAsync(string id) => (await Site.Get<OfferReader>().ShowAsync(id, Stop)).Summary.Funnel;

    private protected async Task PackageAsync(string id, string name, int version, string? native = null)
    {
        await Site.Context.Database.WriteAsync(transaction => transaction.Connection!.ExecuteAsync("insert into content_package values (@id, @name, @key, @version, 1, 0)", new { id, name, key = name.ToUpperInvariant(), version }, transaction), Stop);
        await VersionAsync(id, version, native);
    }

    private protected Task VersionAsync(string id, int version, string? native = null) => Site.Context.Database.WriteAsync(transaction =>
        transaction.Connection!.ExecuteAsync("insert into content_version values (@id, @version, 1, 1, 1, '', @manifest, @native, 0)", new { id, version, native, manifest = Array.Empty<byte>() }, transaction), Stop);

    private protected Task<int> SqlAsync(string sql) => Site.Context.Database.WriteAsync(transaction => transaction.Connection!.ExecuteAsync(sql, null, transaction), Stop);

    private protected Task<int> CountAsync(string sql) => Site.Context.Database.ReadAsync(connection => connection.ExecuteScalarAsync<int>(sql), Stop);

    private protected Task<long> SignedVersionAsync(FakeDevice device) => Site.Context.Database.ReadAsync(
        connection => connection.QuerySingleAsync<long>("select policy_signed_version from device where device_id = @id", new { id = device.Id.Value }), Stop);

    private protected static async Task<string> CodeAsync(Func<Task> action) => (await Assert.ThrowsAsync<SiteException>(action)).Code;

    private protected async Task PublishAsync()
    {
        await Site.EvaluateAsync();
        Clock.Advance(TimeSpan.FromMinutes(2));
        await Site.PublishAsync();
    }

    private protected async Task<Policy> PolicyAsync(FakeDevice device)
    {
        var client = await Site.ClientOfCapAsync(new MemoryTrust());
        await client.RefreshAsync(complete: true, Stop);
        return Documents.Policy.Decode((await client.ReadTargetAsync(Layout.PolicyTarget(device.Id), Documents.Policy.MaxBytes, Stop))!.Content.Span);
    }

    private protected async Task<Advertisement?> TargetAsync(string id)
    {
        var client = await Site.ClientOfCapAsync(new MemoryTrust());
        await client.RefreshAsync(complete: true, Stop);
        return await client.ReadTargetAsync(Layout.AdvertisementTarget(id), Documents.Advertisement.MaxBytes, Stop) is { } target ? Documents.Advertisement.Decode(target.Content.Span) : null;
    }
}
