using System.Globalization;
using System.Runtime.CompilerServices;
using Capstan.Site;
using Capstan.Site.Api;
using Capstan.Site.Collections;
using Capstan.Site.Distribution.Offers;
using Capstan.Site.Publish;
using Dapper;

namespace Capstan.Bench.Figures;

/// <summary>What it costs a site of many clients to offer something: finding out who is in collections, policies, one edit, and the list that a person looks at.</summary>
internal static class OfferFigures
{
    private const int Clients = 10_000, Advertisements = 50;

    public static async IAsyncEnumerable<Figure> RunAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await using var site = await BusySite.CreateAsync(Clients, null, cancellationToken);
        var evaluator = site.Get<CollectionEvaluator>();
        await PublishAsync();
        var first = await Cost.OfAsync(() => evaluator.PassAsync(cancellationToken));
        yield return new Figure($"members of the built-in collections, {Clients:N0} clients that were never looked at", Seconds(first), "–");
        for (var n = 0; n < Advertisements; n++)
            await site.Get<CollectionAdministration>().CreateAsync(new CollectionCreate($"C{n}", $"id is known and not host = \"nobody-{n}\""), cancellationToken);
        await PublishAsync();
        var again = await Cost.OfAsync(() => evaluator.PassAsync(cancellationToken));
        yield return new Figure($"a pass over {Advertisements + 3} collections of {Clients:N0} clients in which nothing has changed", Seconds(again), "–");

        await site.Get<SiteContext>().Database.WriteAsync(async transaction =>
        {
            await transaction.Connection!.ExecuteAsync("insert into content_package values ('pkgaaaaa', 'Bench', 'BENCH', 1, 1, 0)", null, transaction);
            await transaction.Connection!.ExecuteAsync("insert into content_version values ('pkgaaaaa', 1, 1, 1, 1, '', @manifest, null, 0)", new { manifest = "{}"u8.ToArray() }, transaction);
        }, cancellationToken);
        await site.Get<ProgramAdministration>().CreateAsync(new ProgramCreate("Bench", Rules: ProgramAdministration.Defaults("install") with { Command = ["setup.sh"] }), cancellationToken);
        var advertisements = site.Get<AdvertisementAdministration>();
        var ids = new List<string>();
        var making = await Cost.OfAsync(async () =>
        {
            for (var n = 0; n < Advertisements; n++)
                ids.Add((await advertisements.CreateAsync(new AdvertisementCreate("Bench", $"C{n}", Confirmed: true), cancellationToken)).AdvertisementId!);
        });
        var published = await Cost.OfAsync(PublishAsync);
        yield return new Figure($"{Clients:N0} clients × {Advertisements} advertisements: made, all policies compiled, signed and on a folder CAP", $"{Text(making.WallSeconds + published.WallSeconds)} s, of which making {Text(making.WallSeconds)} s", "≤ 30 s");

        var before = await FilesAsync();
        var edit = await Cost.OfAsync(async () =>
        {
            await advertisements.EditAsync(ids[7], new AdvertisementEdit(Rules: new AdvertisementRules(Priority: 9)), cancellationToken);
            await PublishAsync();
        });
        yield return new Figure("one of them edited, signed and on the CAP", $"{Text(edit.WallSeconds)} s, {await FilesAsync() - before} new files", "≤ 1 s, only what it must");
        var list = await Cost.OfAsync(() => site.Get<OfferReader>().ListAsync(cancellationToken));
        yield return new Figure($"the list of {Advertisements} advertisements with their funnels", Seconds(list), "–");
        var show = await Cost.OfAsync(() => site.Get<OfferReader>().ShowAsync(ids[7], cancellationToken));
        yield return new Figure("one advertisement with funnel, causes and curve", Seconds(show), "–");

        async Task PublishAsync()
        {
            site.Get<Publisher>().Changed(PublishUrgency.Now);
            await site.Get<Publisher>().PassAsync(cancellationToken);
        }

        Task<long> FilesAsync() => site.Get<SiteContext>().Database.ReadAsync(connection => connection.ExecuteScalarAsync<long>("select count(*) from published_file"), cancellationToken);
    }

    private static string Seconds(Cost cost) => $"{Text(cost.WallSeconds)} s";

    private static string Text(double seconds) => seconds.ToString("0.00", CultureInfo.InvariantCulture);
}
