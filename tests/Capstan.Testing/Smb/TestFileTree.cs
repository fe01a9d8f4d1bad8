using Capstan.Smb;

namespace Capstan.Testing.Smb;

/// <summary>Files and directories of one share, in memory. Names are compared without case. Guarded by the server's lock; tests look at it between operations.</summary>
public sealed class TestFileTree(TimeProvider time)
{
    private const int MostNameChars = 255;

    internal TestNode Root { get; } = new("", isDirectory: true, parent: null, time.GetUtcNow());

    /// <summary>Space that is left; a write that needs more fails with DISK_FULL.</summary>
    public long FreeBytes { get; set; } = 1L << 40;

    /// <summary>Every listing goes on for ever.</summary>
    public bool IsEndless { get; set; }

    /// <summary>Every listing goes on for ever, and gives no other names than <c>.</c> and <c>..</c>.</summary>
    public bool IsEndlessWithoutNames { get; set; }

    /// <summary>So many renames are refused from now on, as while somebody has the target open.</summary>
    public int RefusedRenames { get; set; }

    public NtStatus RenameRefusal { get; set; }

    /// <summary>Path and content of every file, <c>/</c> between segments; a directory ends with one and has no content.</summary>
    public SortedDictionary<string, byte[]> Snapshot()
    {
        var all = new SortedDictionary<string, byte[]>(StringComparer.Ordinal);
        Collect(Root, "", all);
        return all;
    }

    /// <summary>Makes a file, with the directories above it.</summary>
    public void Add(string path, byte[] content)
    {
        var segments = path.Split('/');
        var directory = Root;
        foreach (var segment in segments[..^1])
            directory = directory.Children.TryGetValue(segment, out var child) ? child : Make(directory, segment, isDirectory: true);
        Make(directory, segments[^1], isDirectory: false).Content = content;
    }

    /// <summary>Puts another file in the place of one, as somebody does who replaces it; handles on the first stay valid.</summary>
    public void Exchange(string path, byte[] content)
    {
        if (!Find(path.Replace('/', '\\'), out var node).IsError && node is not null)
            Remove(node);
        Add(path, content);
    }

    public byte[]? Content(string path) => Find(path.Replace('/', '\\'), out var node).IsError ? null : node?.Content;

    /// <summary>What a path of the wire names; null, and success, when only the last segment is not there.</summary>
    internal NtStatus Find(string path, out TestNode? node)
    {
        node = Root;
        if (path.Length == 0)
            return NtStatus.Success;
        var segments = path.Split('\\');
        for (var i = 0; i < segments.Length; i++)
        {
            if (!IsName(segments[i]))
                return NtStatus.ObjectNameInvalid;
            if (!node.IsDirectory)
                return NtStatus.ObjectPathNotFound;
            if (node.Children.TryGetValue(segments[i], out var child))
            {
                node = child;
                continue;
            }
            node = null;
            return i == segments.Length - 1 ? NtStatus.Success : NtStatus.ObjectPathNotFound;
        }
        return NtStatus.Success;
    }

    /// <summary>The directory above a path whose last segment may be free.</summary>
    internal (TestNode Directory, string Name) Parent(string path)
    {
        var at = path.LastIndexOf('\\');
        Find(at < 0 ? "" : path[..at], out var directory);
        return (directory!, path[(at + 1)..]);
    }

    internal TestNode Make(TestNode directory, string name, bool isDirectory)
    {
        var node = new TestNode(name, isDirectory, directory, time.GetUtcNow());
        directory.Children.Add(name, node);
        return node;
    }

    internal NtStatus Write(TestNode node, long offset, ReadOnlySpan<byte> data)
    {
        var end = offset + data.Length;
        if (end - node.Content.Length > FreeBytes)
            return NtStatus.DiskFull;
        if (end > node.Content.Length)
        {
            FreeBytes -= end - node.Content.Length;
            var longer = new byte[end];
            node.Content.CopyTo(longer, 0);
            node.Content = longer;
        }
        data.CopyTo(node.Content.AsSpan((int)offset));
        node.LastWrite = time.GetUtcNow();
        return NtStatus.Success;
    }

    internal NtStatus Rename(TestNode node, string path, bool replace)
    {
        if (RefusedRenames > 0)
        {
            RefusedRenames--;
            return RenameRefusal;
        }
        var found = Find(path, out var target);
        if (found.IsError)
            return found;
        if (ReferenceEquals(target, node))
            return NtStatus.Success;
        if (target is not null)
        {
            if (!replace)
                return NtStatus.ObjectNameCollision;
            if (target.IsDirectory || target.Opens > 0)
                return NtStatus.AccessDenied;
            Remove(target);
        }
        var (directory, name) = Parent(path);
        node.Parent!.Children.Remove(node.Name);
        node.Parent = directory;
        node.Name = name;
        directory.Children.Add(name, node);
        return NtStatus.Success;
    }

    internal void Remove(TestNode node)
    {
        if (node.Parent is null)
            return;
        node.Parent.Children.Remove(node.Name);
        node.Parent = null;
        FreeBytes += node.Content.Length;
    }

    private static bool IsName(string segment) => segment.Length is > 0 and <= MostNameChars && segment.AsSpan().IndexOfAny("/:*?\"<>|") < 0;

    private static void Collect(TestNode node, string path, SortedDictionary<string, byte[]> all)
    {
        foreach (var child in node.Children.Values)
        {
            all.Add(path + child.Name + (child.IsDirectory ? "/" : ""), [.. child.Content]);
            Collect(child, $"{path}{child.Name}/", all);
        }
    }
}

/// <summary>One file or directory.</summary>
internal sealed class TestNode(string name, bool isDirectory, TestNode? parent, DateTimeOffset now)
{
    public string Name { get; set; } = name;

    public bool IsDirectory => isDirectory;

    public TestNode? Parent { get; set; } = parent;

    public SortedDictionary<string, TestNode> Children { get; } = new(StringComparer.OrdinalIgnoreCase);

    public byte[] Content { get; set; } = [];

    public DateTimeOffset Created { get; } = now;

    public DateTimeOffset LastWrite { get; set; } = now;

    /// <summary>Handles on it.</summary>
    public int Opens { get; set; }

    public bool IsDeletePending { get; set; }

    public SmbAttributes Attributes => isDirectory ? SmbAttributes.Directory : SmbAttributes.Archive;
}
