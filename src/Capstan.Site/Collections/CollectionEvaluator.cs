using System.Data.Common;
using Capstan.Site.Api;
using Capstan.Site.Distribution.Offers;
using Capstan.Site.Publish;
using Capstan.Site.Status;
using Capstan.Site.Store;
using Microsoft.Extensions.Logging;

namespace Capstan.Site.Collections;

/// <summary>Keeps the members of every collection: when devices have told something new, when a collection changes, and every ten minutes, since time alone changes some.</summary>
/// <remarks>
/// Fails closed: where a query cannot be read or run, or would bring so many that an administrator has to confirm it (<see cref="CollectionHold"/>), the members by query stay as they were, and the collection says why.
/// The policies that a change changes are put on the list to publish in its transaction.
/// Thread-safe.
/// </remarks>
internal sealed class CollectionEvaluator(SiteContext site, Publisher publisher, CycleHealth health, ILogger<CollectionEvaluator> logger)
{
    public static readonly TimeSpan Interval = TimeSpan.FromMinutes(10);
    /// <summary>Between two passes; longer where a pass is slow, so that it takes at most a twentieth of the time.</summary>
    private static readonly TimeSpan Shortest = TimeSpan.FromSeconds(2);

    private readonly Signal _signal = new();

    /// <summary>Devices have told something, or were approved or retired.</summary>
    public void Changed() => _signal.Set();

    public Task RunAsync(CancellationToken cancellationToken) => new Cycle("collections", site, health, logger).RunAsync(async () =>
    {
        var started = site.Time.GetTimestamp();
        await PassAsync(cancellationToken);
        var pause = site.Time.GetElapsedTime(started) * 20;
        await Task.Delay(pause < Shortest ? Shortest : pause > Interval ? Interval : pause, site.Time, cancellationToken);
        await _signal.WaitAsync(Interval, site.Time, cancellationToken);
    }, cancellationToken);

    /// <summary>Evaluates all collections. One that cannot be evaluated holds up no other. Who would change is found out beside other writers; then all that do change in one transaction, so that no policy is signed between a client's leaving one collection and its coming to another.</summary>
    public async Task PassAsync(CancellationToken cancellationToken)
    {
        await RefreshAsync(cancellationToken);
        var now = site.Time.GetUtcNow();
        var (due, stale) = await site.Database.ReadAsync(connection => DueAsync(connection, now), cancellationToken);
        if (due.Count + stale.Count == 0)
            return;
        var policies = await site.Database.WriteAsync(async transaction =>
        {
            await CollectionStore.StillAsync(transaction, stale, now);
            var changed = 0;
            foreach (var id in due)
                changed += await EvaluateAsync(transaction, id, isGuarded: true);
            return changed;
        }, cancellationToken);
        if (policies > 0)
            publisher.Changed(PublishUrgency.Enrolment);
    }

    /// <summary>Brings what queries look at in step with what devices have told, a page in each transaction. Writes nothing when it is.</summary>
    public async Task RefreshAsync(CancellationToken cancellationToken)
    {
        if (!await site.Database.ReadAsync(DeviceFacts.AreStaleAsync, cancellationToken))
            return;
        int changed;
        do
        {
            (changed, var policies) = await site.Database.WriteAsync(async transaction =>
            {
                var (some, added) = await Newcomers.JoinAsync(transaction, site.Time.GetUtcNow());
                return (some, added.Count == 0 ? 0 : await PolicyContents.SettleAsync(transaction, added));
            }, cancellationToken);
            if (policies > 0)
                publisher.Changed(PublishUrgency.Enrolment);
        }
        while (changed == DeviceFacts.Page);
    }

    /// <summary>Evaluates one, within a transaction.</summary>
    /// <param name="isGuarded">Nobody has confirmed what comes of it: see <see cref="CollectionHold"/>.</param>
    /// <returns>How many policies are to be signed.</returns>
    public async Task<int> EvaluateAsync(DbTransaction transaction, long id, bool isGuarded)
    {
        if (await CollectionStore.FindAsync(transaction, id) is not { } row)
            return 0;
        var connection = transaction.Connection!;
        var now = site.Time.GetUtcNow();
        var before = await CollectionStore.MembershipAsync(connection, transaction, id);
        var named = await CollectionStore.StaticAsync(connection, transaction, id);
        var (selected, error) = await SelectAsync(connection, transaction, row, before, now);
        if (error is not null && error != row.Error)
            SiteLog.CollectionFailed(logger, row.Name, error);
        var isCounted = isGuarded && error is null && await ReachGuard.CarriesAsync(transaction, id, now);
        var (came, since) = isCounted && Times.Of(now) - row.CameSince < (long)CollectionHold.Window.TotalMilliseconds ? (row.Came, row.CameSince) : (0, 0);
        CollectionHold? hold = null;
        if (isCounted)
        {
            var coming = await CollectionStore.OlderAsync(transaction, selected.Where(number => !before.ContainsKey(number) && !named.Contains(number)), now - CollectionHold.Window);
            hold = CollectionHold.Of(coming, came, await RemovalsAsync(transaction, id, before.Keys.Where(number => !selected.Contains(number) && !named.Contains(number)), before.Count), before.Count, AdvertisementCreate.Unasked);
            if (hold is not null)
                selected = await KeptAsync(connection, transaction, before);
            else if (coming > 0)
                (came, since) = (came + coming, came == 0 ? Times.Of(now) : since);
        }
        var after = After(named, selected);
        List<long> joined = [], left = [];
        foreach (var number in before.Keys.Concat(after.Keys).Distinct().Order())
        {
            var why = after.GetValueOrDefault(number);
            if (why == before.GetValueOrDefault(number))
                continue;
            await CollectionStore.SaveMemberAsync(transaction, id, number, why);
            if (why == MemberWhy.None)
                left.Add(number);
            else if (!before.ContainsKey(number))
                joined.Add(number);
        }
        if (hold is not null && row.HeldSince is null)
            SiteLog.CollectionHeld(logger, row.Name, hold.Coming, hold.Removals);
        var next = row with
        {
            Members = after.Count,
            Came = came,
            CameSince = since,
            HeldSince = hold is null ? null : row.HeldSince ?? Times.Of(now),
            HeldComing = hold?.Coming ?? 0,
            HeldRemovals = hold?.Removals ?? 0,
            Error = error,
        };
        // What nobody reads is not written: a pass that finds nothing new costs no disk.
        if (next != row || IsStale(row, now))
            await CollectionStore.EvaluatedAsync(transaction, next, error is null ? Times.Of(now) : row.EvaluatedAt);
        if (joined.Count + left.Count == 0)
            return 0;
        await OfferCounts.MovedAsync(transaction, id, joined, left);
        return await PolicyContents.SettleAsync(transaction, [.. joined, .. left]);
    }

    private static bool IsStale(CollectionRow row, DateTimeOffset now) => row.EvaluatedAt is null || Times.Of(now) - row.EvaluatedAt >= (long)Interval.TotalMilliseconds;

    private static Dictionary<long, MemberWhy> After(IReadOnlySet<long> named, IReadOnlySet<long> selected) =>
        named.Concat(selected).Distinct().ToDictionary(number => number, number => (named.Contains(number) ? MemberWhy.Name : MemberWhy.None) | (selected.Contains(number) ? MemberWhy.Query : MemberWhy.None));

    /// <summary>Which collections would change, and of the others those that were not looked at for long.</summary>
    private static async Task<(IReadOnlyList<long> Due, IReadOnlyList<long> Stale)> DueAsync(DbConnection connection, DateTimeOffset now)
    {
        List<long> due = [], stale = [];
        foreach (var row in await CollectionStore.AllAsync(connection, null))
        {
            var before = await CollectionStore.MembershipAsync(connection, null, row.CollectionId);
            var (selected, error) = await SelectAsync(connection, null, row, before, now);
            var after = After(await CollectionStore.StaticAsync(connection, null, row.CollectionId), selected);
            if (error != row.Error || row.HeldSince is not null || after.Count != before.Count || after.Any(member => before.GetValueOrDefault(member.Key) != member.Value))
                due.Add(row.CollectionId);
            else if (error is null && IsStale(row, now))
                stale.Add(row.CollectionId);
        }
        return (due, stale);
    }

    /// <summary>Whom the query selects. Where it cannot be read or run: whom it selected before, and why.</summary>
    private static async Task<(IReadOnlySet<long> Selected, string? Error)> SelectAsync(DbConnection connection, DbTransaction? transaction, CollectionRow row, IReadOnlyDictionary<long, MemberWhy> before, DateTimeOffset now)
    {
        try
        {
            return (row.Query is null ? new HashSet<long>() : await CollectionStore.SelectAsync(connection, transaction, QuerySql.Compile(QueryParser.Parse(row.Query)), await CollectionStore.ReadUntilAsync(connection, transaction, now)), null);
        }
        catch (Exception cause) when (cause is QueryException || (cause is DbException data && !Dialect.IsDiskFull(data)))
        {
            return (await KeptAsync(connection, transaction, before), cause.Message);
        }
    }

    /// <summary>Members by query that are still clients.</summary>
    private static async Task<IReadOnlySet<long>> KeptAsync(DbConnection connection, DbTransaction? transaction, IReadOnlyDictionary<long, MemberWhy> before)
    {
        var approved = await CollectionStore.ApprovedAsync(connection, transaction);
        return before.Where(member => member.Value.HasFlag(MemberWhy.Query) && approved.Contains(member.Key)).Select(member => member.Key).ToHashSet();
    }

    /// <summary>How many of those that would leave take away what was installed; not counted where they are too few to be asked about.</summary>
    private static async Task<int> RemovalsAsync(DbTransaction transaction, long id, IEnumerable<long> leaving, int members)
    {
        var some = leaving.ToList();
        return !CollectionHold.IsMuch(some.Count, members, AdvertisementCreate.Unasked) ? 0 : (await ReachGuard.RemovalsAsync(transaction, id, some)).Count;
    }
}
