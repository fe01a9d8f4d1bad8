namespace Capstan.Site.Publish;

/// <summary>Wakes one waiter; set while nobody waits, it is remembered. Thread-safe.</summary>
internal sealed class Signal
{
    private volatile TaskCompletionSource _source = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public void Set() => _source.TrySetResult();

    /// <summary>Returns when set, or after <paramref name="atMost"/>; a time below zero is none.</summary>
    public async Task WaitAsync(TimeSpan atMost, TimeProvider time, CancellationToken cancellationToken)
    {
        if (atMost > TimeSpan.Zero)
            await _source.Task.WaitAsync(atMost, time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        cancellationToken.ThrowIfCancellationRequested();
        if (_source.Task.IsCompleted)
            _source = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
