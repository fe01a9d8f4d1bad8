using Capstan.Protocol.Content;
using Capstan.Site.Console;

namespace Capstan.Cli.Packages;

/// <summary>One entry of a source.</summary>
/// <param name="Path">In the package.</param>
/// <param name="FullPath">On this machine.</param>
/// <param name="Target">Of a link; null otherwise.</param>
internal sealed record SourceEntry(string Path, string FullPath, FileFacts Facts, string? Target);

/// <summary>A directory or a file of this machine, looked through before a byte of it is sent: everything that cannot be published is said at once.</summary>
internal sealed class PackageSource
{
    private const int MaxShown = 20;

    private readonly List<SourceEntry> _entries = [];
    private readonly List<string> _problems = [];
    private int _problemCount;

    private PackageSource()
    {
    }

    /// <summary>In the order of trees.</summary>
    public IReadOnlyList<SourceEntry> Entries => _entries;

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
        var source = new PackageSource();
        if (Directory.Exists(real))
            source.ReadDirectory(real);
        else
            source.Add(Path.GetFileName(path.TrimEnd('/')), real);
        if (source._problemCount > 0)
            throw new CliException(string.Join("\n", source._problems.Prepend($"nothing of {path} was published:")) + (source._problemCount > MaxShown ? $"\n  and {source._problemCount - MaxShown} more" : ""), ExitCode.Usage);
        if (!source._entries.Exists(entry => entry.Facts.Kind == SourceKind.File))
            throw new CliException($"{path} holds no file: a package has at least one", ExitCode.Usage);
        source._entries.Sort((left, right) => TreePath.Compare(left.Path, right.Path));
        return source;
    }

    private static bool IsIn(string path, string directory) => path == directory || directory == "/" || path.StartsWith(directory + "/", StringComparison.Ordinal);

    private void ReadDirectory(string root)
    {
        var open = new Stack<string>([""]);
        while (open.TryPop(out var relative))
        {
            try
            {
                foreach (var full in Directory.EnumerateFileSystemEntries(Path.Combine(root, relative), "*", new EnumerationOptions { AttributesToSkip = default, IgnoreInaccessible = false, ReturnSpecialDirectories = false }))
                {
                    var path = relative.Length == 0 ? Path.GetFileName(full) : $"{relative}/{Path.GetFileName(full)}";
                    if (Add(path, full)?.Facts.Kind == SourceKind.Directory)
                        open.Push(path);
                }
            }
            catch (Exception cause) when (cause is UnauthorizedAccessException or IOException)
            {
                Problem(relative.Length == 0 ? "." : relative, $"cannot be read: {cause.Message}");
            }
        }
    }

    private SourceEntry? Add(string path, string full)
    {
        if (FileFacts.Of(full) is not { } facts)
            return Problem(path, path.Contains('\uFFFD', StringComparison.Ordinal) ? "its name is not UTF-8; rename it" : "it went away while it was looked at");
        if (TreePath.Problem(path) is { } fault)
            return Problem(path, fault);
        var target = facts.Kind == SourceKind.Link ? new FileInfo(full).LinkTarget ?? "" : null;
        if (target is not null && TreePath.TargetProblem(path, target) is { } wrong)
            return Problem(path, $"{wrong} (it leads to {VisibleText.Of(target, 200)})");
        if (facts.Kind == SourceKind.Other)
            return Problem(path, "a device, a pipe or a socket cannot be published");
        var entry = new SourceEntry(path, full, facts, target);
        _entries.Add(entry);
        return entry;
    }

    private SourceEntry? Problem(string path, string what)
    {
        if (_problemCount++ < MaxShown)
            _problems.Add($"  {VisibleText.Of(path, 300)}: {what}");
        return null;
    }
}
