using System.Reflection;
using System.Text.Json;
using Capstan.Client;
using Capstan.Client.Builds;
using Capstan.Nal.Arbiter.Machine;
using Capstan.Protocol.V1;
using Microsoft.Extensions.Logging.Abstractions;

namespace Capstan.Agent;

/// <summary>The verbs. Each returns the exit code, or throws what <see cref="AgentProgram"/> turns into one.</summary>
internal sealed class AgentVerbs(AgentConsole console, TimeProvider time, Random random)
{
    public const string DefaultDirectory = "/var/lib/capstan-client";

    private static readonly TimeSpan FollowPause = TimeSpan.FromSeconds(1);

    public static string Version { get; } =
        typeof(AgentVerbs).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "0.0.0";

    public async Task<int> InstallAsync(string directory, string? token, string? tokenFile, string? cap, string? site, CancellationToken cancellationToken)
    {
        var text = await new InstallSource(console).TokenAsync(token, tokenFile, cancellationToken);
        if (text is null)
        {
            await console.Error.WriteLineAsync($"capstan-client: there is no {InstallFile.Name} here, and no token: give --file F (- for the input), the variable CAPSTAN_TOKEN, or --token T, which everybody on this machine can read; "
                + "`capstan client package` makes the file, `capstan token create` a token");
            return AgentProgram.Usage;
        }
        var options = Options(directory, site);
        await CapstanClient.InstallAsync(options, text, cap, time, cancellationToken);
        var status = await CapstanClient.ReadStatusAsync(options, cancellationToken);
        await console.Out.WriteLineAsync($"Client {status.DeviceId} of site {status.SiteCode} is installed in {options.Directory}; fingerprint {status.Fingerprint}.");
        if (UnitsOf(options) is not { } units)
        {
            await console.Out.WriteLineAsync("Next: capstan-client run");
            return AgentProgram.Done;
        }
        await units.StartAsync(cancellationToken);
        await console.Out.WriteLineAsync(units.IsSystemdRunning
            ? $"The service {ServiceUnits.Service} runs, and starts with this machine. Next: capstan-client status"
            : $"The service {ServiceUnits.Service} starts with this machine.");
        return AgentProgram.Done;
    }

    /// <summary>To another site, in one step that may be repeated. The service rests meanwhile, and runs again however it ends.</summary>
    public async Task<int> MoveAsync(string directory, string? token, string? tokenFile, string? cap, string? site, TimeSpan patience, bool leavesBehind, CancellationToken cancellationToken)
    {
        var text = await new InstallSource(console).TokenAsync(token, tokenFile, cancellationToken);
        if (text is null)
        {
            await console.Error.WriteLineAsync($"capstan-client: there is no {InstallFile.Name} of the other site here, and no token: give --file F (- for the input), or the variable CAPSTAN_TOKEN");
            return AgentProgram.Usage;
        }
        var options = Options(directory, site);
        var before = await CapstanClient.ReadStatusAsync(options, cancellationToken);
        var units = UnitsOf(options);
        if (units is not null)
            await units.PauseAsync(cancellationToken);
        CycleReport first;
        try
        {
            first = await CapstanClient.MoveAsync(options, text, cap, patience, leavesBehind, console.Out.WriteLine, time, random, cancellationToken);
        }
        finally
        {
            if (units is not null)
                // Also when a person interrupts: the client is the old site's or the new one's, and must run.
                await units.StartAsync(CancellationToken.None);
        }
        var status = await CapstanClient.ReadStatusAsync(options, cancellationToken);
        await console.Out.WriteLineAsync(status.DeviceId == before.DeviceId
            ? $"Client {status.DeviceId} is one of site {status.SiteCode} already."
            : $"Client {status.DeviceId} of site {status.SiteCode} is in place of {before.DeviceId} of site {before.SiteCode}; fingerprint {status.Fingerprint}.");
        if (!first.Contacted || status.State == "installed")
            await console.Out.WriteLineAsync($"Now: {status.Waiting ?? "it waits for its first contact"}.");
        if (units is null)
            await console.Out.WriteLineAsync("Next: capstan-client run");
        return AgentProgram.Done;
    }

    /// <summary>Ends when it is told to, or with <see cref="AgentProgram.StartAgain"/> when another build is to be started.</summary>
    public async Task<int> RunAsync(string directory, CancellationToken cancellationToken)
    {
        var options = Options(directory);
        try
        {
            var client = await CapstanClient.OpenAsync(options, time, random, NullLoggerFactory.Instance, cancellationToken);
            await using (client.ConfigureAwait(false))
            {
                await console.Out.WriteLineAsync($"The client runs; its log is {LogFile(directory)}. Stop it with Ctrl+C or SIGTERM.");
                await new ServiceWatch(client, console, time).RunAsync(cancellationToken);
            }
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            CapstanClient.NoteFailure(options, e);
            throw;
        }
        await console.Out.WriteLineAsync("The client ends so that another build of it is started.");
        return AgentProgram.StartAgain;
    }

    public async Task<int> RunNowAsync(string directory, CancellationToken cancellationToken)
    {
        var client = await OpenAsync(directory, cancellationToken);
        CycleReport report;
        await using (client.ConfigureAwait(false))
            report = await client.RunNowAsync(cancellationToken);
        foreach (var problem in report.Problems)
            await console.Error.WriteLineAsync($"capstan-client: {problem}");
        await console.Out.WriteLineAsync(report.Contacted ? $"Done; {report.Uploaded} records uploaded." : "The cycle was not completed; what was collected waits in the spool.");
        return report.Contacted ? AgentProgram.Done : AgentProgram.Failed;
    }

    public async Task<int> StatusAsync(string directory, bool json, CancellationToken cancellationToken)
    {
        var status = await CapstanClient.ReadStatusAsync(Options(directory), cancellationToken);
        await console.Out.WriteLineAsync(json ? JsonSerializer.Serialize(status, AgentJson.Default.ClientStatus) : StatusTable.Of(status));
        return AgentProgram.Done;
    }

    /// <summary>Collects both inventories of this machine and prints them. One that fails is named on the error stream; the other is still printed.</summary>
    public async Task<int> InventoryAsync(string directory, bool json, CancellationToken cancellationToken)
    {
        var parts = ClientParts.OfThisMachine(Options(directory), time);
        var failed = false;
        var hardware = await PartAsync("hardware", () => Task.Run(() => parts.Hardware(cancellationToken), cancellationToken));
        var software = await PartAsync("software", () => parts.Software(cancellationToken));
        await console.Out.WriteLineAsync(json ? InventoryText.Json(hardware, software) : InventoryText.Table(hardware, software));
        return failed ? AgentProgram.Failed : AgentProgram.Done;

        async Task<T?> PartAsync<T>(string name, Func<Task<T>> collect) where T : class
        {
            try
            {
                return await collect();
            }
            catch (Exception e) when (e is ClientException or PlatformNotSupportedException)
            {
                failed = true;
                await console.Error.WriteLineAsync($"capstan-client: {name}: {e.Message}");
                return null;
            }
        }
    }

    public async Task<int> WhyAsync(string directory, string advertisement, bool json, CancellationToken cancellationToken)
    {
        var known = await CapstanClient.ReadProgramsAsync(Options(directory), cancellationToken);
        if (known.FirstOrDefault(program => program.AdvertisementId == advertisement) is not { } program)
            throw new ClientException($"{advertisement}: this machine knows no such advertisement: it is not of the collection, or the policy that lists it has not come yet; capstan-client programs lists those that it knows", "no_advertisement");
        await console.Out.WriteLineAsync(json ? JsonSerializer.Serialize(program, AgentJson.Default.ProgramView) : ProgramTable.Why(program));
        return AgentProgram.Done;
    }

    public async Task<int> ProgramsAsync(string directory, bool json, CancellationToken cancellationToken)
    {
        var known = await CapstanClient.ReadProgramsAsync(Options(directory), cancellationToken);
        await console.Out.WriteLineAsync(json ? JsonSerializer.Serialize(known, AgentJson.Default.IReadOnlyListProgramView) : ProgramTable.Of(known));
        return AgentProgram.Done;
    }

    public async Task<int> RunProgramAsync(string directory, string advertisement, CancellationToken cancellationToken)
    {
        await CapstanClient.RequestProgramAsync(Options(directory), advertisement, minutes: null, cancellationToken);
        await console.Out.WriteLineAsync($"The client was asked to run it; capstan-client why {advertisement} tells how it goes.");
        return AgentProgram.Done;
    }

    public async Task<int> PostponeAsync(string directory, string advertisement, int minutes, CancellationToken cancellationToken)
    {
        await CapstanClient.RequestProgramAsync(Options(directory), advertisement, minutes, cancellationToken);
        await console.Out.WriteLineAsync($"The client was asked to let it wait for {minutes} minutes; capstan-client why {advertisement} tells until when.");
        return AgentProgram.Done;
    }

    /// <summary>All of this machine, whatever program opened them: they share one budget.</summary>
    public async Task<int> ConnectionsAsync(bool json)
    {
        IReadOnlyList<MachineConnection> connections = MachineOf() is { } machine ? machine.Connections(time.GetUtcNow()) : [];
        await console.Out.WriteLineAsync(json ? JsonSerializer.Serialize(connections, AgentJson.Default.IReadOnlyListMachineConnection) : StatusTable.Connections(connections));
        return AgentProgram.Done;
    }

    private NalMachine? MachineOf() => NalMachine.Of(console.Environment(NalMachine.DirectoryVariable));

    public async Task<int> LogsAsync(string directory, bool follow, CancellationToken cancellationToken)
    {
        var path = LogFile(directory);
        if (!File.Exists(path))
        {
            await console.Error.WriteLineAsync($"capstan-client: there is no log {path}; the client writes it when it runs");
            return AgentProgram.NotFound;
        }
        long position = 0;
        while (true)
        {
            position = await CopyAsync(path, position, cancellationToken);
            if (!follow)
                return AgentProgram.Done;
            await Task.Delay(FollowPause, time, cancellationToken);
        }
    }

    public async Task<int> UninstallAsync(string directory, bool keepsId, CancellationToken cancellationToken)
    {
        var options = Options(directory);
        if (UnitsOf(options) is { } units)
            await units.StopAsync(cancellationToken);
        await CapstanClient.UninstallAsync(options, keepsId, cancellationToken);
        await console.Out.WriteLineAsync(keepsId
            ? $"The client in {options.Directory} is removed, but for its keys: installed again, it is the same client."
            : $"The client in {options.Directory} is removed. The site still lists it; `capstan client retire` ends that.");
        return AgentProgram.Done;
    }

    /// <summary>They serve the default directory alone, and are root's to change.</summary>
    private ServiceUnits? UnitsOf(ClientOptions options) =>
        Path.TrimEndingDirectorySeparator(options.Directory) == DefaultDirectory && console.Units is { AreThere: true } units && Environment.IsPrivilegedProcess ? units : null;

    private Task<CapstanClient> OpenAsync(string directory, CancellationToken cancellationToken) =>
        CapstanClient.OpenAsync(Options(directory), time, random, NullLoggerFactory.Instance, cancellationToken);

    private ClientOptions Options(string directory, string? site = null) => new()
    {
        Site = site,
        Directory = Path.GetFullPath(directory),
        Machine = MachineOf(),
        Idle = IdleMemory.Release,
        Build = console.Environment("CAPSTAN_BUILD") is { Length: > 0 } build && console.Environment("CAPSTAN_PACKAGE") is { Length: > 0 } package ? new BuildIdentity(build, package) : null,
        HardwareFile = console.Environment("CAPSTAN_HARDWARE_FILE") is { Length: > 0 } file ? file : null,
    };

    private async Task<long> CopyAsync(string path, long position, CancellationToken cancellationToken)
    {
        var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        await using (file.ConfigureAwait(false))
        {
            // Shorter than before: the log was rolled, and the new file is read from its beginning.
            file.Position = file.Length < position ? 0 : position;
            using var reader = new StreamReader(file, leaveOpen: true);
            await console.Out.WriteAsync((await reader.ReadToEndAsync(cancellationToken)).AsMemory(), cancellationToken);
            await console.Out.FlushAsync(cancellationToken);
            return file.Position;
        }
    }

    private static string LogFile(string directory) => Path.Combine(Path.GetFullPath(directory), "logs", "ccim.log");
}
