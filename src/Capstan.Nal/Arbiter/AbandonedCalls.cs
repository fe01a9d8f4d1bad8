namespace Capstan.Nal.Arbiter;

/// <summary>Operations of one connection that their callers gave up and that have not ended: on a mount that hangs, each holds a thread. Thread-safe.</summary>
internal sealed class AbandonedCalls
{
    private readonly Lock _gate = new();
    private readonly HashSet<Task> _lasting = [];

    public bool IsEmpty
    {
        get
        {
            lock (_gate)
                return _lasting.Count == 0;
        }
    }

    public void Add(Task operation)
    {
        lock (_gate)
            _lasting.Add(operation);
        _ = ForgetAsync(operation);
    }

    /// <summary>Completes when those of this moment have ended; never faults.</summary>
    public Task EndAsync()
    {
        lock (_gate)
            return _lasting.Count == 0 ? Task.CompletedTask : Task.WhenAll(_lasting.Select(AfterAsync));
    }

    private async Task ForgetAsync(Task operation)
    {
        await AfterAsync(operation);
        lock (_gate)
            _lasting.Remove(operation);
    }

    private static async Task AfterAsync(Task operation) => await operation.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
}
