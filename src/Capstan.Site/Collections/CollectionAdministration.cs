using System.Data.Common;
using Capstan.Site.Api;
using Capstan.Site.Distribution.Offers;
using Capstan.Site.Publish;
using Capstan.Site.Store;

namespace Capstan.Site.Collections;

/// <summary>Makes, changes and shows collections, and answers queries. Every change is evaluated at once, in its own transaction.</summary>
internal sealed class CollectionAdministration(SiteContext site, CollectionStore store, CollectionEvaluator evaluator, Publisher publisher) : IDisposable
{
    /// <summary>Most collections of a site: each pass evaluates them all.</summary>
    public const int Most = 500;

    /// <summary>Most machines that one answer lists.</summary>
    public const int MostRows = 1_000;

    private const int LongestName = 64, HighestPriority = 1_000;

    /// <summary>How long a question may take, and how long one waits for another to end.</summary>
    private static readonly TimeSpan LongestQuestion = TimeSpan.FromSeconds(20), LongestWait = TimeSpan.FromSeconds(10);

    /// <summary>Whoever may read may ask, and a question can cost the site a processor: one at a time.</summary>
    private readonly SemaphoreSlim _asks = new(1, 1);

    public void Dispose() => _asks.Dispose();

    public async Task<IReadOnlyList<CollectionSummary>> ListAsync(CancellationToken cancellationToken) =>
        [.. (await store.ListAsync(cancellationToken)).Select(Summary)];

    /// <exception cref="SiteException"><c>collection_unknown</c>.</exception>
    public async Task<CollectionSummary> ShowAsync(string name, CancellationToken cancellationToken) => Summary(await RequireAsync(name, cancellationToken));

    /// <exception cref="SiteException"><c>collection_unknown</c>.</exception>
    public async Task<IReadOnlyList<CollectionMember>> MembersAsync(string name, int offset, int limit, CancellationToken cancellationToken)
    {
        var row = await RequireAsync(name, cancellationToken);
        return [.. (await store.MembersAsync(row.CollectionId, offset, limit, cancellationToken)).Select(Member)];
    }

    /// <summary>Collections of a device, the strongest first.</summary>
    public async Task<IReadOnlyList<CollectionOfClient>> OfAsync(string deviceId, CancellationToken cancellationToken) =>
        [.. (await store.OfDeviceAsync(deviceId, cancellationToken)).Select(row => new CollectionOfClient(row.Name, By(row.Why)!))];

    /// <param name="request">With whole device ids.</param>
    /// <exception cref="SiteException"><c>bad_collection</c>, <c>bad_query</c>, <c>collection_exists</c>.</exception>
    public Task<CollectionSaved> CreateAsync(CollectionCreate request, CancellationToken cancellationToken)
    {
        var name = CheckName(request.Name);
        CheckPriority(request.Priority ?? 0);
        var query = Canonical(request.Query);
        return ChangeAsync(async transaction =>
        {
            if (await CollectionStore.FindAsync(transaction, name) is { } known)
                throw new SiteException($"There is a collection {known.Name}: `capstan collection edit` changes it.", "collection_exists");
            if (await CollectionStore.CountAsync(transaction) >= Most)
                throw new SiteException($"A site has at most {Most} collections.", "bad_collection");
            var id = await CollectionStore.AddAsync(transaction, name, query, request.Priority ?? 0, site.Time.GetUtcNow());
            foreach (var member in request.Members ?? [])
                await CollectionStore.AddStaticAsync(transaction, id, member);
            return (id, 0);
        }, isQuestionNew: query is not null, isConfirmed: true, cancellationToken);
    }

    /// <summary>What is null stays as it is; an empty query takes it away. Nothing but a confirmation lets in, or go, whom a hold keeps, also of a built-in collection.</summary>
    /// <exception cref="SiteException"><c>bad_collection</c>, <c>bad_query</c>, <c>collection_unknown</c>, <c>built_in</c>, <c>needs_confirmation</c>.</exception>
    public Task<CollectionSaved> EditAsync(string name, CollectionEdit request, CancellationToken cancellationToken)
    {
        CheckPriority(request.Priority ?? 0);
        var query = Canonical(request.Query);
        return ChangeAsync(async transaction =>
        {
            if (request is { Query: null, Priority: null, Confirmed: true } && await CollectionStore.FindAsync(transaction, name) is { } held)
                return (held.CollectionId, 0);
            var row = await RequireOwnAsync(transaction, name);
            await CollectionStore.ChangeAsync(transaction, row.CollectionId, request.Query is null ? row.Query : query, request.Priority ?? row.Priority);
            return (row.CollectionId, request.Priority is { } priority && priority != row.Priority ? await PolicyContents.SettleAsync(transaction) : 0);
        }, isQuestionNew: query is not null, request.Confirmed, cancellationToken);
    }

    /// <summary>Makes clients members by name, or no longer.</summary>
    /// <param name="change">With whole device ids.</param>
    /// <exception cref="SiteException"><c>collection_unknown</c>, <c>built_in</c>, <c>not_a_member</c>, <c>needs_confirmation</c>: then nothing was changed.</exception>
    public Task<CollectionSaved> MembersAsync(string name, CollectionMembersChange change, CancellationToken cancellationToken) => ChangeAsync(async transaction =>
    {
        var row = await RequireOwnAsync(transaction, name);
        foreach (var member in change.Add ?? [])
            await CollectionStore.AddStaticAsync(transaction, row.CollectionId, member);
        foreach (var member in change.Drop ?? [])
            await DropAsync(transaction, row, member);
        return (row.CollectionId, 0);
    }, isQuestionNew: false, change.Confirmed, cancellationToken);

    /// <summary>Takes members by name from one collection to another at once: what both are offered is never taken back in between.</summary>
    /// <param name="move">With whole device ids.</param>
    /// <exception cref="SiteException"><c>collection_unknown</c>, <c>bad_collection</c>, <c>built_in</c>, <c>not_a_member</c>, <c>needs_confirmation</c>: then nothing was changed.</exception>
    public async Task<CollectionMoved> MoveAsync(string name, CollectionMove move, CancellationToken cancellationToken)
    {
        await evaluator.RefreshAsync(cancellationToken);
        var moved = await site.Database.WriteAsync(async transaction =>
        {
            var (from, to) = (await RequireOwnAsync(transaction, name), await RequireOwnAsync(transaction, move.To));
            if (from.CollectionId == to.CollectionId)
                throw new SiteException($"{from.Name} is where they are.", "bad_collection");
            foreach (var client in move.Clients)
            {
                await DropAsync(transaction, from, client);
                await CollectionStore.AddStaticAsync(transaction, to.CollectionId, client);
            }
            // Before anything is asked: what the other collection is offered, too, is not removed.
            var left = await SettleAsync(transaction, from.CollectionId, isGuarded: !move.Confirmed);
            var came = await SettleAsync(transaction, to.CollectionId, isGuarded: !move.Confirmed);
            foreach (var settled in move.Confirmed ? [] : new[] { left, came })
                await ReachGuard.AskAsync(transaction, settled.Row, settled.Coming, settled.Leaving, site.Time.GetUtcNow());
            return new CollectionMoved(left.Saved, came.Saved);
        }, cancellationToken);
        if (moved.From.Clients + moved.To.Clients > 0)
            publisher.Changed(PublishUrgency.Enrolment);
        return moved;
    }

    /// <exception cref="SiteException"><c>collection_unknown</c>, <c>built_in</c>, <c>collection_in_use</c>.</exception>
    public async Task<CollectionSaved> RemoveAsync(string name, CancellationToken cancellationToken)
    {
        var (saved, policies) = await site.Database.WriteAsync(async transaction =>
        {
            var row = await RequireOwnAsync(transaction, name);
            var members = await CollectionStore.MembersAsync(transaction, row.CollectionId);
            if (await OfferStore.OfCollectionAsync(transaction, row.CollectionId) is { Count: > 0 } offers)
                throw new SiteException($"{row.Name} is offered {string.Join(", ", offers.Take(5))}: end that with `capstan advertisement remove`, or offer it to another collection, first.", "collection_in_use");
            await CollectionStore.RemoveAsync(transaction, row);
            var changed = await PolicyContents.SettleAsync(transaction, [.. members]);
            return (new CollectionSaved(row.Name, row.Query, 0, 0, members.Count, changed), changed);
        }, cancellationToken);
        if (policies > 0)
            publisher.Changed(PublishUrgency.Enrolment);
        return saved;
    }

    /// <summary>Which approved clients a query selects, as things are now.</summary>
    /// <exception cref="SiteException"><c>bad_query</c>.</exception>
    public async Task<QueryAnswer> QueryAsync(string text, int limit, CancellationToken cancellationToken)
    {
        var query = Parse(text);
        var (selected, _, _) = await AskAsync(query, null, cancellationToken);
        return new QueryAnswer(QueryText.Write(query), selected.Count, [.. (await store.DevicesAsync(selected, limit, cancellationToken)).Select(Member)]);
    }

    /// <summary>Who would come to a collection, and who would leave it, with another query.</summary>
    /// <param name="text">Null for the query that it has.</param>
    /// <exception cref="SiteException"><c>bad_query</c>, <c>collection_unknown</c>.</exception>
    public async Task<CollectionPreview> PreviewAsync(string name, string? text, CancellationToken cancellationToken)
    {
        var row = await RequireAsync(name, cancellationToken);
        var query = (text ?? row.Query) is { Length: > 0 } written ? Parse(written) : null;
        var (selected, members, named) = await AskAsync(query, row.CollectionId, cancellationToken);
        var after = selected.Union(named).ToHashSet();
        var (come, go) = (after.Except(members).ToList(), members.Except(after).ToList());
        return new CollectionPreview(row.Name, query is null ? null : QueryText.Write(query), after.Count, come.Count, go.Count,
            [.. (await store.DevicesAsync(come, MostRows, cancellationToken)).Select(Member)], [.. (await store.DevicesAsync(go, MostRows, cancellationToken)).Select(Member)]);
    }

    /// <exception cref="SiteException"><c>bad_query</c>.</exception>
    internal static Query Parse(string text)
    {
        try
        {
            return QueryParser.Parse(text);
        }
        catch (QueryException cause)
        {
            throw new SiteException(cause.Message, "bad_query", cause);
        }
    }

    private async Task<(IReadOnlySet<long> Selected, IReadOnlySet<long> Members, IReadOnlySet<long> Named)> AskAsync(Query? query, long? collection, CancellationToken cancellationToken)
    {
        if (!await _asks.WaitAsync(LongestWait, cancellationToken))
            throw new SiteException($"Another query is being answered for more than {LongestWait.TotalSeconds:0} s already; ask again.", "bad_query");
        try
        {
            await evaluator.RefreshAsync(cancellationToken);
            using var limit = new CancellationTokenSource(LongestQuestion, site.Time);
            using var until = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
            try
            {
                return await store.PreviewAsync(query is null ? null : QuerySql.Compile(query), collection, site.Time.GetUtcNow(), until.Token);
            }
            catch (OperationCanceledException) when (limit.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
            {
                throw new SiteException($"The query was ended after {LongestQuestion.TotalSeconds:0} s: patterns for packages that begin with * cost most; ask for less of them.", "bad_query");
            }
        }
        finally
        {
            _asks.Release();
        }
    }

    /// <param name="isQuestionNew">A query that cannot be evaluated is then refused, and nothing is changed.</param>
    private async Task<CollectionSaved> ChangeAsync(Func<DbTransaction, Task<(long Id, int Policies)>> change, bool isQuestionNew, bool isConfirmed, CancellationToken cancellationToken)
    {
        await evaluator.RefreshAsync(cancellationToken);
        var (saved, policies) = await site.Database.WriteAsync(async transaction =>
        {
            var (id, others) = await change(transaction);
            var settled = await SettleAsync(transaction, id, isGuarded: !isConfirmed && !isQuestionNew);
            if (isQuestionNew && settled.Row.Error is { } error)
                throw new SiteException(error, "bad_query");
            if (!isConfirmed)
                await ReachGuard.AskAsync(transaction, settled.Row, settled.Coming, settled.Leaving, site.Time.GetUtcNow());
            var clients = others + settled.Saved.Clients;
            return (settled.Saved with { Clients = clients }, clients);
        }, cancellationToken);
        if (policies > 0)
            publisher.Changed(PublishUrgency.Enrolment);
        return saved;
    }

    /// <summary>Finds the members anew after a change, and says who came and who left.</summary>
    private async Task<Settled> SettleAsync(DbTransaction transaction, long id, bool isGuarded)
    {
        var before = await CollectionStore.MembersAsync(transaction, id);
        var policies = await evaluator.EvaluateAsync(transaction, id, isGuarded);
        var after = await CollectionStore.MembersAsync(transaction, id);
        var row = (await CollectionStore.FindAsync(transaction, id))!;
        var (coming, leaving) = (after.Except(before).ToList(), before.Except(after).ToList());
        return new Settled(row, coming, leaving, new CollectionSaved(row.Name, row.Query, after.Count, coming.Count, leaving.Count, policies));
    }

    private static async Task DropAsync(DbTransaction transaction, CollectionRow row, string member)
    {
        if (!await CollectionStore.DropStaticAsync(transaction, row.CollectionId, member))
            throw new SiteException($"{member} is not a member of {row.Name} by name; members by the collection's query leave with the query.", "not_a_member");
    }

    private async Task<CollectionRow> RequireAsync(string name, CancellationToken cancellationToken) => await store.FindAsync(name, cancellationToken) ?? throw Unknown(name);

    private static async Task<CollectionRow> RequireOwnAsync(DbTransaction transaction, string name)
    {
        var row = await CollectionStore.FindAsync(transaction, name) ?? throw Unknown(name);
        return row.IsBuiltIn ? throw new SiteException($"{row.Name} is built in: it stays as it is. Make one of your own: `capstan collection create NAME --query \"{row.Query?.Replace("\"", "\\\"", StringComparison.Ordinal)}\"`.", "built_in") : row;
    }

    /// <summary>In the one written form, which may be longer than what was typed, and is what every evaluation reads.</summary>
    private static string? Canonical(string? text)
    {
        if (string.IsNullOrWhiteSpace(text))
            return null;
        var written = QueryText.Write(Parse(text));
        Parse(written);
        return written;
    }

    private static string CheckName(string name) =>
        name.Length is > 0 and <= LongestName && name.All(c => char.IsLetterOrDigit(c) || c is ' ' or '-' or '_' or '.') && name.Any(char.IsLetterOrDigit) && name.Trim() == name && !name.Contains("  ", StringComparison.Ordinal)
            ? name
            : throw new SiteException($"'{name}' is no name of a collection: 1 to {LongestName} letters, digits, - _ . and single spaces between them, one letter or digit at least.", "bad_collection");

    private static void CheckPriority(int priority)
    {
        if (priority is < 0 or > HighestPriority)
            throw new SiteException($"The priority of a collection is 0 to {HighestPriority:N0}.", "bad_collection");
    }

    private static CollectionSummary Summary(CollectionRow row) => new(row.Name, row.Query, (int)row.Priority, (int)row.Members, row.IsBuiltIn, Times.At(row.AddedAt), Times.At(row.EvaluatedAt), row.Error,
        row.HeldSince is { } since ? new CollectionHeld(Times.At(since), (int)row.HeldComing, (int)row.HeldRemovals) : null);

    private static CollectionMember Member(MemberRow row) => new(row.DeviceId, row.HostName, $"{row.DeviceId[..4]}-{row.DeviceId[4..8]}", row.OperatingSystem, Times.At(row.LastSeen), By((MemberWhy)row.Why));

    private static string? By(MemberWhy why) => why switch
    {
        MemberWhy.Name => CollectionMember.Named,
        MemberWhy.Query => CollectionMember.Selected,
        MemberWhy.Name | MemberWhy.Query => CollectionMember.Both,
        _ => null,
    };

    private static SiteException Unknown(string name) => new($"There is no collection {name}; `capstan collection list` shows all.", "collection_unknown");

    private sealed record Settled(CollectionRow Row, IReadOnlyList<long> Coming, IReadOnlyList<long> Leaving, CollectionSaved Saved);
}
