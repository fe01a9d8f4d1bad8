using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Capstan.Client.Programs.Gate;

/// <summary>Shows one version of a package to a user who may not enter the client's directory, and nothing else of it, at the same path.</summary>
/// <remarks>
/// For the calling thread, and what it starts: the topmost directory that the user may not enter is covered by an empty one in memory, in which the version is the only thing, read-only. Nobody else sees that;
/// it ends with the last process that has it. No mode of the client's own directories changes.
/// </remarks>
internal static class ContentView
{
    private const UnixFileMode Readable = UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute;

    /// <summary>Of the cover, which holds a few directories.</summary>
    private const string Small = "mode=0755,size=64k,nr_inodes=256";

    /// <param name="content">Its directory, below one that is only its owner's.</param>
    /// <returns>Null when the user may enter it now; otherwise why not, and what helps.</returns>
    public static string? Show(string content, UserAccount user)
    {
        // Published modes are those of what is in it; those who may not pass the directories above do not get here.
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(content, File.GetUnixFileMode(content) | Readable);
        if (Closed(RealPath(content), user, out var error) is not { } closed)
            return error == 0 ? null : $"root cannot run anything as {user.Name}: {Marshal.GetPInvokeErrorMessage(error)}";
        error = ThreadCalls.OwnMounts();
        if (error != 0)
            return $"{user.Name} may not enter {closed}, and {content} cannot be shown elsewhere, as this system gives no private mounts: {Marshal.GetPInvokeErrorMessage(error)}; in a container this needs CAP_SYS_ADMIN";
        if (Cover(content, closed) is { } fault)
            return fault;
        return Closed(content, user, out _) is { } still ? $"{user.Name} may not enter {still}" : null;
    }

    private static string? Cover(string content, string closed)
    {
        using var version = ThreadCalls.Open(content);
        var real = RealPath(content);
        var error = ThreadCalls.Mount("capstan", closed, "tmpfs", ThreadCalls.NoSetUser | ThreadCalls.NoDevices, Small);
        if (error == 0)
        {
            Directory.CreateDirectory(real);
            error = ThreadCalls.Mount(PathOf(version), real, null, ThreadCalls.Bind, null);
        }
        var flags = 0UL;
        if (error == 0)
            error = ThreadCalls.FlagsOf(real, out flags);
        // What the machine's own mount forbids, noexec for one, stays forbidden.
        if (error == 0)
            error = ThreadCalls.Mount(null, real, null, flags | ThreadCalls.Remount | ThreadCalls.Bind | ThreadCalls.ReadOnly | ThreadCalls.NoSetUser | ThreadCalls.NoDevices, null);
        return error == 0 ? null : $"{content} cannot be shown to a user: {Marshal.GetPInvokeErrorMessage(error)}";
    }

    /// <summary>The topmost directory on a path that a user may not enter; null for none.</summary>
    /// <param name="error">Why that cannot be found out; 0 for nothing.</param>
    private static string? Closed(string path, UserAccount user, out int error)
    {
        var above = new Stack<string>();
        for (string? next = path; next is not null; next = Path.GetDirectoryName(next))
            above.Push(next);
        string? closed = null;
        error = ThreadCalls.As(user, () => closed = above.FirstOrDefault(directory => ThreadCalls.Enter(directory) == ThreadCalls.AccessDenied));
        return closed;
    }

    private static string RealPath(string directory)
    {
        using var open = ThreadCalls.Open(directory);
        return new FileInfo(PathOf(open)).LinkTarget ?? directory;
    }

    private static string PathOf(SafeFileHandle open) => $"/proc/self/fd/{open.DangerousGetHandle()}";
}
