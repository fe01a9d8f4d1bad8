using System.Data.Common;
using Capstan.Protocol.V1;
using Capstan.Site.Api;
using Capstan.Site.Collections;
using Capstan.Site.Publish;
using Capstan.Site.Store;

namespace Capstan.Site.Distribution.Offers;

/// <summary>Makes, changes, halts and ends advertisements. A change of the offer signs one target; a change of whom it reaches signs only the policies of those who come or go.</summary>
internal sealed class AdvertisementAdministration(SiteContext site, OfferCounts counts, CollectionStore collections, Publisher publisher)
{
    /// <summary>Most advertisements of a site: a device reports twice as many, those that it removes included.</summary>
    public const int Most = ProgramsReport.MaxAdvertisements / 2;

    /// <exception cref="SiteException"><c>package_unknown</c>, <c>program_unknown</c>, <c>collection_unknown</c>, <c>bad_advertisement</c>, <c>needs_confirmation</c>.</exception>
    public Task<AdvertisementSaved> CreateAsync(AdvertisementCreate request, CancellationToken cancellationToken) => ChangeAsync(request.DryRun, async transaction =>
    {
        var (package, program) = await OfferBuilder.FindAsync(transaction, request.Program);
        var collection = await RequireCollectionAsync(transaction, request.Collection);
        if (await OfferStore.CountAsync(transaction) >= Most)
            throw new SiteException($"A site has at most {Most} advertisements: remove what is done with.", "bad_advertisement");
        var now = site.Time.GetUtcNow();
        TermRules.CheckGiven(request.Rules, null, now);
        var document = Apply(new Advertisement
        {
            SiteCode = site.Site.SiteCode,
            AdvertisementId = ObjectId.New(),
            Revision = OfferRules.NextRevision(0, now),
            Name = request.Name ?? $"{package.Name}/{program.Name}",
            Offer = await OfferBuilder.BuildAsync(transaction, package.PackageId, program.Name, request.PackageVersion),
            Purpose = Advertisement.Required,
            State = Advertisement.Active,
            Priority = 0,
            OverSlowLinks = false,
            OverUnknownLinks = true,
        }, request.Rules);
        TermRules.CheckOrder(document, null, request.Rules, now);
        return new Change(document, package.PackageId, request.PackageVersion, null, collection, HaltAt(request.Rules, null), now, request.Confirmed);
    }, cancellationToken);

    /// <exception cref="SiteException"><c>advertisement_unknown</c>, and as <see cref="CreateAsync"/>.</exception>
    public Task<AdvertisementSaved> EditAsync(string id, AdvertisementEdit request, CancellationToken cancellationToken) => ChangeAsync(request.DryRun, async transaction =>
    {
        var row = await RequireAsync(transaction, id);
        var before = await CollectionStore.FindAsync(transaction, row.CollectionId);
        var collection = request.Collection is null ? before ?? throw Unknown(id) : await RequireCollectionAsync(transaction, request.Collection);
        if (row.State == AdvertisementRow.Ended)
            throw Ended(row);
        var known = row.Read();
        var now = site.Time.GetUtcNow();
        TermRules.CheckGiven(request.Rules, known, now);
        var version = request.PackageVersion switch
        {
            null => known.Offer.PackageVersion,
            0 => (long?)null,
            var given => given,
        };
        var offer = await OfferBuilder.BuildAsync(transaction, row.PackageId, row.ProgramKey, version, request.PackageVersion is null ? known.Offer : null);
        var isNew = !OfferRules.AreSameVersions(offer, known.Offer);
        var document = Apply(known with { Name = request.Name ?? known.Name, Offer = offer, Revision = OfferRules.NextRevision(known.Revision, now) }, request.Rules);
        var isHalted = row.State == Advertisement.Halted;
        if (request.Rules?.Rings is null)
            document = document with { Rings = Rings(document, known, isNew, isHalted ? Times.At(row.CountsFrom) : now, now) };
        TermRules.CheckOrder(document, known, request.Rules, now);
        // Another version starts the count of failures anew: those of the old one say nothing of it. While it is halted, times count from when they were set.
        var countsFrom = isNew || (isHalted && (request.Rules?.Rings is not null || request.Rules?.StartAt is not null)) ? now : Times.At(row.CountsFrom);
        return new Change(document, row.PackageId, request.PackageVersion is null ? row.PackageVersion : request.PackageVersion == 0 ? null : request.PackageVersion, before, collection, HaltAt(request.Rules, (int?)row.HaltAt), countsFrom, request.Confirmed, row);
    }, cancellationToken);

    /// <summary>Nothing more of it begins anywhere; what runs goes on.</summary>
    /// <exception cref="SiteException"><c>advertisement_unknown</c>, <c>already_halted</c>.</exception>
    public Task<AdvertisementSaved> HaltAsync(string id, string? because, CancellationToken cancellationToken) => StateAsync(id, Advertisement.Halted, string.IsNullOrWhiteSpace(because) ? "halted by an administrator" : because.Trim(), cancellationToken);

    /// <summary>It goes on; machines that ended before count no more for the limit of failures.</summary>
    /// <exception cref="SiteException"><c>advertisement_unknown</c>, <c>not_halted</c>.</exception>
    public Task<AdvertisementSaved> ResumeAsync(string id, CancellationToken cancellationToken) => StateAsync(id, Advertisement.Active, null, cancellationToken);

    /// <summary>Takes it back: nobody is offered it any more, and where its program has a removal, that runs. What was reported of it is kept. Or, to keep what it has done, ends it: it stays listed, has expired, and removes nothing.</summary>
    /// <exception cref="SiteException"><c>advertisement_unknown</c>, <c>advertisement_ended</c>, <c>needs_confirmation</c>.</exception>
    public async Task<AdvertisementSaved> RemoveAsync(string id, AdvertisementRemoval request, CancellationToken cancellationToken)
    {
        var (saved, removing) = await site.Database.WriteAsync<(AdvertisementSaved, IReadOnlyList<long>)>(async transaction =>
        {
            var row = await RequireAsync(transaction, id);
            var members = (await CollectionStore.MembersAsync(transaction, row.CollectionId)).ToList();
            var collection = (await CollectionStore.FindAsync(transaction, row.CollectionId))?.Name ?? "";
            var document = row.Read();
            var now = site.Time.GetUtcNow();
            if (request.Keep)
            {
                if (row.State == AdvertisementRow.Ended)
                    throw Ended(row);
                document = document with
                {
                    State = Advertisement.Active,
                    HaltedBecause = null,
                    ExpiresAt = now.ToUnixTimeSeconds(),
                    Offer = document.Offer with { Program = document.Offer.Program with { Removal = null } },
                    Revision = OfferRules.NextRevision(row.Revision, now),
                };
                if (!request.DryRun)
                    await OfferStore.SaveAsync(transaction, document, row.PackageId, row.PackageVersion, row.CollectionId, (int?)row.HaltAt, Times.At(row.CountsFrom), now, isEnded: true);
                return (new AdvertisementSaved(id, document.Revision, row.Name, Path(document), collection, members.Count, 0, 0, 0), []);
            }
            var removing = await ReachGuard.RemovalsAsync(transaction, row, members);
            if (request is { DryRun: false, Confirmed: false })
                ReachGuard.AskRemovals(removing.Count, "--dry-run");
            var policies = 0;
            if (!request.DryRun)
            {
                await OfferStore.EndAsync(transaction, id, now);
                policies = await PolicyContents.ChangedAsync(transaction, members);
            }
            return (new AdvertisementSaved(id, row.Revision, row.Name, Path(document), collection, 0, 0, members.Count, policies, Removals: removing.Count), [.. removing]);
        }, cancellationToken);
        if (request.DryRun)
            return saved with { Leaving = await MachinesAsync(removing, cancellationToken) };
        publisher.Changed(PublishUrgency.Enrolment);
        return saved;
    }

    /// <summary>Halts what has failed too often, each with its cause and a row in the audit log. What it counts is looked at once more in the transaction that halts: who resumed, changed or removed it meanwhile was faster.</summary>
    /// <returns>Which.</returns>
    public async Task<IReadOnlyList<(string Id, string Because)>> HaltFailingAsync(CancellationToken cancellationToken)
    {
        var halted = new List<(string, string)>();
        foreach (var id in await counts.FailingAsync(cancellationToken))
        {
            var because = await site.Database.WriteAsync(async transaction =>
            {
                if (await OfferStore.FindAsync(transaction, id) is not { State: Advertisement.Active } row)
                    return null;
                var (ended, failed) = await OfferCounts.EndedSinceAsync(transaction, id);
                if (HaltRule.Of(ended, failed, (int?)row.HaltAt) is not { } because)
                    return null;
                await SetStateAsync(transaction, row, Advertisement.Halted, because);
                await AuditStore.AddAsync(transaction, new AuditEntry("site", "local", "advertisement halt", $"{id}: {because}", 200), site.Time.GetUtcNow());
                return because;
            }, cancellationToken);
            if (because is null)
                continue;
            publisher.Changed(PublishUrgency.Enrolment);
            halted.Add((id, because));
        }
        return halted;
    }

    public static string Path(Advertisement document) => $"{document.Offer.PackageName}/{document.Offer.Program.Name}";

    private async Task<AdvertisementSaved> StateAsync(string id, string state, string? because, CancellationToken cancellationToken)
    {
        var saved = await site.Database.WriteAsync(async transaction =>
        {
            var row = await RequireAsync(transaction, id);
            if (row.State == AdvertisementRow.Ended)
                throw Ended(row);
            if (row.State == state)
                throw state == Advertisement.Halted
                    ? new SiteException($"{row.Name} is halted already.", "already_halted")
                    : new SiteException($"{row.Name} is not halted.", "not_halted");
            var document = await SetStateAsync(transaction, row, state, because);
            var collection = await CollectionStore.FindAsync(transaction, row.CollectionId);
            return new AdvertisementSaved(id, document.Revision, row.Name, Path(document), collection?.Name ?? "", (int)(collection?.Members ?? 0), 0, 0, 0, Rings: document.Rings);
        }, cancellationToken);
        publisher.Changed(PublishUrgency.Enrolment);
        return saved;
    }

    /// <returns>What was written.</returns>
    private async Task<Advertisement> SetStateAsync(DbTransaction transaction, AdvertisementRow row, string state, string? because)
    {
        var now = site.Time.GetUtcNow();
        var document = row.Read() with { State = state, HaltedBecause = because, Revision = OfferRules.NextRevision(row.Revision, now) };
        // What had not begun when it was halted is as far ahead as it was then.
        if (state == Advertisement.Active && document.Rings is { } rings)
            document = document with { Rings = OfferRules.Shift(rings, now - Times.At(row.CountsFrom), Times.At(row.CountsFrom)) };
        OfferBuilder.Encodable(document, "bad_advertisement");
        await OfferStore.SaveAsync(transaction, document, row.PackageId, row.PackageVersion, row.CollectionId, (int?)row.HaltAt, now, now);
        return document;
    }

    private async Task<AdvertisementSaved> ChangeAsync(bool isDry, Func<DbTransaction, Task<Change>> prepare, CancellationToken cancellationToken)
    {
        var (saved, coming, leaving) = await site.Database.WriteAsync(async transaction =>
        {
            var change = await prepare(transaction);
            OfferBuilder.Encodable(change.Document, "bad_advertisement");
            var old = change.Before is null ? new HashSet<long>() : await CollectionStore.MembersAsync(transaction, change.Before.CollectionId);
            var now = await CollectionStore.MembersAsync(transaction, change.Collection.CollectionId);
            var (coming, leaving) = (now.Except(old).ToList(), old.Except(now).ToList());
            var removing = change.Known is null ? new HashSet<long>() : await ReachGuard.RemovalsAsync(transaction, change.Known, leaving);
            if (!isDry && !change.Confirmed)
            {
                if (change.Collection.Error is { } error && change.Before?.CollectionId != change.Collection.CollectionId)
                    throw new SiteException($"The query of {change.Collection.Name} cannot be evaluated ({error}): its {now.Count} members are those of earlier. Mend it, or say --yes.", "needs_confirmation");
                ReachGuard.AskReach(change.IsRevived(site.Time.GetUtcNow()) ? now.Count : coming.Count, change.Collection.Name, "--dry-run");
                ReachGuard.AskRemovals(removing.Count, "--dry-run");
            }
            var policies = 0;
            if (!isDry)
            {
                await OfferStore.SaveAsync(transaction, change.Document, change.PackageId, change.PackageVersion, change.Collection.CollectionId, change.HaltAt, change.CountsFrom, site.Time.GetUtcNow());
                policies = await PolicyContents.ChangedAsync(transaction, coming.Concat(leaving));
            }
            return (new AdvertisementSaved(isDry && change.Before is null ? null : change.Document.AdvertisementId, change.Document.Revision, change.Document.Name, Path(change.Document), change.Collection.Name, now.Count, coming.Count, leaving.Count, policies, Removals: removing.Count, Rings: change.Document.Rings), coming, leaving);
        }, cancellationToken);
        if (isDry)
            return saved with { Coming = await MachinesAsync(coming, cancellationToken), Leaving = await MachinesAsync(leaving, cancellationToken) };
        publisher.Changed(PublishUrgency.Enrolment);
        return saved;
    }

    private async Task<IReadOnlyList<CollectionMember>> MachinesAsync(IReadOnlyList<long> numbers, CancellationToken cancellationToken) =>
        [.. (await collections.DevicesAsync(numbers, int.MaxValue, cancellationToken)).Select(row => new CollectionMember(row.DeviceId, row.HostName, $"{row.DeviceId[..4]}-{row.DeviceId[4..8]}", row.OperatingSystem, Times.At(row.LastSeen), null))];

    private static Advertisement Apply(Advertisement document, AdvertisementRules? rules) => rules is null ? document : document with
    {
        Purpose = rules.Purpose ?? document.Purpose,
        AvailableFrom = Time(rules.AvailableFrom, document.AvailableFrom),
        StartAt = Time(rules.StartAt, document.StartAt),
        Deadline = Time(rules.Deadline, document.Deadline),
        ExpiresAt = Time(rules.ExpiresAt, document.ExpiresAt),
        Recurrence = rules.Once ? null : rules.Recurrence ?? document.Recurrence,
        Priority = rules.Priority ?? document.Priority,
        Rings = rules.Rings is null ? document.Rings : rules.Rings.Count == 0 ? null : rules.Rings,
        OverSlowLinks = rules.OverSlowLinks ?? document.OverSlowLinks,
        OverUnknownLinks = rules.OverUnknownLinks ?? document.OverUnknownLinks,
    };

    /// <summary>The rings of an edit that says nothing of them: another version begins them anew, another start takes those along that had not begun.</summary>
    private static IReadOnlyList<RolloutRing>? Rings(Advertisement document, Advertisement known, bool isNew, DateTimeOffset begun, DateTimeOffset now)
    {
        if (document.Rings is not { } rings)
            return null;
        var start = document.StartAt is { } at ? DateTimeOffset.FromUnixTimeSeconds(at) : (DateTimeOffset?)null;
        if (isNew)
            return OfferRules.Anew(rings, start > now ? start.Value : now);
        return start is null || document.StartAt == known.StartAt ? rings : OfferRules.Shift(rings, start.Value - DateTimeOffset.FromUnixTimeSeconds(known.StartAt ?? rings[0].At), begun);
    }

    private static long? Time(long? given, long? known) => given switch
    {
        null => known,
        0 => null,
        var time => time,
    };

    private static int? HaltAt(AdvertisementRules? rules, int? known) => rules?.HaltAt switch
    {
        null => known,
        0 => null,
        >= 1 and <= 100 and var percent => percent,
        _ => throw new SiteException("The limit of failures is 1 to 100 percent, or 0 for none.", "bad_advertisement"),
    };

    private static async Task<AdvertisementRow> RequireAsync(DbTransaction transaction, string id) => await OfferStore.FindAsync(transaction, id) ?? throw Unknown(id);

    private static async Task<CollectionRow> RequireCollectionAsync(DbTransaction transaction, string name) =>
        await CollectionStore.FindAsync(transaction, name) ?? throw new SiteException($"There is no collection {name}; `capstan collection list` shows all.", "collection_unknown");

    private static SiteException Ended(AdvertisementRow row) => new($"{row.Name} was ended: advertise its program anew.", "advertisement_ended");

    private static SiteException Unknown(string id) => new($"There is no advertisement {id}; `capstan advertisement list` shows all.", "advertisement_unknown");

    /// <summary>What is to be written: the document, and whom it reaches.</summary>
    private sealed record Change(Advertisement Document, string PackageId, long? PackageVersion, CollectionRow? Before, CollectionRow Collection, int? HaltAt, DateTimeOffset CountsFrom, bool Confirmed, AdvertisementRow? Known = null)
    {
        /// <summary>It had expired, and begins again: its collection may have grown meanwhile without a question.</summary>
        public bool IsRevived(DateTimeOffset now) => Known is { ExpiresAt: { } expired } && expired <= now.ToUnixTimeSeconds() && !(Document.ExpiresAt <= now.ToUnixTimeSeconds());
    }
}
