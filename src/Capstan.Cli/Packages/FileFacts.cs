using System.Runtime.InteropServices;

namespace Capstan.Cli.Packages;

/// <summary>What an entry of a source is.</summary>
internal enum SourceKind
{
    Directory,
    File,
    Link,
    /// <summary>A device, a pipe or a socket.</summary>
    Other,
}

/// <summary>Facts about one entry, of a link those of the link itself. Equal facts before and after reading a file say that nobody wrote it meanwhile.</summary>
/// <param name="Mode">Permission bits.</param>
/// <param name="Written">Time of the last change of its content, in the system's own unit.</param>
/// <param name="Changed">Time of the last change of anything; nobody can set it back. 0 where the system has none.</param>
internal sealed partial record FileFacts(SourceKind Kind, int Mode, long SizeBytes, long Written, long Changed)
{
    private const int WorkingDirectory = -100, NoFollow = 0x100;
    private const uint Wanted = 0x1 | 0x2 | 0x40 | 0x80 | 0x200;   // type, mode, modification, change, size

    /// <summary>Null when nothing is there under that name.</summary>
    public static FileFacts? Of(string path)
    {
        if (!OperatingSystem.IsLinux())
            return OfPortable(path);
        var facts = default(Statx);
        if (StatxAt(StatxNumber, WorkingDirectory, path, NoFollow, Wanted, ref facts) != 0)
            return null;
        var kind = (facts.Mode & 0xF000) switch { 0x4000 => SourceKind.Directory, 0x8000 => SourceKind.File, 0xA000 => SourceKind.Link, _ => SourceKind.Other };
        return new FileFacts(kind, facts.Mode & 0x1FF, kind == SourceKind.File ? (long)facts.Size : 0, facts.Modified.Nanoseconds, facts.Changed.Nanoseconds);
    }

    /// <summary>The path without any link in it; null when nothing is there.</summary>
    public static string? RealPath(string path)
    {
        if (!OperatingSystem.IsLinux())
            return Path.Exists(path) ? Path.GetFullPath(path) : null;
        var text = RealPath(path, 0);
        try
        {
            return Marshal.PtrToStringUTF8(text);
        }
        finally
        {
            Free(text);
        }
    }

    private static FileFacts? OfPortable(string path)
    {
        FileSystemInfo info = new FileInfo(path) is { Exists: true } file ? file : new DirectoryInfo(path);
        if (!info.Exists && info.LinkTarget is null)
            return null;
        var kind = info.LinkTarget is not null ? SourceKind.Link : info is DirectoryInfo ? SourceKind.Directory : SourceKind.File;
        return new FileFacts(kind, kind == SourceKind.Directory ? 0b111_101_101 : 0b110_100_100, kind == SourceKind.File ? ((FileInfo)info).Length : 0, info.LastWriteTimeUtc.Ticks, 0);
    }

    /// <summary>As the kernel lays it out on every processor: 256 bytes.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    private struct Statx
    {
        [FieldOffset(28)] public ushort Mode;
        [FieldOffset(40)] public ulong Size;
        [FieldOffset(96)] public Time Changed;
        [FieldOffset(112)] public Time Modified;
    }

    [StructLayout(LayoutKind.Sequential)]
    private readonly struct Time
    {
        private readonly long _seconds;
        private readonly uint _nanoseconds;
        private readonly int _padding;

        public long Nanoseconds => unchecked(_seconds * 1_000_000_000 + _nanoseconds + _padding);
    }

    /// <summary>The C library has a name for it since 2.28 only.</summary>
    private static nint StatxNumber => RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 332 : 291;

    [LibraryImport("libc", EntryPoint = "syscall", StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint StatxAt(nint number, nint directory, string path, nint flags, nuint mask, ref Statx facts);

    [LibraryImport("libc", EntryPoint = "realpath", StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint RealPath(string path, nint buffer);

    [LibraryImport("libc", EntryPoint = "free")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial void Free(nint memory);
}
