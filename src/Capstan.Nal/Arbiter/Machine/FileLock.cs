using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Capstan.Nal.Arbiter.Machine;

/// <summary>An <c>flock</c> of one opening of a file: the kernel ends it with the process, whatever happens to that. Linux only.</summary>
/// <remarks>The lock belongs to the opening: two in one process exclude each other as two processes do.</remarks>
internal sealed partial class FileLock : IDisposable
{
    private const int Shared = 1;
    private const int Exclusive = 2;
    private const int WithoutWaiting = 4;
    private const int Interrupted = 4;              // EINTR
    private const int WouldBlock = 11;              // EWOULDBLOCK
    private const int NoEntry = 2;                  // ENOENT
    private const int Existing = 0x2 | 0x80000;     // O_RDWR | O_CLOEXEC
    private const int ExistingOrNew = Existing | 0x40;
    private const uint OwnerOnly = 0x180;           // 0600

    /// <summary>A file that is deleted again and again while it is taken is somebody's mistake.</summary>
    private const int MostTries = 100;

    private readonly SafeFileHandle _file;
    private readonly string? _place;

    private FileLock(SafeFileHandle file) => (_file, _place) = (file, PlaceOf(file));

    /// <summary>The file that is locked.</summary>
    public SafeFileHandle File => _file;

    /// <summary>Whether the file still stands under its name. A lock on one that was deleted excludes nobody who comes later. True where the system does not tell.</summary>
    public bool IsInPlace => _place is null || PlaceOf(_file) == _place;

    /// <summary>Takes the lock at once, or not. The file is made when it is not there.</summary>
    /// <exception cref="IOException">The file cannot be made or opened, or its file system has no locks.</exception>
    public static FileLock? TryTake(string path, bool isShared = false) => Take(path, ExistingOrNew, (isShared ? Shared : Exclusive) | WithoutWaiting);

    /// <summary>As <see cref="TryTake"/>; null also when there is no such file.</summary>
    /// <exception cref="IOException">As <see cref="TryTake"/>.</exception>
    public static FileLock? TryTakeExisting(string path, bool isShared = false) => Take(path, Existing, (isShared ? Shared : Exclusive) | WithoutWaiting);

    /// <summary>Opens a file without any lock, whoever has it; null when it is not there.</summary>
    /// <exception cref="IOException">It cannot be opened.</exception>
    public static SafeFileHandle? OpenWithout(string path) => Open(path, Existing);

    /// <summary>Waits for the lock, in the kernel, with the calling thread; nothing but the end of the other's lock ends the wait. The file is made when it is not there.</summary>
    /// <exception cref="IOException">As <see cref="TryTake"/>.</exception>
    public static FileLock Wait(string path, bool isShared = false) => Take(path, ExistingOrNew, isShared ? Shared : Exclusive)!;

    /// <summary>Waits until nobody has the file locked exclusively; at once when there is no such file.</summary>
    /// <exception cref="IOException">As <see cref="TryTake"/>.</exception>
    public static void WaitForEnd(string path) => Take(path, Existing, Shared)?.Dispose();

    public void Dispose() => _file.Dispose();

    /// <remarks>A plain <c>open</c>: that of the base library takes a lock of its own, which an exclusive one refuses.</remarks>
    private static SafeFileHandle? Open(string path, int flags)
    {
        var file = new SafeFileHandle(Open(path, flags, OwnerOnly), ownsHandle: true);
        if (!file.IsInvalid)
            return file;
        var error = Marshal.GetLastPInvokeError();
        return error == NoEntry && flags == Existing ? null : throw Failure(path, "opened", error);
    }

    /// <returns>Null when the file is not there, or somebody else has it.</returns>
    private static FileLock? Take(string path, int flags, int operation)
    {
        for (var tries = 0; tries < MostTries; tries++)
        {
            if (Open(path, flags) is not { } file)
                return null;
            while (Flock(file, operation) != 0)
            {
                var error = Marshal.GetLastPInvokeError();
                if (error == Interrupted)
                    continue;
                file.Dispose();
                return error == WouldBlock ? null : throw Failure(path, "locked", error);
            }
            var taken = new FileLock(file);
            // Deleted while it was waited for: whoever comes now makes a new one.
            if (flags == Existing || taken._place?.EndsWith(Deleted, StringComparison.Ordinal) != true)
                return taken;
            taken.Dispose();
        }
        throw new IOException($"{path} cannot be locked: it was deleted {MostTries} times meanwhile");
    }

    private const string Deleted = " (deleted)";

    /// <summary>The name that the kernel knows of an open file; it ends in <c>(deleted)</c> when it has none any more.</summary>
    private static string? PlaceOf(SafeFileHandle file)
    {
        try
        {
            return new FileInfo(string.Create(System.Globalization.CultureInfo.InvariantCulture, $"/proc/self/fd/{(int)file.DangerousGetHandle()}")).LinkTarget;
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static IOException Failure(string path, string what, int error) => new($"{path} cannot be {what}: {Marshal.GetPInvokeErrorMessage(error)}", error);

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Open(string path, int flags, uint mode);

    [LibraryImport("libc", EntryPoint = "flock", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Flock(SafeFileHandle file, int operation);
}
