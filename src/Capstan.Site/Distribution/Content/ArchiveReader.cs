using Capstan.Protocol.Content;

namespace Capstan.Site.Distribution.Content;

/// <summary>Reads a tar stream into a publication: files to the pipeline, what they are to the spool. Any order, any usual form of tar; of several entries with one path the last counts.</summary>
internal sealed class ArchiveReader(ChunkPipeline pipeline, EntrySpool spool, PackFolder folder) : IDisposable
{
    private readonly ArchiveProblems _problems = new();
    /// <summary>Hard links by what they lead to, which may come after them.</summary>
    private readonly EntrySpool _links = new(folder);
    private long _bytes;

    /// <exception cref="SiteException"><c>bad_package</c> with all that is wrong; <c>package_too_large</c>.</exception>
    public async Task ReadAsync(Stream archive, CancellationToken cancellationToken)
    {
        var entries = new TarEntries(archive);
        try
        {
            while (await entries.NextAsync(cancellationToken) is { } entry)
                await TakeAsync(entries, entry, cancellationToken);
        }
        catch (InvalidDataException cause)
        {
            throw new SiteException($"Nothing was published: what arrived is no whole tar archive: {cause.Message}. Send it again.", "bad_package", cause);
        }
        AddHardLinks();
        _problems.Throw();
        if (spool.Count == 0)
            throw new SiteException("Nothing was published: the package is empty. Give a file, or a directory that holds one.", "bad_package");
    }

    public void Dispose() => _links.Dispose();

    private async Task TakeAsync(TarEntries entries, TarHeader entry, CancellationToken cancellationToken)
    {
        if (PathOf(entry.Name) is not { Length: > 0 } path)
            return;
        if (spool.Count + _links.Count >= ContentFormat.MaxEntries)
            throw new SiteException($"A package has at most {ContentFormat.MaxEntries} entries: divide it.", "package_too_large");
        if (Fault(path) is { } fault)
        {
            _problems.Add(path, fault);
            return;
        }
        var mode = entry.Mode & ContentFormat.ModeMask;
        switch (entry.Type)
        {
            case '0' or '7':
                // Once something is wrong, the rest is only looked at for more of it.
                if (!_problems.Any)
                    await TakeFileAsync(path, mode, entries, cancellationToken);
                break;
            case '5' or 'D':
                spool.Add(new SpooledEntry(path, TreeKind.Directory, mode, 0, default, null, 0, 0));
                break;
            case '2' when LinkFault(path, entry.Target) is { } reason:
                _problems.Add(path, reason);
                break;
            case '2':
                spool.Add(new SpooledEntry(path, TreeKind.Link, 0, 0, default, entry.Target, 0, 0));
                break;
            case '1' when PathOf(entry.Target) is var target:
                _links.Add(new SpooledEntry(target, TreeKind.Link, 0, 0, default, path, 0, 0));
                break;
            case '3' or '4' or '6':
                _problems.Add(path, "a device or a pipe cannot be published");
                break;
            case 'S':
                _problems.Add(path, "a sparse entry cannot be published; for tar, leave out --sparse");
                // What follows is laid out in another way.
                _problems.Throw();
                break;
            default:
                _problems.Add(path, $"an entry of type {entry.Type} cannot be published; for tar, leave out --multi-volume and --label");
                break;
        }
    }

    private async Task TakeFileAsync(string path, int mode, TarEntries entries, CancellationToken cancellationToken)
    {
        var first = pipeline.Chunks;
        while (await entries.ReadAsync(pipeline.Free, cancellationToken) is > 0 and var count)
        {
            _bytes += count;
            if (_bytes > ContentFormat.MaxContentBytes)
                throw new SiteException($"A package has at most {ContentFormat.MaxContentBytes} bytes: divide it.", "package_too_large");
            await pipeline.AdvanceAsync(count, cancellationToken);
        }
        var (length, hash) = await pipeline.EndFileAsync(cancellationToken);
        spool.Add(new SpooledEntry(path, TreeKind.File, mode, length, hash, null, first, pipeline.Chunks - first));
    }

    /// <summary>Each becomes a file of its own that shares the chunks. Both lists in one order, one look at each.</summary>
    private void AddHardLinks()
    {
        if (_links.Count == 0)
            return;
        using var found = new EntrySpool(folder);
        using (var files = spool.Sorted().GetEnumerator())
        {
            var isThere = files.MoveNext();
            foreach (var link in _links.Sorted(keepAll: true))
            {
                while (isThere && TreePath.Compare(files.Current.Path, link.Path) < 0)
                    isThere = files.MoveNext();
                if (isThere && files.Current.Kind == TreeKind.File && files.Current.Path == link.Path)
                    found.Add(files.Current with { Path = link.Target! });
                else
                    _problems.Add(link.Target!, "a hard link whose other end is no file of the package");
            }
        }
        foreach (var file in found.Entries())
            spool.Add(file);
    }

    private static string? Fault(string path) =>
        path.Contains('\uFFFD', StringComparison.Ordinal) ? "its name is not UTF-8; rename it" : TreePath.Problem(path);

    private static string? LinkFault(string path, string target) =>
        target.Contains('\uFFFD', StringComparison.Ordinal) ? "the target of this link is not UTF-8" : TreePath.TargetProblem(path, target);

    /// <summary>As a tree has it: <c>tar -C dir .</c> begins each name with <c>./</c>, and ends those of directories with <c>/</c>. Empty for the root.</summary>
    private static string PathOf(string name)
    {
        var path = name.TrimEnd('/');
        while (path.StartsWith("./", StringComparison.Ordinal))
            path = path[2..];
        return path == "." || (path.Length == 0 && name.StartsWith("./", StringComparison.Ordinal)) ? "" : path.Length == 0 ? "/" : path;
    }
}
