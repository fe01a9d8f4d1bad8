using System.Data.Common;
using System.Globalization;
using Capstan.Site.Publish;
using Capstan.Site.Status;
using Capstan.Site.Store;
using Microsoft.Extensions.Logging;

namespace Capstan.Site.Collections;

/// <summary>Keeps the members of every collection: when devices have told something new, when a collection changes, and every ten minutes, since time alone changes some.</summary>
/// <remarks>
/// Fails closed: where a query cannot be read or run, the members by query stay as they were, and the collection says why. Each collection is evaluated in a transaction of its own, in which the policies that its changes change are put on the list to publish.
/// Thread-safe.
/// </remarks>
internal sealed class CollectionEvaluator(SiteContext site, CollectionStore store, Publisher publisher, CycleHealth health, ILogger<CollectionEvaluator> logger)
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

    /// <summary>Evaluates all collections. One that cannot be evaluated holds up no other.</summary>
    public async Task PassAsync(CancellationToken cancellationToken)
    {
        await RefreshAsync(cancellationToken);
        foreach (var id in await store.IdsAsync(cancellationToken))
        {
            var policies = 0;
            try
            {
                policies = await site.Database.WriteAsync(transaction => EvaluateAsync(transaction, id), cancellationToken);
            }
            catch (DbException cause) when (!Dialect.IsDiskFull(cause))
            {
                SiteLog.CollectionFailed(logger, id.ToString(CultureInfo.InvariantCulture), cause.Message);
            }
            if (policies > 0)
                publisher.Changed(PublishUrgency.Enrolment);
        }
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

    /// <summary>Evaluates one, within the transaction of a change to it.</summary>
    /// <returns>How many policies are to be signed.</returns>
    public async Task<int> EvaluateAsync(DbTransaction transaction, long id)
    {
        if (await CollectionStore.FindAsync(transaction, id) is not { } row)
            return 0;
        var now = site.Time.GetUtcNow();
        var before = await CollectionStore.MembershipAsync(transaction, id);
        var named = await CollectionStore.StaticAsync(transaction, id);
        IReadOnlySet<long> selected;
        string? error = null;
        try
        {
            selected = row.Query is null ? new HashSet<long>() : await CollectionStore.SelectAsync(transaction.Connection!, transaction,
                QuerySql.Compile(QueryParser.Parse(row.Query)), await CollectionStore.ReadUntilAsync(transaction.Connection!, transaction, now));
        }
        catch (Exception cause) when (cause is QueryException || (cause is DbException data && !Dialect.IsDiskFull(data)))
        {
            error = cause.Message;
            var approved = await CollectionStore.ApprovedAsync(transaction);
            selected = before.Where(member => member.Value.HasFlag(MemberWhy.Query) && approved.Contains(member.Key)).Select(member => member.Key).ToHashSet();
            if (error != row.Error)
                SiteLog.CollectionFailed(logger, row.Name, error);
        }
        var after = named.Concat(selected).Distinct().ToDictionary(number => number, number => (named.Contains(number) ? MemberWhy.Name : MemberWhy.None) | (selected.Contains(number) ? MemberWhy.Query : MemberWhy.None));
        var changed = new List<long>();
        foreach (var number in before.Keys.Concat(after.Keys).Distinct().Order())
        {
            var why = after.GetValueOrDefault(number);
            if (why == before.GetValueOrDefault(number))
                continue;
            await CollectionStore.SaveMemberAsync(transaction, id, number, why);
            if (why == MemberWhy.None || !before.ContainsKey(number))
                changed.Add(number);
        }
        // What nobody reads is not written: a pass that finds nothing new costs no disk.
        if (changed.Count > 0 || error != row.Error || row.EvaluatedAt is null || Times.Of(now) - row.EvaluatedAt >= (long)Interval.TotalMilliseconds)
            await CollectionStore.EvaluatedAsync(transaction, id, error, now);
        return changed.Count == 0 ? 0 : await PolicyContents.SettleAsync(transaction, changed);
    }
}
