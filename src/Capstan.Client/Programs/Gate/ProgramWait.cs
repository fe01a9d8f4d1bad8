namespace Capstan.Client.Programs.Gate;

/// <summary>Awaits a program, and all that it leaves, with one thread in the kernel.</summary>
internal sealed class ProgramWait
{
    private readonly int _program;
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile bool _waitsForAll;
    private int _exitCode = -1;

    /// <param name="program">Process id of a child that nobody else awaits.</param>
    public ProgramWait(int program, bool waitsForAll)
    {
        _program = program;
        _waitsForAll = waitsForAll;
        new Thread(Wait) { IsBackground = true, Name = "program" }.Start();
    }

    /// <summary>Of the program itself; null while it runs.</summary>
    public int? ExitCode => Volatile.Read(ref _exitCode) is >= 0 and var code ? code : null;

    /// <summary>From now on the end is that of everything.</summary>
    public void WaitForAll() => _waitsForAll = true;

    /// <returns>False when the time passed first.</returns>
    public async Task<bool> EndsWithinAsync(TimeSpan limit, TimeProvider time)
    {
        using var over = new CancellationTokenSource();
        var passed = Task.Delay(limit, time, over.Token);
        var first = await Task.WhenAny(_ended.Task, passed);
        await over.CancelAsync();
        await first;
        return first == _ended.Task;
    }

    private void Wait()
    {
        try
        {
            while (ProgramCalls.WaitForAny(out var code) is > 0 and var ended)
            {
                if (ended == _program)
                    Volatile.Write(ref _exitCode, code);
                if (ExitCode is not null && !_waitsForAll)
                    break;
            }
            _ended.SetResult();
        }
#pragma warning disable CA1031 // On a thread of its own: whoever awaits the end gets it.
        catch (Exception e)
#pragma warning restore CA1031
        {
            _ended.SetException(e);
        }
    }
}
