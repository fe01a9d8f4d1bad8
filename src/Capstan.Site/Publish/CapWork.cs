using System.Runtime.ExceptionServices;
using Capstan.Nal;
using Capstan.Site.Store;
using Microsoft.Extensions.Logging;

namespace Capstan.Site.Publish;

/// <summary>One turn of work on one CAP: begun at once, or after the turn before.</summary>
internal sealed class CapTurn<T>(CapState cap)
{
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public CapState Cap => cap;

    /// <summary>False while the turn before lasts.</summary>
    public bool HasBegun { get; set; }

    /// <summary>Of work that came to its end; the default before, and for work that was given up.</summary>
    public T? Result { get; set; }

    /// <summary>What the work threw, when nobody is meant to throw it.</summary>
    public Exception? Fault { get; set; }

    /// <summary>The site stopped before the end.</summary>
    public bool IsCutShort { get; set; }

    /// <summary>Completes when nothing of the work runs any more; never faults.</summary>
    public Task Ended => _ended.Task;

    public bool IsFinished => Ended.IsCompleted && !IsCutShort;

    public void End() => _ended.TrySetResult();
}

/// <summary>Work on all CAPs at once, one turn at a time on each. One that hangs holds up no other: it is left to itself, and said to fail after a while. Thread-safe.</summary>
/// <remarks>Work belongs to the site, not to whoever asked for it: it ends by itself, by its limit, or by <see cref="EndAsync"/>.</remarks>
/// <param name="failed">Writes down that work of that name on a CAP took too long.</param>
/// <param name="longest">Limit of one turn; null for <see cref="Limit"/>, infinite for work that has one of its own.</param>
internal sealed class CapWork<T>(SiteContext site, Func<CapState, string, Exception, CancellationToken, Task> failed, ILogger logger, TimeSpan? longest = null) : IAsyncDisposable
{
    /// <summary>How long a pass waits for the slowest.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    /// <summary>How long somebody who asked waits for what they asked for.</summary>
    public static readonly TimeSpan AskedPatience = TimeSpan.FromSeconds(45);

    /// <summary>Then the work is cancelled; what it did stays done, and the next one goes on from there.</summary>
    public static readonly TimeSpan Limit = TimeSpan.FromMinutes(10);

    /// <summary>How long a stop waits for work that was cancelled.</summary>
    public static readonly TimeSpan EndPatience = TimeSpan.FromSeconds(10);

    private readonly Lock _gate = new();
    private readonly CancellationTokenSource _ending = new();
    /// <summary>The last turn of each CAP that has one.</summary>
    private readonly Dictionary<string, CapTurn<T>> _turns = new(StringComparer.Ordinal);
    private readonly List<(CapState Cap, T Result)> _results = [];
    private readonly Queue<Exception> _faults = [];
    private bool _isEnding;

    /// <summary>CAPs on which work lasts.</summary>
    public IReadOnlyList<string> Unfinished
    {
        get
        {
            lock (_gate)
                return [.. _turns.Keys];
        }
    }

    /// <summary>Begins the work on every CAP where none lasts, and waits for it with <see cref="Patience"/>.</summary>
    /// <returns>The results of what ended since they were last taken.</returns>
    public async Task<IReadOnlyList<(CapState Cap, T Result)>> RunAsync(string name, IEnumerable<CapState> caps, Func<CapState, CancellationToken, Task<T>> work, CancellationToken cancellationToken)
    {
        await WaitAsync(Begin(name, caps, work, isAsked: false), Patience, cancellationToken);
        return Take();
    }

    /// <summary>Begins the work on the CAPs.</summary>
    /// <param name="isAsked">Somebody asks for this very work: what is under way began before they asked, so theirs follows it. Otherwise such a CAP is left out.</param>
    /// <exception cref="OperationCanceledException">The site stops.</exception>
    public IReadOnlyList<CapTurn<T>> Begin(string name, IEnumerable<CapState> caps, Func<CapState, CancellationToken, Task<T>> work, bool isAsked)
    {
        var turns = new List<CapTurn<T>>();
        lock (_gate)
        {
            if (_isEnding)
                throw new OperationCanceledException("the site stops");
            foreach (var cap in caps)
            {
                var before = _turns.GetValueOrDefault(cap.Path);
                if (before is not null && !isAsked)
                    continue;
                if (before is { HasBegun: false })
                {
                    // What still waits for its turn begins after this question, too.
                    turns.Add(before);
                    continue;
                }
                var turn = _turns[cap.Path] = new CapTurn<T>(cap) { HasBegun = before is null };
                _ = TurnAsync(turn, before, name, work);
                turns.Add(turn);
            }
        }
        return turns;
    }

    /// <summary>Returns when all have ended, or after <paramref name="patience"/>. The token ends the waiting alone.</summary>
    public async Task WaitAsync(IEnumerable<CapTurn<T>> turns, TimeSpan patience, CancellationToken cancellationToken)
    {
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        await Task.WhenAny(Task.WhenAll(turns.Select(turn => turn.Ended)), Task.Delay(patience, site.Time, enough.Token));
        await enough.CancelAsync();
        cancellationToken.ThrowIfCancellationRequested();
    }

    /// <summary>The results of what ended since the last call. Throws what some work threw, one at a call; the results wait for the next.</summary>
    public IReadOnlyList<(CapState Cap, T Result)> Take()
    {
        lock (_gate)
        {
            if (_faults.TryDequeue(out var fault))
                ExceptionDispatchInfo.Throw(fault);
            var results = _results.ToArray();
            _results.Clear();
            return results;
        }
    }

    /// <summary>Cancels what lasts, begins nothing more, and waits until it has let go of the site; of what hangs, for <see cref="EndPatience"/>.</summary>
    public async Task EndAsync()
    {
        CapTurn<T>[] last;
        lock (_gate)
        {
            if (_isEnding)
                return;
            _isEnding = true;
            last = [.. _turns.Values];
        }
        await _ending.CancelAsync();
        await WaitAsync(last, EndPatience, CancellationToken.None);
        foreach (var turn in last.Where(turn => !turn.Ended.IsCompleted))
            SiteLog.CapWorkLeft(logger, turn.Cap.Path, EndPatience.TotalSeconds);
    }

    public async ValueTask DisposeAsync()
    {
        await EndAsync();
        _ending.Dispose();
    }

    private async Task TurnAsync(CapTurn<T> turn, CapTurn<T>? before, string name, Func<CapState, CancellationToken, Task<T>> work)
    {
        if (before is not null)
        {
            await before.Ended;
            lock (_gate)
                turn.HasBegun = true;
        }
        try
        {
            await WithinLimitAsync(turn, name, work);
        }
        catch (OperationCanceledException) when (_ending.IsCancellationRequested)
        {
            turn.IsCutShort = true;
        }
        catch (Exception cause)
        {
            turn.Fault = cause;
            lock (_gate)
                _faults.Enqueue(cause);
        }
        lock (_gate)
        {
            if (_turns.GetValueOrDefault(turn.Cap.Path) == turn)
                _turns.Remove(turn.Cap.Path);
        }
        turn.End();
    }

    private async Task WithinLimitAsync(CapTurn<T> turn, string name, Func<CapState, CancellationToken, Task<T>> work)
    {
        // It may have waited for its turn until after the end.
        if (_ending.IsCancellationRequested)
            throw new OperationCanceledException();
        using var limit = new CancellationTokenSource(longest ?? Limit, site.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(_ending.Token, limit.Token);
        var token = either.Token;
        // A mount that is gone can block the thread that asks for it.
        var running = Task.Run(() => work(turn.Cap, token), _ending.Token);
        try
        {
            var result = turn.Result = await running.WaitAsync(token);
            lock (_gate)
                _results.Add((turn.Cap, result));
        }
        catch (OperationCanceledException) when (!_ending.IsCancellationRequested)
        {
            await failed(turn.Cap, name, new NalException(NalError.Connect, $"It has not finished within {Limit.TotalMinutes:0} minutes.", turn.Cap.Path, isTransient: true), _ending.Token);
        }
        finally
        {
            // The CAP comes free when nothing of the work runs any more.
            await ((Task)running).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }
}
