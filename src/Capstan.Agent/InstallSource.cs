using System.Buffers.Binary;
using System.Globalization;
using System.Runtime.InteropServices;
using Capstan.Client;
using Capstan.Protocol.V1;
using Microsoft.Win32.SafeHandles;

namespace Capstan.Agent;

/// <summary>Where an installation's token comes from: what was named, else the variable CAPSTAN_TOKEN, else <c>install.capstan</c> in the current directory.</summary>
internal sealed partial class InstallSource(AgentConsole console)
{
    private const int EmptyPath = 0x1000, WantsOwner = 0x8, OwnerOffset = 20, SizeOfStatx = 256;
    private const int NoFollowLinks = 0x20000, CloseOnExec = 0x80000;

    /// <returns>The token's text; null when there is none.</returns>
    /// <exception cref="ClientException"><c>foreign_file</c>: a file that was not named, and that somebody else could have put there.</exception>
    public async Task<string?> TokenAsync(string? token, string? file, CancellationToken cancellationToken) => (token, file) switch
    {
        ({ Length: > 0 }, _) => token,
        (_, "-") => InstallFile.TokenIn(await console.In.ReadToEndAsync(cancellationToken)),
        (_, { Length: > 0 }) => InstallFile.TokenIn(await File.ReadAllTextAsync(file, cancellationToken)),
        _ when console.Environment("CAPSTAN_TOKEN") is { Length: > 0 } text => text.Trim(),
        _ => await HereAsync(cancellationToken),
    };

    /// <summary>Who can put a file into the directory in which root works would choose its site; so it must be root's, or that of the person who works as root, and nobody else's to write. A link is nobody's.</summary>
    private async Task<string?> HereAsync(CancellationToken cancellationToken)
    {
        var path = Path.Combine(console.WorkingDirectory, InstallFile.Name);
        if (!File.Exists(path))
            return null;
        // Opened once: what is looked at is what is read, whatever stands under the name meanwhile.
        using var file = OperatingSystem.IsLinux() ? Open(path) : File.OpenHandle(path);
        if (file.IsInvalid || !OperatingSystem.IsWindows() && ((File.GetUnixFileMode(file) & (UnixFileMode.GroupWrite | UnixFileMode.OtherWrite)) != UnixFileMode.None || !IsTrusted(file)))
            throw new ClientException($"{path} belongs to another user, is a link, or others may write it; if it is what the site gave you: capstan-client install --file {InstallFile.Name}", "foreign_file");
        await console.Out.WriteLineAsync($"Installing from {path}.");
        using var reader = new StreamReader(new FileStream(file, FileAccess.Read));
        return InstallFile.TokenIn(await reader.ReadToEndAsync(cancellationToken));
    }

    /// <summary>Root's, this user's, or that of whoever became root by sudo.</summary>
    private bool IsTrusted(SafeFileHandle file) => Owner(file) is { } owner
        && (owner == 0 || owner == EffectiveUser() || EffectiveUser() == 0 && uint.TryParse(console.Environment("SUDO_UID"), NumberStyles.None, CultureInfo.InvariantCulture, out var person) && owner == person);

    private static SafeFileHandle Open(string path) => Open(path, NoFollowLinks | CloseOnExec);

    /// <summary>User id of a file's owner, by statx(2), whose form is the same on every architecture.</summary>
    private static uint? Owner(SafeFileHandle file)
    {
        if (!OperatingSystem.IsLinux())
            return EffectiveUser();
        var facts = new byte[SizeOfStatx];
        return Statx(StatxNumber, file, "", EmptyPath, WantsOwner, facts) == 0 ? BinaryPrimitives.ReadUInt32LittleEndian(facts.AsSpan(OwnerOffset)) : null;
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial SafeFileHandle Open(string path, int flags);

    /// <summary>The C library has a name for it since 2.28 only.</summary>
    private static nint StatxNumber => RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 332 : 291;

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint Statx(nint number, SafeFileHandle file, string path, nint flags, nuint mask, byte[] facts);

    [LibraryImport("libc", EntryPoint = "geteuid")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial uint EffectiveUser();
}
