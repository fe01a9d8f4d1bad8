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
        yield return new Figure($"{Clients:N0} clients × {Advertisements} advertisements: made, all policies compiled, signed and on a folder CAP", $"{Seconds(making with { WallSeconds = making.WallSeconds + published.WallSeconds, CpuSeconds = making.CpuSeconds + published.CpuSeconds })}, of which making {Seconds(making)}", "≤ 30 s");

        var before = await FilesAsync();
        var edit = await Cost.OfAsync(async () =>
        {
            await advertisements.EditAsync(ids[7], new AdvertisementEdit(Rules: new AdvertisementRules(Priority: 9)), cancellationToken);
            await PublishAsync();
        });
        yield return new Figure("one of them edited, signed and on the CAP", $"{Seconds(edit)}, {await FilesAsync() - before} new files", "≤ 1 s, only what it must");
        var list = await Cost.OfAsync(() => site.Get<OfferReader>().ListAsync(cancellationToken));
        yield return new Figure($"the list of {Advertisements} advertisements with their funnels", Seconds(list), "–");
        var show = await Cost.OfAsync(() => site.Get<OfferReader>().ShowAsync(ids[7], cancellationToken));
        yield return new Figure("one advertisement with funnel, causes and curve", Seconds(show), "–");

        await foreach (var figure in ReportedAsync(site, cancellationToken))
            yield return figure;

        async Task PublishAsync()
        {
            site.Get<Publisher>().Changed(PublishUrgency.Now);
            await site.Get<Publisher>().PassAsync(cancellationToken);
        }

        Task<long> FilesAsync() => site.Get<SiteContext>().Database.ReadAsync(connection => connection.ExecuteScalarAsync<long>("select count(*) from published_file"), cancellationToken);
    }

    /// <summary>200 advertisements of 20,000 devices each, all reported: what a list costs, and one report in which nothing has changed.</summary>
    private static async IAsyncEnumerable<Figure> ReportedAsync(BusySite site, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var database = site.Get<SiteContext>().Database;
        await database.WriteAsync(async transaction =>
        {
            var connection = transaction.Connection!;
            await connection.ExecuteAsync("update advertisement set collection_id = 1", null, transaction);
            await connection.ExecuteAsync(
                """
                with recursive n(i) as (select 1 union all select i + 1 from n where i < 150)
                insert into advertisement select 'x' || (1000 + i), a.name, a.package_id, a.program_key, a.package_version, 1, a.document, a.revision, a.state, a.expires_at, a.halt_at, a.counts_from, 0, a.created_at, a.changed_at, null
                from n join (select * from advertisement order by advertisement_id limit 1) a
                """, null, transaction);
            await connection.ExecuteAsync(
                """
                with recursive n(i) as (select 1 union all select i + 1 from n where i < 10000)
                insert into device (number, device_id, key_id, signing_key, sealing_key, bin, state, install_nonce, host_name, search_text, requested_at, record_hash, approved_at)
                select 1000000 + i, 'zz' || (100000 + i), 'key' || i, '', '', '00', 'approved', '', 'pc' || i, '', 0, '', 1 from n
                """, null, transaction);
            await connection.ExecuteAsync("insert into collection_member select 1, number, 2 from device where number > 1000000", null, transaction);
            await connection.ExecuteAsync("update collection set members = (select count(*) from collection_member where collection_id = 1) where collection_id = 1", null, transaction);
            await connection.ExecuteAsync("update device set offers_behind = 0", null, transaction);
            await connection.ExecuteAsync(
                """
                insert into advertisement_state (advertisement_id, device_number, revision, state, since, run_number, reported_at, at_received, at_content, at_run, at_end, heard_end)
                select a.advertisement_id, d.number, 1, 'succeeded', 1, 1, 1, 1, 1, 1, 1, 1 from advertisement a, device d where d.state = 'approved'
                """, null, transaction);
            foreach (var id in (await connection.QueryAsync<string>("select advertisement_id from advertisement", null, transaction)).ToList())
                await OfferCounts.RecountAsync(transaction, id);
        }, cancellationToken);
        await site.Get<OfferReader>().ListAsync(cancellationToken);
        var list = await Cost.OfAsync(() => site.Get<OfferReader>().ListAsync(cancellationToken));
        yield return new Figure("the list of 200 advertisements of 20,000 devices each, all reported", Seconds(list), "≤ 0.2 s");
    }

    private static string Seconds(Cost cost) => $"{Text(cost.WallSeconds)} s ({Text(cost.CpuSeconds)} s of processor time)";

    private static string Text(double seconds) => seconds.ToString("0.00", CultureInfo.InvariantCulture);
}
