using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Capstan.Client;
using Capstan.Protocol.V1;

namespace Capstan.Agent;

/// <summary>Where an installation's token comes from: what was named, else the variable CAPSTAN_TOKEN, else <c>install.capstan</c> in the current directory.</summary>
internal sealed partial class InstallSource(AgentConsole console)
{
    private const int CurrentDirectory = -100, NoAutomount = 0x800, WantsOwner = 0x8, OwnerOffset = 20, SizeOfStatx = 256;

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

    /// <summary>Who can put a file into the directory in which root works would choose its site; so it must be root's, or this user's, and nobody else's to write.</summary>
    private async Task<string?> HereAsync(CancellationToken cancellationToken)
    {
        var path = Path.Combine(console.WorkingDirectory, InstallFile.Name);
        if (!File.Exists(path))
            return null;
        if (!OperatingSystem.IsWindows() && ((File.GetUnixFileMode(path) & (UnixFileMode.GroupWrite | UnixFileMode.OtherWrite)) != UnixFileMode.None || Owner(path) is not 0 && !IsOwn(path)))
            throw new ClientException($"{path} belongs to another user, or others may write it; if it is what the site gave you: capstan-client install --file {InstallFile.Name}", "foreign_file");
        await console.Out.WriteLineAsync($"Installing from {path}.");
        return InstallFile.TokenIn(await File.ReadAllTextAsync(path, cancellationToken));
    }

    private static bool IsOwn(string path) => Owner(path) == EffectiveUser();

    /// <summary>User id of a file's owner, by statx(2), whose form is the same on every architecture.</summary>
    private static uint? Owner(string path)
    {
        if (!OperatingSystem.IsLinux())
            return EffectiveUser();
        var facts = new byte[SizeOfStatx];
        return Statx(CurrentDirectory, path, NoAutomount, WantsOwner, facts) == 0 ? BinaryPrimitives.ReadUInt32LittleEndian(facts.AsSpan(OwnerOffset)) : null;
    }

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Statx(int directory, string path, int flags, uint mask, byte[] facts);

    [LibraryImport("libc", EntryPoint = "geteuid")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial uint EffectiveUser();
}
