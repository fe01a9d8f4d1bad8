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

    /// <summary>How long somebody who asked waits: once for what was under way, once for what they asked for.</summary>
    public static readonly TimeSpan AskedPatience = TimeSpan.FromSeconds(45);

    /// <summary>Then the work is cancelled; what it did stays done, and the next one goes on from there.</summary>
    public static readonly TimeSpan Limit = TimeSpan.FromMinutes(10);

    private readonly Dictionary<string, Task<(CapState Cap, bool IsDone, T? Result)>> _running = new(StringComparer.Ordinal);

    /// <summary>CAPs on which work still lasts.</summary>
    public IReadOnlyList<string> Unfinished => [.. _running.Where(pair => !pair.Value.IsCompleted).Select(pair => pair.Key)];

    /// <summary>Begins the work on every CAP where none lasts, and waits for it.</summary>
    /// <param name="asked">Somebody waits for this very work: what was under way began before they asked, so it is awaited first.</param>
    /// <returns>The results of what ended since the last call.</returns>
    public async Task<IReadOnlyList<(CapState Cap, T Result)>> RunAsync(IEnumerable<CapState> caps, Func<CapState, CancellationToken, Task<T>> work, bool asked, CancellationToken cancellationToken)
    {
        var patience = asked ? AskedPatience : Patience;
        var earlier = Array.Empty<(CapState, T)>();
        if (asked)
        {
            await PatientlyAsync(Task.WhenAll(_running.Values), patience, cancellationToken);
            earlier = await CollectAsync();
        }
        var begun = new List<Task>();
        foreach (var cap in caps.Where(cap => !_running.ContainsKey(cap.Path)))
            begun.Add(_running[cap.Path] = OneAsync(cap, work, cancellationToken));
        await PatientlyAsync(Task.WhenAll(begun), patience, cancellationToken);
        return [.. earlier, .. await CollectAsync()];
    }

    private async Task<(CapState Cap, T Result)[]> CollectAsync()
    {
        var ended = _running.Where(pair => pair.Value.IsCompleted).ToList();
        foreach (var (path, _) in ended)
            _running.Remove(path);
        var results = await Task.WhenAll(ended.Select(pair => pair.Value));
        return [.. results.Where(result => result.IsDone).Select(result => (result.Cap, result.Result!))];
    }

    private async Task PatientlyAsync(Task all, TimeSpan patience, CancellationToken cancellationToken)
    {
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        await Task.WhenAny(all, Task.Delay(patience, site.Time, enough.Token));
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
