using System.ComponentModel;

namespace Capstan.Nal.Providers.Local;

/// <summary>Translates the platform's errors, once, to what the caller can do about them.</summary>
internal static class LocalErrors
{
    // Numbers that Linux and macOS share, then Linux's own (these come from LinuxCalls only, or are looked up below).
    public const int NotPermitted = 1, NoEntry = 2, InputOutput = 5, AccessDenied = 13, Exists = 17, NotDirectory = 20, IsDirectory = 21, NoSpace = 28, ReadOnly = 30;
    public const int Loop = 40;

    private static int NameTooLong => OperatingSystem.IsMacOS() ? 63 : 36;
    private static int NotEmpty => OperatingSystem.IsMacOS() ? 66 : 39;
    private static int QuotaExceeded => OperatingSystem.IsMacOS() ? 69 : 122;

    /// <summary>The platform's own exception for an error number of a system call.</summary>
    public static IOException Of(int number, string path) => new($"{new Win32Exception(number).Message} : '{path}'", number);

    /// <summary>True for the failures of the platform; everything else passes through untranslated.</summary>
    public static bool IsPlatform(Exception cause) => cause is IOException or UnauthorizedAccessException;

    /// <summary>Whether this machine or process lacks handles or memory now: nothing was learnt about the file.</summary>
    public static bool IsShortage(Exception cause) => !OperatingSystem.IsWindows() && cause.HResult is 12 or 23 or 24;

    /// <param name="cause">What the platform threw (<see cref="IsPlatform"/>).</param>
    /// <param name="isWrite">The side that failed, for causes that say nothing more.</param>
    /// <param name="what">The operation and the path, for the message: <c>creating /srv/cap/inbox/x</c>.</param>
    /// <param name="path">The path inside the store.</param>
    public static NalException Translate(Exception cause, bool isWrite, string what, StorePath path)
    {
        var number = NumberOf(cause);
        NalException Give(NalError error, string message, bool isTransient = false) =>
            new(error, message, path.Value, isWrite && error == NalError.WriteRemote ? Completion.Unknown : Completion.Refused, isTransient,
                code: OperatingSystem.IsWindows() ? (uint)number : null, inner: cause);

        if (number == ReadOnly)
            return Give(NalError.AccessDenied, $"{what}: the file system is read-only; mount it writable, or find out why the kernel made it so (dmesg)");
        if (number is AccessDenied or NotPermitted)
            return Give(NalError.AccessDenied, $"{what}: this process ({Environment.UserName}) may not; check owner and permissions of the directory");
        if (number == NoSpace || number == QuotaExceeded)
        {
            return Give(NalError.StorageFull, number == NoSpace
                ? $"{what}: the disk is full; free some space, and the work goes on by itself"
                : $"{what}: the quota of {Environment.UserName} is used up; raise it or free some space", isTransient: true);
        }
        if (number is Exists or IsDirectory or NotDirectory || number == NotEmpty)
            return Give(NalError.Conflict, $"{what}: {Reason(number)}");
        if (number == NameTooLong || cause is PathTooLongException)
            return Give(NalError.Conflict, $"{what}: the name is longer than this file system holds; use a shorter root directory");
        if (number == NoEntry)
            return Give(NalError.NotFound, $"{what}: nothing is there");
        var reason = number == InputOutput ? "input/output error: the disk or its cable fails (dmesg)" : FirstLine(cause.Message);
        return Give(isWrite ? NalError.WriteRemote : NalError.ReadRemote, $"{what}: {reason}", isTransient: true);
    }

    private static string Reason(int number) => number switch
    {
        Exists => "the name is taken",
        IsDirectory => "a directory has that name",
        NotDirectory => "a file stands where a directory should be",
        _ => "the directory is not empty",
    };

    /// <summary>The error number in the terms of Unix; codes of Windows that mean the same are mapped to it.</summary>
    private static int NumberOf(Exception cause)
    {
        if (cause is UnauthorizedAccessException)
            return AccessDenied;
        if (cause is FileNotFoundException or DirectoryNotFoundException)
            return NoEntry;
        if (!OperatingSystem.IsWindows())
            return cause.HResult;
        return (cause.HResult & 0xFFFF) switch
        {
            5 => AccessDenied,
            19 => ReadOnly,
            39 or 112 => NoSpace,
            1295 => QuotaExceeded,
            80 or 183 => Exists,
            145 => NotEmpty,
            267 => NotDirectory,
            1117 => InputOutput,
            var other => other << 16,
        };
    }

    private static string FirstLine(string text) => text.ReplaceLineEndings("\n").Split('\n')[0];
}
