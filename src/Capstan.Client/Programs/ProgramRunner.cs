using System.Globalization;
using Capstan.Client.Identity;
using Capstan.Nal;
using Capstan.Client.Programs.Gate;
using Capstan.Protocol.V1;
using Microsoft.Extensions.Logging;

namespace Capstan.Client.Programs;

/// <summary>Begins runs and settles them. Killed anywhere, the next one goes on from the ledger and the run's directory: what was begun is not begun again.</summary>
/// <param name="passing">Told the name of each step before it is done; tests end the client there.</param>
internal sealed class ProgramRunner(string programs, ProgramLedger ledger, ProgramMachine machine, ILogger log, TimeProvider time, Action<string>? passing = null)
{
    /// <summary>How long a gate may take until it has the lock; it is a process of the same program, and takes a tenth of a second.</summary>
    private static readonly TimeSpan s_comesUp = TimeSpan.FromSeconds(30);

    private const string RunsFolder = "runs";

    /// <summary>Most starts of the gate of one run.</summary>
    private const int MostStarts = 10;

    /// <summary>Until a gate that was ended has gone; one that the kernel holds is tried again after the other.</summary>
    private static readonly TimeSpan s_goes = TimeSpan.FromSeconds(15), s_heldPause = TimeSpan.FromMinutes(5);

    private Failing? _failing;
    private string? _held;
    private readonly RunWatch _watch = new(machine.Processes, machine.Check, machine.Time);

    /// <summary>What has not been settled; null for nothing. One program runs at a time.</summary>
    public LedgerRun? Open() => ledger.Runs().FirstOrDefault(run => run.Outcome is null);

    /// <summary>The order first, then the ledger, then the gate: a directory that the ledger does not know was never started, and goes.</summary>
    /// <param name="content">The verified content; null for what needs none.</param>
    /// <exception cref="ClientException"><c>program_runs</c>: one still runs that was begun for another site. Nothing was begun.</exception>
    public async Task<LedgerRun> BeginAsync(ProgramStep.Run step, string? content, CancellationToken cancellationToken)
    {
        if (Unknown().Find(Runs) is { } stranger)
            throw new ClientException($"run {Path.GetFileName(stranger.Path)} is not over, which this client has begun for another site; one program runs at a time", "program_runs");
        var program = ProgramKey.Of(step.Offer);
        var number = ledger.NextNumber(program);
        var run = new LedgerRun
        {
            Id = string.Create(CultureInfo.InvariantCulture, $"{program.PackageId}-{number}-{Guid.NewGuid():N}"),
            Program = program,
            Number = number,
            PackageVersion = step.Offer.PackageVersion,
            AdvertisementId = step.For.Document.AdvertisementId,
            Revision = step.For.Document.Revision,
            Occasion = step.Occasion,
            IsRemoval = step.IsRemoval,
            BootId = machine.Processes.BootId(),
            StartedAt = time.GetUtcNow(),
        };
        var order = CommandLine.Of(step, content);
        passing?.Invoke("order");
        DurableFile.CreatePrivateDirectory(programs);
        DurableFile.CreatePrivateDirectory(Path.Combine(programs, RunsFolder));
        await FolderOf(run).PrepareAsync(order, cancellationToken);
        passing?.Invoke("ledger");
        ledger.Begin(run, step.Offer.Program);
        ProgramLog.ProgramStarts(log, program.Name, run.AdvertisementId, run.Id, order.Executable);
        await StartAsync(run, cancellationToken);
        return run;
    }

    /// <summary>Looks at an open run; starts its gate when there was none, after a pause when that failed before, and at most ten times.</summary>
    /// <param name="damage">Asked before a gate is started: what is wrong with the run's content, null for nothing. It may have been changed, or never have reached the disk, since it was verified.</param>
    /// <returns>The run with its outcome; null while it goes on.</returns>
    public async Task<LedgerRun?> SettleAsync(LedgerRun run, Func<Task<string?>> damage, CancellationToken cancellationToken)
    {
        var folder = FolderOf(run);
        var state = folder.Inspect(machine.Processes);
        if (state is RunState.NotStarted && (_failing?.Run != run.Id || time.GetElapsedTime(_failing.Since) >= _failing.Pause))
        {
            var fault = await damage();
            var failed = fault is not null || _failing?.Run == run.Id && _failing.Times >= MostStarts;
            if (failed && GiveUp(folder, fault ?? $"its gate was started {MostStarts} times, and did not come up: {_failing!.Cause}"))
                state = folder.Inspect(machine.Processes);
            else if (!failed)
            {
                await StartAsync(run, cancellationToken);
                state = folder.Inspect(machine.Processes);
            }
        }
        string? cause = null;
        if (state is RunState.Stuck(_, var gates))
        {
            cause = await machine.Gates.EndAsync(machine.Processes, folder, gates, cancellationToken);
            state = await _watch.WaitAsync(folder, found => found is not RunState.Stuck, s_goes, cancellationToken);
            _held = state is RunState.Stuck ? run.Id : null;
            if (state is RunState.NotStarted)
                Fails(run, cause);
            else
                ProgramLog.GateFailed(log, run.Id, cause);
        }
        passing?.Invoke("end");
        var rules = ledger.RulesOf(run.Id);
        switch (state)
        {
            case RunState.Ended(var started, var ended):
                run = (started is null ? run : run with { StartedAt = DateTimeOffset.FromUnixTimeMilliseconds(started.StartedAt), BootId = started.BootId }) with
                {
                    EndedAt = DateTimeOffset.FromUnixTimeMilliseconds(ended.EndedAt),
                    Outcome = CommandLine.OutcomeOf(ended, rules),
                    ExitCode = ended.ExitCode,
                    Output = End(ended),
                };
                ProgramLog.ProgramEnded(log, run.Program.Name, run.AdvertisementId, run.Id, run.Outcome, run.ExitCode);
                break;
            case RunState.Lost or RunState.Missing or RunState.Damaged:
                cause ??= (state as RunState.Damaged)?.Fault;
                run = (state is RunState.Lost(var begun) ? run with { StartedAt = DateTimeOffset.FromUnixTimeMilliseconds(begun.StartedAt), BootId = begun.BootId } : run) with { Outcome = ProgramRun.Unknown, EndedAt = time.GetUtcNow(), Output = cause };
                ProgramLog.ProgramLost(log, run.Program.Name, run.AdvertisementId, run.Id, rules.Rerun);
                break;
            default:
                return null;
        }
        ledger.End(run);
        passing?.Invoke("remove");
        folder.Remove();
        return run;
    }

    /// <summary>Returns when an open run is worth another look: it is over, or its gate, which does not come up, may be started again.</summary>
    public Task WaitAsync(LedgerRun run, CancellationToken cancellationToken) =>
        _watch.WaitAsync(FolderOf(run), state => state is RunState.Ended or RunState.Lost or RunState.Damaged || state is RunState.Stuck && _held != run.Id || state is RunState.NotStarted && _failing?.Run != run.Id,
            _failing?.Run == run.Id ? _failing.Pause : _held == run.Id ? s_heldPause : null, cancellationToken);

    /// <summary>Removes the directories of runs that the ledger does not wait for, and that are over.</summary>
    public async Task TidyAsync(CancellationToken cancellationToken)
    {
        foreach (var run in Unknown())
        {
            try
            {
                // What runs is the machine's, even when the ledger has forgotten it (another site): its gate writes its end there.
                if (run.Inspect(machine.Processes) is RunState.Stuck(_, var gates))
                    ProgramLog.GateFailed(log, Path.GetFileName(run.Path), await machine.Gates.EndAsync(machine.Processes, run, gates, cancellationToken));
                if (!Runs(run))
                    run.Remove();
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // A directory that stays costs a little room, and stops nothing.
                ProgramLog.GateFailed(log, Path.GetFileName(run.Path), $"its directory stays: {e.Message.ReplaceLineEndings(" ")}");
            }
        }
    }

    /// <summary>Directories of which the ledger knows nothing, or nothing more.</summary>
    private List<RunFolder> Unknown()
    {
        var folder = Path.Combine(programs, RunsFolder);
        if (!Directory.Exists(folder))
            return [];
        var open = ledger.Runs().Where(run => run.Outcome is null).Select(run => run.Id).ToHashSet(StringComparer.Ordinal);
        return [.. Directory.EnumerateDirectories(folder).Where(path => !open.Contains(Path.GetFileName(path))).Select(path => new RunFolder(path))];
    }

    private bool Runs(RunFolder run)
    {
        try
        {
            return run.Inspect(machine.Processes) is RunState.Running or RunState.Stuck;
        }
        catch (IOException)
        {
            // What cannot be read says nothing to anybody; its lock is asked for once more when it goes.
            return false;
        }
    }

    /// <summary>Ends a run that was never started, so that no gate that comes late starts it either.</summary>
    /// <returns>False when a gate has come up meanwhile.</returns>
    private bool GiveUp(RunFolder folder, string cause)
    {
        using var taken = DirectoryLock.TryTake(folder.Path, out _);
        // A lock that something else holds keeps no gate from seeing the end.
        if (taken is null && machine.Processes.Executing(ProgramGate.Verb, folder.Path).Count > 0 || folder.Started() is not null)
            return false;
        folder.WriteEnded(new RunEnded { How = RunEnded.NotStarted, Detail = cause, EndedAt = time.GetUtcNow().ToUnixTimeMilliseconds() });
        return true;
    }

    private void Fails(LedgerRun run, string cause)
    {
        var times = _failing?.Run == run.Id ? _failing.Times + 1 : 1;
        _failing = new Failing(run.Id, times, time.GetTimestamp(), TimeSpan.FromSeconds(Math.Min(300, 1 << Math.Min(times, 9))), cause);
        ProgramLog.GateFailed(log, run.Id, cause);
    }

    /// <summary>Takes away all runs and requests of a client, and the folder. What runs goes on, and has nothing to write its end to.</summary>
    public static void RemoveAll(string clientDirectory)
    {
        if (!Directory.Exists(Path.Combine(clientDirectory, ProgramLoop.FolderName)))
            return;
        using var folder = Content.VersionFolder.Open(clientDirectory);
        folder.Remove(ProgramLoop.FolderName);
    }

    private RunFolder FolderOf(LedgerRun run) => new(Path.Combine(programs, RunsFolder, run.Id));

    private async Task StartAsync(LedgerRun run, CancellationToken cancellationToken)
    {
        passing?.Invoke("gate");
        var folder = FolderOf(run);
        if (await machine.Gates.StartAsync(folder, cancellationToken) is { } fault)
        {
            Fails(run, fault);
            return;
        }
        passing?.Invoke("started");
        // A gate that has the lock may still fail before its start is on the disk: until then it has done nothing.
        var state = await _watch.WaitAsync(folder, found => found is not (RunState.NotStarted or RunState.Running(null)), s_comesUp, cancellationToken);
        if (state is RunState.NotStarted)
            Fails(run, folder.Failure() ?? (DirectoryLock.IsTaken(folder.Path) ? "something that is no gate has locked its directory" : $"it did not begin within {s_comesUp.TotalSeconds:F0} s"));
        else if (state is not RunState.Running(null))
            _failing = null;
    }

    private sealed record Failing(string Run, int Times, long Since, TimeSpan Pause, string Cause);

    /// <summary>What an administrator sees of it: why it did not start, or the end of what it printed.</summary>
    private static string? End(RunEnded ended)
    {
        var printed = ended.OutputHead + ended.OutputTail;
        var text = ended.Detail is { } detail ? $"{detail}\n{printed}" : printed;
        text = text.Trim();
        return text.Length == 0 ? null : text.Length <= ProgramRun.MaxOutput ? text : ended.Detail is null ? text[^ProgramRun.MaxOutput..] : text[..ProgramRun.MaxOutput];
    }
}
