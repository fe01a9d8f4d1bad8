using System.Globalization;
using System.IO.Pipes;
using System.Runtime.InteropServices;
using Capstan.Nal;

namespace Capstan.Client.Programs.Gate;

/// <summary>
/// The process between the client and a program (<c>capstan-client gate DIRECTORY</c>). It outlives the client, starts the program of its directory at most once, whatever
/// is killed when, and writes down how it ended. It ends by itself and by nothing but a kill: who stops the machine waits for it as long as the service manager does.
/// </summary>
/// <param name="starter">The command line of a <see cref="ProgramStarter"/>.</param>
/// <param name="passing">Told the name of each step before it is done; tests end the gate there.</param>
internal sealed class ProgramGate(RunFolder folder, IReadOnlyList<string> starter, TimeProvider time, Action<string>? passing = null)
{
    /// <summary>The word on the command line.</summary>
    public const string Verb = "gate";

    /// <summary>Kept of the beginning and of the end of a program's output, each.</summary>
    public const int OutputLimit = 64 << 10;

    /// <summary>How long is tried to end what passed the time limit; what the kernel itself holds cannot be.</summary>
    private static readonly TimeSpan s_killing = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan s_killPause = TimeSpan.FromMilliseconds(50);

    /// <summary>For the account and the files: a directory service or a server that does not answer holds up nothing for ever.</summary>
    private static readonly TimeSpan s_looking = TimeSpan.FromMinutes(1);

    /// <summary>For what is in the pipe when the program has ended; a daemon that it left may hold the pipe for ever.</summary>
    private static readonly TimeSpan s_drain = TimeSpan.FromSeconds(2);

    /// <summary>A result is worth waiting for a disk that is full.</summary>
    private static readonly TimeSpan s_writing = TimeSpan.FromHours(1), s_writePause = TimeSpan.FromSeconds(5);

    private readonly OutputKeeper _output = new(OutputLimit);
    private bool _isSpawned;

    /// <summary>The longest that a gate has its lock beyond the time limit and the grace of its program; after that something holds it, or has stopped it.</summary>
    public static readonly TimeSpan Longest = s_looking + ProgramStart.UsualLimit + (2 * s_killing) + s_drain + s_writing + TimeSpan.FromMinutes(10);

    /// <returns>Whether this gate has started the program, or tried to: false when another has, or there is nothing to do.</returns>
    /// <exception cref="IOException">Nothing was started: the directory cannot be read or written. It holds the reason where it can.</exception>
    public async Task<bool> RunAsync()
    {
        try
        {
            return await RunOnceAsync();
        }
#pragma warning disable CA1031 // Whoever started this gate hears nothing of it: the directory is the only place for its last words.
        catch (Exception e)
#pragma warning restore CA1031
        {
            folder.TellFailure(e.Message.ReplaceLineEndings(" "));
            throw;
        }
    }

    private async Task<bool> RunOnceAsync()
    {
        if (!Directory.Exists(folder.Path))
            return false;
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stay);
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stay);
        ProgramCalls.UsualProcess();
        ProgramCalls.SurviveLimits();
        passing?.Invoke("lock");
        using var taken = DirectoryLock.TryTake(folder.Path, out _);
        passing?.Invoke("look");
        // With the lock: whoever removes the directory has it then.
        if (taken is null || folder.Started() is not null || folder.HasEnded() || folder.Order() is not { } order)
            return false;
        if (!ProgramCalls.OwnSession())
            throw new IOException("a gate must lead its own session; the client starts it");
        var (fault, user) = await LookAsync(order);
        if (fault is not null)
        {
            await WriteAsync(NotStarted(fault));
            return true;
        }
        var self = ProcessTable.OfThisMachine.Find(Environment.ProcessId);
        passing?.Invoke("begin");
        await folder.WriteStartedAsync(new RunStarted(ProcessTable.OfThisMachine.BootId(), Now(), Environment.ProcessId, self?.StartTicks ?? 0));
        passing?.Invoke("start");
        RunEnded ended;
        try
        {
            ended = await RunAsync(order, user);
        }
#pragma warning disable CA1031 // Silence here would be an outcome that nobody knows, of a program that did not even begin.
        catch (Exception e) when (!_isSpawned)
#pragma warning restore CA1031
        {
            ended = NotStarted(e.Message.ReplaceLineEndings(" "));
        }
        passing?.Invoke("end");
        await WriteAsync(ended);
        passing?.Invoke("over");
        return true;
    }

    private RunEnded NotStarted(string fault) => new() { How = RunEnded.NotStarted, Detail = fault, EndedAt = Now() };

    private async Task<(string? Fault, UserAccount? User)> LookAsync(RunOrder order)
    {
        // Who does not answer holds up that thread alone; it ends with the process.
        var look = Task.Factory.StartNew(() => Look(order), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        return await Task.WhenAny(look, Task.Delay(s_looking, time)) == look ? await look
            : ($"neither its files nor {(order.User is { } name ? $"the user {name}" : "its directory")} could be looked up within {s_looking.TotalSeconds:F0} s: a server that does not answer?", null);
    }

    private static (string? Fault, UserAccount? User) Look(RunOrder order)
    {
        if (Missing(order) is { } missing)
            return (missing, null);
        if (order.User is not { } name)
            return (null, null);
        try
        {
            var user = UserAccount.Find(name, out var fault);
            return (fault, user);
        }
        catch (IOException e)
        {
            return (e.Message, null);
        }
    }

    private async Task<RunEnded> RunAsync(RunOrder order, UserAccount? user)
    {
        // Not disposed, as that waits for who reads, and what a program leaves may hold the other end for ever: it ends with this process.
        var pipe = new AnonymousPipeServerStream(PipeDirection.In, HandleInheritability.None);
        // Whoever started this gate may have handed it something open.
        ProgramCalls.KeepFilesToOneself();
        using var sink = OutputSink.Start(pipe.SafePipeHandle);
        ProgramCalls.AdoptOrphans();
        // What may fail for lack of memory or threads is done before the program begins.
        var waiting = new ProgramWait(order.WaitsForChildren);
        var draining = Task.Factory.StartNew(() => Drain(pipe), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        var (program, fault) = await new ProgramStart(starter, ProgramStart.UsualLimit, time).RunAsync(new ProgramPlan(order, user), pipe.ClientSafePipeHandle);
        pipe.DisposeLocalCopyOfClientHandle();
        if (program == 0)
        {
            waiting.GiveUp();
            return NotStarted(fault ?? "");
        }
        _isSpawned = true;
        waiting.Begin(program);
        passing?.Invoke("spawned");
        var how = RunEnded.Exited;
        var detail = fault;
        if (!await waiting.EndsWithinAsync(TimeSpan.FromSeconds(order.TimeLimitSeconds), time))
        {
            how = RunEnded.TimeLimit;
            detail = await EndAsync(program, TimeSpan.FromSeconds(order.GraceSeconds), waiting);
        }
        // A pipe that a daemon holds has no end; what was read of it until now is what there is.
        await Task.WhenAny(draining, Task.Delay(s_drain, time));
        var (head, tail) = _output.Text();
        return new RunEnded { How = how, ExitCode = waiting.ExitCode, Detail = detail, EndedAt = Now(), OutputBytes = _output.TotalBytes, OutputHead = head, OutputTail = tail };
    }

    private static string? Missing(RunOrder order) => !Directory.Exists(order.WorkingDirectory) ? $"its working directory {order.WorkingDirectory} is not there"
        : !File.Exists(order.Executable) ? $"there is no file {order.Executable}"
        : null;

    /// <summary>Asks the program's group to end, then ends all that is below this process, wherever it has put itself.</summary>
    /// <returns>What could not be ended; null for nothing.</returns>
    private async Task<string?> EndAsync(int program, TimeSpan grace, ProgramWait waiting)
    {
        waiting.WaitForAll();
        foreach (var process in ProgramEnd.Asked(ProcessTable.OfThisMachine.Descendants(Environment.ProcessId), program))
            ProgramCalls.Signal(process, ProgramCalls.Terminate);
        await waiting.EndsWithinAsync(grace, time);
        var began = time.GetTimestamp();
        // That no child is left says the kernel; a look at the processes may miss what is begun and ends meanwhile.
        while (!await waiting.EndsWithinAsync(s_killPause, time))
        {
            if (time.GetElapsedTime(began) > s_killing)
                return Left(ProcessTable.OfThisMachine.Descendants(Environment.ProcessId));
            ProgramHunt.Once(ProcessTable.OfThisMachine, Environment.ProcessId, () => waiting.HasEnded);
        }
        return null;
    }

    private static string Left(IReadOnlyList<ProcessEntry> left) => left.Count > 0
        ? string.Create(CultureInfo.InvariantCulture, $"{left.Count} of its processes could not be ended, the first has the id {left[0].Id}; only a restart of the machine ends them for certain")
        : "something of it goes on that begins new processes faster than they can be ended; only a restart of the machine ends it for certain";

    private static void Stay(PosixSignalContext signal) => signal.Cancel = true;

    private void Drain(AnonymousPipeServerStream pipe)
    {
        var buffer = new byte[OutputLimit];
        try
        {
            while (pipe.Read(buffer) is > 0 and var read)
                _output.Add(buffer.AsSpan(0, read));
        }
        catch (IOException)
        {
            // What was read until now is what there is.
            return;
        }
    }

    /// <summary>On a full disk without the output first, then again until there is room: the exit code is what counts.</summary>
    private async Task WriteAsync(RunEnded ended)
    {
        var began = time.GetTimestamp();
        while (true)
        {
            try
            {
                await folder.WriteEndedAsync(ended);
                return;
            }
            catch (DirectoryNotFoundException)
            {
                // The program has removed it: to the client the outcome is unknown.
                return;
            }
            catch (Exception e) when ((e is IOException or UnauthorizedAccessException) && time.GetElapsedTime(began) < s_writing)
            {
                ended = ended with { OutputHead = "", OutputTail = "" };
                await Task.Delay(s_writePause, time);
            }
        }
    }

    private long Now() => time.GetUtcNow().ToUnixTimeMilliseconds();
}
