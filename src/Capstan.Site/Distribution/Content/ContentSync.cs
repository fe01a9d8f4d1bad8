using System.Collections.Concurrent;
using System.Globalization;
using Capstan.Nal;
using Capstan.Nal.Arbiter;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers;
using Capstan.Protocol;
using Capstan.Protocol.Content;
using Capstan.Site.Console;
using Capstan.Site.Publish;
using Capstan.Site.Store;
using Microsoft.Extensions.Logging;

namespace Capstan.Site.Distribution.Content;

/// <summary>Brings the packs of one CAP up to date: what versions name is there, what none has named for a while is not; what the site's own disk lacks comes from there. Its failures are its own and hold up no metadata.</summary>
/// <remarks>One work at a time on a CAP; <see cref="CapWork{T}"/> sees to that.</remarks>
internal sealed class ContentSync(SiteContext site, CapAccess access, CapSync metadata, PackFolder folder, HomePacks home, ContentStore content, CapContentStore caps, ILogger<ContentSync> logger)
{
    /// <summary>The name of this work, for messages.</summary>
    public const string Writing = "Writing packs";

    private static readonly TimeSpan FirstRetry = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LongestRetry = TimeSpan.FromMinutes(10);

    /// <summary>Longest time on one lease: then the connection is given back, and the next goes on from there.</summary>
    private static readonly TimeSpan Burst = TimeSpan.FromMinutes(2);

    /// <summary>A pack that took so long goes over a thin line.</summary>
    private static readonly TimeSpan LongPack = TimeSpan.FromMinutes(1);

    /// <summary>A connection ends after this, whatever is under way.</summary>
    private static readonly TimeSpan s_lease = new ArbiterOptions().LongestLease;

    /// <summary>What lies on each CAP, as this process saw it last.</summary>
    private readonly ConcurrentDictionary<string, CapSeen> _seen = new(StringComparer.Ordinal);
    private long _changes;

    /// <summary>What versions name is not what it was.</summary>
    public void Changed() => Interlocked.Increment(ref _changes);

    /// <summary>The next work on every CAP looks at everything again.</summary>
    public void LookAgain()
    {
        foreach (var seen in _seen.Values)
            seen.Doubt();
        Changed();
    }

    /// <summary>What a CAP lacks of some packs, as far as this process knows; null when it has not looked there yet.</summary>
    public (int Packs, long Bytes)? Lacking(string cap, IReadOnlyList<PackRow> packs)
    {
        if (_seen.GetValueOrDefault(cap) is not { } seen)
            return null;
        var missing = packs.Where(pack => !seen.Has(pack)).ToList();
        return (missing.Count, missing.Sum(pack => pack.LengthBytes));
    }

    /// <returns>True when packs are left to write.</returns>
    public async Task<bool> RunAsync(CapState cap, CancellationToken cancellationToken)
    {
        // The metadata goes first: it makes the folders, and finds out whether the CAP is ours, and of our time.
        if (cap.LastPublished is null || cap.ErrorCode is "foreign_cap" or CapSync.Overtaken)
            return false;
        if (metadata.PointerLeft(cap.Path) is not { } pointer)
            return cap.Failure is null;
        var changes = Interlocked.Read(ref _changes);
        if (_seen.GetValueOrDefault(cap.Path) is { } seen && seen.IsSettled(changes, Now) && !home.IsAny(seen.IsGood))
            return false;
        using var limit = new ProgressLimit(site.Time, cancellationToken);
        // A mount that is gone can block the thread that asks for it.
        var working = Task.Run(() => WorkAsync(cap, pointer, changes, limit), CancellationToken.None);
        try
        {
            return await working.WaitAsync(limit.Token);
        }
        catch (Exception cause) when (cause is NalException or SiteException)
        {
            await FailedAsync(cap, Writing, cause, cancellationToken);
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            await FailedAsync(cap, Writing, new SiteException($"The site's own disk: {cause.Message} Look at it, then run `capstan content verify`.", "site_disk", cause), cancellationToken);
        }
        catch (OperationCanceledException) when (limit.IsOver && !cancellationToken.IsCancellationRequested)
        {
            await FailedAsync(cap, Writing, new NalException(NalError.Connect, $"Nothing moved for {ProgressLimit.Silence.TotalMinutes:0} minutes; the packs that have arrived stay.", cap.Path, isTransient: true), cancellationToken);
        }
        finally
        {
            // The CAP comes free when nothing of the work runs any more.
            await ((Task)working).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        return false;
    }

    /// <summary>Writes a failure down with its cause in one line and the time of the next try.</summary>
    public async Task FailedAsync(CapState cap, string work, Exception cause, CancellationToken cancellationToken)
    {
        _seen.GetValueOrDefault(cap.Path)?.Doubt();
        var now = site.Time.GetUtcNow();
        var before = (await caps.ListAsync(cancellationToken)).FirstOrDefault(row => row.Cap == cap.Path);
        var next = now + Cycle.Backoff((before?.Failures ?? 0) + 1, FirstRetry, LongestRetry, site.Random);
        await caps.FailedAsync(cap.Path, cause is NalException nal ? nal.Error.ToString() : ((SiteException)cause).Code, cause.Message, now, next, cancellationToken);
        ContentLog.PacksFailed(logger, cap.Path, cause.Message, next, cause);
    }

    /// <summary>What content leaves free on any disk: a twentieth, at most 1 GiB.</summary>
    internal static long Spare(long totalBytes) => Math.Min(1L << 30, totalBytes / 20);

    private TimeSpan Now => site.Time.GetElapsedTime(0);

    private async Task<bool> WorkAsync(CapState cap, byte[] pointer, long changes, ProgressLimit limit)
    {
        var known = await content.PacksAsync(limit.Token);
        var garbageBefore = Times.Of(site.Time.GetUtcNow() - ContentKeeper.Grace);
        var wanted = known.Where(pack => pack.UnusedSince is null).ToList();
        var garbage = known.Where(pack => pack.UnusedSince < garbageBefore).Select(pack => pack.Name).ToList();
        home.LookOnce(wanted);
        var seen = _seen.GetValueOrDefault(cap.Path);
        if (seen is not null && !seen.IsDoubtful(Now) && wanted.TrueForAll(seen.Has) && !garbage.Exists(seen.Packs.ContainsKey) && !home.IsAny(seen.IsGood))
        {
            await SettledAsync(cap.Path, seen, wanted.Count, changes, limit.Token);
            return false;
        }
        return await access.UseAsync(NalPath.Parse(cap.Path), "Content", async store =>
        {
            // A later life of this site, or another one, may have taken the CAP since: the publisher, which looks every few seconds, finds out, and this waits for its word.
            if (await CapWriter.PointerAsync(store, limit.Token) is not { } theirs || !theirs.AsSpan().SequenceEqual(pointer))
                return true;
            limit.Moved();
            if (seen is null || seen.IsDoubtful(Now))
            {
                var names = await CapPacks.ListAsync(store, limit);
                seen = _seen[cap.Path] = new CapSeen(names, Now);
                garbage.AddRange(await caps.StraysAsync(cap.Path, names.Keys.Except(known.Select(pack => pack.Name)), site.Time.GetUtcNow(), limit.Token));
            }
            return await BringAsync(store, cap.Path, seen, wanted, garbage, changes, limit);
        }, limit.Token);
    }

    private async Task<bool> BringAsync(IStore store, string cap, CapSeen seen, List<PackRow> wanted, List<ContentHash> garbage, long changes, ProgressLimit limit)
    {
        var begun = Now;
        if (await FetchAsync(store, cap, seen, begun, limit))
            return true;
        var missing = wanted.Where(pack => !seen.Has(pack)).ToList();
        var bytes = missing.Sum(pack => pack.LengthBytes);
        var (written, left) = (0, bytes);
        var lost = new List<PackRow>();
        foreach (var pack in missing)
        {
            if (written > 0 && Now - begun > Burst)
                break;
            // Uploads, metadata and everybody else who uses that storage need room, too.
            if (await store.GetSpaceAsync(limit.Token) is { } space && space.FreeBytes - pack.LengthBytes < Spare(space.TotalBytes))
            {
                await caps.LookedAsync(cap, wanted.Count, missing.Count - written, left, site.Time.GetUtcNow(), limit.Token);
                throw new SiteException($"{cap} has {Display.Bytes(space.FreeBytes)} free, of which {Display.Bytes(Spare(space.TotalBytes))} are left to others, and {Display.Bytes(left)} of packs are missing there. Make room; clients use other CAPs meanwhile.", "cap_full");
            }
            if (!await WriteAsync(store, cap, pack, limit))
            {
                // One that is not whole here keeps no other from going there.
                home.Lost(pack, await folder.CheckAsync(pack.Name, limit.Token));
                lost.Add(pack);
                continue;
            }
            limit.Moved();
            seen.Packs[pack.Name] = pack.LengthBytes;
            left -= pack.LengthBytes;
            written++;
        }
        await caps.LookedAsync(cap, wanted.Count, missing.Count - written, left, site.Time.GetUtcNow(), limit.Token);
        if (written > 0)
            ContentLog.PacksWritten(logger, cap, written, bytes - left, missing.Count - written);
        // Last, and one by one: what a client holds open keeps nothing from coming.
        await RemoveAsync(store, cap, seen, garbage, limit);
        if (lost.Count > 0)
            throw new SiteException($"{lost.Count} of the site's own packs are gone or damaged, the first {lost[0].Sha256}, so they are not copied. They come from a client access point that has them; `capstan content verify` looks at all of them, and says which packages to publish again.", "content_damaged");
        if (written == missing.Count)
            await SettledAsync(cap, seen, wanted.Count, changes, limit.Token);
        return written < missing.Count;
    }

    /// <summary>Writes one pack. When a thin line breaks on the way, whoever reads that is told what such a line would have to bring.</summary>
    private async Task<bool> WriteAsync(IStore store, string cap, PackRow pack, ProgressLimit limit)
    {
        var (begun, sent) = (Now, 0L);
        try
        {
            return await CapPacks.WriteAsync(store, pack.Name, folder, limit, bytes => sent = bytes);
        }
        catch (NalException cause) when (cause.IsTransient && Now - begun is var took && took >= LongPack)
        {
            var needed = pack.LengthBytes * 8 / s_lease.TotalSeconds / 1_000;
            throw new NalException(cause.Error, string.Create(CultureInfo.InvariantCulture, $"{cause.Message.TrimEnd('.')}. At most {Display.Bytes(sent)} of the {Display.Bytes(pack.LengthBytes)} of one pack had gone in {took.TotalMinutes:0} min ({sent * 8 / took.TotalSeconds / 1_000:0} kbit/s), and it begins anew: a pack goes in one piece, and a connection is given back after {s_lease.TotalMinutes:0} min, so this takes a line that brings {Math.Ceiling(needed):0} kbit/s and does not break meanwhile. Otherwise carry what lies in content/packs of the site's directory to packs of {cap} by another way, then run `capstan cap publish`."),
                cause.Path, cause.Completion, isTransient: true, cause.Server, cause.Code, cause);
        }
    }

    /// <summary>Reads what the site's own disk lacks and this CAP has.</summary>
    /// <returns>True when more is to be read.</returns>
    private async Task<bool> FetchAsync(IStore store, string cap, CapSeen seen, TimeSpan begun, ProgressLimit limit)
    {
        foreach (var (pack, length) in home.Lacking.Where(lacking => seen.IsGood(lacking.Pack)))
        {
            if (Now - begun > Burst)
                return true;
            // Another CAP may have given it meanwhile.
            if (folder.Length(pack) == length)
                continue;
            home.Problem = folder.FreeBytes() < length ? "its disk has no room for them" : null;
            if (home.Problem is not null)
                return false;
            var copy = folder.CreateTemporary(deleteOnClose: false);
            try
            {
                if (await CapPacks.ReadAsync(store, pack, copy, limit) == pack)
                {
                    folder.Keep(copy, pack);
                    home.Came(pack);
                    ContentLog.PackMended(logger, pack.ToString(), ContentVerifier.SitePlace, cap);
                }
                else
                    seen.Bad.TryAdd(pack, true);
            }
            finally
            {
                await copy.DisposeAsync();
                File.Delete(copy.Name);
            }
        }
        return false;
    }

    private async Task RemoveAsync(IStore store, string cap, CapSeen seen, List<ContentHash> garbage, ProgressLimit limit)
    {
        var removed = new List<ContentHash>();
        foreach (var pack in garbage.Where(seen.Packs.ContainsKey))
        {
            try
            {
                await store.DeleteAsync(StorePath.Parse(Layout.Pack(pack)), limit.Token);
                limit.Moved();
                seen.Packs.TryRemove(pack, out _);
                removed.Add(pack);
            }
            catch (NalException cause)
            {
                // It is tried again when everything is looked at anew.
                ContentLog.PackNotRemoved(logger, pack.ToString(), cap, cause.Message);
            }
        }
        await caps.ForgetStraysAsync(cap, removed, limit.Token);
    }

    private async Task SettledAsync(string cap, CapSeen seen, int wanted, long changes, CancellationToken cancellationToken)
    {
        if (seen.Told != wanted)
            await caps.LookedAsync(cap, wanted, 0, 0, site.Time.GetUtcNow(), cancellationToken);
        seen.Settle(wanted, changes, Now);
    }
}
