using System.IO.Pipes;
using System.Runtime.InteropServices;
using Capstan.Nal;

namespace Capstan.Client.Programs.Gate;

/// <summary>
/// The process between the client and a program (<c>capstan-client gate DIRECTORY</c>). It outlives the client, starts the program of its directory at most once, whatever
/// is killed when, and writes down how it ended. It ends by itself and by nothing but a kill: who stops the machine waits for it as long as the service manager does.
/// </summary>
internal sealed class ProgramGate(RunFolder folder, TimeProvider time)
{
    /// <summary>The word on the command line.</summary>
    public const string Verb = "gate";

    /// <summary>Kept of the beginning and of the end of a program's output, each.</summary>
    public const int OutputLimit = 64 << 10;

    /// <summary>How long is tried to end what passed the time limit; what the kernel itself holds cannot be.</summary>
    private static readonly TimeSpan s_killing = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan s_killPause = TimeSpan.FromMilliseconds(50);

    /// <summary>For what is in the pipe when the program has ended; a daemon that it left may hold the pipe for ever.</summary>
    private static readonly TimeSpan s_drain = TimeSpan.FromSeconds(2);

    /// <summary>A result is worth waiting for a disk that is full.</summary>
    private static readonly TimeSpan s_writing = TimeSpan.FromHours(1), s_writePause = TimeSpan.FromSeconds(5);

    private static readonly string[] s_runuser = ["/usr/sbin/runuser", "/sbin/runuser", "/usr/bin/runuser"];

    private readonly OutputKeeper _output = new(OutputLimit);
    private bool _isSpawned;

    /// <returns>Whether this gate has started the program, or tried to: false when another has, or there is nothing to do.</returns>
    /// <exception cref="IOException">Nothing was started: the directory cannot be read or written.</exception>
    public async Task<bool> RunAsync()
    {
        if (!Directory.Exists(folder.Path))
            return false;
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stay);
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stay);
        using var taken = DirectoryLock.TryTake(folder.Path, out _);
        // In this order: whoever removes the directory removes the order first.
        if (taken is null || folder.Started() is not null || folder.HasEnded() || folder.Order() is not { } order)
            return false;
        if (!ProgramCalls.OwnSession())
            throw new IOException("a gate must lead its own session; the client starts it");
        ProgramCalls.AdoptOrphans();
        var self = ProcessTable.OfThisMachine.Find(Environment.ProcessId);
        await folder.WriteStartedAsync(new RunStarted(ProcessTable.OfThisMachine.BootId(), Now(), Environment.ProcessId, self?.StartTicks ?? 0));
        RunEnded ended;
        try
        {
            ended = await RunAsync(order);
        }
#pragma warning disable CA1031 // Silence here would be an outcome that nobody knows, of a program that did not even begin.
        catch (Exception e) when (!_isSpawned)
#pragma warning restore CA1031
        {
            ended = new RunEnded { How = RunEnded.NotStarted, Detail = e.Message.ReplaceLineEndings(" "), EndedAt = Now() };
        }
        await WriteAsync(ended);
        return true;
    }

    private async Task<RunEnded> RunAsync(RunOrder order)
    {
        using var pipe = new AnonymousPipeServerStream(PipeDirection.In, HandleInheritability.None);
        if (Start(order, pipe.ClientSafePipeHandle, out var program) is { } fault)
            return new RunEnded { How = RunEnded.NotStarted, Detail = fault, EndedAt = Now() };
        _isSpawned = true;
        pipe.DisposeLocalCopyOfClientHandle();
        var draining = Task.Factory.StartNew(() => Drain(pipe), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        var waiting = new ProgramWait(program, order.WaitsForChildren);
        var how = RunEnded.Exited;
        string? detail = null;
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

    /// <returns>Null when it runs; otherwise why it does not, and what helps.</returns>
    private static string? Start(RunOrder order, SafeHandle output, out int program)
    {
        program = 0;
        if (!Directory.Exists(order.WorkingDirectory))
            return $"its working directory {order.WorkingDirectory} is not there";
        if (!File.Exists(order.Executable))
            return $"there is no file {order.Executable}";
        var (executable, arguments) = (order.Executable, order.Arguments);
        if (order.User is { } user)
        {
            if (s_runuser.FirstOrDefault(File.Exists) is not { } runuser)
                return "there is no runuser on this machine (of util-linux), so nothing can be run as a user";
            (executable, arguments) = (runuser, ["-u", user, "--", order.Executable, .. order.Arguments]);
        }
        // Whoever started this gate may have handed it something open.
        ProgramCalls.KeepFilesToOneself();
        return ProgramCalls.Start(executable, arguments, order.Environment, order.WorkingDirectory, output, out program) switch
        {
            0 => null,
            8 => $"{executable} is no program for this machine, or a script without a first line that names its interpreter",
            2 => $"{executable} names an interpreter that is not there",
            13 => $"{executable} may not be executed: it has no permission to be, or its file system is mounted noexec",
            var error => $"{executable} does not start: {Marshal.GetPInvokeErrorMessage(error)}",
        };
    }

    /// <summary>Asks the program's group to end, then ends all that is below this process, wherever it has put itself.</summary>
    /// <returns>What could not be ended; null for nothing.</returns>
    private async Task<string?> EndAsync(int program, TimeSpan grace, ProgramWait waiting)
    {
        waiting.WaitForAll();
        ProgramCalls.Signal(-program, ProgramCalls.Terminate);
        await waiting.EndsWithinAsync(grace, time);
        var began = time.GetTimestamp();
        while (ProcessTable.OfThisMachine.Descendants(Environment.ProcessId) is { Count: > 0 } left)
        {
            if (time.GetElapsedTime(began) > s_killing)
                return $"{left.Count} of its processes cannot be ended, the first has the id {left[0].Id}; only a restart of the machine ends them";
            foreach (var process in left)
                ProgramCalls.Signal(process.Id, ProgramCalls.Kill);
            await Task.Delay(s_killPause, time);
        }
        return null;
    }

    private static void Stay(PosixSignalContext signal) => signal.Cancel = true;

    private void Drain(AnonymousPipeServerStream pipe)
    {
        var buffer = new byte[OutputLimit];
        try
        {
            while (pipe.Read(buffer) is > 0 and var read)
                _output.Add(buffer.AsSpan(0, read));
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            // The run is over, and something that it left still had the pipe.
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
            catch (IOException) when (time.GetElapsedTime(began) < s_writing)
            {
                ended = ended with { OutputHead = "", OutputTail = "" };
                await Task.Delay(s_writePause, time);
            }
        }
    }

    private long Now() => time.GetUtcNow().ToUnixTimeMilliseconds();
}
