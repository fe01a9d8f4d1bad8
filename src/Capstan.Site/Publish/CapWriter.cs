using Capstan.Nal;
using Capstan.Nal.Providers;
using Capstan.Protocol;
using Capstan.Site.Store;

namespace Capstan.Site.Publish;

/// <summary>Brings one CAP to the published state: directories, immutable files, and the pointer last.</summary>
/// <remarks>Interrupted anywhere, the CAP shows its old version, or a torn pointer; the next run repairs it.</remarks>
internal sealed class CapWriter(PublishStore published)
{
    public const string Pointer = "metadata/timestamp.json";
    private const string FirstRoot = "metadata/1.root.json";
    private const int DirectoriesAtOnce = 16;
    private const long MaxPointerBytes = 1 << 16;
    private const long MaxRootBytes = 1 << 20;

    /// <summary>The pointer that lies on the CAP; null for none, empty for one that is too large to be ours.</summary>
    public static Task<byte[]?> PointerAsync(IStore store, CancellationToken cancellationToken) => ReadAsync(store, Pointer, MaxPointerBytes, cancellationToken);

    /// <summary>Refuses a CAP on which another site has published. A torn first root of our own is no other site.</summary>
    /// <exception cref="SiteException"><c>foreign_cap</c></exception>
    public async Task RefuseForeignAsync(IStore store, string cap, CancellationToken cancellationToken)
    {
        var ours = await published.ContentAsync(FirstRoot, cancellationToken);
        if (ours is not null && await IsForeignAsync(store, ours, cancellationToken))
            throw new SiteException($"Another site has published on {cap} (its metadata/1.root.json is not ours), so nothing was written. Choose another folder; or, if that site is gone for good, empty this one and run `capstan cap publish`.",
                "foreign_cap");
    }

    /// <summary>Writes what is missing or has another length; with <paramref name="compare"/>, also what has other content.</summary>
    /// <param name="after">Looks only at what was published with a later version; null for everything, folders included.</param>
    /// <returns>The tree that the CAP shows now, and how many files of it were written.</returns>
    public async Task<(PublishedTree Tree, int Written)> WriteAsync(IStore store, long? after, bool compare, CancellationToken cancellationToken)
    {
        if (after is null)
            await EnsureLayoutAsync(store, cancellationToken);
        var tree = await published.CurrentAsync(after, cancellationToken);
        var written = 0;
        foreach (var (path, length) in tree.Files)
        {
            var target = StorePath.Parse(path);
            if (await store.StatAsync(target, cancellationToken) is { } entry && entry.LengthBytes == length
                && !(compare && await DiffersAsync(store, target, length, cancellationToken)))
                continue;
            var content = await published.ContentAsync(path, cancellationToken)
                ?? throw new InvalidOperationException($"The published file {path} was superseded while it was being written.");
            if (!await store.CreateAsync(target, new MemoryStream(content, writable: false), cancellationToken))
                await store.ReplaceAsync(target, content, cancellationToken);
            written++;
        }
        // The pointer of this list: a slow CAP gets what was signed meanwhile with the next write, its files first.
        await store.ReplaceAsync(StorePath.Parse(Pointer), tree.Pointer, cancellationToken);
        return (tree, written + 1);
    }

    private async Task<bool> DiffersAsync(IStore store, StorePath path, long length, CancellationToken cancellationToken) =>
        await published.ContentAsync(path.Value, cancellationToken) is not { } ours
        || await store.ReadAllAsync(path, length, cancellationToken) is not { } theirs
        || !theirs.AsSpan().SequenceEqual(ours);

    private static async Task EnsureLayoutAsync(IStore store, CancellationToken cancellationToken)
    {
        // Hundreds of them: one after the other, a server would be waited for as often.
        await Parallel.ForEachAsync((IEnumerable<string>)[Layout.Metadata, Layout.Targets, Layout.Receipts, .. Layout.Bins.Select(Layout.InboxDirectory)],
            new ParallelOptions { MaxDegreeOfParallelism = DirectoriesAtOnce, CancellationToken = cancellationToken },
            async (directory, token) => await store.CreateDirectoryAsync(StorePath.Parse(directory), token));
        var readme = StorePath.Parse(Layout.Readme);
        if (await store.StatAsync(readme, cancellationToken) is null)
            await store.CreateAsync(readme, new MemoryStream(CapText.Readme(), writable: false), cancellationToken);
    }

    private static async Task<bool> IsForeignAsync(IStore store, byte[] ours, CancellationToken cancellationToken)
    {
        try
        {
            return await store.ReadAllAsync(StorePath.Parse(FirstRoot), MaxRootBytes, cancellationToken) is { } theirs && !ours.AsSpan().StartsWith(theirs);
        }
        catch (NalException cause) when (cause.Error == NalError.TooLarge)
        {
            return true;
        }
    }

    /// <summary>Empty for a file above the limit: it is there, and not one of ours.</summary>
    private static async Task<byte[]?> ReadAsync(IStore store, string path, long maxBytes, CancellationToken cancellationToken)
    {
        try
        {
            return await store.ReadAllAsync(StorePath.Parse(path), maxBytes, cancellationToken);
        }
        catch (NalException cause) when (cause.Error == NalError.TooLarge)
        {
            return [];
        }
    }
}
