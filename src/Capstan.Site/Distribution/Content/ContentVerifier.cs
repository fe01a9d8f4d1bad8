using Capstan.Nal;
using Capstan.Nal.Paths;
using Capstan.Protocol.Content;
using Capstan.Site.Api;
using Capstan.Site.Publish;
using Capstan.Site.Store;
using Microsoft.Extensions.Logging;

namespace Capstan.Site.Distribution.Content;

/// <summary>Reads every pack again, on the site and on each CAP, and mends what is not what its name says: the site from a CAP, a CAP from the site. One run at a time. Thread-safe.</summary>
internal sealed class ContentVerifier(SiteContext site, CapStore caps, CapAccess access, PackFolder folder, HomePacks home, ContentStore content, PackLayout layout, ContentKeeper keeper, ILogger<ContentVerifier> logger) : IAsyncDisposable
{
    /// <summary>Most lines of one report; the rest is counted.</summary>
    private const int MaxLines = 1_000;

    /// <summary>The site itself, in lines of the report.</summary>
    public const string SitePlace = "site";

    /// <summary>How long an answer waits for the end of a run.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    /// <summary>Most packs that one run tries to put together of damaged copies.</summary>
    private const int MostRepairs = 100;

    private readonly Lock _gate = new();
    private int _repairs;
    private readonly CancellationTokenSource _ending = new();
    private Run? _run;
    private Task _running = Task.CompletedTask;

    /// <summary>Begins a run, or joins the one that lasts.</summary>
    public ContentVerification Begin()
    {
        lock (_gate)
        {
            if (_run is null or { Report.FinishedAt: not null })
            {
                _run = new Run(site.Time.GetUtcNow());
                _running = Task.Run(() => RunAsync(_run, _ending.Token));
            }
            return _run.Report;
        }
    }

    /// <summary>The run that lasts, or the last one; null before the first since the site started.</summary>
    public ContentVerification? Last
    {
        get
        {
            lock (_gate)
                return _run?.Report;
        }
    }

    /// <summary>Returns when the run has ended, or after <see cref="Patience"/>.</summary>
    public async Task WaitAsync(CancellationToken cancellationToken)
    {
        Task running;
        lock (_gate)
            running = _running;
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        await Task.WhenAny(running, Task.Delay(Patience, site.Time, enough.Token));
        await enough.CancelAsync();
        cancellationToken.ThrowIfCancellationRequested();
    }

    /// <summary>Ends the run; of work on a CAP that hangs, nobody waits for the end.</summary>
    public async ValueTask DisposeAsync()
    {
        await _ending.CancelAsync();
        await _running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _ending.Dispose();
    }

    private async Task RunAsync(Run run, CancellationToken cancellationToken)
    {
        string? failure = null;
        try
        {
            var packs = (await content.PacksAsync(cancellationToken)).Where(pack => pack.UnusedSince is null).ToList();
            var all = (await caps.ListAsync(cancellationToken)).Where(cap => cap.LastPublished is not null).ToList();
            home.Look(packs);
            _repairs = 0;
            var lost = await VerifySiteAsync(run, packs, all, cancellationToken);
            // Each by itself: one that hangs or is full holds up no other.
            await Task.WhenAll(all.Select(cap => VerifyCapAsync(run, cap, packs, lost, cancellationToken)));
            keeper.LookAgain();
        }
        catch (OperationCanceledException)
        {
            failure = "the site stopped before the end";
        }
        catch (Exception cause)
        {
            SiteLog.RequestFailed(logger, "verify", "content", cause);
            failure = cause.Message;
        }
        run.Finish(site.Time.GetUtcNow(), failure);
    }

    /// <returns>The packs that the site has not whole, mended or not.</returns>
    private async Task<HashSet<ContentHash>> VerifySiteAsync(Run run, List<PackRow> packs, List<CapState> all, CancellationToken cancellationToken)
    {
        var lost = new HashSet<ContentHash>();
        // One that does not answer is not asked for every pack again.
        var silent = new HashSet<string>(StringComparer.Ordinal);
        foreach (var pack in packs)
        {
            var found = await folder.CheckAsync(pack.Name, cancellationToken);
            run.Read(pack.LengthBytes);
            if (found.State == PackState.Whole)
                continue;
            var state = found.State == PackState.Missing ? ContentFinding.Missing : ContentFinding.Damaged;
            ContentLog.PackDamaged(logger, pack.Sha256, SitePlace, state);
            var (source, problem) = await MendSiteAsync(pack, found, all, silent, cancellationToken);
            if (source is null)
            {
                ContentLog.PackLost(logger, pack.Sha256);
                lost.Add(pack.Name);
            }
            else
                ContentLog.PackMended(logger, pack.Sha256, SitePlace, source);
            run.Add(new ContentFinding(SitePlace, pack.Sha256, state, source, problem));
        }
        return lost;
    }

    /// <returns>Where it came from; or why it is not mended.</returns>
    private async Task<(string? Source, string? Problem)> MendSiteAsync(PackRow pack, PackCondition found, List<CapState> all, HashSet<string> silent, CancellationToken cancellationToken)
    {
        // From here on nobody counts on it: its chunks are stored anew when they are brought again.
        home.Lost(pack, found);
        var copies = new List<FileStream>();
        try
        {
            foreach (var cap in all.Where(cap => !silent.Contains(cap.Path)))
            {
                var copy = folder.CreateTemporary(deleteOnClose: false);
                copies.Add(copy);
                try
                {
                    if (await WithinAsync(cap.Path, limit => access.UseAsync(NalPath.Parse(cap.Path), "Content", store => CapPacks.ReadAsync(store, pack.Name, copy, limit), limit.Token), cancellationToken) == pack.Name)
                    {
                        copies.Remove(copy);
                        folder.Keep(copy, pack.Name);
                        home.Came(pack.Name);
                        return (cap.Path, null);
                    }
                }
                catch (NalException cause)
                {
                    // The next one may have it; this one is reported by its own turn.
                    silent.Add(cap.Path);
                    SiteLog.CapFailed(logger, "Mending a pack", cap.Path, cause.Message, site.Time.GetUtcNow(), cause);
                }
                if (copy.Length == 0 || copies.Count > PackRepair.MostCopies)
                    Drop(copies, copy);
            }
            if (await RepairAsync(pack, copies, cancellationToken) is { } source)
                return (source, null);
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            return (null, $"the site's own disk: {cause.Message}");
        }
        finally
        {
            while (copies is [var copy, ..])
                Drop(copies, copy);
        }
        return (null, found.Problem is { } unread ? $"it cannot be read ({unread}), and no client access point has it whole: publish the packages that hold it again"
            : silent.Count > 0 ? $"{string.Join(", ", silent)} did not answer, and no other client access point has it whole; if that stays so, publish the packages that hold it again"
            : "no client access point has it whole: publish the packages that hold it again");
    }

    private static void Drop(List<FileStream> copies, FileStream copy)
    {
        copies.Remove(copy);
        copy.Dispose();
        File.Delete(copy.Name);
    }

    /// <returns>What it was made of; null where that was not enough.</returns>
    private async Task<string?> RepairAsync(PackRow pack, List<FileStream> copies, CancellationToken cancellationToken)
    {
        // Looking up chunks takes a while where there are many packs.
        if (_repairs++ >= MostRepairs)
            return null;
        await using var aside = folder.OpenAside(pack.Name);
        if (aside is not null)
            copies = [aside, .. copies];
        var chunks = await layout.ReadAsync(pack, cancellationToken);
        await using var elsewhere = await layout.ElsewhereAsync(pack, chunks, cancellationToken);
        // One copy alone says nothing that it did not say before.
        if (copies.Count < 2 && elsewhere.Places.Count == 0)
            return null;
        var whole = folder.CreateTemporary(deleteOnClose: false);
        try
        {
            if (!await PackRepair.TryAsync(pack.Name, pack.LengthBytes, chunks, copies, elsewhere.Places, whole, cancellationToken))
                return null;
            folder.Keep(whole, pack.Name);
            home.Came(pack.Name);
            return elsewhere.Places.Count == 0 ? "several damaged copies, chunk by chunk" : "newer packs that have the same, chunk by chunk";
        }
        finally
        {
            await whole.DisposeAsync();
            File.Delete(whole.Name);
        }
    }

    private async Task VerifyCapAsync(Run run, CapState cap, List<PackRow> packs, HashSet<ContentHash> lost, CancellationToken cancellationToken)
    {
        try
        {
            // One lease for each pack: in between, others have their turn at the server.
            foreach (var pack in packs)
            {
                if (await WithinAsync(cap.Path, limit => access.UseAsync(NalPath.Parse(cap.Path), "Content", async store =>
                {
                    var found = await CapPacks.ReadAsync(store, pack.Name, copy: null, limit);
                    run.Read(pack.LengthBytes);
                    if (found == pack.Name)
                        return null;
                    var state = found is null ? ContentFinding.Missing : ContentFinding.Damaged;
                    if (found is null && await store.GetSpaceAsync(limit.Token) is { } space && space.FreeBytes - pack.LengthBytes < ContentSync.Spare(space.TotalBytes))
                        return new ContentFinding(cap.Path, pack.Sha256, state, null, "there is no room for it; make some, and it comes by itself");
                    var isMended = !lost.Contains(pack.Name) && await CapPacks.WriteAsync(store, pack.Name, folder, limit);
                    return new ContentFinding(cap.Path, pack.Sha256, state, isMended ? SitePlace : null,
                        isMended ? null : found is null ? "the site has it not whole either" : "the site has it not whole either; what lies here stays, since parts of it are good");
                }, limit.Token), cancellationToken) is not { } finding)
                {
                    continue;
                }
                ContentLog.PackDamaged(logger, pack.Sha256, cap.Path, finding.State);
                if (finding.MendedFrom is { } from)
                    ContentLog.PackMended(logger, pack.Sha256, cap.Path, from);
                run.Add(finding);
            }
        }
        catch (Exception cause) when (cause is NalException or SiteException or IOException or UnauthorizedAccessException)
        {
            run.Add(new ContentFinding(cap.Path, null, ContentFinding.Unread, null, cause.Message));
        }
    }

    /// <summary>Work on a CAP with the site's limit for silence. What hangs for longer is left to itself: it holds up no run, and no stop of the site.</summary>
    /// <exception cref="NalException">Also after the limit.</exception>
    private async Task<T> WithinAsync<T>(string cap, Func<ProgressLimit, Task<T>> work, CancellationToken cancellationToken)
    {
        var limit = new ProgressLimit(site.Time, cancellationToken);
        // A mount that is gone can block the thread that asks for it.
        var working = Task.Run(() => work(limit), CancellationToken.None);
        try
        {
            return await working.WaitAsync(limit.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new NalException(NalError.Connect, $"Nothing moved for {ProgressLimit.Silence.TotalMinutes:0} minutes, so nobody waits for it any longer.", cap, isTransient: true);
        }
        finally
        {
            _ = EndAsync(working, limit);
        }

        static async Task EndAsync(Task working, ProgressLimit limit)
        {
            await working.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            limit.Dispose();
        }
    }

    /// <summary>One run; its report can be read while it lasts.</summary>
    private sealed class Run(DateTimeOffset startedAt)
    {
        private readonly Lock _gate = new();
        private readonly List<ContentFinding> _findings = [];
        private long _packs, _bytes, _more;
        private DateTimeOffset? _finishedAt;
        private string? _failure;

        public ContentVerification Report
        {
            get
            {
                lock (_gate)
                {
                    return new ContentVerification(startedAt, _finishedAt, _packs, _bytes, [.. _findings], _more,
                        _finishedAt is null ? null : _failure is null && _more == 0 && _findings.TrueForAll(finding => finding.MendedFrom is not null), _failure);
                }
            }
        }

        public void Read(long bytes)
        {
            lock (_gate)
            {
                _packs++;
                _bytes += bytes;
            }
        }

        public void Add(ContentFinding finding)
        {
            lock (_gate)
            {
                if (_findings.Count < MaxLines)
                    _findings.Add(finding);
                else
                    _more++;
            }
        }

        public void Finish(DateTimeOffset at, string? failure)
        {
            lock (_gate)
                (_finishedAt, _failure) = (at, failure);
        }
    }
}
