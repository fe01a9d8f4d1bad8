namespace Capstan.Protocol.Content;

/// <summary>What the lines of a tree must be together: in order, each path once, each parent a directory that stands before, each file exactly its extents. Keeps no more than one path. Not thread-safe.</summary>
public sealed class TreeRules
{
    /// <summary>Directories that may still get entries; each is a prefix of the last path, so the stack is as deep as that is long.</summary>
    private readonly Stack<string> _directories = [];
    private string _last = "";
    private long _missing;

    /// <summary>Entries so far.</summary>
    public int Entries { get; private set; }

    /// <summary>Files so far.</summary>
    public int Files { get; private set; }

    /// <summary>Plain bytes of the files so far.</summary>
    public long ContentBytes { get; private set; }

    /// <summary>Takes the next line.</summary>
    /// <exception cref="ProtocolException">It may not stand here. Nothing after it may be believed.</exception>
    public void Accept(TreeLine line)
    {
        ArgumentNullException.ThrowIfNull(line);
        if (line is Extent extent)
        {
            var length = extent.LengthBytes();
            if (length > _missing)
                throw Malformed("an extent goes beyond its file");
            _missing -= length;
            return;
        }
        Finish();
        Accept((TreeEntry)line);
    }

    /// <summary>Nothing follows.</summary>
    /// <exception cref="ProtocolException">The last file is not complete.</exception>
    public void Finish()
    {
        if (_missing > 0)
            throw Malformed($"a file lacks {_missing} bytes of its extents");
    }

    private void Accept(TreeEntry entry)
    {
        if (++Entries > ContentFormat.MaxEntries)
            throw new ProtocolException(ProtocolError.TooLarge, $"a tree has at most {ContentFormat.MaxEntries} entries");
        if (TreePath.Compare(_last, entry.Path) >= 0)
            throw Malformed("a path stands twice or not in its place");
        while (_directories.TryPeek(out var open) && !entry.Path.StartsWith(open, StringComparison.Ordinal))
            _directories.Pop();
        var slash = entry.Path.LastIndexOf('/');
        if (slash >= 0 && !_directories.Contains(entry.Path[..slash], StringComparer.Ordinal))
            throw Malformed("an entry lies in what is no directory of the tree");
        if (entry.Kind == TreeKind.Directory)
            _directories.Push(entry.Path);
        if (entry.Kind == TreeKind.File)
        {
            Files++;
            _missing = entry.SizeBytes;
            ContentBytes += entry.SizeBytes;
            if (ContentBytes > ContentFormat.MaxContentBytes)
                throw new ProtocolException(ProtocolError.TooLarge, $"a tree has at most {ContentFormat.MaxContentBytes} bytes of content");
        }
        _last = entry.Path;
    }

    private static ProtocolException Malformed(string what) => new(ProtocolError.Malformed, $"the tree: {what}");
}
