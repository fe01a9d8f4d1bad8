using Capstan.Protocol.V1;

namespace Capstan.Client.Inventory;

/// <summary>Reads the files of one machine below a root, bounded, and remembers what it was not allowed to read.</summary>
/// <remarks>Paths are relative to the root, with slashes. Absence is an answer (null, empty); refusal and failure also stand in <see cref="Unread"/>. One thread at a time.</remarks>
internal sealed class EvidenceTree(string root)
{
    /// <summary>Bound of one file of /proc or /sys.</summary>
    public const int DefaultMaxBytes = 64 * 1024;

    /// <summary>Bound of one listing; beyond it the rest is named as unread.</summary>
    public const int MaxEntries = 4096;

    private static string Denied => Environment.IsPrivilegedProcess
        ? "permission denied even for root; a sandbox or security module refuses it"
        : "permission denied; needs root";

    private readonly string _root = Path.TrimEndingDirectorySeparator(root);
    private readonly SortedDictionary<string, string> _unread = new(StringComparer.Ordinal);

    /// <summary>True when the root is that of this machine, so that the kernel may be asked, too (sizes, addresses).</summary>
    public bool IsLive { get; } = root == "/";

    public IReadOnlyList<UnreadSource> Unread
    {
        get
        {
            var list = new List<UnreadSource>(_unread.Count);
            foreach (var (source, reason) in _unread)
            {
                list.Add(new UnreadSource(source, reason));
            }
            return list;
        }
    }

    public string Full(string path) => $"{(_root == "/" ? "" : _root)}/{path}";

    /// <summary>The first reason for a source stays; sources beyond <see cref="MaxEntries"/> are as many lines of one cause, and are left out.</summary>
    public void Miss(string source, string reason)
    {
        if (_unread.Count < MaxEntries)
        {
            _unread.TryAdd(FactText.Clean(source) ?? "?", FactText.Clean(reason) ?? "?");
        }
    }

    public bool HasFile(string path) => File.Exists(Full(path));

    public bool HasDirectory(string path) => Directory.Exists(Full(path));

    /// <summary>The first <paramref name="maxBytes"/> bytes; null when the file is absent or cannot be read.</summary>
    public byte[]? ReadBytes(string path, int maxBytes = DefaultMaxBytes) => Read(path, maxBytes, quiet: false);

    public string? ReadText(string path, int maxBytes = DefaultMaxBytes) =>
        ReadBytes(path, maxBytes) is { } bytes ? System.Text.Encoding.UTF8.GetString(bytes) : null;

    /// <summary>A one-line attribute, cleaned. The kernel answers EINVAL or EIO where an attribute does not apply, so only a refusal is remembered.</summary>
    public string? ReadAttribute(string path) => Read(path, DefaultMaxBytes, quiet: true) is { } bytes ? FactText.Clean(bytes) : null;

    /// <summary>Names in a directory, in ordinal order; empty when absent.</summary>
    public IReadOnlyList<string> List(string path)
    {
        var full = Full(path);
        if (!Directory.Exists(full))
        {
            return [];
        }
        var names = new List<string>();
        try
        {
            foreach (var entry in Directory.EnumerateFileSystemEntries(full))
            {
                if (names.Count == MaxEntries)
                {
                    Miss("/" + path, $"more than {MaxEntries} entries; the rest is left out");
                    break;
                }
                names.Add(Path.GetFileName(entry));
            }
        }
        catch (UnauthorizedAccessException)
        {
            Miss("/" + path, Denied);
        }
        catch (IOException error)
        {
            Miss("/" + path, $"cannot be listed: {error.Message}");
        }
        names.Sort(StringComparer.Ordinal);
        return names;
    }

    /// <summary>When a file was last written, in Unix seconds; null when it is absent.</summary>
    public long? ModifiedAt(string path)
    {
        var full = Full(path);
        // An absent file has the first moment of Windows' calendar, 1601.
        var seconds = new DateTimeOffset(File.GetLastWriteTimeUtc(full)).ToUnixTimeSeconds();
        return FactText.Seconds(seconds);
    }

    /// <summary>Where a symbolic link points, as written; null when it is none.</summary>
    public string? LinkTarget(string path)
    {
        try
        {
            return new FileInfo(Full(path)).LinkTarget;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return null; // As for an attribute that does not apply: the device went, or there is no such link.
        }
    }

    /// <summary>The last name of a link's target: drivers, devices and subsystems are named that way in /sys.</summary>
    public string? LinkName(string path) => LinkTarget(path) is { } target ? FactText.Clean(Path.GetFileName(target)) : null;

    private byte[]? Read(string path, int maxBytes, bool quiet)
    {
        var full = Full(path);
        // Absence is usual and an exception is dear.
        if (!File.Exists(full))
        {
            return null;
        }
        try
        {
            using var file = File.OpenHandle(full);
            // Files of /proc and /sys have no length, and give one page at a time.
            var buffer = new byte[Math.Min(maxBytes, 4096)];
            var length = 0;
            while (true)
            {
                if (length == buffer.Length)
                {
                    if (length == maxBytes)
                    {
                        return buffer;
                    }
                    Array.Resize(ref buffer, (int)Math.Min(maxBytes, buffer.Length * 4L));
                }
                var read = RandomAccess.Read(file, buffer.AsSpan(length), length);
                if (read == 0)
                {
                    return buffer.AsSpan(0, length).ToArray();
                }
                length += read;
            }
        }
        catch (UnauthorizedAccessException)
        {
            Miss("/" + path, Denied);
            return null;
        }
        catch (IOException error)
        {
            if (!quiet)
            {
                Miss("/" + path, $"cannot be read: {error.Message}");
            }
            return null;
        }
    }
}
