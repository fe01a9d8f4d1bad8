using System.Globalization;
using Capstan.Client.Identity;
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

    /// <summary>Looks at an open run; starts its gate when there was none.</summary>
    /// <returns>The run with its outcome; null while it goes on.</returns>
    public async Task<LedgerRun?> SettleAsync(LedgerRun run, CancellationToken cancellationToken)
    {
        var folder = FolderOf(run);
        var state = folder.Inspect(machine.Processes);
        if (state is RunState.NotStarted)
        {
            await StartAsync(run, cancellationToken);
            state = folder.Inspect(machine.Processes);
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

    /// <summary>Returns when an open run is worth another look.</summary>
    public Task WaitAsync(LedgerRun run, CancellationToken cancellationToken) => _watch.WaitAsync(FolderOf(run), state => state is not RunState.Running, limit: null, cancellationToken);

    /// <summary>Removes the directories of runs that the ledger does not wait for.</summary>
    public void Tidy()
    {
        var folder = Path.Combine(programs, RunsFolder);
        if (!Directory.Exists(folder))
            return;
        var open = ledger.Runs().Where(run => run.Outcome is null).Select(run => run.Id).ToHashSet(StringComparer.Ordinal);
        foreach (var path in Directory.EnumerateDirectories(folder).Where(path => !open.Contains(Path.GetFileName(path))).ToList())
            new RunFolder(path).Remove();
    }

    private RunFolder FolderOf(LedgerRun run) => new(Path.Combine(programs, RunsFolder, run.Id));

    private async Task StartAsync(LedgerRun run, CancellationToken cancellationToken)
    {
        passing?.Invoke("gate");
        var folder = FolderOf(run);
        if (await machine.Gates.StartAsync(folder, cancellationToken) is { } fault)
        {
            ProgramLog.GateFailed(log, run.Id, fault);
            return;
        }
        passing?.Invoke("started");
        if (await _watch.WaitAsync(folder, state => state is not RunState.NotStarted, s_comesUp, cancellationToken) is RunState.NotStarted)
            ProgramLog.GateFailed(log, run.Id, $"it did not begin within {s_comesUp.TotalSeconds:F0} s");
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

    /// <summary>What an administrator sees of it: why it did not start, or the end of what it printed.</summary>
    private static string? End(RunEnded ended)
    {
        var printed = ended.OutputHead + ended.OutputTail;
        var text = ended.Detail is { } detail ? $"{detail}\n{printed}" : printed;
        text = text.Trim();
        return text.Length == 0 ? null : text.Length <= ProgramRun.MaxOutput ? text : ended.Detail is null ? text[^ProgramRun.MaxOutput..] : text[..ProgramRun.MaxOutput];
    }
}
