using System.Runtime.InteropServices;

namespace Capstan.Client.Programs.Gate;

/// <summary>An account of this machine, with all its groups, as the system's own sources name it: files, directory services.</summary>
internal sealed unsafe partial record UserAccount(string Name, uint Id, uint Group, IReadOnlyList<uint> Groups, string Home, string Shell)
{
    private const int TooSmall = 34;    // ERANGE
    private const int MostBytes = 1 << 20, MostGroups = 65_536;

    /// <param name="fault">One line, when the account is not to be had: there is none of the name, or who knows does not answer.</param>
    public static UserAccount? Find(string name, out string? fault)
    {
        for (var size = 16 << 10; size <= MostBytes; size *= 2)
        {
            var buffer = (byte*)NativeMemory.Alloc((nuint)size);
            try
            {
                var error = FindByName(name, out var entry, buffer, (nuint)size, out var found);
                if (error == TooSmall)
                    continue;
                fault = error != 0 ? $"the user {name} cannot be looked up: {Marshal.GetPInvokeErrorMessage(error)}" : found == 0 ? $"this machine has no user {name}" : null;
                return fault is null ? new UserAccount(name, entry.User, entry.Group, GroupsOf(name, entry.Group), Text(entry.Home), Text(entry.Shell)) : null;
            }
            finally
            {
                NativeMemory.Free(buffer);
            }
        }
        fault = $"what is known of the user {name} is longer than {MostBytes} bytes";
        return null;
    }

    /// <summary>What a program of the user finds when its order names nothing else.</summary>
    public IEnumerable<KeyValuePair<string, string>> Environment()
    {
        yield return new("HOME", Home);
        yield return new("USER", Name);
        yield return new("LOGNAME", Name);
        yield return new("SHELL", Shell);
        var runtime = string.Create(System.Globalization.CultureInfo.InvariantCulture, $"/run/user/{Id}");
        if (Directory.Exists(runtime))
            yield return new("XDG_RUNTIME_DIR", runtime);
    }

    private static uint[] GroupsOf(string name, uint group)
    {
        var count = 64;
        while (true)
        {
            var groups = new uint[count];
            if (ListGroups(name, group, groups, ref count) >= 0)
                return groups[..count];
            // It says how many there are; a system that does not is asked for twice as many.
            count = Math.Max(count, groups.Length * 2);
            if (count > MostGroups)
                throw new IOException($"the user {name} is in more than {MostGroups} groups");
        }
    }

    private static string Text(nint text) => Marshal.PtrToStringUTF8(text) is { Length: > 0 } found ? found : "/";

    /// <summary>struct passwd, the same in glibc and musl.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct PasswordEntry
    {
        public nint Name;
        public nint Password;
        public uint User;
        public uint Group;
        public nint Comment;
        public nint Home;
        public nint Shell;
    }

    [LibraryImport("libc", EntryPoint = "getpwnam_r", StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int FindByName(string name, out PasswordEntry entry, byte* buffer, nuint size, out nint found);

    [LibraryImport("libc", EntryPoint = "getgrouplist", StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int ListGroups(string name, uint group, [Out] uint[] groups, ref int count);
}
