using System.Globalization;
using System.Runtime.InteropServices;

namespace Capstan.Client.Identity;

/// <summary>Small private files that are there completely or not at all: temporary name in the same folder, flushed, renamed, folder flushed.</summary>
internal static partial class DurableFile
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const UnixFileMode OwnerDirectory = OwnerOnly | UnixFileMode.UserExecute;

    private const string Temporary = ".tmp";
    private const int Exists = 17;   // EEXIST

    private static readonly Lock s_gate = new();
    private static Action<string>? s_flushed;

    /// <summary>Tells which folders were flushed, by any thread, until the result is disposed: how it is shown what a power cut leaves.</summary>
    public static IDisposable Observe(Action<string> flushed) => new Observer(flushed);

    /// <summary>Makes the directory, mode 0700, and its parents, durable on return; the mode of an existing one is left alone.</summary>
    public static void CreatePrivateDirectory(string path)
    {
        var made = new Stack<string>();
        for (var missing = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path)); !Directory.Exists(missing) && Path.GetDirectoryName(missing) is { } parent; missing = parent)
            made.Push(parent);
        if (OperatingSystem.IsWindows())
            Directory.CreateDirectory(path);
        else
            Directory.CreateDirectory(path, OwnerDirectory);
        foreach (var parent in made)
            FlushDirectory(parent);
    }

    /// <summary>Removes a file for good, if it is there.</summary>
    public static void Remove(string path)
    {
        if (!File.Exists(path))
            return;
        File.Delete(path);
        FlushDirectory(Path.GetDirectoryName(path)!);
    }

    /// <summary>Gives a file that is durable already another place, in which nothing or an older one may be: the old content or the new is there after a crash.</summary>
    public static void Move(string from, string to)
    {
        File.Move(from, to, overwrite: true);
        FlushDirectory(Path.GetDirectoryName(to)!);
    }

    /// <summary>Creates or replaces the file, mode 0600. A crash leaves the old content or the new, and perhaps a file <c>.tmp</c>.</summary>
    public static async ValueTask WriteAsync(string path, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        var stream = Begin(path, out var temporary);
        await using (stream.ConfigureAwait(false))
        {
            await stream.WriteAsync(content, cancellationToken);
            stream.Flush(flushToDisk: true);
        }
        Move(temporary, path);
    }

    /// <summary>As the other, with the calling thread: for a process that must write when the machine gives it no other.</summary>
    public static void Write(string path, ReadOnlySpan<byte> content)
    {
        using (var stream = Begin(path, out _))
        {
            stream.Write(content);
            stream.Flush(flushToDisk: true);
        }
        Move(path + Temporary, path);
    }

    /// <summary>As that, where there is no such file yet: of several that do so at once, whatever holds them apart, one does.</summary>
    /// <exception cref="IOException">It cannot be written, or is there already.</exception>
    public static void WriteNew(string path, ReadOnlySpan<byte> content)
    {
        // A name of its own: another may be at it.
        var temporary = string.Create(CultureInfo.InvariantCulture, $"{path}.{Environment.ProcessId}{Temporary}");
        using (var stream = Begin(temporary))
        {
            stream.Write(content);
            stream.Flush(flushToDisk: true);
        }
        MoveNew(temporary, path);
        FlushDirectory(Path.GetDirectoryName(path)!);
    }

    /// <summary>A rename would replace what is there; a second name of the file does not.</summary>
    private static void MoveNew(string from, string to)
    {
        if (OperatingSystem.IsWindows())
        {
            File.Move(from, to, overwrite: false);
            return;
        }
        var error = Link(from, to) == 0 ? 0 : Marshal.GetLastPInvokeError();
        if (error is not (0 or Exists))
        {
            // A file system without second names: that is looked at an instant before.
            File.Move(from, to, overwrite: false);
            return;
        }
        File.Delete(from);
        if (error == Exists)
            throw new IOException($"{to} is there already: another process has written it");
    }

    private static FileStream Begin(string path, out string temporary) => Begin(temporary = path + Temporary);

    private static FileStream Begin(string temporary)
    {
        // What an interrupted write left may have been made by another hand: a new file has our mode for certain.
        File.Delete(temporary);
        return new FileStream(temporary, Options());
    }

    /// <summary>An empty file with mode 0600, if there is none: SQLite gives its companions the mode of the database.</summary>
    public static void EnsurePrivate(string path)
    {
        if (File.Exists(path))
            return;
        new FileStream(path, Options()).Dispose();
    }

    /// <summary>A renamed or deleted name survives a power cut only when its folder was flushed. Windows does it by itself.</summary>
    public static void FlushDirectory(string path)
    {
        if (OperatingSystem.IsWindows())
            return;
        var handle = OpenForFlush(path, 0);
        if (handle < 0)
            throw new IOException($"cannot open the directory {path} to flush it: {Marshal.GetLastPInvokeErrorMessage()}");
        try
        {
            if (Flush(handle) != 0)
                throw new IOException($"cannot flush the directory {path}: {Marshal.GetLastPInvokeErrorMessage()}");
            s_flushed?.Invoke(path);
        }
        finally
        {
            _ = Close(handle);
        }
    }

    private static FileStreamOptions Options()
    {
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, Share = FileShare.None };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = OwnerOnly;
        return options;
    }

    private sealed class Observer : IDisposable
    {
        private readonly Action<string> _flushed;

        public Observer(Action<string> flushed)
        {
            _flushed = flushed;
            lock (s_gate)
                s_flushed += flushed;
        }

        public void Dispose()
        {
            lock (s_gate)
                s_flushed -= _flushed;
        }
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int OpenForFlush(string path, int flags);

    [LibraryImport("libc", EntryPoint = "link", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Link(string from, string to);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Flush(int handle);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Close(int handle);
}
