using System.Diagnostics;

namespace Capstan.Client.Programs.Gate;

/// <summary>Awaits a program, and all that it leaves, with one thread in the kernel. Made before the program begins, so that nothing can fail after. Thread-safe.</summary>
/// <remarks>It blocks those who wait: a program that begins as many processes as its machine allows leaves no thread for a task to go on with.</remarks>
internal sealed class ProgramWait
{
    private const int None = 0;

    /// <summary>For what follows; who waits has it.</summary>
    private readonly object _state = new();

    private bool _hasBegun, _hasEnded;
    private Exception? _fault;

    /// <summary>Held while a child is taken from the kernel: until then its number is its own.</summary>
    private readonly Lock _taking = new();

    private volatile bool _waitsForAll;
    private int _program;
    private int _exitCode = -1;

    public ProgramWait(bool waitsForAll)
    {
        _waitsForAll = waitsForAll;
        new Thread(Wait) { IsBackground = true, Name = "program" }.Start();
    }

    /// <summary>Of the program itself; null while it runs.</summary>
    public int? ExitCode => Volatile.Read(ref _exitCode) is >= 0 and var code ? code : null;

    public bool HasEnded => EndsWithin(TimeSpan.Zero);

    /// <param name="program">Process id of a child that nobody else awaits.</param>
    public void Begin(int program)
    {
        lock (_state)
        {
            _program = program;
            _hasBegun = true;
            Monitor.PulseAll(_state);
        }
    }

    /// <summary>There is nothing to be awaited.</summary>
    public void GiveUp() => Begin(None);

    /// <summary>From now on the end is that of everything.</summary>
    public void WaitForAll() => _waitsForAll = true;

    /// <returns>False when the time passed first.</returns>
    /// <exception cref="IOException">Children cannot be awaited.</exception>
    public bool EndsWithin(TimeSpan limit)
    {
        var began = Stopwatch.GetTimestamp();
        lock (_state)
        {
            while (!_hasEnded && limit - Stopwatch.GetElapsedTime(began) is { Ticks: > 0 } left)
                Monitor.Wait(_state, left);
            return _fault is null ? _hasEnded : throw new IOException(_fault.Message, _fault);
        }
    }

    /// <summary>Sends a signal to the program's group, unless the program was awaited: its number may be a stranger's then.</summary>
    public void SignalGroup(int signal)
    {
        lock (_taking)
        {
            if (_program != None && ExitCode is null)
                ProgramCalls.Signal(-_program, signal);
        }
    }

    /// <summary>Ends the children of this process. None is awaited meanwhile, so none of the numbers is a stranger's.</summary>
    public void EndChildren(ProcessTable machine)
    {
        lock (_taking)
        {
            foreach (var child in machine.Children(Environment.ProcessId))
                ProgramCalls.Signal(child, ProgramCalls.Kill);
        }
    }

    private void Wait()
    {
        Exception? fault = null;
        try
        {
            lock (_state)
            {
                while (!_hasBegun)
                    Monitor.Wait(_state);
            }
            while (_program != None && ProgramCalls.NextEnded() is > 0 and var ended)
            {
                lock (_taking)
                {
                    _ = ProgramCalls.WaitFor(ended, out var code);
                    // Once: what comes later under its number is another.
                    if (ended == _program && ExitCode is null)
                        Volatile.Write(ref _exitCode, code);
                }
                if (ExitCode is not null && !_waitsForAll)
                    break;
            }
        }
#pragma warning disable CA1031 // On a thread of its own: whoever awaits the end gets it.
        catch (Exception e)
#pragma warning restore CA1031
        {
            fault = e;
        }
        lock (_state)
        {
            _hasEnded = true;
            _fault = fault;
            Monitor.PulseAll(_state);
        }
    }
}
