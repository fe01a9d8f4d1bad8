namespace Capstan.Site.Distribution.Content;

/// <summary>Lets work go on for as long as something moves, however slow the line: only silence ends it. Thread-safe.</summary>
internal sealed class ProgressLimit : IDisposable
{
    /// <summary>Longest time without a byte; what is asked for at once takes a minute at 5 KB/s.</summary>
    public static readonly TimeSpan Silence = TimeSpan.FromMinutes(5);

    private readonly CancellationTokenSource _silence;
    private readonly CancellationTokenSource _either;

    /// <param name="cancellationToken">Ends the work, too.</param>
    public ProgressLimit(TimeProvider time, CancellationToken cancellationToken)
    {
        _silence = new CancellationTokenSource(Silence, time);
        _either = CancellationTokenSource.CreateLinkedTokenSource(_silence.Token, cancellationToken);
    }

    /// <summary>Ends the work.</summary>
    public CancellationToken Token => _either.Token;

    /// <summary>Nothing has moved for too long.</summary>
    public bool IsOver => _silence.IsCancellationRequested;

    /// <summary>Something has moved.</summary>
    public void Moved()
    {
        if (!IsOver)
            _silence.CancelAfter(Silence);
    }

    public void Dispose()
    {
        _either.Dispose();
        _silence.Dispose();
    }
}
