using Capstan.Smb.Wire;

namespace Capstan.Smb.Connection;

/// <summary>Deadlines and keep-alive: one timer, which runs only while something is asked of the server.</summary>
public sealed partial class SmbConnection
{
    private static readonly TimeSpan LongestStep = TimeSpan.FromSeconds(1);

    private readonly ITimer _monitor;
    private readonly long _clock;
    private long _lastHeard;
    private bool _isArmed;
    private bool _isEchoing;

    /// <summary>Time since the connection was made, in ticks of 100 ns.</summary>
    private long Now => _options.Time.GetElapsedTime(_clock).Ticks;

    private static long Ticks(TimeSpan time) => time.Ticks;

    /// <summary>The other side lives: bytes came from it, or it made room for ours. A slow link is not a dead one.</summary>
    private void Heard() => Volatile.Write(ref _lastHeard, Now);

    private void Arm()
    {
        if (_isArmed || _end is not null)
            return;
        _isArmed = true;
        // Silence counts from the moment somebody asks.
        Volatile.Write(ref _lastHeard, Now);
        var step = TimeSpan.FromTicks(Math.Max(Math.Min(Math.Min(_options.KeepAlive.Ticks, _options.RequestTimeout.Ticks) / 4, LongestStep.Ticks), TimeSpan.TicksPerMillisecond));
        _monitor.Change(step, step);
    }

    private void Disarm()
    {
        if (!_isArmed || _pending.Count > 0 || _credits.Waiting > 0)
            return;
        _isArmed = false;
        _monitor.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    private void Tick()
    {
        var now = Now;
        List<Exchange> late;
        IReadOnlyList<CreditWindow.Waiter> starved;
        var echoes = false;
        TimeSpan silence;
        lock (_gate)
        {
            if (_end is not null)
                return;
            late = [.. _pending.Values.Where(exchange => exchange.Deadline <= now && !exchange.IsAbandoned)];
            starved = _credits.Remove(waiter => waiter.Deadline <= now);
            silence = TimeSpan.FromTicks(now - Volatile.Read(ref _lastHeard));
            if (_hasAnswered && silence >= _options.KeepAlive && !_isEchoing)
                echoes = _isEchoing = true;
            Disarm();
        }
        if (silence >= 2 * _options.KeepAlive && _hasAnswered)
        {
            End(new SmbException(SmbFailure.Silent,
                $"{Endpoint} has said nothing for {silence.TotalSeconds:F0} s, not even to ECHO: its host vanished or it hangs; the connection was ended", SmbCompletion.Unknown));
            return;
        }
        foreach (var waiter in starved)
        {
            waiter.Granted.TrySetException(new SmbException(SmbFailure.Silent,
                $"{Endpoint} granted no credits within {_options.RequestTimeout.TotalSeconds:F0} s", SmbCompletion.NotSent));
        }
        Abandon(late, exchange => exchange.TrySetException(new SmbException(SmbFailure.Silent,
            $"{Endpoint} did not answer {exchange.Command} within {_options.RequestTimeout.TotalSeconds:F0} s; the request was cancelled",
            // Its frame stays in the queue: taken out, its id would be missing to the server.
            SmbCompletion.Unknown, exchange.Command)));
        if (echoes)
            Cleanup(ProbeAsync);
    }

    private async Task ProbeAsync(CancellationToken cancellationToken)
    {
        try
        {
            await EchoAsync(cancellationToken);
        }
        finally
        {
            lock (_gate)
                _isEchoing = false;
        }
    }
}
