using System.IO.Enumeration;
using Capstan.Protocol.Content;
using Capstan.Site.Console;

namespace Capstan.Cli.Packages;

/// <summary>One entry of a source.</summary>
/// <param name="Path">In the package.</param>
/// <param name="FullPath">On this machine.</param>
/// <param name="Target">Of a link; null otherwise.</param>
internal sealed record SourceEntry(string Path, string FullPath, FileFacts Facts, string? Target);

/// <summary>A directory or a file of this machine, looked through before a byte of it is sent: everything that cannot be published is said at once. No list of it is kept, however long it is.</summary>
internal sealed class PackageSource
{
    private const int MaxShown = 20;

    private static readonly EnumerationOptions s_everything = new() { AttributesToSkip = default, IgnoreInaccessible = false, ReturnSpecialDirectories = false };

    private readonly string _root;
    /// <summary>What a single file is called in the package; null for a directory.</summary>
    private readonly string? _name;

    private PackageSource(string root, string? name)
    {
        _root = root;
        _name = name;
    }

    /// <param name="forbidden">Directories that the source may not be, lie in or hold, each with what it is: the site's own, and its CAPs on this machine.</param>
    /// <exception cref="CliException">With all that is wrong, up to 20 lines of it.</exception>
    public static PackageSource Read(string path, IEnumerable<(string Directory, string What)> forbidden)
    {
        var real = FileFacts.RealPath(path) ?? throw new CliException($"there is no {path}", ExitCode.NotFound);
        foreach (var (directory, what) in forbidden)
        {
            if (FileFacts.RealPath(directory) is { } other && (IsIn(real, other) || IsIn(other, real)))
                throw new CliException($"{path} is {(real == other ? "" : IsIn(real, other) ? "inside " : "above ")}{what} ({directory}): give a source that lies elsewhere", ExitCode.Usage);
        }
        var source = new PackageSource(real, Directory.Exists(real) ? null : Path.GetFileName(path.TrimEnd('/')));
        var problems = new Problems();
        var hasFile = false;
        foreach (var entry in source.Walk(problems))
            hasFile |= entry.Facts.Kind == SourceKind.File;
        problems.Throw($"nothing of {path} was published:");
        return hasFile ? source : throw new CliException($"{path} holds no file: a package has at least one", ExitCode.Usage);
    }

    /// <summary>In the order of trees, each as it is when it is reached.</summary>
    /// <exception cref="CliException">Something cannot be published that could be a moment before.</exception>
    public IEnumerable<SourceEntry> Entries()
    {
        var problems = new Problems();
        foreach (var entry in Walk(problems))
        {
            problems.Throw("the source changed while it was read, and cannot be published any more:");
            yield return entry;
        }
        problems.Throw("the source changed while it was read, and cannot be published any more:");
    }

    private static bool IsIn(string path, string directory) => path == directory || directory == "/" || path.StartsWith(directory + "/", StringComparison.Ordinal);

    /// <summary>What is wrong is left out.</summary>
    private IEnumerable<SourceEntry> Walk(Problems problems)
    {
        if (_name is not null)
        {
            if (Look(_name, _root, problems) is { } single)
                yield return single;
            yield break;
        }
        var refused = new HashSet<string>(StringComparer.Ordinal);
        var open = new Stack<Level>([Names("", problems)]);
        while (open.TryPeek(out var level))
        {
            if (level.Next == level.Names.Count)
            {
                open.Pop();
                continue;
            }
            var path = level.Prefix + level.Names[level.Next++];
            if (!path.EndsWith('/'))
            {
                if (Look(path, Path.Combine(_root, path), problems) is { } entry)
                    yield return entry;
                else
                    refused.Add(path + "/");
            }
            else if (!refused.Contains(path))
                open.Push(Names(path, problems));
        }
    }

    /// <param name="directory">Empty, or with a slash at its end.</param>
    private Level Names(string directory, Problems problems)
    {
        var names = new List<string>();
        try
        {
            var entries = new FileSystemEnumerable<(string Name, bool IsDirectory)>(Path.Combine(_root, directory),
                static (ref FileSystemEntry entry) => (entry.FileName.ToString(), entry.IsDirectory && !entry.Attributes.HasFlag(FileAttributes.ReparsePoint)), s_everything);
            foreach (var (name, isDirectory) in entries)
            {
                names.Add(name);
                if (isDirectory)
                    names.Add(name + "/");
            }
        }
        catch (Exception cause) when (cause is UnauthorizedAccessException or IOException)
        {
            problems.Add(directory.Length == 0 ? "." : directory.TrimEnd('/'), $"cannot be read: {cause.Message}");
        }
        names.Sort(TreePath.Compare);
        return new Level(directory, names);
    }

    private static SourceEntry? Look(string path, string full, Problems problems)
    {
        if (FileFacts.Of(full) is not { } facts)
            return problems.Add(path, path.Contains('\uFFFD', StringComparison.Ordinal) ? "its name is not UTF-8; rename it" : "it went away while it was looked at");
        if (TreePath.Problem(path) is { } fault)
            return problems.Add(path, fault);
        var target = facts.Kind == SourceKind.Link ? new FileInfo(full).LinkTarget ?? "" : null;
        if (target is not null && TreePath.TargetProblem(path, target) is { } wrong)
            return problems.Add(path, $"{wrong} (it leads to {VisibleText.Of(target, 200)})");
        return facts.Kind == SourceKind.Other ? problems.Add(path, "a device, a pipe or a socket cannot be published") : new SourceEntry(path, full, facts, target);
    }

    /// <summary>A directory that is open: names in it, and with a slash behind it what lies in one of them. So <c>a-b</c> comes between <c>a</c> and <c>a/b</c>, as in a tree.</summary>
    private sealed record Level(string Prefix, List<string> Names)
    {
        public int Next { get; set; }
    }

    private sealed class Problems
    {
        private readonly List<string> _shown = [];
        private int _count;

        /// <returns>Null, for there is no entry.</returns>
        public SourceEntry? Add(string path, string what)
        {
            if (_count++ < MaxShown)
                _shown.Add($"  {VisibleText.Of(path, 300)}: {what}");
            return null;
        }

        public void Throw(string first)
        {
            if (_count > 0)
                throw new CliException(string.Join("\n", _shown.Prepend(first)) + (_count > MaxShown ? $"\n  and {_count - MaxShown} more" : ""), ExitCode.Usage);
        }
    }
}
