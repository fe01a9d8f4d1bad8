using System.Buffers;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Capstan.Client.Identity;
using Capstan.Protocol.V1;

namespace Capstan.Client.Builds;

/// <summary>The builds on the disk of one client: <c>DATA/builds</c>. Every step is whole or not there, and may be repeated.</summary>
/// <remarks>
/// <c>ID/</c> is one build; <c>ID/SHA256SUMS</c> is written last, and the launcher checks it before it starts anything. <c>parts/</c> holds what was read so far of packed files.
/// <c>state</c> and <c>failure</c> are the agent's; <c>starts</c>, <c>started</c>, <c>launches</c>, <c>ended</c> and <c>skip</c> are the launcher's, and the agent only takes them away or gives a start back.
/// The launcher takes <c>failure</c> and <c>ended</c> away before each start of a trial: they tell of the last one.
/// </remarks>
internal sealed class BuildFolder(string clientDirectory, string packageFolder)
{
    public const string Name = "builds";
    public const string Sums = "SHA256SUMS";

    private static readonly SearchValues<char> s_digits = SearchValues.Create("0123456789abcdef");

    private const string StateFile = "state", StartsFile = "starts", LaunchesFile = "launches", EndedFile = "ended", SkipFile = "skip", FailureFile = "failure";
    private const string Parts = "parts";
    private const int CopyBytes = 128 << 10;
    private const UnixFileMode Read = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead;
    private const UnixFileMode Run = Read | UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;

    /// <summary>Takes away all that ever lay in the builds' folder of a client, and the folder.</summary>
    public static void Remove(string clientDirectory)
    {
        var root = Path.Combine(clientDirectory, Name);
        if (!Directory.Exists(root))
            return;
        // The state first: without it the launcher takes the package's build, whatever else is left.
        File.Delete(Path.Combine(root, StateFile));
        Directory.Delete(root, recursive: true);
    }

    public string Root { get; } = Path.Combine(clientDirectory, Name);

    public string FolderOf(string id) => id == ClientBuild.OfPackage ? packageFolder : Path.Combine(Root, id);

    public string PartOf(string packedSha256)
    {
        var parts = Path.Combine(Root, Parts);
        DurableFile.CreatePrivateDirectory(parts);
        return Path.Combine(parts, packedSha256);
    }

    /// <summary>For a reader beside the agent; null where no build was ever ordered, or where this user may not look.</summary>
    public static BuildState? ReadState(string clientDirectory)
    {
        try
        {
            return BuildState.Parse(File.ReadAllText(Path.Combine(clientDirectory, Name, StateFile)));
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    public BuildState ReadState() => BuildState.Parse(TextOf(StateFile) ?? "");

    public async ValueTask WriteStateAsync(BuildState state, CancellationToken cancellationToken)
    {
        DurableFile.CreatePrivateDirectory(Root);
        await DurableFile.WriteAsync(Path.Combine(Root, StateFile), Encoding.UTF8.GetBytes(state.ToString()), cancellationToken);
    }

    /// <summary>Starts of a trial that the launcher has counted, read as it reads them: what is no number of one digit is all of them, for it starts nothing then.</summary>
    public int StartsOf(BuildTrial trial)
    {
        var key = $"{trial.Id} {Text(trial.Order)} ";
        return TextOf(StartsFile)?.Split('\n').FirstOrDefault(line => line.StartsWith(key, StringComparison.Ordinal))?[key.Length..] switch
        {
            null or "" => 0,
            [>= '0' and <= '9' and var digit] => digit - '0',
            _ => BuildState.Starts,
        };
    }

    /// <summary>A trial that was told to stop had no chance: its start does not count.</summary>
    public async ValueTask GiveBackAsync(BuildTrial trial, CancellationToken cancellationToken)
    {
        if (StartsOf(trial) is > 0 and var starts)
            await DurableFile.WriteAsync(Path.Combine(Root, StartsFile), Encoding.ASCII.GetBytes($"{trial.Id} {Text(trial.Order)} {Text(starts - 1)}\n"), cancellationToken);
    }

    /// <summary>This build got up: what the launcher counts of its starts begins anew.</summary>
    public void GotUp() => File.Delete(Path.Combine(Root, LaunchesFile));

    public IReadOnlyList<string> LeftOut() => TextOf(SkipFile)?.Split('\n', StringSplitOptions.RemoveEmptyEntries) ?? [];

    public void ForgetLeftOut() => File.Delete(Path.Combine(Root, SkipFile));

    /// <summary>How the last start of a trial ended: its own last words, else what the service manager told the launcher. Null for unknown.</summary>
    public string? LastEnd(string id)
    {
        if (TextOf(FailureFile)?.TrimEnd('\n').Split(' ', 2) is [var failed, var words] && failed == id)
            return words;
        return TextOf(EndedFile)?.TrimEnd('\n').Split(' ', 2) is [var ended, var how] && ended == id ? how : null;
    }

    public void WriteFailure(string id, string words)
    {
        DurableFile.CreatePrivateDirectory(Root);
        File.WriteAllText(Path.Combine(Root, FailureFile), $"{id} {words.ReplaceLineEndings(" ")}\n");
    }

    public void ForgetEnds()
    {
        File.Delete(Path.Combine(Root, FailureFile));
        File.Delete(Path.Combine(Root, EndedFile));
    }

    /// <summary>Builds that have a folder, complete or not.</summary>
    public IReadOnlyList<string> Folders() => Directory.Exists(Root)
        ? [.. Directory.EnumerateDirectories(Root).Select(folder => Path.GetFileName(folder)!).Where(IsOfBuild)]
        : [];

    /// <summary>A version and twelve digits of its digest, as <see cref="ClientBuild.Id"/> makes it: what somebody else put here is nobody's to tidy away.</summary>
    private static bool IsOfBuild(string name) =>
        BuildState.IsId(name) && name.LastIndexOf('-') is > 0 and var dash && name.Length - dash - 1 == 12 && name.AsSpan(dash + 1).IndexOfAnyExcept(s_digits) < 0;

    /// <summary>The launcher finds the list of hashes that this build has; a damaged one is none.</summary>
    public bool IsSealed(ClientBuild build) => TextOf(Path.Combine(build.Id(), Sums)) == SumsOf(build);

    /// <summary>Names of the files of a build that lie there as they were signed: length, SHA-256, and the right to run.</summary>
    public IReadOnlySet<string> Whole(ClientBuild build, CancellationToken cancellationToken) => WholeIn(FolderOf(build.Id()), build, cancellationToken);

    /// <summary>The same of the package's build.</summary>
    public bool IsPackage(ClientBuild build, CancellationToken cancellationToken) =>
        build.Files.Count > 0 && WholeIn(packageFolder, build, cancellationToken).Count == build.Files.Count;

    /// <summary>Which of these contents lie in any build on this disk, and where.</summary>
    public IReadOnlyDictionary<string, string> AtHand(IReadOnlyCollection<BuildFile> files, CancellationToken cancellationToken)
    {
        var found = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var folder in Folders().Select(FolderOf).Append(packageFolder).Where(Directory.Exists))
        {
            foreach (var file in files.Where(file => !found.ContainsKey(file.Sha256)))
            {
                var path = Path.Combine(folder, file.Name);
                if (IsContent(path, file, cancellationToken))
                    found[file.Sha256] = path;
            }
        }
        return found;
    }

    /// <summary>Puts one file of a build in its place: written beside it, compared with what was signed, flushed, renamed. An older one is replaced.</summary>
    /// <returns>False when the content is not the signed one; nothing is left of it then.</returns>
    public async ValueTask<bool> PutAsync(string id, BuildFile file, Stream content, CancellationToken cancellationToken)
    {
        var folder = FolderOf(id);
        DurableFile.CreatePrivateDirectory(folder);
        var path = Path.Combine(folder, file.Name);
        var temporary = path + ".tmp";
        File.Delete(temporary);
        try
        {
            if (!await WriteAsync(temporary, file, content, cancellationToken))
                return false;
            DurableFile.Move(temporary, path);
            return true;
        }
        finally
        {
            File.Delete(temporary);
        }
    }

    /// <summary>The list of hashes that makes a build complete, in the form of <c>sha256sum</c>.</summary>
    public async ValueTask SealAsync(ClientBuild build, CancellationToken cancellationToken)
    {
        await DurableFile.WriteAsync(Path.Combine(FolderOf(build.Id()), Sums), Encoding.ASCII.GetBytes(SumsOf(build)), cancellationToken);
        DurableFile.FlushDirectory(Root);
    }

    /// <summary>Deletes a build: its list of hashes first, so that half of it is never taken for a build.</summary>
    public void Drop(string id)
    {
        var folder = FolderOf(id);
        if (id == ClientBuild.OfPackage || !Directory.Exists(folder))
            return;
        DurableFile.Remove(Path.Combine(folder, Sums));
        Directory.Delete(folder, recursive: true);
    }

    /// <summary>Forgets what was read of packed files, but for those that are wanted.</summary>
    public void DropPartsExcept(IReadOnlySet<string> packed)
    {
        var parts = Path.Combine(Root, Parts);
        if (!Directory.Exists(parts))
            return;
        foreach (var part in Directory.EnumerateFiles(parts).Where(part => !packed.Contains(Path.GetFileName(part))))
            File.Delete(part);
    }

    public long FreeBytes()
    {
        DurableFile.CreatePrivateDirectory(Root);
        return new DriveInfo(Root).AvailableFreeSpace;
    }

    private static HashSet<string> WholeIn(string folder, ClientBuild build, CancellationToken cancellationToken) =>
        build.Files.Where(file => IsWhole(Path.Combine(folder, file.Name), file, cancellationToken)).Select(file => file.Name).ToHashSet(StringComparer.Ordinal);

    private static bool IsWhole(string path, BuildFile file, CancellationToken cancellationToken) =>
        IsContent(path, file, cancellationToken)
        && (!file.IsExecutable || OperatingSystem.IsWindows() || File.GetUnixFileMode(path).HasFlag(UnixFileMode.UserExecute));

    /// <summary>A file that cannot be read is not whole: reading is what it is for.</summary>
    private static bool IsContent(string path, BuildFile file, CancellationToken cancellationToken)
    {
        try
        {
            using var stream = new FileStream(path, new FileStreamOptions { BufferSize = 0, Options = FileOptions.SequentialScan });
            return stream.Length == file.LengthBytes && HashOf(stream, cancellationToken) == file.Sha256;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    public static string HashOf(Stream stream, CancellationToken cancellationToken)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = new byte[CopyBytes];
        while (stream.Read(buffer) is > 0 and var count)
        {
            cancellationToken.ThrowIfCancellationRequested();
            hash.AppendData(buffer, 0, count);
        }
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>Stops at the signed length: what is packed may unpack to anything.</summary>
    private static async ValueTask<bool> WriteAsync(string path, BuildFile file, Stream content, CancellationToken cancellationToken)
    {
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, Share = FileShare.None, BufferSize = 0 };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = file.IsExecutable ? Run : Read;
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var written = new FileStream(path, options);
        await using (written.ConfigureAwait(false))
        {
            var buffer = new byte[CopyBytes];
            while (await content.ReadAsync(buffer, cancellationToken) is > 0 and var count)
            {
                if (written.Length + count > file.LengthBytes)
                    return false;
                hash.AppendData(buffer, 0, count);
                await written.WriteAsync(buffer.AsMemory(0, count), cancellationToken);
            }
            if (written.Length != file.LengthBytes || Convert.ToHexStringLower(hash.GetHashAndReset()) != file.Sha256)
                return false;
            if (!OperatingSystem.IsWindows())
                // Whatever mask this process has: the launcher asks for the right to run.
                File.SetUnixFileMode(path, file.IsExecutable ? Run : Read);
            written.Flush(flushToDisk: true);
            return true;
        }
    }

    private string? TextOf(string file)
    {
        try
        {
            return File.ReadAllText(Path.Combine(Root, file));
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
    }

    private static string SumsOf(ClientBuild build) => string.Concat(build.Files.OrderBy(file => file.Name, StringComparer.Ordinal).Select(file => $"{file.Sha256}  {file.Name}\n"));

    private static string Text(long number) => number.ToString(CultureInfo.InvariantCulture);
}
