using System.CommandLine;
using System.Globalization;
using System.Net.Sockets;
using System.Security.Cryptography;
using Capstan.Client;
using Capstan.Protocol;

namespace Capstan.Agent;

/// <summary>The executable <c>capstan-client</c>: its verbs and exit codes (0 done, 1 failed, 2 usage, 4 not found, 5 access denied, 75 start me again).</summary>
internal static class AgentProgram
{
    public const int Done = 0, Failed = 1, Usage = 2, NotFound = 4, AccessDenied = 5;

    /// <summary>Of <c>run</c>: the service manager starts the launcher again, which chooses another build (EX_TEMPFAIL).</summary>
    public const int StartAgain = 75;

    /// <summary>Runs one verb. An error is one line on the error stream.</summary>
    public static async Task<int> RunAsync(string[] args, AgentConsole console, TimeProvider time, Random random, CancellationToken cancellationToken)
    {
        if (args is ["--version"])
        {
            // Before the command line is built: installers ask this often.
            await console.Out.WriteLineAsync(AgentVerbs.Version);
            return Done;
        }
        if (args is ["--schema"])
        {
            // A build on trial asks the package's, before it changes a file that that one could not read any more.
            await console.Out.WriteLineAsync(CapstanClient.Schema.ToString(CultureInfo.InvariantCulture));
            return Done;
        }
        var endless = false;
        try
        {
            // Not for people either: a gate starts it, and it becomes the program.
            if (args is ["gate-start"])
                return CapstanClient.RunStarter();
            if (args is ["gate", var run])
            {
                // Not for people: the client starts it for each run of a program. It ends with that, whoever asks it to end before.
                CapstanClient.RunGate(run, time);
                return Done;
            }
            var parsed = Commands(new AgentVerbs(console, time, random)).Parse(args);
            if (parsed.Errors.Count > 0)
            {
                await console.Error.WriteLineAsync($"capstan-client: {parsed.Errors[0].Message} (capstan-client --help shows the verbs)");
                return Usage;
            }
            // To be stopped is how these two end; any other verb has not done its work then.
            endless = parsed.CommandResult.Command.Name is "run" or "logs";
            return await parsed.InvokeAsync(new InvocationConfiguration
            {
                Output = console.Out,
                Error = console.Error,
                EnableDefaultExceptionHandler = false,
                ProcessTerminationTimeout = null,
            }, cancellationToken);
        }
        catch (ClientException e)
        {
            await console.Error.WriteLineAsync($"capstan-client: {e.Message}");
            return e.Code switch
            {
                "not_installed" or "no_advertisement" => NotFound,
                "access_denied" => AccessDenied,
                "bad_token" or "bad_cap" or "foreign_file" => Usage,
                _ => Failed,
            };
        }
        catch (ProtocolException e)
        {
            await console.Error.WriteLineAsync($"capstan-client: {e.Message}");
            return Usage;
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            if (endless)
                return Done;
            await console.Error.WriteLineAsync("capstan-client: stopped before it was done; the same command goes on from there");
            return Failed;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or SocketException)
        {
            await console.Error.WriteLineAsync($"capstan-client: {e.Message}");
            return e is UnauthorizedAccessException ? AccessDenied : Failed;
        }
    }

    /// <summary>Chance for jitter, seeded by the operating system so that a fleet that boots together spreads.</summary>
    [System.Diagnostics.CodeAnalysis.SuppressMessage("Security", "CA5394", Justification = "Jitter, not a secret.")]
    public static Random NewRandom() => new(RandomNumberGenerator.GetInt32(int.MaxValue));

    private static RootCommand Commands(AgentVerbs verbs)
    {
        var data = new Option<string>("--data")
        {
            Description = "The client's directory",
            DefaultValueFactory = _ => AgentVerbs.DefaultDirectory,
            Recursive = true,
        };
        var root = new RootCommand("Makes this machine a client of a Capstan site. Example: capstan-client install --file install.capstan") { data };

        var token = new Option<string?>("--token") { Description = "The enrolment token (also: the variable CAPSTAN_TOKEN)" };
        var file = new Option<string?>("--file", "--token-file") { Description = "install.capstan of the site, or a file with a token; - reads it from the input (default: install.capstan in this directory)" };
        var cap = new Option<string?>("--cap") { Description = "A client access point that this machine tries first: a NAL path or a directory; it replaces the one given before" };
        var site = new Option<string?>("--site") { Description = "Of several sites whose tokens are given, this one, whatever the boundaries say; a site code" };
        var install = new Command("install", "Makes the device's keys, records where the site is, and starts the service where there is one. Repeatable. Example: capstan-client install --file install.capstan") { token, file, cap, site };
        install.SetAction((parsed, stop) => verbs.InstallAsync(parsed.GetValue(data)!, parsed.GetValue(token), parsed.GetValue(file), parsed.GetValue(cap), parsed.GetValue(site), stop));

        var wait = new Option<int>("--wait") { Description = "Seconds that the old site may take to acknowledge what waits here; 0 to 86400", DefaultValueFactory = _ => 60 };
        wait.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() is < 0 or > 86_400)
                result.AddError("--wait takes 0 to 86400 seconds");
        });
        var leaveBehind = new Option<bool>("--leave-behind") { Description = "Go also when the old site does not acknowledge what waits here; one line says what that is" };
        var move = new Command("move", "Makes this machine a client of another site: delivers what waits, says goodbye, and enrols there with new keys. Repeatable. Example: capstan-client move --file install.capstan")
        {
            token, file, cap, site, wait, leaveBehind,
        };
        move.SetAction((parsed, stop) => verbs.MoveAsync(parsed.GetValue(data)!, parsed.GetValue(token), parsed.GetValue(file), parsed.GetValue(cap), parsed.GetValue(site),
            TimeSpan.FromSeconds(parsed.GetValue(wait)), parsed.GetValue(leaveBehind), stop));

        var run = new Command("run", "Runs the client until it is stopped. Example: capstan-client run --data /var/lib/capstan-client");
        run.SetAction((parsed, stop) => verbs.RunAsync(parsed.GetValue(data)!, stop));

        var runNow = new Command("run-now", "One complete cycle now: verify, collect, upload. Example: capstan-client run-now");
        runNow.SetAction((parsed, stop) => verbs.RunNowAsync(parsed.GetValue(data)!, stop));

        var format = new Option<string>("--output", "-o") { Description = "table or json", DefaultValueFactory = _ => "table" };
        format.AcceptOnlyFromAmong("table", "json");
        var status = new Command("status", "What the client knows of itself; works beside a running client. Example: capstan-client status -o json") { format };
        status.SetAction((parsed, stop) => verbs.StatusAsync(parsed.GetValue(data)!, parsed.GetValue(format) == "json", stop));

        var inventory = new Command("inventory", "What hardware and software this machine has, collected now; nothing is sent, and no installation is needed. Example: capstan-client inventory -o json") { format };
        inventory.SetAction((parsed, stop) => verbs.InventoryAsync(parsed.GetValue(data)!, parsed.GetValue(format) == "json", stop));

        var advertisement = new Argument<string>("advertisement") { Description = "The advertisement's id; capstan-client programs lists them" };
        var why = new Command("why", "Why an advertised program did or did not run on this machine: the whole chain. Example: capstan-client why k3fq7xzt") { advertisement, format };
        why.SetAction((parsed, stop) => verbs.WhyAsync(parsed.GetValue(data)!, parsed.GetValue(advertisement)!, parsed.GetValue(format) == "json", stop));

        var programs = new Command("programs", "The programs that are offered to this machine, and where each stands. Example: capstan-client programs -o json") { format };
        programs.SetAction((parsed, stop) => verbs.ProgramsAsync(parsed.GetValue(data)!, parsed.GetValue(format) == "json", stop));
        var list = new Command("list", "The same. Example: capstan-client programs list") { format };
        list.SetAction((parsed, stop) => verbs.ProgramsAsync(parsed.GetValue(data)!, parsed.GetValue(format) == "json", stop));
        var minutes = new Option<int>("--minutes") { Description = "For how long; 1 to 10080", DefaultValueFactory = _ => 60 };
        var postpone = new Command("postpone", "Lets a program wait that would run by itself, as often as it allows, and not beyond its deadline. Example: capstan-client programs postpone k3fq7xzt --minutes 120") { advertisement, minutes };
        postpone.SetAction((parsed, stop) => verbs.PostponeAsync(parsed.GetValue(data)!, parsed.GetValue(advertisement)!, parsed.GetValue(minutes), stop));
        programs.Subcommands.Add(list);
        programs.Subcommands.Add(postpone);

        var runProgram = new Command("run-program", "Runs an offered program now, whatever its start and windows; the client does it, beside its work. Example: capstan-client run-program k3fq7xzt") { advertisement };
        runProgram.SetAction((parsed, stop) => verbs.RunProgramAsync(parsed.GetValue(data)!, parsed.GetValue(advertisement)!, stop));

        var connections = new Command("connections", "Connections of this machine, and those that were lost. Example: capstan-client connections") { format };
        connections.SetAction((parsed, _) => verbs.ConnectionsAsync(parsed.GetValue(format) == "json"));

        var follow = new Option<bool>("--follow", "-f") { Description = "Keeps printing what is added, until stopped" };
        var logs = new Command("logs", "Prints the client's log. Example: capstan-client logs --follow") { follow };
        logs.SetAction((parsed, stop) => verbs.LogsAsync(parsed.GetValue(data)!, parsed.GetValue(follow), stop));

        var keepsId = new Option<bool>("--keep-id") { Description = "Leaves the device's keys, so that a later installation is the same client" };
        var uninstall = new Command("uninstall", "Stops the service and removes what install and run made: keys, state, logs. Repeatable. Example: capstan-client uninstall") { keepsId };
        uninstall.SetAction((parsed, stop) => verbs.UninstallAsync(parsed.GetValue(data)!, parsed.GetValue(keepsId), stop));

        foreach (var command in new[] { install, move, run, runNow, status, inventory, connections, programs, why, runProgram, logs, uninstall })
            root.Subcommands.Add(command);
        return root;
    }
}
