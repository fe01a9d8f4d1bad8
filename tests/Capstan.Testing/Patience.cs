namespace Capstan.Testing;

/// <summary>Waits of tests for what other threads or processes do. Each ends: a test that would wait for ever fails, and so has a name.</summary>
public static class Patience
{
    /// <summary>In real time: nothing that a test waits for takes as long on a busy machine.</summary>
    public static readonly TimeSpan Limit = TimeSpan.FromMinutes(5);

    /// <summary>Returns when something holds. Looks again and again, and leaves the processor to others in between.</summary>
    /// <param name="holds">Asked on the caller's thread.</param>
    /// <param name="work">What makes it hold; when that fails, so does the wait. Null for none.</param>
    /// <exception cref="TimeoutException">It did not hold within <see cref="Limit"/>.</exception>
    public static async Task UntilAsync(Func<bool> holds, Task? work = null)
    {
        ArgumentNullException.ThrowIfNull(holds);
        var began = TimeProvider.System.GetTimestamp();
        for (var looks = 0; !holds(); looks++)
        {
            if (work is { IsFaulted: true } or { IsCanceled: true })
                await work;
            if (TimeProvider.System.GetElapsedTime(began) > Limit)
                throw new TimeoutException($"What the test waits for did not come within {Limit.TotalSeconds:0} s.");
            if (looks < 100)
                await Task.Yield();
            else
                await Task.Delay(TimeSpan.FromMilliseconds(1), TimeProvider.System);
        }
    }

    /// <summary>The task, or a failure after <see cref="Limit"/>.</summary>
    public static Task Soon(this Task task) => task.WaitAsync(Limit, TimeProvider.System, CancellationToken.None);

    /// <inheritdoc cref="Soon(Task)"/>
    public static Task<T> Soon<T>(this Task<T> task) => task.WaitAsync(Limit, TimeProvider.System, CancellationToken.None);
}
