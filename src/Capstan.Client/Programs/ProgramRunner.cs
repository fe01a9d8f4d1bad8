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

    private Failing? _failing;
    private readonly RunWatch _watch = new(machine.Processes, machine.Check, machine.Time);

    /// <summary>What has not been settled; null for nothing. One program runs at a time.</summary>
    public LedgerRun? Open() => ledger.Runs().FirstOrDefault(run => run.Outcome is null);

    /// <summary>The order first, then the ledger, then the gate: a directory that the ledger does not know was never started, and goes.</summary>
    /// <param name="content">The verified content; null for what needs none.</param>
    public async Task<LedgerRun> BeginAsync(ProgramStep.Run step, string? content, CancellationToken cancellationToken)
    {
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
        if (step.User is not null && content is not null)
            LetUsersIn(content);
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
        var state = folder.Inspect(machine.Processes, time.GetUtcNow());
        if (state is RunState.NotStarted && (_failing?.Run != run.Id || time.GetElapsedTime(_failing.Since) >= _failing.Pause))
        {
            var fault = await damage();
            var failed = fault is not null || _failing?.Run == run.Id && _failing.Times >= MostStarts;
            if (failed && await GiveUpAsync(folder, fault ?? $"its gate was started {MostStarts} times, and did not come up: {_failing!.Cause}"))
                state = folder.Inspect(machine.Processes, time.GetUtcNow());
            else if (!failed)
            {
                await StartAsync(run, cancellationToken);
                state = folder.Inspect(machine.Processes, time.GetUtcNow());
            }
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
            case RunState.Lost or RunState.Missing:
                run = (state is RunState.Lost(var begun) ? run with { StartedAt = DateTimeOffset.FromUnixTimeMilliseconds(begun.StartedAt), BootId = begun.BootId } : run) with { Outcome = ProgramRun.Unknown, EndedAt = time.GetUtcNow() };
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
        _watch.WaitAsync(FolderOf(run), state => state is RunState.Ended or RunState.Lost, _failing?.Run == run.Id ? _failing.Pause : null, cancellationToken);

    /// <summary>Removes the directories of runs that the ledger does not wait for.</summary>
    public void Tidy()
    {
        var folder = Path.Combine(programs, RunsFolder);
        if (!Directory.Exists(folder))
            return;
        var open = ledger.Runs().Where(run => run.Outcome is null).Select(run => run.Id).ToHashSet(StringComparer.Ordinal);
        foreach (var path in Directory.EnumerateDirectories(folder).Where(path => !open.Contains(Path.GetFileName(path))).ToList())
        {
            try
            {
                new RunFolder(path).Remove();
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // A directory that stays costs a little room, and stops nothing.
                ProgramLog.GateFailed(log, Path.GetFileName(path), $"its directory stays: {e.Message.ReplaceLineEndings(" ")}");
            }
        }
    }

    /// <summary>Ends a run that was never started, so that no gate that comes late starts it either.</summary>
    /// <returns>False when a gate has come up meanwhile.</returns>
    private async Task<bool> GiveUpAsync(RunFolder folder, string cause)
    {
        using var taken = DirectoryLock.TryTake(folder.Path, out _);
        if (taken is null || folder.Started() is not null)
            return false;
        await folder.WriteEndedAsync(new RunEnded { How = RunEnded.NotStarted, Detail = cause, EndedAt = time.GetUtcNow().ToUnixTimeMilliseconds() });
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
        if (await _watch.WaitAsync(folder, state => state is not RunState.NotStarted, s_comesUp, cancellationToken) is RunState.NotStarted)
            Fails(run, $"it did not begin within {s_comesUp.TotalSeconds:F0} s");
        else
            _failing = null;
    }

    /// <summary>A user's program gets through the client's directories, which only root may list, to the content, and to nothing else: every file beside it is its owner's.</summary>
    private static void LetUsersIn(string content)
    {
        const UnixFileMode Through = UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;
        if (OperatingSystem.IsWindows())
            return;
        File.SetUnixFileMode(content, File.GetUnixFileMode(content) | Through | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
        var parent = Path.GetDirectoryName(content)!;
        File.SetUnixFileMode(parent, File.GetUnixFileMode(parent) | Through);
        parent = Path.GetDirectoryName(parent)!;
        File.SetUnixFileMode(parent, File.GetUnixFileMode(parent) | Through);
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
