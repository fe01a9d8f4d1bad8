using System.Globalization;
using System.IO.Pipes;
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
    /// <remarks>
    /// With the calling thread and few others, each made before the program begins; no task, no timer: they want threads when nobody expects it, and a program that begins as many processes
    /// as its machine allows leaves none. A gate that cannot have one is ended by its runtime, the program not.
    /// </remarks>
    public bool Run()
    {
        try
        {
            return RunOnce();
        }
#pragma warning disable CA1031 // Whoever started this gate hears nothing of it: the directory is the only place for its last words.
        catch (Exception e)
#pragma warning restore CA1031
        {
            folder.TellFailure(e.Message.ReplaceLineEndings(" "));
            throw;
        }
    }

    private bool RunOnce()
    {
        if (!Directory.Exists(folder.Path))
            return false;
        ProgramCalls.UsualProcess();
        ProgramCalls.Stay();
        passing?.Invoke("lock");
        using var taken = DirectoryLock.TryTake(folder.Path, out _);
        passing?.Invoke("look");
        // With the lock: whoever removes the directory has it then.
        if (taken is null || folder.Started() is not null || folder.HasEnded() || folder.Order() is not { } order)
            return false;
        if (!ProgramCalls.OwnSession())
            throw new IOException("a gate must lead its own session; the client starts it");
        var (fault, user) = LookWithin(s_looking, order);
        if (fault is not null)
        {
            Write(NotStarted(fault));
            return true;
        }
        var self = ProcessTable.OfThisMachine.Find(Environment.ProcessId);
        passing?.Invoke("begin");
        folder.WriteStarted(new RunStarted(ProcessTable.OfThisMachine.BootId(), Now(), Environment.ProcessId, self?.StartTicks ?? 0, (long)ProgramCalls.Awake().TotalMilliseconds));
        passing?.Invoke("start");
        RunEnded ended;
        try
        {
            ended = Run(order, user);
        }
#pragma warning disable CA1031 // Silence here would be an outcome that nobody knows, of a program that did not even begin.
        catch (Exception e) when (!_isSpawned)
#pragma warning restore CA1031
        {
            ended = NotStarted(e.Message.ReplaceLineEndings(" "));
        }
        passing?.Invoke("end");
        Write(ended);
        passing?.Invoke("over");
        return true;
    }

    private RunEnded NotStarted(string fault) => new() { How = RunEnded.NotStarted, Detail = fault, EndedAt = Now() };

    private static (string? Fault, UserAccount? User) LookWithin(TimeSpan limit, RunOrder order)
    {
        // Who does not answer holds up that thread alone; it ends with the process.
        var look = Task.Factory.StartNew(() => Look(order), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        return Within(look, limit) ? look.GetAwaiter().GetResult()
            : ($"neither its files nor {(order.User is { } name ? $"the user {name}" : "its directory")} could be looked up within {limit.TotalSeconds:F0} s: a server that does not answer?", null);
    }

    /// <returns>Whether it is over by then, however.</returns>
    private static bool Within(Task task, TimeSpan limit) => Task.WaitAny([task], limit) == 0;

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

    private RunEnded Run(RunOrder order, UserAccount? user)
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
        using var group = ControlGroup.Create(Path.GetFileName(folder.Path));
        var isInGroup = false;
        var (program, fault) = new ProgramStart(starter, ProgramStart.UsualLimit, Place).Run(new ProgramPlan(order, user), pipe.ClientSafePipeHandle);
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
        if (!waiting.EndsWithin(TimeSpan.FromSeconds(order.TimeLimitSeconds)))
        {
            how = RunEnded.TimeLimit;
            detail = End(program, TimeSpan.FromSeconds(order.GraceSeconds), waiting, isInGroup ? group : null);
        }
        // A pipe that a daemon holds has no end; what was read of it until now is what there is.
        Within(draining, s_drain);
        var (head, tail) = _output.Text();
        return new RunEnded { How = how, ExitCode = waiting.ExitCode, Detail = detail, EndedAt = Now(), OutputBytes = _output.TotalBytes, OutputHead = head, OutputTail = tail };

        void Place(int child)
        {
            isInGroup = group?.Add(child) ?? false;
            // Now that it is there: it would inherit this.
            ProgramCalls.OutliveOthers();
        }
    }

    private static string? Missing(RunOrder order) => order.Version > RunOrder.Known ? string.Create(CultureInfo.InvariantCulture, $"its order has version {order.Version}, of a newer client; this one knows {RunOrder.Known}")
        : !Directory.Exists(order.WorkingDirectory) ? $"its working directory {order.WorkingDirectory} is not there"
        : !File.Exists(order.Executable) ? $"there is no file {order.Executable}"
        : null;

    /// <summary>Asks the program's group to end, then ends all that is below this process, wherever it has put itself.</summary>
    /// <returns>What could not be ended; null for nothing.</returns>
    private string? End(int program, TimeSpan grace, ProgramWait waiting, ControlGroup? group)
    {
        waiting.WaitForAll();
        Ask(program, waiting);
        waiting.EndsWithin(grace);
        var began = time.GetTimestamp();
        group?.Kill();
        // That no child is left says the kernel; a look at the processes may miss what is begun and ends meanwhile.
        while (!waiting.EndsWithin(s_killPause))
        {
            if (time.GetElapsedTime(began) > s_killing)
                return Left(ProcessTable.OfThisMachine, Environment.ProcessId);
            group?.Kill();
            waiting.SignalGroup(ProgramCalls.Kill);
            Hunt(waiting);
        }
        return null;
    }

    private static void Ask(int program, ProgramWait waiting)
    {
        try
        {
            var asked = ProgramEnd.Asked(ProcessTable.OfThisMachine.Descendants(Environment.ProcessId), program);
            foreach (var process in asked)
                ProgramCalls.Signal(process, ProgramCalls.Terminate);
            // A program may have taken /proc away; its own group is known without.
            if (asked.Count == 0)
                waiting.SignalGroup(ProgramCalls.Terminate);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // No memory for a look.
            waiting.SignalGroup(ProgramCalls.Terminate);
        }
    }

    private static void Hunt(ProgramWait waiting)
    {
        try
        {
            ProgramHunt.Once(ProcessTable.OfThisMachine, Environment.ProcessId, waiting);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The next round may find what this one could not read.
            return;
        }
    }

    /// <summary>What could not be ended, in words.</summary>
    public static string Left(ProcessTable machine, int gate)
    {
        try
        {
            var left = machine.Descendants(gate);
            // Whoever traces a process may keep it from ending, and from being awaited when it has.
            var (held, tracer) = left.Select(process => process.Id).Concat(machine.Children(gate)).Select(id => (Id: id, Tracer: machine.TracerOf(id))).FirstOrDefault(process => process.Tracer != 0);
            if (tracer != 0)
                return string.Create(CultureInfo.InvariantCulture, $"its process {held} is held by process {tracer}, which traces it (a debugger), and ends when that does");
            if (left.Count > 0)
                return string.Create(CultureInfo.InvariantCulture, $"{left.Count} of its processes could not be ended, the first has the id {left[0].Id}; only a restart of the machine ends them for certain");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return $"some of it may go on, which cannot be looked up: {e.Message.ReplaceLineEndings(" ")}";
        }
        return "something of it goes on that begins new processes faster than they can be ended; only a restart of the machine ends it for certain";
    }

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
    private void Write(RunEnded ended)
    {
        var began = time.GetTimestamp();
        using var pause = new ManualResetEventSlim();
        while (true)
        {
            try
            {
                folder.WriteEnded(ended);
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
                pause.Wait(s_writePause);
            }
        }
    }

    private long Now() => time.GetUtcNow().ToUnixTimeMilliseconds();
}
