using Capstan.Nal;
using Capstan.Site.Store;

namespace Capstan.Site.Publish;

/// <summary>One kind of work on all CAPs at once. One that hangs holds up no other: it is left to itself, and said to fail after a while.</summary>
/// <remarks>One caller at a time. A CAP has at most one such work; while it lasts, none is begun there.</remarks>
/// <param name="failed">Writes down that work on a CAP took too long.</param>
internal sealed class CapWork<T>(SiteContext site, Func<CapState, NalException, CancellationToken, Task> failed)
{
    /// <summary>How long the caller waits for the slowest.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    /// <summary>Then the work is cancelled; what it did stays done, and the next one goes on from there.</summary>
    public static readonly TimeSpan Limit = TimeSpan.FromMinutes(10);

    private readonly Dictionary<string, Task<(CapState Cap, bool IsDone, T? Result)>> _running = new(StringComparer.Ordinal);

    /// <summary>Begins the work on every CAP where none lasts, and waits for it.</summary>
    /// <returns>The results of what ended since the last call.</returns>
    public async Task<IReadOnlyList<(CapState Cap, T Result)>> RunAsync(IEnumerable<CapState> caps, Func<CapState, CancellationToken, Task<T>> work, CancellationToken cancellationToken)
    {
        var begun = new List<Task>();
        foreach (var cap in caps.Where(cap => !_running.ContainsKey(cap.Path)))
            begun.Add(_running[cap.Path] = OneAsync(cap, work, cancellationToken));
        await PatientlyAsync(Task.WhenAll(begun), cancellationToken);

        var ended = _running.Where(pair => pair.Value.IsCompleted).ToList();
        foreach (var (path, _) in ended)
            _running.Remove(path);
        var results = await Task.WhenAll(ended.Select(pair => pair.Value));
        return [.. results.Where(result => result.IsDone).Select(result => (result.Cap, result.Result!))];
    }

    private async Task PatientlyAsync(Task all, CancellationToken cancellationToken)
    {
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        await Task.WhenAny(all, Task.Delay(Patience, site.Time, enough.Token));
        await enough.CancelAsync();
    }

    private async Task<(CapState, bool, T?)> OneAsync(CapState cap, Func<CapState, CancellationToken, Task<T>> work, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(Limit, site.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, limit.Token);
        var token = either.Token;
        // A mount that is gone can block the thread that asks for it.
        var running = Task.Run(() => work(cap, token), cancellationToken);
        try
        {
            return (cap, true, await running.WaitAsync(token));
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            await failed(cap, new NalException(NalError.Connect, $"It has not finished within {Limit.TotalMinutes:0} minutes.", cap.Path, isTransient: true), cancellationToken);
            await ((Task)running).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            return (cap, false, default);
        }
    }
}
