using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;
using Capstan.Nal.Arbiter.Accounts;
using Capstan.Nal.Arbiter.Core;
using Capstan.Nal.Arbiter.Journal;
using Capstan.Nal.Arbiter.Machine;
using Capstan.Nal.Exports;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers;
using Capstan.Nal.Selection;
using Microsoft.Extensions.Logging;

namespace Capstan.Nal.Arbiter;

/// <summary>Shares, counts, bounds and explains connections, and always gives them back. One per process; thread-safe.</summary>
/// <remarks>
/// <para>The shell of <see cref="ServerCore"/>, one per server: it serialises events under one lock, and connects and closes outside it.</para>
/// <para>Accounts of a server are tried in order, each at most once in one request; a refused logon leads to the next, and stops the account there. The process's own
/// user is never tried.</para>
/// <para>The budget, the journal and stopped accounts are those of <see cref="ArbiterOptions.Machine"/>, whatever number of processes and arbiters uses it.</para>
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
    private readonly ConnectionKeeper _keeper;
    private readonly StoppedAccounts _stops;
    private readonly ServerNames _names;
    /// <summary>By server, or by place where nobody counts.</summary>
    private readonly Dictionary<string, Desk> _desks = new(StringComparer.Ordinal);
    private readonly Dictionary<string, ServerTerms> _terms = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _aliases = new(StringComparer.OrdinalIgnoreCase);
    private readonly Dictionary<long, Pending> _pending = [];
    private readonly Dictionary<long, LeasedStore> _stores = [];
    /// <summary>By connection, also after it was closed: what hangs there outlasts it.</summary>
    private readonly Dictionary<ConnectionKey, AbandonedCalls> _abandoned = [];
    private readonly Dictionary<long, Task> _running = [];
    /// <summary>Leases that ended with their connection before their store was open, and why. An entry goes when its lease is given back.</summary>
    private readonly Dictionary<long, NalException> _lost = [];
    private ImmutableDictionary<string, ImmutableArray<ConnectionAccount>> _accounts = ImmutableDictionary<string, ImmutableArray<ConnectionAccount>>.Empty;
    private readonly CancellationTokenSource _stopping = new();
    /// <summary>Tells secrets apart without being one: its key ends with the process.</summary>
    private readonly byte[] _credentialKey = RandomNumberGenerator.GetBytes(32);
    private ITimer? _beat;
    private int _isBeating;
    private long _lastRequest;
    private long _lastWork;
    private bool _isStopping;
    private Task? _stopped;

    /// <param name="providers">One per name; a path of another provider is refused with the names of these.</param>
    /// <param name="time">Its monotonic clock measures waits; its wall clock dates what people see.</param>
    /// <param name="random">Spreads the next tries after refusals.</param>
    public ConnectionArbiter(IEnumerable<IStorageProvider> providers, ArbiterOptions options, TimeProvider time, Random random, ILoggerFactory loggers)
        : this(providers, options, Boot.Current, time, random, loggers)
    {
    }

    internal ConnectionArbiter(IEnumerable<IStorageProvider> providers, ArbiterOptions options, Boot boot, TimeProvider time, Random random, ILoggerFactory loggers)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(time);
        if (options.BudgetPerServer is < 1 or > 16 || options.MaxWaitingPerServer < 0 || options.LongestLease <= TimeSpan.Zero)
        {
            throw new ArgumentException($"the budget per server is {options.BudgetPerServer} and must be 1 to 16; the queue per server holds {options.MaxWaitingPerServer} "
                + $"and must hold 0 or more; the longest lease is {options.LongestLease} and must be longer than nothing", nameof(options));
        }
        _providers = providers.ToFrozenDictionary(provider => provider.Name, StringComparer.Ordinal);
        _options = options;
        _time = time;
        _random = random;
        _logger = new QuietLogger(loggers.CreateLogger<ConnectionArbiter>());
        _origin = time.GetTimestamp();
        _names = new ServerNames(options.Machine);
        _keeper = new ConnectionKeeper(options.Machine, server =>
        {
            lock (_gate)
                return SlotsOf(server);
        }, boot, time, new QuietLogger(loggers.CreateLogger<ConnectionKeeper>()));
        _stops = new StoppedAccounts(options.Machine);
    }

    private TimeSpan Now => _time.GetElapsedTime(_origin);

    /// <summary>Replaces the entries of an abstract export such as <c>CAP List for site ABC</c>.</summary>
    /// <exception cref="ArgumentException">The name is none (<see cref="NalPath.Export"/>), or an entry is an export itself.</exception>
    public void SetExport(string name, IReadOnlyList<NalPath> paths)
    {
        ArgumentNullException.ThrowIfNull(paths);
        _exports.Set(name, paths);
    }

    /// <summary>Replaces what is known of a server's licences and names. Open connections follow at their next event.</summary>
    /// <param name="server">Canonical, as <see cref="NalPath.Server"/> gives it.</param>
    public void SetServer(string server, ServerTerms terms)
    {
        ArgumentException.ThrowIfNullOrEmpty(server);
        ArgumentNullException.ThrowIfNull(terms);
        lock (_gate)
        {
            _terms[server] = terms;
            foreach (var (alias, _) in _aliases.Where(pair => pair.Value == server).ToArray())
                _aliases.Remove(alias);
            foreach (var alias in terms.Aliases.Where(alias => !string.Equals(alias, server, StringComparison.OrdinalIgnoreCase)))
                _aliases[alias] = server;
            if (!_desks.TryGetValue(SlotsOf(server), out var desk))
                return;
            desk.Terms = TermsOf(desk.Name);
            desk.Core.Rules = RulesFor(desk.Name);
        }
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
        LearnNames();
        return new ValueTask<LeaseResult>(new Acquisition(this, path, purpose, wait).RunAsync(cancellationToken));
    }

    /// <summary>Connections of this process and their leases now, for people.</summary>
    public IReadOnlyList<ConnectionView> Connections()
    {
        lock (_gate)
        {
            var (now, wall) = (Now, _time.GetUtcNow());
            return _desks.Values.SelectMany(desk => desk.Core.Read()).Select(reading => new ConnectionView(reading.Key.Show, reading.Key.Server, reading.Key.Account,
                Show(reading.State), reading.ReferenceCount, reading.PersistenceCount, reading.Holders, wall - (now - reading.Opened), wall - (now - reading.LastUsed))).ToArray();
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
        foreach (var desk in _desks.Values.ToArray())
        {
            _ = Do(desk, actions => desk.Core.Stop(Now, actions));
            foreach (var claim in desk.LeaveLines())
                _ = Do(desk, actions => desk.Core.SlotFailed(claim, Now, actions));
        }
        await _stopping.CancelAsync();
        while (Running() is { Count: > 0 } running)
            await Task.WhenAll(running).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        lock (_gate)
        {
            _beat?.Dispose();
            _beat = null;
        }
        _stopping.Dispose();
        _keeper.Dispose();
    }

    private List<Task> Running()
    {
        lock (_gate)
            return [.. _running.Values];
    }

    private IReadOnlyList<RankedPath> Rank(IReadOnlyList<NalPath> candidates, LeasePurpose purpose)
    {
        var accounts = candidates.Distinct().ToDictionary(path => path, path => _providers.TryGetValue(path.Provider, out var provider) ? AccountsOf(provider, path, purpose, out _) : []);
        var rules = new SelectionRules(_options.UsePreferredServers, _options.UseExistingConnections, _options.UseRandomPathSelection,
            _options.Preferences, _options.OrderSeed, _options.OrderCycle)
        { Avoided = _options.Avoided };
        lock (_gate)
        {
            return PathSelection.Rank(candidates,
                path => accounts[path].Any(account => IsOpen(KeyOf(_providers[path.Provider], path, account))), rules);
        }
    }

    /// <summary>The accounts to try on a path, in order: those with a live connection first. One null where no account is known or none is needed.</summary>
    /// <param name="stopped">Why there is none to try although some are known; else null.</param>
    private IReadOnlyList<ConnectionAccount?> Candidates(IStorageProvider provider, NalPath path, LeasePurpose purpose, out NalException? stopped)
    {
        // The files of the stopped ones are read outside the lock.
        var accounts = AccountsOf(provider, path, purpose, out stopped);
        lock (_gate)
            return [.. accounts.OrderBy(account => IsOpen(KeyOf(provider, path, account)) ? 0 : 1)];
    }

    private IReadOnlyList<ConnectionAccount?> AccountsOf(IStorageProvider provider, NalPath path, LeasePurpose purpose, out NalException? stopped)
    {
        stopped = null;
        IReadOnlyList<ConnectionAccount?> none = [null];
        string? server;
        lock (_gate)
            server = NameOf(provider, path);
        if (server is null)
            return none;
        var known = purpose.Accounts ?? AccountsOf(server);
        if (known.Count == 0)
            return none;
        if (purpose.Accounts is not null)
            return known;
        var free = MayTry(server, known, out var next);
        if (next is { } later)
        {
            stopped = new NalException(NalError.Authenticate, string.Create(System.Globalization.CultureInfo.InvariantCulture,
                $"server {server} has refused every account that is known for it ({string.Join(", ", known.Select(account => account.Name))}); so that none is locked, the next one is tried "
                + $"on {later:yyyy-MM-dd HH:mm} UTC, or at once after: capstan-client install with a new token"), path.ToString(), Completion.NotSent, server: server);
        }
        return free;
    }

    /// <summary>Called under the lock.</summary>
    private bool IsOpen(ConnectionKey key) => key.Server is { } server && _desks.TryGetValue(server, out var desk) && desk.Core.IsOpen(key);

    /// <summary>The name that accounts and terms are known by; null where nobody counts. Called under the lock.</summary>
    private string? NameOf(IStorageProvider provider, NalPath path) =>
        provider.ServerOf(path) is { } server ? _aliases.GetValueOrDefault(server, server) : null;

    /// <summary>The name whose slots a server uses. Called under the lock.</summary>
    private string SlotsOf(string server)
    {
        var shared = _names.SlotsOf(_aliases.GetValueOrDefault(server, server));
        return _aliases.GetValueOrDefault(shared, shared);
    }

    private ConnectionKey KeyOf(IStorageProvider provider, NalPath path, ConnectionAccount? account)
    {
        string? name, server;
        lock (_gate)
        {
            name = NameOf(provider, path);
            server = name is null ? null : SlotsOf(name);
        }
        // Names that share slots share no connection: they may be two servers that say the same of themselves.
        return new ConnectionKey(provider.Name, server, account?.Name.ToLowerInvariant() ?? "",
            Place: name is null ? path.WithQualifiers(null, isPreferred: false).ToString() : name == server ? "" : name, CredentialOf(account));
    }

    /// <summary>Two secrets under one account name share no connection.</summary>
    private ulong CredentialOf(ConnectionAccount? account) => account is null ? 0
        : BitConverter.ToUInt64(HMACSHA256.HashData(_credentialKey, Encoding.UTF8.GetBytes(account.Password.Reveal())));

    private sealed class Pending(string? server, NalPath path, ConnectionAccount? account, LeasePurpose purpose)
    {
        public string? Server => server;
        public LeasePurpose Purpose => purpose;
        public NalPath Path => path;
        public ConnectionAccount? Account => account;
        public TaskCompletionSource<Outcome> Outcome { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    /// <summary>How a request ended: granted when both are null. A refusal may have what the server said beside it.</summary>
    private readonly record struct Outcome(ArbiterAction.Refuse? Refused, NalException? Failed);
}
