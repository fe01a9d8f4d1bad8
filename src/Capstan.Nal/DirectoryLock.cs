using System.Globalization;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Capstan.Nal;

/// <summary>The right of one process to work in a directory. The kernel frees it when the process dies: no stale locks.</summary>
/// <remarks>The lock is on the file <c>lock</c>, which only an uninstallation deletes, and while it holds it; its text (process id) is for display only.</remarks>
public sealed partial class DirectoryLock : IDisposable
{
    private readonly FileStream _file;

    private DirectoryLock(FileStream file) => _file = file;

    /// <summary>Takes the lock, or says who has it.</summary>
    /// <param name="holder">For a message: <c>process 4711</c>, or <c>another process</c> when it does not say.</param>
    /// <exception cref="IOException">The file cannot be made or opened for another reason than a lock.</exception>
    public static DirectoryLock? TryTake(string directory, out string holder)
    {
        holder = "";
        var path = System.IO.Path.Combine(directory, "lock");
        FileStream file;
        try
        {
            // FileShare.None is an flock on Unix and a share mode on Windows; both end with the process.
            file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException) when (File.Exists(path))
        {
            holder = HolderOf(path);
            return null;
        }
        try
        {
            file.SetLength(0);
            file.Write(System.Text.Encoding.ASCII.GetBytes(Environment.ProcessId.ToString(CultureInfo.InvariantCulture)));
            file.Flush();
        }
        catch (IOException)
        {
            // The disk is full: the lock holds all the same, and its holder stays unnamed.
        }
        return new DirectoryLock(file);
    }

    public void Dispose() => _file.Dispose();

    /// <remarks>The base library asks for a shared lock with every open, which the holder's lock refuses; a plain <c>open</c> asks for none.</remarks>
    private static string HolderOf(string path)
    {
        if (OperatingSystem.IsWindows())
            return Unknown;
        using var file = new SafeFileHandle(Open(path, ReadOnlyCloseOnExec), ownsHandle: true);
        if (file.IsInvalid)
            return Unknown;
        var text = new byte[16];
        var length = RandomAccess.Read(file, text, fileOffset: 0);
        return int.TryParse(text.AsSpan(0, length), NumberStyles.None, CultureInfo.InvariantCulture, out var process) ? $"process {process}" : Unknown;
    }

    private const string Unknown = "another process";

    /// <summary>O_RDONLY, and O_CLOEXEC by the system's number.</summary>
    private static int ReadOnlyCloseOnExec => OperatingSystem.IsMacOS() ? 0x1000000 : 0x80000;

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Open(string path, int flags);
}
