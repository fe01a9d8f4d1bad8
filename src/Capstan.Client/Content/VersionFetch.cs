using System.Security.Cryptography;
using Capstan.Protocol;
using Capstan.Protocol.Content;
using Capstan.Protocol.V1;

namespace Capstan.Client.Content;

/// <summary>One version on its way here: first its tree, then its files. Says what is lacking, takes what is brought. In memory only; another one finds the same by looking at the disk. Not thread-safe.</summary>
internal sealed class VersionFetch(ContentCache cache, PackageKey package, PackageManifest manifest, TimeProvider time) : IDisposable
{
    /// <summary>Chunks that are planned at one time: 2,048, about 32 MB of content. What comes after them in the tree is looked at while they are read.</summary>
    public const int Window = 2_048;

    /// <summary>Chunks that are lacking at one time, while some of them are read: 8,192.</summary>
    public const int MostPending = 4 * Window;

    private readonly List<VersionFolder> _folders = [];
    private LocalChunks? _local;
    private Placement? _placement;
    private Placement? _treePlacement;
    private FileStream? _treeStream;
    private TreeReader? _tree;

    public PackageKey Package => package;
    public PackageManifest Manifest => manifest;

    /// <summary>Chunks that lie nowhere on this disk, of what was planned so far.</summary>
    public IReadOnlyCollection<NeededChunk> Pending => (_placement ?? _treePlacement)?.Pending ?? [];

    /// <summary>Bytes of files that are in their places, verified.</summary>
    public long HereBytes => _placement?.HereBytes ?? 0;

    /// <summary>Bytes of the tree and of files that are in their places: grows with whatever is brought.</summary>
    public long PlacedBytes => (_treePlacement?.HereBytes ?? 0) + HereBytes;

    /// <summary>Nothing more is planned before something of what is pending was asked for.</summary>
    public bool IsPlanned => IsPlannedTo(Window);

    /// <summary>All chunks of all files are in their places.</summary>
    public bool IsPlaced { get; private set; }

    /// <summary>Plans on while nothing is lacking, or until a <see cref="Window"/> is, or this much time has passed.</summary>
    /// <exception cref="ProtocolException">The tree that the manifest describes is none.</exception>
    public Task PlanAsync(TimeSpan within, CancellationToken cancellationToken) => PlanToAsync(Window, within, cancellationToken);

    /// <summary>As <see cref="PlanAsync"/>, while what is pending already is read: until another window is full.</summary>
    /// <returns>What became pending, once that is a window, or all that there is for now; null while there will be more.</returns>
    public async Task<IReadOnlyList<NeededChunk>?> PlanOnAsync(TimeSpan within, CancellationToken cancellationToken)
    {
        if (_placement is not null && !IsPlannedTo(MostPending))
            await PlanToAsync(Math.Min(MostPending, _placement.Pending.Count + Window - _placement.FreshCount), within, cancellationToken);
        return _placement is null || _placement.FreshCount >= Window || IsPlannedTo(MostPending) ? TakePlanned() : null;
    }

    /// <summary>What became pending since the last call.</summary>
    public IReadOnlyList<NeededChunk> TakePlanned() => (_placement ?? _treePlacement)?.TakeFresh() ?? [];

    private bool IsPlannedTo(int most) => _placement is null ? _treePlacement is { Pending.Count: > 0 } : _tree is null || _placement.Pending.Count >= most;

    private async Task PlanToAsync(int most, TimeSpan within, CancellationToken cancellationToken)
    {
        var began = time.GetTimestamp();
        if (_treePlacement is null)
            BeginTree(cancellationToken);
        if (_treePlacement is { Pending.Count: > 0 })
            return;
        if (_placement is null)
            await BeginFilesAsync(cancellationToken);
        while (!IsPlannedTo(most) && time.GetElapsedTime(began) <= within)
        {
            cancellationToken.ThrowIfCancellationRequested();
            switch (await _tree!.ReadAsync(cancellationToken))
            {
                case TreeEntry { Kind: TreeKind.File } file:
                    _placement!.Begin(new TargetFile(file.Path, file.SizeBytes));
                    break;
                case Extent extent:
                    _placement!.Take(extent);
                    break;
                case null:
                    EndTree();
                    break;
            }
        }
        IsPlaced = _tree is null && _placement!.Pending.Count == 0;
    }

    /// <summary>As of <see cref="Placement.Put"/>.</summary>
    public void Put(ReadOnlySpan<PlainChunk> chunks, Action<NeededChunk> wrong) => (_placement ?? _treePlacement)!.Put(chunks, wrong);

    /// <summary>Makes of the placed files the version: lengths, modes, links, empty files, and nothing else. Then it has its name.</summary>
    /// <returns>False when something changed meanwhile: it is to be planned anew.</returns>
    public async Task<bool> FinishAsync(CancellationToken cancellationToken)
    {
        Dispose();
        using (var folder = VersionFolder.Open(cache.PartOf(package)))
        {
            if (!await new VersionCheck(folder, cache.TreeOf(package), manifest.FileCount).FinishAsync(cancellationToken))
                return false;
        }
        cache.Complete(package);
        return true;
    }

    public void Dispose()
    {
        EndTree();
        _placement?.Dispose();
        _treePlacement?.Dispose();
        _local?.Dispose();
        foreach (var folder in _folders)
            folder.Dispose();
        _folders.Clear();
    }

    /// <summary>Trees of other versions have most of what this one's has.</summary>
    private void BeginTree(CancellationToken cancellationToken)
    {
        var root = Open(cache.Root);
        _local = new LocalChunks(manifest.Tree.LengthBytes / ContentFormat.NormalChunkBytes);
        var extents = manifest.Tree.ToExtents().ToList();
        foreach (var chunk in extents.SelectMany(extent => extent.Chunks))
            _local.Want(chunk);
        foreach (var (other, known) in Others())
        {
            cancellationToken.ThrowIfCancellationRequested();
            var offer = _local.Offer(root, ContentCache.TreeName(other));
            foreach (var extent in known.Tree.ToExtents())
                offer.Add(extent);
        }
        _treePlacement = new Placement(root, _local);
        _treePlacement.Begin(new TargetFile(ContentCache.TreeName(package), manifest.Tree.LengthBytes));
        foreach (var extent in extents)
            _treePlacement.Take(extent);
    }

    private async Task BeginFilesAsync(CancellationToken cancellationToken)
    {
        _treePlacement!.Dispose();
        _local!.Dispose();
        await SealTreeAsync(cancellationToken);
        // The last chunk of each file is a short one.
        _local = new LocalChunks(manifest.FileCount + manifest.SizeBytes / ContentFormat.NormalChunkBytes);
        var bytes = 0L;
        await ReadTreeAsync(package, (_, extent) =>
        {
            foreach (var chunk in extent.Chunks)
            {
                _local.Want(chunk);
                bytes += chunk.LengthBytes;
            }
        }, cancellationToken);
        // Room was made for what the manifest says.
        if (bytes != manifest.SizeBytes)
            throw new ProtocolException(ProtocolError.Malformed, $"the files of {package} have {bytes} bytes, and its manifest says {manifest.SizeBytes}; let the site publish another version", package.ToString());
        foreach (var (other, _) in Others().Where(other => cache.IsComplete(other.Package)))
        {
            VersionFolder folder;
            try
            {
                folder = Open(cache.DirectoryOf(other));
            }
            catch (IOException)
            {
                // It may serve, and does not.
                continue;
            }
            LocalChunks.FileOffer offer = default;
            string? path = null;
            await ReadTreeAsync(other, (file, extent) =>
            {
                if (path != file)
                    offer = _local.Offer(folder, path = file);
                offer.Add(extent);
            }, cancellationToken);
        }
        _treeStream = OpenTree(package);
        _tree = new TreeReader(_treeStream);
        var part = Open(cache.PartOf(package));
        part.MakeWritable();
        _placement = new Placement(part, _local);
    }

    /// <summary>Versions of the same package first, the newest first: they have most of it.</summary>
    private IEnumerable<(PackageKey Package, PackageManifest Manifest)> Others() =>
        from other in cache.Versions()
        where other != package && File.Exists(cache.TreeOf(other))
        orderby other.PackageId == package.PackageId descending, other.Version descending
        let known = cache.ManifestOf(other)
        where known is not null
        select (other, known);

    /// <summary>Its chunks are right; a file that was longer before is cut.</summary>
    private async Task SealTreeAsync(CancellationToken cancellationToken)
    {
        var stream = new FileStream(cache.TreeOf(package), new FileStreamOptions { Mode = FileMode.Open, Access = FileAccess.ReadWrite, BufferSize = 0 });
        await using (stream.ConfigureAwait(false))
        {
            if (stream.Length > manifest.Tree.LengthBytes)
                stream.SetLength(manifest.Tree.LengthBytes);
            if (Convert.ToHexStringLower(await SHA256.HashDataAsync(stream, cancellationToken)) == manifest.Tree.Sha256)
                return;
            // The next one begins with fresh bytes.
            stream.SetLength(0);
            throw new ProtocolException(ProtocolError.BadHash, $"the chunks of the tree of {package} are not the tree that its manifest names; let the site publish another version", package.ToString());
        }
    }

    private async Task ReadTreeAsync(PackageKey which, Action<string, Extent> take, CancellationToken cancellationToken)
    {
        try
        {
            var stream = OpenTree(which);
            await using (stream.ConfigureAwait(false))
            {
                var reader = new TreeReader(stream);
                var path = "";
                while (await reader.ReadAsync(cancellationToken) is { } line)
                {
                    if (line is Extent extent)
                        take(path, extent);
                    else
                        path = ((TreeEntry)line).Path;
                }
            }
        }
        catch (Exception e) when (which != package && (e is ProtocolException or IOException or UnauthorizedAccessException))
        {
            // Another version's tree is damaged: what was read of it serves as far as it is true, and the rest comes from a CAP.
            return;
        }
    }

    private FileStream OpenTree(PackageKey which) => new(cache.TreeOf(which), new FileStreamOptions { BufferSize = 0, Options = FileOptions.SequentialScan });

    private VersionFolder Open(string directory)
    {
        var folder = VersionFolder.Open(directory);
        _folders.Add(folder);
        return folder;
    }

    private void EndTree()
    {
        _treeStream?.Dispose();
        (_treeStream, _tree) = (null, null);
    }
}
