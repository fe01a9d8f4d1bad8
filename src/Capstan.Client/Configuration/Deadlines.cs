namespace Capstan.Client.Configuration;

/// <summary>Runs the work of one component on the pool, within a deadline: one that hangs is given up, and not started a second time before it has ended. One caller at a time.</summary>
internal sealed class Deadlines(TimeProvider time)
{
    private readonly Dictionary<string, Task> _hanging = new(StringComparer.Ordinal);

    /// <param name="name">Of the component.</param>
    /// <exception cref="TimeoutException">The deadline passed, or an earlier run that passed it has not ended.</exception>
    public async Task<T> RunAsync<T>(string name, TimeSpan deadline, Func<CancellationToken, Task<T>> work, CancellationToken cancellationToken)
    {
        if (_hanging.TryGetValue(name, out var hanging) && !hanging.IsCompleted)
            throw new TimeoutException("an earlier run has passed its deadline and has not ended");
        using var over = new CancellationTokenSource(deadline, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(over.Token, cancellationToken);
        var token = either.Token;
        // On the pool: a component that blocks its thread must not hold the loop past the deadline.
        var running = Task.Run(() => work(token), CancellationToken.None);
        _hanging[name] = running;
        try
        {
            return await running.WaitAsync(token);
        }
        catch (OperationCanceledException e) when (over.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new TimeoutException($"not finished within its deadline of {deadline.TotalSeconds:F0} s", e);
        }
    }
}
