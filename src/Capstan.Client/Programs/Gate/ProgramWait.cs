namespace Capstan.Client.Programs.Gate;

/// <summary>Awaits a program, and all that it leaves, with one thread in the kernel. Made before the program begins, so that nothing can fail after.</summary>
internal sealed class ProgramWait
{
    private const int None = 0;

    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<int> _begun = new();
    private volatile bool _waitsForAll;
    private int _exitCode = -1;

    public ProgramWait(bool waitsForAll)
    {
        _waitsForAll = waitsForAll;
        new Thread(Wait) { IsBackground = true, Name = "program" }.Start();
    }

    /// <summary>Of the program itself; null while it runs.</summary>
    public int? ExitCode => Volatile.Read(ref _exitCode) is >= 0 and var code ? code : null;

    public bool HasEnded => _ended.Task.IsCompleted;

    /// <param name="program">Process id of a child that nobody else awaits.</param>
    public void Begin(int program) => _begun.SetResult(program);

    /// <summary>There is nothing to be awaited.</summary>
    public void GiveUp() => _begun.SetResult(None);

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
            var program = _begun.Task.GetAwaiter().GetResult();
            while (program != None && ProgramCalls.WaitForAny(out var code) is > 0 and var ended)
            {
                if (ended == program)
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
