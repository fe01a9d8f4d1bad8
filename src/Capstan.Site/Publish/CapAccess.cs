using System.Collections.Concurrent;
using Capstan.Nal;
using Capstan.Nal.Arbiter;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers;
using Capstan.Site.Store;

namespace Capstan.Site.Publish;

/// <summary>The site's way to a CAP: one lease for one piece of work. Thread-safe.</summary>
internal sealed class CapAccess(ConnectionArbiter arbiter, CapStore caps, SiteAccounts accounts)
{
    /// <summary>Where each local folder was mounted when it was last used, by this process or by one before it.</summary>
    private readonly ConcurrentDictionary<string, SeenMount> _mountedAt = new(StringComparer.Ordinal);

    /// <summary>The machine's mount points (on Windows, its drives). Tests give their own.</summary>
    /// <exception cref="IOException">The system does not tell.</exception>
    public Func<IEnumerable<string>> MountPoints { get; set; } = static () => DriveInfo.GetDrives().Select(drive => drive.Name);

    /// <summary>With the site's own accounts for this CAP.</summary>
    /// <exception cref="NalException">Also for a full server, as <see cref="NalError.ServerFull"/>, and for a LOCAL folder whose file system is not mounted.</exception>
    public Task<T> UseAsync<T>(NalPath path, string component, Func<IStore, Task<T>> work, CancellationToken cancellationToken) =>
        UseAsync(path, component, given: null, work, cancellationToken);

    /// <summary>As the other form, with these accounts and no others; null for the site's own.</summary>
    public Task<T> UseAsync<T>(NalPath path, string component, IReadOnlyList<ConnectionAccount>? given, Func<IStore, Task<T>> work, CancellationToken cancellationToken) =>
        UseAsync(path, component, given, (store, _) => work(store), cancellationToken);

    /// <summary>As the other forms; the work is told with which account the storage was opened.</summary>
    public async Task<T> UseAsync<T>(NalPath path, string component, IReadOnlyList<ConnectionAccount>? given, Func<IStore, AccountUse?, Task<T>> work, CancellationToken cancellationToken)
    {
        if (path.LocalDirectory is { } directory)
            RefuseUnmounted(path, directory, await SeenAsync(path, directory, cancellationToken));
        return await LeaseAsync(path, component, given, work, cancellationToken);
    }

    /// <summary>As <c>UseAsync</c>; a LOCAL folder that is gone is made again when its parent is there.</summary>
    /// <param name="asked">A person asked for this work, and means the folder as it is now. Without, a folder is made only on the file system on which it was seen, and
    /// none is used whose file system is not mounted: what lies below the mount point must not be filled.</param>
    public Task<T> UseOrMakeAsync<T>(NalPath path, string component, Func<IStore, Task<T>> work, Action made, bool asked, CancellationToken cancellationToken) =>
        UseOrMakeAsync(path, component, given: null, work, made, asked, cancellationToken);

    /// <summary>As the other form, with these accounts and no others; null for the site's own.</summary>
    public async Task<T> UseOrMakeAsync<T>(NalPath path, string component, IReadOnlyList<ConnectionAccount>? given, Func<IStore, Task<T>> work, Action made, bool asked,
        CancellationToken cancellationToken)
    {
        if (path.LocalDirectory is { } directory)
        {
            var seen = await SeenAsync(path, directory, cancellationToken);
            if (!asked)
                RefuseUnmounted(path, directory, seen);
            if (!Directory.Exists(directory) && Directory.Exists(Path.GetDirectoryName(directory.TrimEnd('/'))) && (asked || (seen is not null && seen == MountOf(directory))))
            {
                try
                {
                    Directory.CreateDirectory(directory);
                }
                catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
                {
                    throw new NalException(NalError.AccessDenied, $"The folder {directory} cannot be made: {cause.Message} Make it by hand, owned by this user.", path.ToString(), inner: cause);
                }
                made();
            }
            if (Directory.Exists(directory) && MountOf(directory) is { } mount)
                await RememberAsync(path, directory, mount, asked, cancellationToken);
        }
        return await LeaseAsync(path, component, given, (store, _) => work(store), cancellationToken);
    }

    /// <summary>The longest mount point above a directory; null when there is none.</summary>
    internal static string? MountOf(string directory, IEnumerable<string> mountPoints) => mountPoints
        .Where(mount => directory.Equals(mount, StringComparison.Ordinal)
            || directory.StartsWith(Path.EndsInDirectorySeparator(mount) ? mount : mount + Path.DirectorySeparatorChar, StringComparison.Ordinal))
        .MaxBy(mount => mount.Length);

    private async Task<IReadOnlyList<ConnectionAccount>> AccountsAsync(NalPath path, CancellationToken cancellationToken)
    {
        try
        {
            return path.Server is null ? [] : await accounts.OfSiteAsync(path.ToString(), cancellationToken);
        }
        catch (SiteException cause)
        {
            // For one CAP it is a failure of its storage, which stops no other.
            throw new NalException(NalError.Authenticate, cause.Message, path.ToString(), Completion.NotSent, server: path.Server, inner: cause);
        }
    }

    private async Task<T> LeaseAsync<T>(NalPath path, string component, IReadOnlyList<ConnectionAccount>? given, Func<IStore, AccountUse?, Task<T>> work, CancellationToken cancellationToken)
    {
        if (path.Server is { } server)
            arbiter.SetServer(server, SiteTerms.Of(server, await caps.ListAsync(cancellationToken)));
        var result = await arbiter.AcquireAsync(path, new LeasePurpose(component) { Accounts = given ?? await AccountsAsync(path, cancellationToken) }, cancellationToken);
        if (!result.TryGetLease(out var lease, out var refusal))
            throw new NalException(NalError.ServerFull, refusal.Reason, path.ToString(), isTransient: true);
        await using (lease)
            return await work(lease.Store, AccountUse.Of(lease.Trace));
    }

    private async Task<string?> SeenAsync(NalPath path, string directory, CancellationToken cancellationToken)
    {
        if (_mountedAt.TryGetValue(directory, out var seen))
            return seen.At;
        if (await caps.MountAsync(path.ToString(), cancellationToken) is not { } stored)
            return null;
        _mountedAt.TryAdd(directory, new SeenMount(stored, IsStored: true));
        return stored;
    }

    private async Task RememberAsync(NalPath path, string directory, string mount, bool asked, CancellationToken cancellationToken)
    {
        var stored = new SeenMount(mount, IsStored: true);
        // A path may have been taken off the list and put there again: what a person asks for looks anew.
        if (!asked && _mountedAt.GetValueOrDefault(directory) == stored)
            return;
        // A folder that is looked at before it is on the list has no row yet: the next use stores it.
        _mountedAt[directory] = await caps.SetMountAsync(path.ToString(), mount, cancellationToken) ? stored : stored with { IsStored = false };
    }

    private void RefuseUnmounted(NalPath path, string directory, string? seen)
    {
        if (seen is not null && KnownMountPoints() is { } mounted && !mounted.Contains(seen, StringComparer.Ordinal))
            throw new NalException(NalError.NotFound, $"{directory} was on the file system mounted at {seen}, which is not mounted now: nothing was written there. Mount it, or, if it is gone for good, run `capstan cap publish` to use the folder as it is.",
                path.ToString());
    }

    private string? MountOf(string directory) => KnownMountPoints() is { } mounted ? MountOf(directory, mounted) : null;

    /// <summary>Null when the system does not tell: then nothing is made that nobody asked for, and nothing refused.</summary>
    private List<string>? KnownMountPoints()
    {
        try
        {
            return [.. MountPoints()];
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <param name="IsStored">Stands in the CAP's row, too.</param>
    private sealed record SeenMount(string At, bool IsStored);
}
