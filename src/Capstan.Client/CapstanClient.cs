using Capstan.Client.Builds;
using Capstan.Client.Configuration;
using Capstan.Client.Content;
using Capstan.Client.Identity;
using Capstan.Client.Moving;
using Capstan.Client.Programs;
using Capstan.Client.Programs.Gate;
using Capstan.Client.State;
using Capstan.Nal;
using Capstan.Nal.Arbiter;
using Capstan.Nal.Arbiter.Machine;
using Capstan.Nal.Paths;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Capstan.Client;

/// <summary>One installed client: its directory, identity, spool and loop (CCIM). One process at a time per directory.</summary>
/// <remarks>Directory: <c>client.db</c> (state, trusted metadata, spool), <c>keys/</c> (0700), <c>logs/</c>, <c>builds/</c>, <c>content/</c>, <c>lock</c>.</remarks>
public sealed class CapstanClient : IAsyncDisposable
{
    private readonly DirectoryLock _lock;
    private readonly ClientCore _core;
    private readonly ConnectionArbiter _arbiter;
    private readonly ClientLoggers _files;
    private readonly IDisposable? _content;

    private CapstanClient(DirectoryLock taken, ClientCore core, ConnectionArbiter arbiter, Ccim loop, (ProgramLoop? Loop, IDisposable? Content) programs, ClientLoggers files)
    {
        (Programs, _content) = programs;
        _lock = taken;
        _core = core;
        _arbiter = arbiter;
        _files = files;
        Loop = loop;
    }

    internal Ccim Loop { get; }

    /// <summary>Null where no programs are run.</summary>
    internal ProgramLoop? Programs { get; }

    internal ClientCore Core => _core;

    /// <summary>What the site has decided about this client; as of its last contact.</summary>
    internal ClientLifecycle Lifecycle => _core.Lifecycle;

    /// <summary>Enrolment ordinal; null before the certificate.</summary>
    internal long? Ordinal => _core.Policy?.Certificate.Ordinal;

    /// <summary>Makes keys and records token and CAPs. Repeatable: an interrupted installation is finished; an approved client is left as it is.</summary>
    /// <remarks>A client that the site has not approved takes another token of the same site and asks again with it. An approved one takes another <paramref name="cap"/> only.</remarks>
    /// <param name="token">The text of an enrolment token; or of several, of different sites, each at the beginning of a line: the boundaries that they hold decide, or <see cref="ClientOptions.Site"/>.</param>
    /// <param name="cap">A NAL path or an absolute directory that this machine tries before the site's list; it replaces the one given before. Null changes nothing.</param>
    /// <exception cref="ClientException">With cause and next step.</exception>
    public static async Task InstallAsync(ClientOptions options, string token, string? cap, TimeProvider time, CancellationToken cancellationToken) =>
        await InstallAsync(options, ClientParts.OfThisMachine(options, time), token, cap, cancellationToken);

    /// <summary>As the public one, on other hardware.</summary>
    internal static async Task InstallAsync(ClientOptions options, ClientParts parts, string token, string? cap, CancellationToken cancellationToken)
    {
        var chosen = SiteChoice.Choose(token, SiteChoice.Split(token).Count > 1 ? parts.Host().Addresses : [], options.Site, Installation.PresentSite(options.Directory));
        await Installation.InstallAsync(options, chosen, cap, MachineCheck.Read(parts, cancellationToken), cancellationToken);
    }

    /// <summary>Removes everything that installation and the loop made below the directory, and the directory when it is empty then.</summary>
    /// <remarks>Repeatable: what an interrupted installation or removal left is removed, too.</remarks>
    /// <exception cref="ClientException"><c>not_installed</c>, <c>client_in_use</c>, <c>access_denied</c>.</exception>
    public static Task UninstallAsync(ClientOptions options, CancellationToken cancellationToken) => UninstallAsync(options, keepsId: false, cancellationToken);

    /// <summary>As the other one.</summary>
    /// <param name="keepsId">The device's keys (<c>keys/</c>, 0600) stay: a later installation with a token of the same site is the same client.</param>
    public static Task UninstallAsync(ClientOptions options, bool keepsId, CancellationToken cancellationToken) =>
        Task.Run(() => Installation.Uninstall(options.Directory, keepsId), cancellationToken);

    /// <exception cref="ClientException">Not installed, or in use by another process.</exception>
    public static Task<CapstanClient> OpenAsync(ClientOptions options, TimeProvider time, Random random, ILoggerFactory loggers, CancellationToken cancellationToken) =>
        OpenAsync(options, ClientParts.OfThisMachine(options, time), time, random, loggers, cancellationToken);

    /// <summary>As the public one, built from other parts.</summary>
    internal static Task<CapstanClient> OpenAsync(ClientOptions options, ClientParts parts, TimeProvider time, Random random, ILoggerFactory loggers,
        CancellationToken cancellationToken) => Task.Run(() => Open(options, parts, time, random, loggers), cancellationToken);

    /// <summary>What the client knows of itself; works beside a running client, too.</summary>
    /// <exception cref="ClientException">As <see cref="OpenAsync(ClientOptions, TimeProvider, Random, ILoggerFactory, CancellationToken)"/>, but never <c>client_in_use</c>.</exception>
    public static Task<ClientStatus> ReadStatusAsync(ClientOptions options, CancellationToken cancellationToken) =>
        Task.Run(() => StatusReader.Read(options.Directory) with { PackageVersion = Beside(options) is { } package ? PackageBuild.Version(package) : null }, cancellationToken);

    /// <summary>Starts the program of a directory that a client has prepared, waits for it and writes down how it ended: a process of its own, which outlives the client.</summary>
    /// <exception cref="IOException">The directory cannot be read or written; nothing was started.</exception>
    public static void RunGate(string directory, TimeProvider time) => new ProgramGate(new RunFolder(Path.GetFullPath(directory)), GateStarter.This(ProgramStarter.Verb), time).Run();

    /// <summary>Becomes the program of which the gate that has started this process tells.</summary>
    /// <returns>Only when there is no program: an exit code, after the gate was told why.</returns>
    public static int RunStarter() => ProgramStarter.Run();

    /// <summary>How many schema scripts this program knows: what its package's build says when a later one asks it.</summary>
    public static int Schema => Migrations.Known;

    /// <summary>The loop: polls, verifies, acts and reports until cancelled.</summary>
    /// <remarks>Returns only when another build of the agent is to be started: the process ends, and its launcher chooses.</remarks>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        StayAfterAll();
        ClientLog.Started(_core.Log, _core.Keys.Id.Value, _core.SiteCode, ClientParts.Version);
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var programs = Programs?.RunAsync(ended.Token) ?? Task.CompletedTask;
        try
        {
            await Loop.RunAsync(cancellationToken);
        }
        finally
        {
            // What runs goes on: its gate outlives this process.
            await ended.CancelAsync();
            await programs.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>The advertisements that this machine knows, and why each stands where it does; works beside a running client, too.</summary>
    /// <exception cref="ClientException">As <see cref="ReadStatusAsync"/>.</exception>
    public static Task<IReadOnlyList<ProgramView>> ReadProgramsAsync(ClientOptions options, CancellationToken cancellationToken) => Task.Run(() => ProgramReader.Read(options.Directory), cancellationToken);

    /// <summary>Asks the client of a directory to run an advertisement now, or to postpone it; it need not run at the moment.</summary>
    /// <param name="minutes">For how long it is postponed; null to run it.</param>
    /// <exception cref="ClientException"><c>no_advertisement</c>, <c>request_refused</c>; and as <see cref="ReadStatusAsync"/>.</exception>
    public static async Task RequestProgramAsync(ClientOptions options, string advertisementId, int? minutes, CancellationToken cancellationToken)
    {
        var what = minutes is null ? ProgramRequests.Run : ProgramRequests.Postpone;
        var known = await Task.Run(() => ProgramReader.Find(options.Directory, advertisementId), cancellationToken);
        if (ProgramRequests.Fault(known, what, minutes ?? 0) is { } fault)
            throw new ClientException($"{advertisementId}: {fault}", known is null ? "no_advertisement" : "request_refused");
        await ProgramRequests.PutAsync(Path.Combine(options.Directory, ProgramLoop.FolderName), what, advertisementId, minutes ?? 0, cancellationToken);
    }

    /// <summary>A build on trial that cannot even open the client's state leaves its last words for the one that runs after it.</summary>
    public static void NoteFailure(ClientOptions options, Exception cause)
    {
        if (options.Build is not { } build || BuildFolder.ReadState(options.Directory)?.Trial?.Id != build.Id)
            return;
        try
        {
            new BuildFolder(options.Directory, build.PackageFolder).WriteFailure(build.Id, cause.Message);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // What it failed with is on the error stream in any case; the disk may be why.
            return;
        }
    }

    /// <summary>Whether the loop moves: what a watchdog of the service manager is told.</summary>
    public bool IsSound => Loop.IsSound;

    /// <summary>One complete cycle now: verify, collect, upload.</summary>
    public Task<CycleReport> RunNowAsync(CancellationToken cancellationToken)
    {
        StayAfterAll();
        return Loop.RunNowAsync(cancellationToken);
    }

    /// <summary>Moves this machine to another site: what waits here is delivered, this site is told, and the machine becomes a new client of the other one, with new keys.</summary>
    /// <remarks>
    /// Repeatable: killed anywhere, the same call finishes it; until the one transaction that decides, the client is the old site's, and goes on as such when it is run.
    /// The new site is verified from the token's root before anything is left. No other process may use the directory.
    /// </remarks>
    /// <param name="token">As of an installation: the text of one token or of several.</param>
    /// <param name="cap">As of an installation, of the new site.</param>
    /// <param name="patience">How long the old site may take to acknowledge what waits.</param>
    /// <param name="leavesBehind">Go also when it did not; what it has not acknowledged is told in one line, and gone from this machine.</param>
    /// <param name="tell">Takes a line for a person after each step that a person would ask for.</param>
    /// <returns>The first contact with the new site; when it failed, the client goes on with it by itself as soon as it is run.</returns>
    /// <exception cref="ClientException"><c>target_unseen</c>, <c>move_waits</c>, and as of an installation and of opening. The client is the old site's then.</exception>
    public static Task<CycleReport> MoveAsync(ClientOptions options, string token, string? cap, TimeSpan patience, bool leavesBehind, Action<string> tell, TimeProvider time, Random random, CancellationToken cancellationToken) =>
        MoveAsync(options, ClientParts.OfThisMachine(options, time), token, cap, new MoveTerms(patience, leavesBehind), tell, time, random, cancellationToken);

    /// <summary>As the public one, built from other parts.</summary>
    internal static async Task<CycleReport> MoveAsync(ClientOptions options, ClientParts parts, string token, string? cap, MoveTerms terms, Action<string> tell, TimeProvider time, Random random, CancellationToken cancellationToken)
    {
        var chosen = SiteChoice.Choose(token, SiteChoice.Split(token).Count > 1 ? parts.Host().Addresses : [], options.Site, present: null);
        var target = new MoveTarget(Installation.Decode(chosen.Token), chosen.Token, chosen.Why, cap is null ? null : Installation.OwnCap(cap));
        // A person is at work: what the servers refused before may be tried again at once.
        foreach (var server in CapAccounts.Servers(target.Token.Caps.Select(path => NalPath.TryParse(path, out var parsed, out _) ? parsed : null).OfType<NalPath>()))
            options.Machine?.ResumeAccounts(server);
        var leaving = await OpenAsync(options, parts, time, random, NullLoggerFactory.Instance, cancellationToken);
        await using (leaving.ConfigureAwait(false))
        {
            var move = leaving.Move(target, terms, tell, time);
            while (await move.StepAsync(cancellationToken) is { } pause)
                if (pause > TimeSpan.Zero)
                    await Task.Delay(pause, time, cancellationToken);
        }
        // Another token of that site, when the one of the first try was of no use.
        await Installation.InstallAsync(options, chosen with { Why = null }, cap, HardwareEvidence.None, cancellationToken);
        var arrived = await OpenAsync(options, parts, time, random, NullLoggerFactory.Instance, cancellationToken);
        await using (arrived.ConfigureAwait(false))
            return await arrived.RunNowAsync(cancellationToken);
    }

    internal ClientMove Move(MoveTarget target, MoveTerms terms, Action<string> tell, TimeProvider time) => new(_core, Loop, _arbiter, target, terms, tell, time);

    /// <summary>Whoever runs a client whose move was interrupted keeps it: its site must not think that it left.</summary>
    private void StayAfterAll()
    {
        if (_core.Spool.WithdrawDeparture())
            ClientLog.DepartureWithdrawn(_core.Log, _core.SiteCode);
    }

    /// <summary>Connections and leases of this process now.</summary>
    public IReadOnlyList<ConnectionView> Connections() => _arbiter.Connections();

    public async ValueTask DisposeAsync()
    {
        Loop.Dispose();
        Programs?.Dispose();
        _content?.Dispose();
        await _arbiter.DisposeAsync();
        _core.Dispose();
        await _files.DisposeAsync();
        _lock.Dispose();
    }

    /// <summary>Where the package's build is, for another one; null for that one, and without the launcher.</summary>
    private static string? Beside(ClientOptions options) => options.Build is { } build && build.Id != Protocol.V1.ClientBuild.OfPackage ? build.PackageFolder : null;

    private static (ProgramLoop? Loop, IDisposable? Content) ProgramsOf(ClientCore core, ClientParts parts, ConnectionArbiter arbiter, TimeProvider time, Random random)
    {
        if (parts.Programs is not { } machine)
            return (null, null);
        var made = parts.Content is null ? PackageContent.Of(core, arbiter, () => parts.Host().Addresses, time, random) : null;
        return (new ProgramLoop(core, machine, parts.Content ?? made!, time, parts.Passing), made);
    }

    private static CapstanClient Open(ClientOptions options, ClientParts parts, TimeProvider time, Random random, ILoggerFactory loggers)
    {
        var directory = options.Directory;
        if (!File.Exists(ClientDatabase.PathIn(directory)))
            throw ClientErrors.NotInstalled(directory);
        var taken = Installation.TakeLock(directory);
        ClientDatabase? database = null;
        DeviceKeys? keys = null;
        ClientLoggers? files = null;
        try
        {
            database = ClientDatabase.Open(directory, Beside(options) is { } package ? () => PackageBuild.Schema(package) : null);
            if (new ClientState(database).Get(StateKey.Lifecycle) is null)
                throw ClientErrors.NotInstalled(directory);
            var id = new ClientState(database).Get(StateKey.DeviceId);
            NewIdentity.Finish(directory, id);
            keys = DeviceKeys.Load(directory);
            if (id != keys.Id.Value)
                throw new ClientException($"the keys in {directory} are those of device {keys.Id}, and the state is that of {id}; restore both from one backup, or uninstall and install again", "keys_damaged");
            files = ClientLoggers.Create(loggers, Path.Combine(directory, Installation.LogFolder), time);
            var core = new ClientCore(directory, keys, database, new Clock(time), files.CreateLogger(ClientCore.Component)) { SetLogLevel = files.SetLevel, Idle = options.Idle, LongestPoll = options.LongestPoll ?? TimeSpan.MaxValue };
            // What was left alone was told when the policy came.
            _ = core.ApplySettings();
            var order = new ArbiterOptions { OrderSeed = keys.Id.Value, Machine = options.Machine };
            var arbiter = new ConnectionArbiter(parts.Providers, order, time, random, files);
            var programs = ProgramsOf(core, parts, arbiter, time, random);
            if (programs.Loop is { } loop)
                parts = parts with { ProgramRuns = () => loop.ProgramRuns };
            return new CapstanClient(taken, core, arbiter, new Ccim(core, parts, arbiter, new CapOrder(core, order), options.Build, time, random), programs, files);
        }
        catch
        {
            files?.Dispose();
            keys?.Dispose();
            database?.Dispose();
            taken.Dispose();
            throw;
        }
    }
}

public sealed class ClientOptions
{
    public required string Directory { get; init; }

    /// <summary>Where connections are counted with the other processes of this machine. Null: this process's connections only.</summary>
    public NalMachine? Machine { get; init; }

    /// <summary>The site that a person asks for, of several whose tokens are given; null to choose by boundaries.</summary>
    public string? Site { get; init; }

    /// <summary>Which build this process is; null when it was started without the launcher: then it takes no orders about builds.</summary>
    public BuildIdentity? Build { get; init; }

    /// <summary>Called by the loop before each wait of <see cref="IdleFrom"/> or more; it should take milliseconds, and throw nothing.</summary>
    public Action Idle { get; init; } = static () => { };

    /// <summary>A minute: shorter waits belong to the work.</summary>
    public static readonly TimeSpan IdleFrom = TimeSpan.FromMinutes(1);

    /// <summary>It looks for orders at least this often, whatever is published or set; null for no more often than that. For a client whose CAP is a folder beside it, and that a person watches.</summary>
    public TimeSpan? LongestPoll { get; init; }

    /// <summary>Replaces the hardware evidence by a file (CAPSTAN_HARDWARE_FILE, for tests; the inventory says so).</summary>
    public string? HardwareFile { get; init; }
}

/// <param name="State"><c>installed</c> (not approved yet), <c>approved</c>, <c>retired</c>.</param>
/// <param name="Waiting">Why nothing moves now, with cause and next try; null when nothing waits.</param>
public sealed record ClientStatus(string DeviceId, string Fingerprint, string SiteCode, string State, long PolicyVersion, long Sequence,
    long AcknowledgedSequence, int Spooled, DateTimeOffset? LastContact, DateTimeOffset? NextContact, string? Waiting, IReadOnlyList<string> Caps,
    string ClientVersion)
{
    /// <summary>The build that is current, the one on trial (null for none), and what an order about builds waits for (null for nothing).</summary>
    public string? Build { get; init; }
    public string? BuildOnTrial { get; init; }
    public string? BuildWaiting { get; init; }

    /// <summary>What the package of this machine has beside the build that runs; null where that one runs, or does not say it.</summary>
    public string? PackageVersion { get; init; }

    /// <summary>Why this site and no other, where there was a choice; null where there was none.</summary>
    public string? Assignment { get; init; }

    /// <summary>How each component did when it ran last.</summary>
    public IReadOnlyList<Capstan.Protocol.V1.ComponentState> Components { get; init; } = [];
}

/// <param name="Uploaded">Records written in this cycle.</param>
/// <param name="Problems">One line each; empty when all went well.</param>
public sealed record CycleReport(bool Contacted, int Uploaded, IReadOnlyList<string> Problems);

/// <summary>A refusal of the client: one line with cause and next step.</summary>
public sealed class ClientException(string message, string code, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>Stable, for example <c>client_in_use</c>, <c>not_installed</c>, <c>bad_token</c>.</summary>
    public string Code { get; } = code;
}
