using System.Collections.Frozen;
using System.Collections.Immutable;
using Capstan.Nal.Exports;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers;
using Capstan.Nal.Selection;
using Microsoft.Extensions.Logging;

namespace Capstan.Nal.Arbiter;

/// <summary>Shares, counts, bounds and explains connections, and always gives them back. One per process; thread-safe.</summary>
/// <remarks>
/// <para>The shell of <see cref="ArbiterCore"/>: it serialises events under one lock, and connects and closes outside it.</para>
/// <para>Accounts of a server are tried in order, each at most once in one request; a refused logon leads to the next. The process's own user is never tried.</para>
/// <para>Bounded so far within this process: slots across processes, the journal, ghosts, accounts that stay stopped after a refused logon, and the
/// licensing modes' idle rules are not there yet.</para>
/// </remarks>
public sealed partial class ConnectionArbiter : IAsyncDisposable
{
    private static readonly TimeSpan DefaultWait = TimeSpan.FromSeconds(30);
    /// <summary>What was cancelled a moment ago ends in a moment.</summary>
    private static readonly TimeSpan AbandonedGrace = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestWait = TimeSpan.FromMinutes(10);

    private readonly FrozenDictionary<string, IStorageProvider> _providers;
    private readonly ArbiterOptions _options;
    private readonly TimeProvider _time;
    private readonly Random _random;
    private readonly ILogger _logger;
    private readonly ExportTable _exports = new();
    private readonly long _origin;

    private readonly Lock _gate = new();
    private readonly ArbiterCore _core;
    private readonly Dictionary<long, Pending> _pending = [];
    private readonly Dictionary<long, LeasedStore> _stores = [];
    private readonly Dictionary<ConnectionKey, IStorageConnection> _connections = [];
    /// <summary>By connection, also after it was closed: what hangs there outlasts it.</summary>
    private readonly Dictionary<ConnectionKey, AbandonedCalls> _abandoned = [];
    private readonly Dictionary<long, Task> _running = [];
    /// <summary>The cause of the attempt whose failure is being told to those who waited for it.</summary>
    private readonly Dictionary<ConnectionKey, NalException> _causes = [];
    /// <summary>Leases that ended with their connection before their store was open, and why. An entry goes when its lease is given back.</summary>
    private readonly Dictionary<long, NalException> _lost = [];
    private ImmutableDictionary<string, ImmutableArray<ConnectionAccount>> _accounts = ImmutableDictionary<string, ImmutableArray<ConnectionAccount>>.Empty;
    private readonly CancellationTokenSource _stopping = new();
    private long _lastRequest;
    private long _lastWork;
    private bool _isStopping;
    private Task? _stopped;

    /// <param name="providers">One per name; a path of another provider is refused with the names of these.</param>
    /// <param name="time">Its monotonic clock measures waits; its wall clock dates what people see.</param>
    /// <param name="random">Spreads the next tries after refusals.</param>
    public ConnectionArbiter(IEnumerable<IStorageProvider> providers, ArbiterOptions options, TimeProvider time, Random random, ILoggerFactory loggers)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(time);
        if (options.BudgetPerServer < 1 || options.MaxWaitingPerServer < 0)
        {
            throw new ArgumentException($"the budget per server is {options.BudgetPerServer} and must be 1 or more; "
                + $"the queue per server holds {options.MaxWaitingPerServer} and must hold 0 or more", nameof(options));
        }
        _providers = providers.ToFrozenDictionary(provider => provider.Name, StringComparer.Ordinal);
        _options = options;
        _time = time;
        _random = random;
        _logger = loggers.CreateLogger<ConnectionArbiter>();
        _origin = time.GetTimestamp();
        _core = new ArbiterCore(options.BudgetPerServer, options.MaxWaitingPerServer);
    }

    private TimeSpan Now => _time.GetElapsedTime(_origin);

    /// <summary>Replaces the entries of an abstract export such as <c>CAP List for site ABC</c>.</summary>
    /// <exception cref="ArgumentException">The name is none (<see cref="NalPath.Export"/>), or an entry is an export itself.</exception>
    public void SetExport(string name, IReadOnlyList<NalPath> paths)
    {
        ArgumentNullException.ThrowIfNull(paths);
        _exports.Set(name, paths);
    }

    /// <summary>Replaces the connection accounts of one server, in the order in which they are tried. Empty removes them. Open connections stay.</summary>
    /// <param name="server">Canonical, as <see cref="NalPath.Server"/> gives it.</param>
    public void SetAccounts(string server, IReadOnlyList<ConnectionAccount> accounts)
    {
        ArgumentException.ThrowIfNullOrEmpty(server);
        ArgumentNullException.ThrowIfNull(accounts);
        ImmutableArray<ConnectionAccount> list = [.. accounts.DistinctBy(account => account.Name, StringComparer.OrdinalIgnoreCase)];
        ImmutableInterlocked.AddOrUpdate(ref _accounts, server, list, (_, _) => list);
    }

    /// <summary>A lease on <paramref name="path"/> (for an abstract export: on one of its entries), or a refusal for capacity.</summary>
    /// <remarks>Of several candidates those that need no wait come first; only when none can be used does the request queue, at the first that was busy.</remarks>
    /// <exception cref="NalException">No candidate can be used for another reason; the message names each candidate's cause.</exception>
    /// <exception cref="ObjectDisposedException">The arbiter was disposed before or meanwhile.</exception>
    public ValueTask<LeaseResult> AcquireAsync(NalPath path, LeasePurpose purpose, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(path);
        ArgumentNullException.ThrowIfNull(purpose);
        var wait = purpose.Wait ?? DefaultWait;
        if (wait < TimeSpan.Zero || wait > LongestWait)
            throw new ArgumentOutOfRangeException(nameof(purpose), wait, $"a request may wait from 0 to {LongestWait.TotalMinutes} minutes");
        cancellationToken.ThrowIfCancellationRequested();
        return new ValueTask<LeaseResult>(new Acquisition(this, path, purpose, wait).RunAsync(cancellationToken));
    }

    /// <summary>Connections and their leases now, for people.</summary>
    public IReadOnlyList<ConnectionView> Connections()
    {
        lock (_gate)
        {
            var (now, wall) = (Now, _time.GetUtcNow());
            return _core.Read().Select(reading => new ConnectionView(reading.Key.Show, reading.Key.Server, reading.Key.Account,
                reading.State switch
                {
                    ConnectionState.Connecting => "connecting",
                    ConnectionState.Closing => "closing",
                    _ => reading.ReferenceCount > 0 ? "open" : "idle",
                },
                reading.ReferenceCount, reading.PersistenceCount, reading.Holders, wall - (now - reading.Opened), wall - (now - reading.LastUsed))).ToArray();
        }
    }

    /// <summary>Ends all leases, closes all connections and waits for it. Requests that wait get <see cref="ObjectDisposedException"/>.</summary>
    public ValueTask DisposeAsync()
    {
        lock (_gate)
            return new ValueTask(_stopped ??= StopAsync());
    }

    private async Task StopAsync()
    {
        _isStopping = true;
        foreach (var store in _stores.Values)
            store.End();
        _ = Perform(_core.Stop());
        await _stopping.CancelAsync();
        while (Running() is { Count: > 0 } running)
            await Task.WhenAll(running);
        _stopping.Dispose();
    }

    private List<Task> Running()
    {
        lock (_gate)
            return [.. _running.Values];
    }

    private IReadOnlyList<RankedPath> Rank(IReadOnlyList<NalPath> candidates, LeasePurpose purpose)
    {
        var rules = new SelectionRules(_options.UsePreferredServers, _options.UseExistingConnections, _options.UseRandomPathSelection,
            _options.Preferences, _options.OrderSeed, _options.OrderCycle)
        { Avoided = _options.Avoided };
        lock (_gate)
        {
            return PathSelection.Rank(candidates,
                path => _providers.TryGetValue(path.Provider, out var provider) && Accounts(provider, path, purpose).Any(account => _core.IsOpen(KeyOf(provider, path, account))), rules);
        }
    }

    /// <summary>The accounts to try on a path, in order: those with a live connection first. One null where no account is known or none is needed.</summary>
    private IReadOnlyList<ConnectionAccount?> Candidates(IStorageProvider provider, NalPath path, LeasePurpose purpose)
    {
        lock (_gate)
            return [.. Accounts(provider, path, purpose).OrderBy(account => _core.IsOpen(KeyOf(provider, path, account)) ? 0 : 1)];
    }

    private IEnumerable<ConnectionAccount?> Accounts(IStorageProvider provider, NalPath path, LeasePurpose purpose)
    {
        IReadOnlyList<ConnectionAccount?> none = [null];
        if (provider.ServerOf(path) is not { } server)
            return none;
        var known = purpose.Accounts ?? (_accounts.TryGetValue(server, out var set) ? set : ImmutableArray<ConnectionAccount>.Empty);
        return known.Count == 0 ? none : known;
    }

    private static ConnectionKey KeyOf(IStorageProvider provider, NalPath path, ConnectionAccount? account)
    {
        var server = provider.ServerOf(path);
        return new ConnectionKey(provider.Name, server, account?.Name.ToLowerInvariant() ?? "",
            Place: server is null ? path.WithQualifiers(null, isPreferred: false).ToString() : "");
    }

    private sealed class Pending(NalPath path, ConnectionAccount? account)
    {
        public NalPath Path => path;
        public ConnectionAccount? Account => account;
        public TaskCompletionSource<Outcome> Outcome { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    /// <summary>How a request ended: granted when both are null.</summary>
    private readonly record struct Outcome(ArbiterAction.Refuse? Refused, NalException? Failed);
}
