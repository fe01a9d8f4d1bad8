using Capstan.Protocol.V1;
using Capstan.Site.Api;
using Capstan.Site.Distribution.Offers;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Capstan.Testing;

/// <summary>Collections, software and advertisements of a canned site: of one in use some of each, with what a hostile client says; of a new one none but the built-in collection.</summary>
public static class CannedOffers
{
    public const string AdvertisementId = "k3fq7zbm";

    /// <summary>Of one that goes on: one client more has succeeded each time it is read.</summary>
    public const string RunningId = "live2345";

    internal static void Map(RouteGroupBuilder api, CannedRecords records)
    {
        var isBusy = records.Clients.Count > 0;
        IReadOnlyList<CollectionSummary> collections = isBusy
            ? [All(records.Clients.Count), new("Lab", "host startsWith \"LAB-\" or model = \"<b>\"", 5, 2, false, CannedRecords.Noon.AddDays(-3), CannedRecords.Noon.AddMinutes(-4), "Column 1: there is no attribute 'colour'."),
                new("Branch offices", "address in \"10.20.0.0/16\" and os startsWith \"Debian\"", 0, 480, false, CannedRecords.Noon.AddDays(-30), CannedRecords.Noon.AddMinutes(-4), null, new CollectionHeld(CannedRecords.Noon.AddHours(-3), 12, 431))]
            : [All(0)];
        api.MapGet("/collections", () => Results.Json(collections, ApiJson.Default.IReadOnlyListCollectionSummary));
        api.MapGet("/collections/{name}", (string name) => collections.FirstOrDefault(row => row.Name == name) is { } row ? Results.Json(row, ApiJson.Default.CollectionSummary) : CannedSite.Refused(404, "collection_unknown", $"There is no collection {name}."));
        api.MapGet("/collections/{name}/members", () => Results.Json(new Page<CollectionMember>([.. records.Clients.Take(2).Select(client => new CollectionMember(client.Summary.DeviceId, client.Summary.HostName, client.Summary.Fingerprint, client.Summary.OperatingSystem, client.Summary.LastSeen, "both"))], null), ApiJson.Default.PageCollectionMember));
        api.MapGet("/packages", () => Results.Json<IReadOnlyList<PackageRow>>(isBusy ? [new("pkgaaaaa", "Firefox", 2, 2, 133_000_000, 1_812, CannedRecords.Noon.AddDays(-2), null), new("pkgbbbbb", "<script>alert(2)</script>", 1, 1, 12, 1, CannedRecords.Noon, new NativeFile("deb", "hello", "2.10-3", "amd64", "hello.deb"))] : [], ApiJson.Default.IReadOnlyListPackageRow));
        api.MapGet("/programs", () => Results.Json<IReadOnlyList<ProgramSummary>>(isBusy ? [new("pkgaaaaa", "Firefox", Rules, "Runtime/setup", 1, CannedRecords.Noon.AddDays(-2), CannedRecords.Noon.AddDays(-1))] : [], ApiJson.Default.IReadOnlyListProgramSummary));
        api.MapGet("/advertisements", () => Results.Json<IReadOnlyList<AdvertisementSummary>>(isBusy ? [Running(records, 20), Summary(records)] : [], ApiJson.Default.IReadOnlyListAdvertisementSummary));
        var reads = 0;
        api.MapGet("/advertisements/{id}", (string id) => id == RunningId
            ? Results.Json(new AdvertisementDetail(Running(records, 20 + Interlocked.Increment(ref reads)), Document with { AdvertisementId = RunningId, State = Advertisement.Active, HaltedBecause = null }, [new("running", null, 7, null), new("waiting", "window", 42, "outside its maintenance window 22:00-06:00")], Curve(20 + reads)), ApiJson.Default.AdvertisementDetail)
            : id == AdvertisementId
            ? Results.Json(new AdvertisementDetail(Summary(records), Document, [new("succeeded", null, 96, null), new("failed", "exit-code", 3, "exit code 5: <img src=x onerror=alert(1)>"), new("no-policy", null, 12, null)], Curve(96)), ApiJson.Default.AdvertisementDetail)
            : CannedSite.Refused(404, "advertisement_unknown", $"There is no advertisement {id}."));
        api.MapGet("/advertisements/{id}/clients", (string? state) => Results.Json(new Page<AdvertisementClient>([.. States(records).Where(row => state is null || row.State == state)], null), ApiJson.Default.PageAdvertisementClient));
        api.MapGet("/why", (string client, string advertisement) => Results.Json(new WhyDocument(advertisement, "Firefox/install", client, CannedRecords.HostileName, $"It has failed: exit code 5: {CannedRecords.HostileName}", "it is tried again", CannedRecords.Noon.AddHours(1),
            [new("member", true, "In collection All Systems by its query: id is known"), new("content", null, "Nothing was said of its content yet."), new("run", false, $"Run 2 failed, exit code 5; it said: {CannedRecords.HostileName}")]), ApiJson.Default.WhyDocument));
        api.MapGet("/clients/{id}/advertisements", (string id) => Results.Json<IReadOnlyList<AdvertisementClient>>([.. States(records).Where(row => row.DeviceId == id)], ApiJson.Default.IReadOnlyListAdvertisementClient));
    }

    private static ProgramRules Rules { get; } = ProgramAdministration.Defaults("install") with { Command = ["setup.sh", "--quiet"] };

    private static Advertisement Document { get; } = new()
    {
        SiteCode = "ABC",
        AdvertisementId = AdvertisementId,
        Revision = 4,
        Name = "Firefox/install",
        Offer = new ProgramOffer { PackageId = "pkgaaaaa", PackageVersion = 2, PackageName = "Firefox", Program = Rules },
        Purpose = Advertisement.Required,
        State = Advertisement.Halted,
        HaltedBecause = "12 of 96 machines that finished have failed (12.5 %; the limit is 10 %)",
        Rings = [new RolloutRing(5, CannedRecords.Noon.AddDays(-2).ToUnixTimeSeconds()), new RolloutRing(100, CannedRecords.Noon.AddDays(1).ToUnixTimeSeconds())],
        Recurrence = new Recurrence { MinuteOfDay = 1_350, DaysOfWeek = [1, 4], TimeZone = Recurrence.Local },
        Deadline = CannedRecords.Noon.AddDays(5).ToUnixTimeSeconds(),
        Priority = 10,
        OverSlowLinks = false,
        OverUnknownLinks = true,
    };

    private static CollectionSummary All(int members) => new("All Systems", "id is known", 0, members, true, CannedRecords.Noon.AddDays(-9), CannedRecords.Noon, null);

    private static AdvertisementSummary Summary(CannedRecords records) => new(AdvertisementId, "Firefox/install", "Firefox/install", "Firefox", 2, "All Systems", Document.Purpose, Document.State, Document.HaltedBecause, 4, 10, CannedRecords.Noon.AddDays(-2),
        CannedRecords.Noon.AddHours(-1), null, new AdvertisementFunnel(records.Clients.Count, 131, 118, 108, 96, 12, 1, 9));

    private static AdvertisementSummary Running(CannedRecords records, int succeeded) => Summary(records) with
    {
        AdvertisementId = RunningId,
        Name = "Printer drivers of the branch offices, second attempt/install-for-all-models",
        State = "active",
        HaltedBecause = null,
        Funnel = new AdvertisementFunnel(144, 131, 118, 60, succeeded, 2, 7, 42),
    };

    private static IEnumerable<AdvertisementClient> States(CannedRecords records)
    {
        foreach (var client in records.Clients.Take(2))
            yield return new AdvertisementClient(AdvertisementId, "Firefox/install", client.Summary.DeviceId, client.Summary.HostName, "failed", "exit-code", $"exit code 5: {CannedRecords.HostileName}", CannedRecords.Noon.AddHours(-3),
                CannedRecords.Noon.AddHours(1), 133_000_000, 133_000_000, @"LOCAL:\\srv\cap\", 2, ProgramRun.Failure, 5, "no room\n", CannedRecords.Noon.AddHours(-3), CannedRecords.Noon.AddHours(-3), CannedRecords.Noon.AddHours(-2));
        foreach (var client in records.Clients.Skip(4).Take(20))
            yield return new AdvertisementClient(AdvertisementId, "Firefox/install", client.Summary.DeviceId, client.Summary.HostName, "no-policy", null, null, null, null, null, null, null, null, null, null, null, null, null, null);
    }

    /// <summary>As roll-outs go: slow, steep, slow.</summary>
    private static IReadOnlyList<CurvePoint> Curve(int succeeded) => [.. Enumerable.Range(1, OfferCurve.Points).Select(n =>
    {
        var share = 1 / (1 + Math.Exp(-(n - 30) / 6.0));
        return new CurvePoint(CannedRecords.Noon.AddHours((n - OfferCurve.Points) * 0.8).ToUnixTimeSeconds(), 144, (int)(131 * Math.Min(1, share * 1.4)), (int)(118 * Math.Min(1, share * 1.15)), (int)(108 * share), (int)(succeeded * share), (int)(12 * Math.Max(0, share - 0.1)));
    })];
}
