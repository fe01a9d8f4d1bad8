namespace Capstan.Client.Configuration;

/// <summary>Ends a wait early. A signal that comes while nobody waits ends the next one at once; several are one. Thread-safe; one waits at a time.</summary>
internal sealed class Signal(TimeProvider time) : IDisposable
{
    private readonly SemaphoreSlim _set = new(0, 1);

    public void Set()
    {
        try
        {
            _set.Release();
        }
        catch (Exception e) when (e is SemaphoreFullException or ObjectDisposedException)
        {
            // It is set already, or nobody will ever wait again.
            return;
        }
    }

    /// <summary>Returns when it is set, or the pause is over.</summary>
    /// <exception cref="OperationCanceledException">With the caller's token only.</exception>
    public async Task WaitAsync(TimeSpan pause, CancellationToken cancellationToken)
    {
        using var over = new CancellationTokenSource(pause, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(over.Token, cancellationToken);
        try
        {
            await _set.WaitAsync(either.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            // The pause is over.
            return;
        }
    }

    public void Dispose() => _set.Dispose();
}
