using System.Globalization;
using System.Runtime.ExceptionServices;
using System.Text.Json;
using Capstan.Protocol;
using Capstan.Protocol.Tuf;
using Capstan.Site.Distribution.Content;
using Capstan.Site.Distribution.Offers;
using Capstan.Site.Publish.Builds;
using Capstan.Site.Status;
using Capstan.Site.Store;
using Capstan.Site.Telemetry;
using Microsoft.Extensions.Logging;

namespace Capstan.Site.Publish;

/// <summary>Owns the site's metadata: signs what changed, stores it durably, and keeps every CAP at the published state.</summary>
/// <remarks>Thread-safe: changes are told by <see cref="Changed"/>, passes exclude each other.</remarks>
internal sealed class Publisher(SiteContext site, PublishStore published, CapStore caps, SettingStore settings, SiteAccounts accounts, CapSync sync, Housekeeping housekeeping, CycleHealth health, ILogger<Publisher> logger) : IAsyncDisposable
{
    public static readonly TimeSpan CertificateTerm = TimeSpan.FromDays(365);
    private static readonly TimeSpan RenewBefore = TimeSpan.FromDays(60);
    private static readonly TimeSpan GarbageAfter = TimeSpan.FromDays(7);

    private readonly SemaphoreSlim _pass = new(1, 1);
    private readonly Lock _gate = new();
    /// <summary>Writing and removing: one at a time on a CAP, so that nothing is removed that was published again meanwhile.</summary>
    private readonly CapWork<long?> _work = new(site, sync.FailedAsync, logger);
    private readonly Signal _signal = new();
    private volatile TufRepository? _repository;
    private PublishSchedule _schedule = new(null, null);
    private TimeSpan? _housekeepingDue;

    /// <summary>When the root must have been signed again; null before the metadata was loaded.</summary>
    public DateTimeOffset? RootExpires => _repository?.RootExpires;

    /// <summary>Something that stands in the store waits to be published.</summary>
    public void Changed(PublishUrgency urgency)
    {
        lock (_gate)
            _schedule = _schedule.Changed(urgency);
        _signal.Set();
    }

    /// <summary>What an enrolment token must hold: hash and version of the current root.</summary>
    public async Task<(string Hash, int Version)> RootAsync(CancellationToken cancellationToken)
    {
        // A pass may wait for a slow CAP: a token does not.
        if (_repository is { } known)
            return (known.RootHash, known.RootVersion);
        await _pass.WaitAsync(cancellationToken);
        try
        {
            var repository = await RepositoryAsync(cancellationToken);
            return (repository.RootHash, repository.RootVersion);
        }
        finally
        {
            _pass.Release();
        }
    }

    /// <summary>Signs now, writes every CAP, and compares every file there. How each went stands in its row.</summary>
    /// <exception cref="SiteException"><c>still_publishing</c>: a CAP is so slow that nobody waits for its end.</exception>
    public Task PublishNowAsync(CancellationToken cancellationToken) => AskAsync(static _ => true, cancellationToken);

    /// <summary>As <see cref="PublishNowAsync(CancellationToken)"/> for one CAP; the others are written, too, but nobody waits for them.</summary>
    public Task PublishNowAsync(string cap, CancellationToken cancellationToken) => AskAsync(state => string.Equals(state.Path, cap, StringComparison.Ordinal), cancellationToken);

    /// <summary>Loads or creates the metadata. Called once before <see cref="RunAsync"/>.</summary>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        await _pass.WaitAsync(cancellationToken);
        try
        {
            await RepositoryAsync(cancellationToken);
            // After a restore, before anything else: clients have seen versions of every role that this site does not remember.
            if (await FloorAsync(settings, await published.VersionAsync(cancellationToken), cancellationToken) is > 0 and var floor)
                await SignAsync(force: true, cancellationToken, floor);
            // Whatever was approved before a crash is still marked in the store; the first pass signs it.
            Changed(PublishUrgency.Now);
        }
        finally
        {
            _pass.Release();
        }
    }

    /// <summary>Publishes as the schedule says and looks after the CAPs, until cancelled.</summary>
    /// <remarks>Returns when no work on a CAP uses the site any more, of what hangs after a while.</remarks>
    public async Task RunAsync(TimeSpan interval, CancellationToken cancellationToken)
    {
        await new Cycle("publisher", site, health, logger).RunAsync(async () =>
        {
            await PassAsync(cancellationToken);
            var wait = Due() is { } due ? due - Monotonic() : interval;
            await _signal.WaitAsync(wait < interval ? wait : interval, site.Time, cancellationToken);
        }, cancellationToken);
        await _work.EndAsync();
    }

    public async Task PassAsync(CancellationToken cancellationToken)
    {
        await _pass.WaitAsync(cancellationToken);
        try
        {
            var now = Monotonic();
            var tidies = _housekeepingDue is not { } due || due <= now;
            if (tidies || Due() <= now)
                await SignAsync(force: false, cancellationToken);
            await WriteCapsAsync(cancellationToken);
            if (tidies)
            {
                await CollectGarbageAsync(cancellationToken);
                await housekeeping.RunAsync(cancellationToken);
                // Done, not only begun: what failed is tried again by the next pass.
                _housekeepingDue = now + TimeSpan.FromHours(1);
            }
        }
        finally
        {
            _pass.Release();
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _work.DisposeAsync();
        _pass.Dispose();
    }

    private TimeSpan? Due()
    {
        lock (_gate)
            return _schedule.Due;
    }

    private TimeSpan Monotonic() => site.Time.GetElapsedTime(0);

    private async Task WriteCapsAsync(CancellationToken cancellationToken)
    {
        var all = await caps.ListAsync(cancellationToken);
        var writing = await WritingAsync(complete: false, cancellationToken);
        var seen = await _work.RunAsync(CapSync.Publishing, all, writing, cancellationToken);
        if (await GoAboveAsync(seen.Max(cap => cap.Result), cancellationToken))
            await _work.WaitAsync(_work.Begin(CapSync.Publishing, all, writing, isAsked: false), CapWork<long?>.Patience, cancellationToken);
    }

    /// <summary>Work that began after the question, on the CAPs that were asked for. Waited for outside the pass, which others need.</summary>
    private async Task AskAsync(Func<CapState, bool> isAsked, CancellationToken cancellationToken)
    {
        var turns = await BeginAskedAsync(isAsked, aboveSeen: null, cancellationToken);
        await _work.WaitAsync(turns, CapWork<long?>.AskedPatience, cancellationToken);
        if (turns.Max(turn => turn.Result) is { } seen)
        {
            turns = await BeginAskedAsync(isAsked, seen, cancellationToken);
            await _work.WaitAsync(turns, CapWork<long?>.AskedPatience, cancellationToken);
        }
        if (turns.Select(turn => turn.Fault).FirstOrDefault(fault => fault is not null) is { } fault)
            ExceptionDispatchInfo.Throw(fault);
        if (turns.Where(turn => !turn.IsFinished).Select(turn => turn.Cap.Path).ToList() is { Count: > 0 } slow)
            throw new SiteException($"Publishing goes on at {string.Join(", ", slow)}: not finished after {CapWork<long?>.AskedPatience.TotalSeconds:0} s. The site goes on with it; `capstan cap list` shows how it ended.", "still_publishing");
    }

    private async Task<IReadOnlyList<CapTurn<long?>>> BeginAskedAsync(Func<CapState, bool> isAsked, long? aboveSeen, CancellationToken cancellationToken)
    {
        await _pass.WaitAsync(cancellationToken);
        try
        {
            if (!await GoAboveAsync(aboveSeen, cancellationToken))
                await SignAsync(force: false, cancellationToken);
            var all = (await caps.ListAsync(cancellationToken)).ToLookup(isAsked);
            _work.Begin(CapSync.Publishing, all[false], await WritingAsync(complete: false, cancellationToken), isAsked: false);
            return _work.Begin(CapSync.Publishing, all[true], await WritingAsync(complete: true, cancellationToken), isAsked: true);
        }
        finally
        {
            _pass.Release();
        }
    }

    private async Task<Func<CapState, CancellationToken, Task<long?>>> WritingAsync(bool complete, CancellationToken cancellationToken)
    {
        var repository = await RepositoryAsync(cancellationToken);
        return (cap, token) => sync.RunAsync(cap, repository, complete, token);
    }

    /// <summary>A CAP shows a version that this site does not remember signing (it was restored): goes above it, at once.</summary>
    /// <returns>False when there was none, or one that was signed meanwhile is above it.</returns>
    private async Task<bool> GoAboveAsync(long? seen, CancellationToken cancellationToken)
    {
        if (seen is not { } highest || highest < await published.VersionAsync(cancellationToken))
            return false;
        // Stored before shown, whatever a CAP shows was once in the store: the store is an old copy.
        await site.Database.WriteAsync(transaction => SettingStore.SetAsync(transaction, SettingStore.RolledBackFrom, highest.ToString(CultureInfo.InvariantCulture)), cancellationToken);
        await SignAsync(force: true, cancellationToken, highest);
        return true;
    }

    private async Task SignAsync(bool force, CancellationToken cancellationToken, long seenOnCap = 0)
    {
        using var span = SiteTracing.Source.StartActivity("publish");
        var repository = await RepositoryAsync(cancellationToken);
        var devices = site.Database;
        PublishSchedule before;
        lock (_gate)
        {
            before = _schedule;
            _schedule = PublishSchedule.Published(Monotonic());
        }
        try
        {
            var current = await caps.ListAsync(cancellationToken);
            var publishedSite = await settings.GetAsync(SettingStore.PublishedSite, cancellationToken);
            var now = await SigningTimeAsync(settings, repository.RootExpires, site.Time, cancellationToken);
            var (files, policies, version) = await devices.WriteAsync(async transaction =>
            {
                await DeviceStore.RenewCertificatesAsync(transaction, now + RenewBefore, now + CertificateTerm);
                await accounts.ResumeAsync(transaction);
                var pending = await DeviceStore.PolicyPendingAsync(transaction);
                var secrets = pending.Count == 0 ? null : await accounts.ForPoliciesAsync(transaction);
                var contents = await PolicyContents.ForPendingAsync(transaction, pending, now);
                var changed = new List<string>();
                foreach (var device in pending)
                    if (DeviceId.TryParse(device.DeviceId, out var id) && repository.SetTarget(Layout.PolicyTarget(id), SiteTargets.Policy(site.Site, device, secrets, contents[device.Number])))
                        changed.Add(device.DeviceId);

                var boundaries = await BoundaryStore.ListAsync(transaction);
                var description = SiteTargets.Description(site, boundaries);
                var paces = await CapUseStore.SettlePacesAsync(transaction, current, await DeviceStore.CountApprovedAsync(transaction), now);
                var capList = SiteTargets.CapList(site.Site, current, paces, boundaries);
                var hash = SiteTargets.Sha256(description, capList);
                if (!string.Equals(hash, publishedSite, StringComparison.Ordinal))
                {
                    repository.SetTarget(Layout.SiteDescriptionTarget, description);
                    repository.SetTarget(Layout.CapListTarget, capList);
                    await SettingStore.SetAsync(transaction, SettingStore.PublishedSite, hash);
                }

                await BuildTargets.SetAsync(transaction, repository, site.Site.SiteCode);
                await PackageTargets.SetAsync(transaction, repository);
                await OfferTargets.SetAsync(transaction, repository);

                var files = repository.Publish(site.Keys.Tuf, now, seenOnCap, force);
                await DeviceStore.PoliciesPublishedAsync(transaction);
                if (files.Count == 0)
                    return (0, 0, 0L);
                var signed = await StoreAsync(transaction, repository, files, now);
                await DeviceStore.PoliciesSignedAsync(transaction, changed, signed, site.Time.GetUtcNow());
                return (files.Count, pending.Count, signed);
            }, cancellationToken);
            span?.SetTag("capstan.files", files).SetTag("capstan.policies", policies);
            if (files > 0)
                SiteLog.Published(logger, version, files, policies);
        }
        catch
        {
            // Memory may be ahead of the store now: what was stored counts.
            _repository = null;
            lock (_gate)
                _schedule = _schedule.Urgency is { } meanwhile ? before.Changed(meanwhile) : before;
            throw;
        }
    }

    /// <summary>Durable before any CAP sees it: state and files.</summary>
    internal static async Task<long> StoreAsync(System.Data.Common.DbTransaction transaction, TufRepository repository, IReadOnlyList<TufFile> files, DateTimeOffset now)
    {
        var version = VersionOf(files.Single(file => file.IsPointer));
        foreach (var file in files)
            await PublishStore.SaveFileAsync(transaction, file.Path, file.Content.ToArray(), file.IsPointer, version, now);
        await PublishStore.SupersedeAsync(transaction, repository.CurrentFiles(), now);
        await SettingStore.SetAsync(transaction, SettingStore.LastSigned, Times.Of(now).ToString(CultureInfo.InvariantCulture));
        await PublishStore.SaveStateAsync(transaction, repository.Save(), version);
        return version;
    }

    /// <summary>What a restore asked to go above, while the published version has not; otherwise 0.</summary>
    internal static async Task<long> FloorAsync(SettingStore settings, long version, CancellationToken cancellationToken) =>
        long.TryParse(await settings.GetAsync(SettingStore.VersionFloor, cancellationToken), NumberStyles.None, CultureInfo.InvariantCulture, out var floor) && floor >= version ? floor : 0;

    /// <summary>The keys of a site, and the metadata in its database, are not of one site or not of one time.</summary>
    internal static SiteException KeysOfAnotherSite(SiteDirectory home) => new(
        $"The keys in {home.Keys} are not those that the metadata in {home.Database} names: they come from different sites or backups, and clients would refuse what they sign. Restore the whole directory from one backup.",
        "keys_of_another_site");

    private static long VersionOf(TufFile pointer)
    {
        using var document = JsonDocument.Parse(pointer.Content);
        return document.RootElement.GetProperty("signed").GetProperty("version").GetInt64();
    }

    /// <summary>Never before what was signed last: a clock that was set back must not make metadata expire early.</summary>
    /// <remarks>But where that was after the root's end: under such a time clients take no orders at all, so the clock was wrong then, and nothing is lost by leaving it.</remarks>
    /// <param name="rootExpires">Of the root that is in force.</param>
    internal static async Task<DateTimeOffset> SigningTimeAsync(SettingStore settings, DateTimeOffset rootExpires, TimeProvider time, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        return long.TryParse(await settings.GetAsync(SettingStore.LastSigned, cancellationToken), NumberStyles.None, CultureInfo.InvariantCulture, out var last)
            && Times.At(last) > now && Times.At(last) < rootExpires
            ? Times.At(last)
            : now;
    }

    private async Task<TufRepository> RepositoryAsync(CancellationToken cancellationToken)
    {
        if (_repository is not null)
            return _repository;
        if (await published.LoadAsync(cancellationToken) is { } stored)
        {
            var loaded = TufRepository.Load(stored.State);
            if (!loaded.Accepts(site.Keys.Tuf))
                throw KeysOfAnotherSite(site.Directory);
            return _repository = loaded;
        }
        if (!site.Keys.RootPresent)
            throw new SiteException("The site has never published, and its root key is not in keys/root.key.pem. Put it back for the first start; it can be taken away afterwards.", "root_key_missing");
        _repository = TufRepository.Create(site.Keys.Tuf, site.Time.GetUtcNow(), site.PolicyBinBits);
        await SignAsync(force: true, cancellationToken);
        return _repository;
    }

    private async Task CollectGarbageAsync(CancellationToken cancellationToken)
    {
        var before = site.Time.GetUtcNow() - GarbageAfter;
        var version = await published.VersionAsync(cancellationToken);
        var all = await caps.ListAsync(cancellationToken);
        // What a CAP that lags behind still shows may need them: there they go when it has caught up.
        var turns = _work.Begin(CapSync.Removing, all.Where(cap => cap.PublishedVersion >= version), async (cap, token) =>
        {
            await sync.RemoveSupersededAsync(cap, before, token);
            return null;
        }, isAsked: false);
        await _work.WaitAsync(turns, CapWork<long?>.Patience, cancellationToken);
        // Those that are gone from every CAP. One that fails keeps the list for itself alone: the others go on from their own place.
        var gone = all.Count == 0 ? new Superseded(Times.Of(before), "") : all.Select(cap => sync.RemovedUntil(cap.Path)).OrderBy(file => file.At).ThenBy(file => file.Path, StringComparer.Ordinal).First();
        var forgotten = gone == Superseded.None ? 0 : await site.Database.WriteAsync(transaction => PublishStore.ForgetAsync(transaction, gone), cancellationToken);
        if (forgotten > 0)
            SiteLog.GarbageCollected(logger, forgotten);
    }
}
