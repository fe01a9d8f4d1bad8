using System.Formats.Tar;
using Capstan.Protocol.Content;

namespace Capstan.Site.Distribution.Content;

/// <summary>Reads a tar stream into a publication: files to the pipeline, what they are to the spool. Any order, any tar format; of several entries with one path the last counts.</summary>
internal sealed class ArchiveReader(ChunkPipeline pipeline, TreeSpool spool)
{
    private readonly ArchiveProblems _problems = new();
    private readonly List<(string Path, string Target)> _hardLinks = [];
    private long _bytes;

    /// <exception cref="SiteException"><c>bad_package</c> with all that is wrong; <c>package_too_large</c>.</exception>
    public async Task ReadAsync(Stream archive, CancellationToken cancellationToken)
    {
        var watched = new ArchiveEnd(archive);
        try
        {
            await using var reader = new TarReader(watched, leaveOpen: true);
            while (await reader.GetNextEntryAsync(copyData: false, cancellationToken) is { } entry)
                await TakeAsync(entry, cancellationToken);
            await watched.CopyToAsync(Stream.Null, cancellationToken);
        }
        catch (EndOfStreamException) when (watched.IsEmpty)
        {
            // Some make an archive of nothing so: it is told below.
        }
        catch (Exception cause) when (cause is InvalidDataException or FormatException or EndOfStreamException or NotSupportedException)
        {
            throw new SiteException($"Nothing was published: what arrived is no whole tar archive ({cause.Message.TrimEnd('.')}). Send it again.", "bad_package", cause);
        }
        if (!watched.IsWhole && !watched.IsEmpty)
            throw new SiteException("Nothing was published: the archive has no end (1,024 zero bytes), so something of it may be missing. Send it again.", "bad_package");
        AddHardLinks();
        _problems.Throw();
        if (spool.Count == 0)
            throw new SiteException("Nothing was published: the package is empty. Give a file, or a directory that holds one.", "bad_package");
    }

    private async Task TakeAsync(TarEntry entry, CancellationToken cancellationToken)
    {
        if (PathOf(entry.Name) is not { Length: > 0 } path)
            return;
        if (spool.Count >= ContentFormat.MaxEntries)
            throw new SiteException($"A package has at most {ContentFormat.MaxEntries} entries: divide it.", "package_too_large");
        if (Fault(path) is { } fault)
        {
            _problems.Add(path, fault);
            return;
        }
        var mode = (int)entry.Mode & ContentFormat.ModeMask;
        switch (entry.EntryType)
        {
            case TarEntryType.RegularFile or TarEntryType.V7RegularFile or TarEntryType.ContiguousFile:
                // Once something is wrong, the rest is only looked at for more of it.
                if (!_problems.Any)
                    await TakeFileAsync(path, mode, entry.DataStream, cancellationToken);
                break;
            case TarEntryType.Directory or TarEntryType.DirectoryList:
                spool.AddEntry(new SpooledEntry(path, TreeKind.Directory, mode, 0, default, null, 0, 0));
                break;
            case TarEntryType.SymbolicLink when LinkFault(path, entry.LinkName) is { } reason:
                _problems.Add(path, reason);
                break;
            case TarEntryType.SymbolicLink:
                spool.AddEntry(new SpooledEntry(path, TreeKind.Link, 0, 0, default, entry.LinkName, 0, 0));
                break;
            case TarEntryType.HardLink:
                _hardLinks.Add((path, PathOf(entry.LinkName)));
                break;
            case TarEntryType.CharacterDevice or TarEntryType.BlockDevice or TarEntryType.Fifo:
                _problems.Add(path, "a device or a pipe cannot be published");
                break;
            default:
                _problems.Add(path, $"an entry of type {entry.EntryType} cannot be published; for tar, leave out --sparse and --multi-volume");
                break;
        }
    }

    private async Task TakeFileAsync(string path, int mode, Stream? content, CancellationToken cancellationToken)
    {
        var first = pipeline.Chunks;
        while (content is not null && await content.ReadAsync(pipeline.Free, cancellationToken) is > 0 and var count)
        {
            _bytes += count;
            if (_bytes > ContentFormat.MaxContentBytes)
                throw new SiteException($"A package has at most {ContentFormat.MaxContentBytes} bytes: divide it.", "package_too_large");
            await pipeline.AdvanceAsync(count, cancellationToken);
        }
        var (length, hash) = await pipeline.EndFileAsync(cancellationToken);
        spool.AddEntry(new SpooledEntry(path, TreeKind.File, mode, length, hash, null, first, pipeline.Chunks - first));
    }

    /// <summary>Each becomes a file of its own that shares the chunks.</summary>
    private void AddHardLinks()
    {
        if (_hardLinks.Count == 0)
            return;
        var wanted = _hardLinks.Select(link => link.Target).ToHashSet(StringComparer.Ordinal);
        var targets = new Dictionary<string, SpooledEntry>(StringComparer.Ordinal);
        foreach (var entry in spool.Entries().Where(entry => entry.Kind == TreeKind.File && wanted.Contains(entry.Path)))
            targets[entry.Path] = entry;
        foreach (var (path, target) in _hardLinks)
        {
            if (targets.TryGetValue(target, out var file))
                spool.AddEntry(file with { Path = path });
            else
                _problems.Add(path, "a hard link whose other end is no file of the package");
        }
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
