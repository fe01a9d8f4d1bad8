using Capstan.Client.Configuration;

namespace Capstan.Client.Programs.Gate;

/// <summary>Waits for what becomes of a run, woken by the files that its gate writes.</summary>
/// <remarks>A gate that is killed writes none, and notices of a file system may be lost: so it is looked now and then in any case.</remarks>
/// <param name="check">Between two looks that nothing woke.</param>
internal sealed class RunWatch(ProcessTable machine, TimeSpan check, TimeProvider time)
{
    public static readonly TimeSpan Check = TimeSpan.FromSeconds(10);

    /// <param name="until">What is waited for.</param>
    /// <param name="limit">How long; null for ever.</param>
    /// <returns>What it was at last, also when the limit passed.</returns>
    public async Task<RunState> WaitAsync(RunFolder folder, Func<RunState, bool> until, TimeSpan? limit, CancellationToken cancellationToken)
    {
        var began = time.GetTimestamp();
        // A watcher that is disposed may still be telling something.
        using var changed = new Signal(time);
        using var watcher = Watch(folder, changed);
        while (true)
        {
            var state = folder.Inspect(machine);
            if (until(state) || state is RunState.Missing)
                return state;
            var pause = check;
            if (limit is { } most && most - time.GetElapsedTime(began) < pause)
                pause = most - time.GetElapsedTime(began);
            if (pause <= TimeSpan.Zero)
                return state;
            await changed.WaitAsync(pause, cancellationToken);
        }
    }

    private static FileSystemWatcher? Watch(RunFolder folder, Signal changed)
    {
        try
        {
            var watcher = new FileSystemWatcher(folder.Path) { NotifyFilter = NotifyFilters.FileName };
            watcher.Created += (_, _) => changed.Set();
            watcher.Renamed += (_, _) => changed.Set();
            watcher.EnableRaisingEvents = true;
            return watcher;
        }
        catch (Exception e) when (e is IOException or ArgumentException)
        {
            // The directory has gone, or the system has no more watches to give: looking now and then is enough.
            return null;
        }
    }
}
