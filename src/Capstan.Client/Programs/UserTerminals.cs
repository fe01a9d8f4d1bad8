using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Capstan.Client.Programs.Gate;
using Capstan.Nal.Providers.Local;
using Capstan.Protocol.V1;

namespace Capstan.Client.Programs;

/// <summary>How one session of a person was told.</summary>
/// <param name="Fault">Why it was not; null when its terminal took the words.</param>
internal sealed record ToldSession(string User, string? Terminal, string? Fault)
{
    public override string ToString() => $"{User} ({Terminal ?? "no terminal"}{(Fault is null ? "" : $": {Fault}")})";
}

/// <summary>Writes to the terminals of those who are logged on, as wall(1) does. Best effort: a desktop shows nothing of it.</summary>
/// <param name="sessions">Who is logged on, and where.</param>
internal sealed partial class UserTerminals(Func<IReadOnlyList<LoggedOnUser>> sessions, TimeProvider time)
{
    /// <summary>Most characters of a text that is written to a terminal.</summary>
    public const int MaxText = 1_000;

    // The same numbers on every architecture that .NET runs on under Linux.
    private const int WriteOnly = 1, NoControllingTerminal = 0x100, NoWait = 0x800, CloseOnExec = 0x80000, EmptyPath = 0x1000, BasicStatus = 0x7ff;
    private const int FormatMask = 0xF000, CharacterDevice = 0x2000;
    private const int StatusBytes = 256, OwnerAt = 20, ModeAt = 28;

    /// <returns>Each session, told or not; one terminal is written to once.</returns>
    public IReadOnlyList<ToldSession> Write(string text)
    {
        var words = Encoding.UTF8.GetBytes(Frame(text, TimeZoneInfo.ConvertTime(time.GetUtcNow(), time.LocalTimeZone)));
        return [.. sessions().DistinctBy(session => (session.Name, session.Terminal)).Select(session => new ToldSession(session.Name, session.Terminal, Fault(session, words)))];
    }

    /// <summary>As it stands on a terminal. Whoever wrote the names in it writes no orders to terminals: everything but printable characters is a question mark.</summary>
    public static string Frame(string text, DateTimeOffset at)
    {
        var clean = Clean(text.Length <= MaxText ? text : text[..MaxText]);
        return string.Create(CultureInfo.InvariantCulture, $"\r\n\aMessage from Capstan on {Clean(Environment.MachineName)} ({at:HH:mm}):\r\n\r\n{clean}\r\n\r\n");
    }

    private static string Clean(string text) => string.Concat(text.EnumerateRunes().Select(rune => Rune.GetUnicodeCategory(rune) switch
    {
        UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator or UnicodeCategory.PrivateUse or UnicodeCategory.OtherNotAssigned => "?",
        _ => rune.ToString(),
    }));

    private static string? Fault(LoggedOnUser session, byte[] words)
    {
        // What a session names as its terminal was written by a login program, perhaps long ago.
        if (session.Terminal is not { } terminal || !IsName(terminal))
            return "no terminal";
        if (UserAccount.Find(session.Name, out var unknown) is not { } owner)
            return unknown;
        var handle = Open($"/dev/{terminal}", WriteOnly | NoControllingTerminal | NoWait | CloseOnExec);
        if (handle < 0)
            return Marshal.GetLastPInvokeErrorMessage();
        try
        {
            if (Status(handle) is not { } status || (status.Mode & FormatMask) != CharacterDevice || IsTerminal(handle) != 1)
                return "it is no terminal";
            if (status.Owner != owner.Id)
                return "the terminal is another's";
            for (var rest = words.AsSpan(); rest.Length > 0;)
            {
                var taken = Write(handle, rest, (nuint)rest.Length);
                if (taken <= 0)
                    return Marshal.GetLastPInvokeErrorMessage();
                rest = rest[(int)taken..];
            }
            return null;
        }
        finally
        {
            _ = Close(handle);
        }
    }

    private static (uint Owner, int Mode)? Status(int handle)
    {
        Span<byte> status = stackalloc byte[StatusBytes];
        return StatusOf(LinuxCalls.StatxNumber, handle, "", EmptyPath, BasicStatus, status) == 0 ? (MemoryMarshal.Read<uint>(status[OwnerAt..]), MemoryMarshal.Read<ushort>(status[ModeAt..])) : null;
    }

    /// <summary>As <c>tty2</c> or <c>pts/3</c>: nothing else below <c>/dev</c> is opened.</summary>
    private static bool IsName(string terminal) => terminal.Length < 16
        && (terminal.StartsWith("tty", StringComparison.Ordinal) && terminal.Length > 3 && terminal.Skip(3).All(char.IsAsciiLetterOrDigit)
            || terminal.StartsWith("pts/", StringComparison.Ordinal) && terminal.Length > 4 && terminal.Skip(4).All(char.IsAsciiDigit));

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint Write(int handle, ReadOnlySpan<byte> bytes, nuint count);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Close(int handle);

    [LibraryImport("libc", EntryPoint = "isatty", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int IsTerminal(int handle);

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint StatusOf(nint number, nint directory, string path, nint flags, nuint mask, Span<byte> status);
}
