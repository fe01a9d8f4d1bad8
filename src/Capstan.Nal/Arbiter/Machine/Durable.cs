using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Capstan.Nal.Arbiter.Machine;

/// <summary>What makes a write outlast a power cut. Linux only.</summary>
public static partial class Durable
{
    /// <summary>Waits until the file's content is on the disk; not its times.</summary>
    /// <exception cref="IOException">The disk failed, or is full.</exception>
    public static void Content(SafeFileHandle file, string path)
    {
        if (DataSync(file) != 0)
            throw Failure(path);
    }

    /// <summary>Waits until the names in a directory are on the disk.</summary>
    /// <exception cref="IOException">As <see cref="Content"/>.</exception>
    public static void Names(string directory)
    {
        using var handle = new SafeFileHandle(Open(directory, DirectoryOnly), ownsHandle: true);
        if (handle.IsInvalid || Sync(handle) != 0)
            throw Failure(directory);
    }

    /// <summary>O_CLOEXEC: opening a directory to read needs no other flag.</summary>
    private const int DirectoryOnly = 0x80000;

    private static IOException Failure(string path)
    {
        var error = Marshal.GetLastPInvokeError();
        return new IOException($"{path} cannot be brought to the disk: {Marshal.GetPInvokeErrorMessage(error)}", error);
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fdatasync", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int DataSync(SafeFileHandle file);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Sync(SafeFileHandle file);
}
