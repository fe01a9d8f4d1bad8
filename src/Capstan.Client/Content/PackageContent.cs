using System.Collections.Concurrent;
using System.Globalization;
using Capstan.Client.Configuration;
using Capstan.Client.State;
using Capstan.Nal;
using Capstan.Nal.Arbiter;
using Capstan.Nal.Paths;
using Capstan.Protocol;
using Capstan.Protocol.V1;
using Microsoft.Extensions.Logging;

namespace Capstan.Client.Content;

/// <summary>What content reports to the site: severity, code, text; a code that is over has a null text.</summary>
internal delegate void ContentReport(string severity, string code, string? text);

/// <summary>Brings package versions into the cache of one client, and keeps them there.</summary>
/// <param name="told">Takes what an administrator should hear of.</param>
internal sealed partial class PackageContent(ContentCache cache, ContentSources sources, Func<ContentSettings> settings, ContentReport told, ILogger log, TimeProvider time, Random random)
    : IPackageContent, IDisposable
{
    /// <summary>Between two words about a disk that is looked through.</summary>
    private static readonly TimeSpan s_told = TimeSpan.FromSeconds(0.5);

    private readonly ContentGate _gate = new(settings, new RateLimiter(time), new LinkJudge(time), time);
    private readonly SemaphoreSlim _one = new(1, 1);
    private readonly Lock _state = new();
    private IReadOnlyList<PackageKey> _pinned = [];
    private readonly List<PackageKey> _used = [];
    /// <summary>Found to be damaged on a disk that could not be written.</summary>
    private readonly HashSet<PackageKey> _damaged = [];
    private readonly WrongChunks _wrong = new(time);
    private VersionFetch? _fetch;
    /// <summary>The last pause of each package, while nothing moves: two that wait do not shorten each other's.</summary>
    private readonly Dictionary<PackageKey, TimeSpan> _waited = [];
    /// <summary>Whose tree was not what its manifest names, once: this disk may have done that.</summary>
    private readonly HashSet<PackageKey> _doubted = [];
    /// <summary>A version is either brought here or verified.</summary>
    private readonly ConcurrentDictionary<PackageKey, SemaphoreSlim> _versions = new();
    private volatile bool _isDisposed;

    /// <summary>For an opened client. It uses the accounts and terms that the arbiter has of the client's contacts.</summary>
    /// <param name="addresses">Of this machine now; asked only where places decide which CAP is near.</param>
    public static PackageContent Of(ClientCore core, ConnectionArbiter arbiter, Func<IReadOnlyList<string>> addresses, TimeProvider time, Random random)
    {
        var sources = new ContentSources(arbiter, () => CapExport.Paths(core), () => CapExport.Own(core) is { Count: > 0 } own ? own
            : CapExport.HasBoundaries(core.CapList) ? CapExport.Near(core.CapList, Known(core, addresses)) : [], core.Keys.Id.Value, core.Avoided(StateKey.AvoidedContentCaps))
        {
            // What cannot be read of the accounts is told by the contact.
            Brief = cap => CapBriefing.Tell(core, arbiter, [cap], []),
        };
        return new PackageContent(new ContentCache(core.Directory), sources, () => core.Settings.Content, (severity, code, text) =>
        {
            if (text is null)
                core.Spool.Over(ContentSources.Component, code);
            else
                core.Report(severity, code, text, ContentSources.Component, core.OfMany);
        }, core.Log, time, random);
    }

    /// <summary>A machine that does not know where it is reads from any CAP.</summary>
    private static IReadOnlyList<string> Known(ClientCore core, Func<IReadOnlyList<string>> addresses)
    {
        try
        {
            return addresses();
        }
#pragma warning disable CA1031 // Whatever the system's network tables answer, it concerns the order of the CAPs and nothing else.
        catch (Exception e)
#pragma warning restore CA1031
        {
            ClientLog.PlaceUnknown(core.Log, e.Message.ReplaceLineEndings(" "));
            return [];
        }
    }

    public ContentPresence Look(PackageKey package)
    {
        var total = cache.ManifestOf(package)?.SizeBytes ?? 0;
        if (cache.IsComplete(package))
            return new ContentPresence(cache.DirectoryOf(package), total, total);
        lock (_state)
            return new ContentPresence(null, _fetch?.Package == package ? _fetch.HereBytes : 0, total);
    }

    public async Task<ContentOutcome> EnsureAsync(PackageKey package, ReadOnlyMemory<byte> document, ContentNeed need, IProgress<ContentProgress> progress, CancellationToken cancellationToken)
    {
        // First: a version that is verified holds up no other.
        var version = VersionLock(package);
        await version.WaitAsync(cancellationToken);
        try
        {
            await _one.WaitAsync(cancellationToken);
            try
            {
                using var use = Use(package);
                // Looking through a disk blocks its thread.
                return Noted(package, await Task.Run(() => RoundAsync(package, document, need, progress, cancellationToken), cancellationToken));
            }
            finally
            {
                Leave();
            }
        }
        finally
        {
            version.Release();
        }
    }

    public async Task<string?> VerifyAsync(PackageKey package, ReadOnlyMemory<byte> document, CancellationToken cancellationToken)
    {
        // What is under way may be this very version, which is neither verified nor put aside before it is done.
        var version = VersionLock(package);
        await version.WaitAsync(cancellationToken);
        try
        {
            using var use = Use(package);
            return await Task.Run(() => FaultAsync(package, document, cancellationToken), cancellationToken);
        }
        finally
        {
            version.Release();
        }
    }

    public void Pin(IReadOnlyList<PackageKey> packages)
    {
        lock (_state)
            _pinned = [.. packages];
    }

    /// <summary>What is under way ends by its token, and cleans up behind itself.</summary>
    public void Dispose()
    {
        _isDisposed = true;
        ForgetWhenIdle();
    }

    /// <summary>Another one may begin; after the end of this object what is left goes.</summary>
    private void Leave()
    {
        _one.Release();
        if (_isDisposed)
            ForgetWhenIdle();
    }

    private void ForgetWhenIdle()
    {
        if (!_one.Wait(0, CancellationToken.None))
            return;
        Forget();
        _one.Release();
    }

    private SemaphoreSlim VersionLock(PackageKey package) => _versions.GetOrAdd(package, static _ => new SemaphoreSlim(1, 1));

    private async Task<ContentOutcome> RoundAsync(PackageKey package, ReadOnlyMemory<byte> document, ContentNeed need, IProgress<ContentProgress> progress, CancellationToken cancellationToken)
    {
        try
        {
            var manifest = Manifest(package, document);
            if (cache.IsComplete(package))
            {
                if (cache.ManifestOf(package)?.Tree.Sha256 == manifest.Tree.Sha256 && !IsDamaged(package))
                {
                    Used(package);
                    return new ContentOutcome.Ready(cache.DirectoryOf(package));
                }
                cache.Demote(package);
                lock (_state)
                    _damaged.Remove(package);
            }
            // Before anything is written: a disk that is full to the last byte may hold what can go.
            if (MakeRoom(package, manifest) is { } lacking)
                return lacking;
            await cache.BeginAsync(package, document, cancellationToken);
            return await BringAsync(FetchOf(package, manifest), need, progress, cancellationToken);
        }
        catch (ProtocolException e)
        {
            Forget();
            // Its chunks were right when they came: what reads them otherwise may be this disk, and shows with fresh bytes.
            if (e.Error == ProtocolError.BadHash && _doubted.Add(package))
                return Waits(package, $"the tree of {package} is not what its manifest names; this disk may have changed it, and it is read again", isLocal: true);
            return new ContentOutcome.Impossible(e.Message);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // What is on the disk says where to go on.
            Forget();
            return Waits(package, LocalErrorText(e), isLocal: true);
        }
        catch
        {
            // Whatever it was: nothing in memory is believed after it.
            Forget();
            throw;
        }
    }

    private async Task<ContentOutcome> BringAsync(VersionFetch fetch, ContentNeed need, IProgress<ContentProgress> progress, CancellationToken cancellationToken)
    {
        var faults = new SourceFaults(_wrong);
        var read = (Bytes: 0L, Reads: 0);
        var began = time.GetTimestamp();
        long? here = null;
        DateTimeOffset? full = null;
        while (true)
        {
            do
            {
                await fetch.PlanAsync(s_told, cancellationToken);
                progress.Report(new ContentProgress(fetch.HereBytes, fetch.Manifest.SizeBytes, null));
            }
            while (!fetch.IsPlanned);
            if (fetch.IsPlaced)
                break;
            // What lay on this disk already came of no CAP.
            here ??= fetch.PlacedBytes;
            if (_gate.Closed(need) is { Ticks: > 0 } closed)
                return new ContentOutcome.Waits($"content is read from {_gate.Settings.Hours} by this machine's clock, as the site has set (content.hours)", closed + TimeSpan.FromMinutes(5) * random.NextDouble());
            var order = sources.InOrder();
            var able = order.Where(cap => _gate.TooSlow(need, cap) is null).ToList();
            var cap = able.FirstOrDefault(cap => fetch.Pending.Any(chunk => faults.MayGive(cap, chunk)));
            // What was wrong in rounds before may have been mended.
            if (cap is null && faults.Probe(able, fetch.Pending))
                continue;
            if (cap is null)
                return Stuck(fetch, need, order, faults, isMoved: fetch.PlacedBytes > here, full);
            var placed = fetch.PlacedBytes;
            var end = await PassAsync(fetch, cap, need, faults, progress, pass => read = (read.Bytes + pass.BytesRead, read.Reads + pass.Reads), next => full = Later(full, next), cancellationToken);
            faults.Passed(cap, fetch.Pending, brought: fetch.PlacedBytes > placed);
            if (end == PassEnd.TimeIsUp || end != PassEnd.Lost && time.GetElapsedTime(began) >= CapPass.Longest)
            {
                Settle(fetch, faults);
                if (fetch.PlacedBytes == here)
                    return Waits(fetch.Package, $"a lease of {cap} has had its time and brought nothing that is of use: {faults.Text() ?? faults.Refusals() ?? "nothing came"}", order.All(CapExport.IsLocal));
                _waited.Remove(fetch.Package);
                ContentLog.ContentGoesOn(log, fetch.Package.ToString(), fetch.HereBytes, fetch.Manifest.SizeBytes, "a lease has had its time");
                return new ContentOutcome.Waits(string.Create(CultureInfo.InvariantCulture, $"{fetch.HereBytes} of {fetch.Manifest.SizeBytes} bytes are here; it goes on after others have had their turn at the CAP"),
                    TimeSpan.FromSeconds(CapExport.IsLocal(cap) ? 1 : 5 + 10 * random.NextDouble()));
            }
        }
        if (!await fetch.FinishAsync(cancellationToken))
        {
            Forget();
            return Waits(fetch.Package, "files changed on this disk while they were put together; they are looked through again", isLocal: true);
        }
        Settle(fetch, faults);
        Forget();
        ContentLog.ContentComplete(log, fetch.Package.ToString(), read.Bytes, read.Reads);
        _waited.Remove(fetch.Package);
        _doubted.Remove(fetch.Package);
        progress.Report(new ContentProgress(fetch.Manifest.SizeBytes, fetch.Manifest.SizeBytes, null));
        return new ContentOutcome.Ready(cache.DirectoryOf(fetch.Package));
    }

    private async Task<PassEnd> PassAsync(VersionFetch fetch, NalPath cap, ContentNeed need, SourceFaults faults, IProgress<ContentProgress> progress, Action<CapPass> count, Action<DateTimeOffset?> full,
        CancellationToken cancellationToken)
    {
        Lease? lease;
        try
        {
            var result = await sources.AcquireAsync(cap, cancellationToken);
            if (!result.TryGetLease(out lease, out var refusal))
            {
                faults.Refuse(cap, refusal.Reason);
                full(refusal.NextTry);
                return PassEnd.Lost;
            }
        }
        catch (NalException e)
        {
            faults.Refuse(cap, e.Message);
            return PassEnd.Lost;
        }
        await using (lease.ConfigureAwait(false))
        {
            var name = cap.ToString();
            var pass = new CapPass(fetch, lease.Store, cap, need, faults, _gate, time, log)
            {
                Progress = () => progress.Report(new ContentProgress(fetch.HereBytes, fetch.Manifest.SizeBytes, name)),
            };
            try
            {
                return await pass.RunAsync(cancellationToken);
            }
            finally
            {
                count(pass);
            }
        }
    }

    /// <summary>No CAP that may be read now has what is lacking.</summary>
    private ContentOutcome.Waits Stuck(VersionFetch fetch, ContentNeed need, IReadOnlyList<NalPath> order, SourceFaults faults, bool isMoved, DateTimeOffset? full)
    {
        Settle(fetch, faults);
        if (isMoved)
            _waited.Remove(fetch.Package);
        var slow = order.Select(cap => _gate.TooSlow(need, cap)).OfType<string>().ToList();
        var cause = string.Join("; ", new[] { faults.Text(), faults.Refusals() }.Concat(slow).OfType<string>());
        if (order.Count == 0)
            cause = "no client access point is known";
        else if (faults.IsContentWrong && slow.Count == 0)
            cause += "; no other CAP has it: see that they can be reached, and run capstan content verify at the site";
        var waits = Waits(fetch.Package, cause, order.All(CapExport.IsLocal));
        // The site is at work on it: that takes minutes, and nobody has to look after anything.
        if (faults.IsUnfinished && !faults.IsContentWrong)
            waits = waits with { Pause = Backoff.Min(waits.Pause, TimeSpan.FromSeconds(60 + 60 * random.NextDouble())) };
        return full - time.GetUtcNow() is { } until && until > waits.Pause ? waits with { Pause = until } : waits;
    }

    private void Settle(VersionFetch fetch, SourceFaults faults)
    {
        foreach (var (cap, packs) in faults.Lacking.Where(lacking => lacking.Packs > 1))
            ContentLog.PacksUnusable(log, cap.ToString(), packs, fetch.Package.ToString());
        var blamed = faults.Blamed;
        if (blamed.Count == 0)
            sources.ServedWell();
        else
            sources.ServedBadly(blamed);
        told("warning", StatusCode.ContentSourceBad, faults.Text());
    }

    /// <summary>A disk that is full hinders no run of what is here already.</summary>
    private void Used(PackageKey package)
    {
        if (cache.Used(package) is { } cause)
            ContentLog.UseUnknown(log, package.ToString(), cause.ReplaceLineEndings(" "));
    }

    private bool IsDamaged(PackageKey package)
    {
        lock (_state)
            return _damaged.Contains(package);
    }

    private static PackageManifest Manifest(PackageKey package, ReadOnlyMemory<byte> document)
    {
        var manifest = Documents.PackageManifest.Decode(document.Span, package.ToString());
        return manifest.PackageId == package.PackageId && manifest.PackageVersion == package.Version ? manifest
            : throw new ProtocolException(ProtocolError.Malformed, $"the manifest of {package} is that of {manifest.PackageId}-{manifest.PackageVersion}", package.ToString());
    }

    /// <summary>The one under way goes on in memory; another begins by looking at the disk.</summary>
    private VersionFetch FetchOf(PackageKey package, PackageManifest manifest)
    {
        if (_fetch is { } present && present.Package == package && present.Manifest.Tree.Sha256 == manifest.Tree.Sha256)
            return present;
        Forget();
        var fetch = new VersionFetch(cache, package, manifest, time);
        lock (_state)
            _fetch = fetch;
        return fetch;
    }

    private void Forget()
    {
        lock (_state)
        {
            _fetch?.Dispose();
            _fetch = null;
        }
    }

    private ContentOutcome Noted(PackageKey package, ContentOutcome outcome)
    {
        switch (outcome)
        {
            case ContentOutcome.Waits waits:
                ContentLog.ContentWaits(log, package.ToString(), waits.Cause, waits.Pause.TotalSeconds);
                break;
            case ContentOutcome.Impossible impossible:
                ContentLog.ContentImpossible(log, package.ToString(), impossible.Cause);
                break;
        }
        return outcome;
    }

    /// <summary>Longer each time, for the same package, while nothing moves.</summary>
    private ContentOutcome.Waits Waits(PackageKey package, string cause, bool isLocal)
    {
        var pause = _waited[package] = Backoff.Retry(_waited.GetValueOrDefault(package), isLocal, random.NextDouble());
        return new ContentOutcome.Waits(cause, pause);
    }

    private string LocalErrorText(Exception cause) =>
        Nal.Providers.Local.LocalErrors.Translate(cause, isWrite: true, $"keeping content in {cache.Root}", Nal.Providers.StorePath.Root).Message;

    private static DateTimeOffset? Later(DateTimeOffset? known, DateTimeOffset? next) => known is null || next < known ? next : known;

    private Using Use(PackageKey package)
    {
        lock (_state)
            _used.Add(package);
        return new Using(this, package);
    }

    /// <summary>While it lasts the version is not removed.</summary>
    private sealed class Using(PackageContent owner, PackageKey package) : IDisposable
    {
        public void Dispose()
        {
            lock (owner._state)
                owner._used.Remove(package);
        }
    }
}
