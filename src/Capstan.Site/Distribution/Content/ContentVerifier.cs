using Capstan.Nal;
using Capstan.Nal.Paths;
using Capstan.Protocol.Content;
using Capstan.Site.Api;
using Capstan.Site.Publish;
using Capstan.Site.Store;
using Microsoft.Extensions.Logging;

namespace Capstan.Site.Distribution.Content;

/// <summary>Reads every pack again, on the site and on each CAP, and mends what is not what its name says: the site from a CAP, a CAP from the site. One run at a time. Thread-safe.</summary>
internal sealed class ContentVerifier(SiteContext site, CapStore caps, CapAccess access, PackFolder folder, ContentStore content, ContentKeeper keeper, ILogger<ContentVerifier> logger) : IAsyncDisposable
{
    /// <summary>Most lines of one report; the rest is counted.</summary>
    private const int MaxLines = 1_000;

    /// <summary>The site itself, in lines of the report.</summary>
    public const string SitePlace = "site";

    /// <summary>How long an answer waits for the end of a run.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    private readonly Lock _gate = new();
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

    /// <summary>Begins a run when a pack is not on the site's disk as it was written: after a restore, whose packs are read back from the CAPs.</summary>
    public async Task BeginIfIncompleteAsync(CancellationToken cancellationToken)
    {
        if ((await content.PacksAsync(cancellationToken)).Any(pack => pack.UnusedSince is null && folder.Length(pack.Name) != pack.LengthBytes))
            Begin();
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
            await VerifySiteAsync(run, packs, all, cancellationToken);
            // Each by itself: one that hangs or is full holds up no other.
            await Task.WhenAll(all.Select(cap => VerifyCapAsync(run, cap, packs, cancellationToken)));
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

    private async Task VerifySiteAsync(Run run, List<PackRow> packs, List<CapState> all, CancellationToken cancellationToken)
    {
        foreach (var pack in packs)
        {
            var found = await folder.HashAsync(pack.Name, cancellationToken);
            run.Read(pack.LengthBytes);
            if (found == pack.Name)
                continue;
            var state = found is null ? ContentFinding.Missing : ContentFinding.Damaged;
            ContentLog.PackDamaged(logger, pack.Sha256, SitePlace, state);
            var source = await MendSiteAsync(pack.Name, all, cancellationToken);
            if (source is null)
                ContentLog.PackLost(logger, pack.Sha256);
            else
                ContentLog.PackMended(logger, pack.Sha256, SitePlace, source);
            run.Add(new ContentFinding(SitePlace, pack.Sha256, state, source, source is null ? "no client access point has it whole: publish the packages that hold it again" : null));
        }
    }

    /// <returns>The CAP that it came from; null when none has it whole.</returns>
    private async Task<string?> MendSiteAsync(ContentHash pack, List<CapState> all, CancellationToken cancellationToken)
    {
        foreach (var cap in all)
        {
            var copy = folder.CreateTemporary(deleteOnClose: false);
            try
            {
                if (await access.UseAsync(NalPath.Parse(cap.Path), "Content", store => CapPacks.ReadAsync(store, pack, copy, cancellationToken), cancellationToken) == pack)
                {
                    folder.Keep(copy, pack);
                    return cap.Path;
                }
            }
            catch (NalException cause)
            {
                // The next one may have it; this one is reported by its own turn.
                SiteLog.CapFailed(logger, "Mending a pack", cap.Path, cause.Message, site.Time.GetUtcNow(), cause);
            }
            await copy.DisposeAsync();
            File.Delete(copy.Name);
        }
        return null;
    }

    private async Task VerifyCapAsync(Run run, CapState cap, List<PackRow> packs, CancellationToken cancellationToken)
    {
        try
        {
            // One lease for each pack: in between, others have their turn at the server.
            foreach (var pack in packs)
            {
                if (await access.UseAsync(NalPath.Parse(cap.Path), "Content", async store =>
                {
                    var found = await CapPacks.ReadAsync(store, pack.Name, copy: null, cancellationToken);
                    run.Read(pack.LengthBytes);
                    if (found == pack.Name)
                        return null;
                    await using var source = folder.Open(pack.Name);
                    var isMended = source is not null && await CapPacks.WriteAsync(store, pack.Name, source, cancellationToken);
                    return new ContentFinding(cap.Path, pack.Sha256, found is null ? ContentFinding.Missing : ContentFinding.Damaged, isMended ? SitePlace : null, isMended ? null : "the site has it not whole either");
                }, cancellationToken) is not { } finding)
                {
                    continue;
                }
                ContentLog.PackDamaged(logger, pack.Sha256, cap.Path, finding.State);
                if (finding.MendedFrom is { } from)
                    ContentLog.PackMended(logger, pack.Sha256, cap.Path, from);
                run.Add(finding);
            }
        }
        catch (Exception cause) when (cause is NalException or SiteException)
        {
            run.Add(new ContentFinding(cap.Path, null, ContentFinding.Unread, null, cause.Message));
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
