using System.Security.Cryptography;
using Capstan.Client.Builds;
using Capstan.Client.Content;
using Capstan.Client.Programs;
using Capstan.Client.State;
using Capstan.Nal;
using Capstan.Nal.Paths;
using Capstan.Protocol;
using Capstan.Protocol.V1;

namespace Capstan.Client.Identity;

/// <summary>Makes and removes what a client has on disk. Every step may be repeated; an interrupted one is finished by the next call.</summary>
internal static class Installation
{
    public const string LogFolder = "logs";

    private const string LockFile = "lock";

    /// <param name="evidence">Of the hardware, as it can be read now.</param>
    public static async Task InstallAsync(ClientOptions options, ChosenSite chosen, string? cap, HardwareEvidence evidence, CancellationToken cancellationToken)
    {
        var directory = options.Directory;
        var token = chosen.Token;
        var enrolment = Decode(token);
        var own = cap is null ? null : OwnCap(cap);
        var present = await PresentAsync(directory, enrolment, own, cancellationToken);
        // A person is at work: what the servers refused before may be tried again at once.
        foreach (var server in enrolment.Caps.Select(path => NalPath.TryParse(path, out var parsed, out _) ? parsed.Server : null).OfType<string>())
            options.Machine?.ResumeAccounts(server);
        if (present == Present.Settled)
        {
            // Beside a client that runs: it reads the file before each contact, and needs it most when no account of its own works any more.
            await SaveAccountsAsync(directory, enrolment, cancellationToken);
            return;
        }

        using var taken = Prepare(directory);
        if (present == Present.OtherCap)
        {
            await SaveAccountsAsync(directory, enrolment, cancellationToken);
            using var approved = ClientDatabase.Open(directory);
            new ClientState(approved).Set((StateKey.OwnCaps, own));
            return;
        }
        // An identity that was decided on, and whose keys wait still: what is installed here is that one.
        if (File.Exists(ClientDatabase.PathIn(directory)))
        {
            using var decided = ClientDatabase.Open(directory);
            NewIdentity.Finish(directory, new ClientState(decided).Get(StateKey.DeviceId));
        }
        else
            NewIdentity.Finish(directory, null);
        try
        {
            await DeviceKeys.EnsureAsync(directory, cancellationToken);
            await AccountFile.SaveAsync(directory, enrolment.Accounts, cancellationToken);
            await EnrolmentSecret.SaveAsync(directory, token.Trim(), cancellationToken);
        }
        catch (IOException e)
        {
            throw Unwritable(directory, e);
        }
        using var keys = DeviceKeys.Load(directory);
        using var database = ClientDatabase.Open(directory);
        var state = new ClientState(database);
        state.Set(
            (StateKey.SiteCode, enrolment.SiteCode),
            (StateKey.Assignment, chosen.Why ?? state.Get(StateKey.Assignment)),
            (StateKey.DeviceId, keys.Id.Value),
            (StateKey.InstallNonce, state.Get(StateKey.InstallNonce) ?? NewIdentity.NewNonce()),
            (StateKey.Evidence, state.Get(StateKey.Evidence) ?? evidence.ToText()),
            (StateKey.TokenCaps, string.Join('\n', enrolment.Caps)),
            (StateKey.OwnCaps, own ?? state.Get(StateKey.OwnCaps)),
            (StateKey.RequestWanted, enrolment.TokenId),
            // Last in the transaction that makes the rest visible: a directory is installed or not.
            (StateKey.Lifecycle, state.Get(StateKey.Lifecycle) ?? "installed"));
    }

    /// <summary>Removes exactly what was made. The database goes first: what an interruption leaves is an unfinished installation, which the next call finishes or removes.</summary>
    /// <param name="keepsId">The device's keys stay, and so its identity: a later installation is the same client.</param>
    public static void Uninstall(string directory, bool keepsId)
    {
        if (!IsAnythingLeft(directory))
            throw ClientErrors.NotInstalled(directory);
        using (TakeLock(directory))
        {
            foreach (var file in Made(directory).Where(file => File.Exists(file) && !(keepsId && IsIdentity(directory, file))))
                File.Delete(file);
            BuildFolder.Remove(directory);
            ContentCache.Remove(directory);
            ProgramRunner.RemoveAll(directory);
            // While it is held: after that it may be another process's.
            if (!OperatingSystem.IsWindows())
                File.Delete(Path.Combine(directory, LockFile));
        }
        // Windows deletes no open file; nothing but an empty lock can be lost there.
        if (OperatingSystem.IsWindows())
            File.Delete(Path.Combine(directory, LockFile));
        RemoveIfEmpty(Path.Combine(directory, DeviceKeys.Folder));
        RemoveIfEmpty(Path.Combine(directory, NewIdentity.Folder, DeviceKeys.Folder));
        RemoveIfEmpty(Path.Combine(directory, NewIdentity.Folder));
        RemoveIfEmpty(Path.Combine(directory, LogFolder));
        RemoveIfEmpty(directory);
    }

    /// <summary>The site of the client in a directory; null where there is none, or none that can be read.</summary>
    public static string? PresentSite(string directory)
    {
        if (!File.Exists(ClientDatabase.PathIn(directory)))
            return null;
        try
        {
            using var database = ClientDatabase.OpenReadOnly(directory);
            return new ClientState(database).Get(StateKey.SiteCode);
        }
        catch (ClientException)
        {
            // The installation looks again, and says what is wrong.
            return null;
        }
    }

    /// <exception cref="ClientException"><c>client_in_use</c>, <c>access_denied</c>.</exception>
    public static DirectoryLock TakeLock(string directory)
    {
        try
        {
            return DirectoryLock.TryTake(directory, out var holder) ?? throw ClientErrors.InUse(directory, holder);
        }
        catch (UnauthorizedAccessException e)
        {
            throw ClientErrors.AccessDenied(directory, e);
        }
        catch (IOException e)
        {
            throw Unwritable(directory, e);
        }
    }

    /// <summary>What an installation finds.</summary>
    private enum Present
    {
        /// <summary>Nothing, something unfinished, or a client that waits with another token.</summary>
        Incomplete = 1,
        /// <summary>A client that the site has decided about, to which another CAP is given.</summary>
        OtherCap = 2,
        /// <summary>A client of this site that needs nothing: decided about, or waiting with this very token.</summary>
        Settled = 3,
    }

    /// <exception cref="ClientException"><c>other_site</c>.</exception>
    private static async Task<Present> PresentAsync(string directory, EnrolmentToken enrolment, string? own, CancellationToken cancellationToken)
    {
        if (!File.Exists(ClientDatabase.PathIn(directory)))
            return Present.Incomplete;
        string? site, lifecycle, caps;
        try
        {
            using var database = ClientDatabase.OpenReadOnly(directory);
            var state = new ClientState(database);
            (site, lifecycle, caps) = (state.Get(StateKey.SiteCode), state.Get(StateKey.Lifecycle), state.Get(StateKey.OwnCaps));
        }
        catch (ClientException e) when (e.Code == "state_older")
        {
            return Present.Incomplete;
        }
        if (site is not null && site != enrolment.SiteCode)
            throw new ClientException($"{directory} holds a client of site {site}, and the token is for site {enrolment.SiteCode}; "
                + "uninstall first (capstan-client uninstall), or choose another directory with --data", "other_site");
        if (lifecycle is null)
            return Present.Incomplete;
        var sameCap = own is null || own == caps;
        if (lifecycle != "installed")
            return sameCap ? Present.Settled : Present.OtherCap;
        var present = await EnrolmentSecret.LoadAsync(directory, cancellationToken);
        return sameCap && present is not null && present.TokenId == enrolment.TokenId && present.Secret == enrolment.Secret ? Present.Settled : Present.Incomplete;
    }

    /// <summary>An approved client gets the accounts of a token, too: how it is helped when the server accepts none of those that it has.</summary>
    private static async Task SaveAccountsAsync(string directory, EnrolmentToken enrolment, CancellationToken cancellationToken)
    {
        try
        {
            await AccountFile.SaveAsync(directory, enrolment.Accounts, cancellationToken);
        }
        catch (IOException e)
        {
            throw Unwritable(directory, e);
        }
        catch (UnauthorizedAccessException e)
        {
            throw ClientErrors.AccessDenied(directory, e);
        }
    }

    public static EnrolmentToken Decode(string token)
    {
        try
        {
            var enrolment = EnrolmentToken.Decode(token);
            return enrolment.Caps.Any(path => NalPath.TryParse(path, out _, out _))
                ? enrolment
                : throw new ClientException("the token names no client access point that this program can read; install a newer program, or ask for a new token with: capstan token create", "bad_token");
        }
        catch (ProtocolException e)
        {
            throw new ClientException($"{e.Message}; ask for a new one with: capstan token create", "bad_token", e);
        }
    }

    public static string OwnCap(string cap)
    {
        if (NalPath.TryParse(cap, out var path, out var error))
            return path.ToString();
        if (Path.IsPathRooted(cap))
        {
            try
            {
                return NalPath.FromDirectory(cap).ToString();
            }
            catch (ArgumentException e)
            {
                throw new ClientException($"--cap: {e.Message}; rename the directory, or reach it by a link with another name", "bad_cap", e);
            }
        }
        throw new ClientException($"--cap: column {error.Column}: expected {error.Expected}; give a NAL path, or the absolute path of a directory", "bad_cap");
    }

    private static DirectoryLock Prepare(string directory)
    {
        try
        {
            DurableFile.CreatePrivateDirectory(directory);
        }
        catch (UnauthorizedAccessException e)
        {
            throw new ClientException($"an installation needs the right to write {directory}: run it as root (sudo), or choose a directory of your own with --data", "access_denied", e);
        }
        catch (IOException e)
        {
            throw Unwritable(directory, e);
        }
        return TakeLock(directory);
    }

    private static ClientException Unwritable(string directory, IOException e) =>
        new($"cannot write to {directory}: {e.Message}; nothing is installed until this call succeeds, and it may be repeated", "directory_unwritable", e);

    private static IEnumerable<string> Made(string directory)
    {
        foreach (var name in new[] { ClientDatabase.FileName, ClientDatabase.FileName + "-wal", ClientDatabase.FileName + "-shm", ClientDatabase.FileName + "-journal" })
            yield return Path.Combine(directory, name);
        foreach (var folder in new[] { directory, Path.Combine(directory, NewIdentity.Folder) })
        {
            foreach (var name in new[] { DeviceKeys.SigningFile, DeviceKeys.SealingFile, DeviceKeys.NextFile, DeviceKeys.FormerFile, EnrolmentSecret.FileName, AccountFile.FileName })
            {
                yield return Path.Combine(folder, DeviceKeys.Folder, name);
                yield return Path.Combine(folder, DeviceKeys.Folder, name + ".tmp");
            }
        }
        var logs = Path.Combine(directory, LogFolder);
        if (Directory.Exists(logs))
            foreach (var log in Directory.EnumerateFiles(logs, "ccim.*"))
                yield return log;
    }

    /// <summary>Whatever a step of installing, running or removing leaves when it is the last one: a file, the builds, or folders with nothing in them.</summary>
    private static bool IsAnythingLeft(string directory) =>
        Made(directory).Append(Path.Combine(directory, LockFile)).Any(File.Exists)
        || new[] { DeviceKeys.Folder, NewIdentity.Folder, LogFolder, BuildFolder.Name, ContentCache.Name, ProgramLoop.FolderName }.Any(folder => Directory.Exists(Path.Combine(directory, folder)))
        || Directory.Exists(directory) && !Directory.EnumerateFileSystemEntries(directory).Any();

    private static bool IsIdentity(string directory, string file) =>
        file == Path.Combine(directory, DeviceKeys.Folder, DeviceKeys.SigningFile) || file == Path.Combine(directory, DeviceKeys.Folder, DeviceKeys.SealingFile);

    private static void RemoveIfEmpty(string directory)
    {
        if (Directory.Exists(directory) && !Directory.EnumerateFileSystemEntries(directory).Any())
            Directory.Delete(directory);
    }
}
