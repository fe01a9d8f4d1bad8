using System.Globalization;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Capstan.Nal;

/// <summary>The right of one process to work in a directory. The kernel frees it when the process dies: no stale locks.</summary>
/// <remarks>The lock is on the file <c>lock</c>, which only an uninstallation deletes, and while it holds it; its text (process id) is for display only.</remarks>
public sealed partial class DirectoryLock : IDisposable
{
    /// <summary>Each is a millisecond, but for the first few.</summary>
    private const int Tries = 1_000;

    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private readonly FileStream _file;

    private DirectoryLock(FileStream file) => _file = file;

    /// <summary>Takes the lock, or says who has it.</summary>
    /// <param name="holder">For a message: <c>process 4711</c>, or <c>another process</c> when it does not say.</param>
    /// <exception cref="IOException">The file cannot be made or opened for another reason than a lock.</exception>
    public static DirectoryLock? TryTake(string directory, out string holder)
    {
        holder = "";
        var path = PathOf(directory);
        var spin = new SpinWait();
        while (true)
        {
            try
            {
                // FileShare.None is an flock on Unix and a share mode on Windows; both end with the process.
                return Sign(new FileStream(path, Options()));
            }
            catch (IOException) when (File.Exists(path))
            {
                // Whoever only looks whether it is taken (IsTaken) is in the way for an instant: about a second of such instants is enough.
                if (IsTaken(directory) || spin.Count >= Tries)
                {
                    holder = HolderOf(path);
                    return null;
                }
                spin.SpinOnce();
            }
        }
    }

    /// <summary>Whether a process has the lock. Takes it from nobody, and two who ask do not see each other.</summary>
    /// <exception cref="UnauthorizedAccessException">This account may not read the lock.</exception>
    public static bool IsTaken(string directory)
    {
        var path = PathOf(directory);
        try
        {
            using var shared = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read);
            return false;
        }
        catch (IOException cause)
        {
            return cause is not (FileNotFoundException or DirectoryNotFoundException);
        }
    }

    /// <summary>0600: whoever may open it for reading could lock it, and so keep everybody out.</summary>
    private static FileStreamOptions Options()
    {
        var options = new FileStreamOptions { Mode = FileMode.OpenOrCreate, Access = FileAccess.ReadWrite, Share = FileShare.None };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = OwnerOnly;
        return options;
    }

    private static DirectoryLock Sign(FileStream file)
    {
        try
        {
            // Older ones were made for all to read.
            if (!OperatingSystem.IsWindows() && File.GetUnixFileMode(file.SafeFileHandle) != OwnerOnly)
                File.SetUnixFileMode(file.SafeFileHandle, OwnerOnly);
            file.SetLength(0);
            file.Write(System.Text.Encoding.ASCII.GetBytes(Environment.ProcessId.ToString(CultureInfo.InvariantCulture)));
            file.Flush();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The disk is full, or another account's file cannot be made private: the lock holds all the same, and its holder stays unnamed.
        }
        return new DirectoryLock(file);
    }

    public void Dispose() => _file.Dispose();

    private static string PathOf(string directory) => System.IO.Path.Combine(directory, "lock");

    private static string HolderOf(string path) => Signature(path) is { } process ? $"process {process}" : Unknown;

    /// <summary>Who took the lock last, by what it wrote; it may have gone since, and something else may have the lock that writes nothing. Null where nobody has signed, and on Windows.</summary>
    public static int? SignedBy(string directory) => Signature(PathOf(directory));

    /// <remarks>The base library asks for a shared lock with every open, which the holder's lock refuses; a plain <c>open</c> asks for none.</remarks>
    private static int? Signature(string path)
    {
        if (OperatingSystem.IsWindows())
            return null;
        using var file = new SafeFileHandle(Open(path, ReadOnlyCloseOnExec), ownsHandle: true);
        if (file.IsInvalid)
            return null;
        var text = new byte[16];
        var length = RandomAccess.Read(file, text, fileOffset: 0);
        return int.TryParse(text.AsSpan(0, length), NumberStyles.None, CultureInfo.InvariantCulture, out var process) ? process : null;
    }

    private const string Unknown = "another process";

    /// <summary>O_RDONLY, and O_CLOEXEC by the system's number.</summary>
    private static int ReadOnlyCloseOnExec => OperatingSystem.IsMacOS() ? 0x1000000 : 0x80000;

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Open(string path, int flags);
}
