using Capstan.Client.Inventory;
using Capstan.Client.State;
using Capstan.Protocol.V1;

namespace Capstan.Client.Configuration;

/// <summary>Runs the inventory components, each alone with a deadline: one that fails or hangs is reported and stops no other.</summary>
internal sealed class Components(ClientCore core, ClientParts parts, TimeProvider time)
{
    /// <summary>How long one component may run.</summary>
    public static readonly TimeSpan Deadline = TimeSpan.FromMinutes(2);

    /// <summary>Components that were given up at their deadline and have not ended: they are not started a second time.</summary>
    private readonly Dictionary<string, Task> _hanging = new(StringComparer.Ordinal);

    /// <summary>Collects both inventories and spools those that changed.</summary>
    /// <returns>One line for each component that failed; empty when all did what they can on this system.</returns>
    public async Task<IReadOnlyList<string>> CollectAsync(CancellationToken cancellationToken)
    {
        var problems = new List<string>();
        await RunAsync(Documents.HardwareInventory, token => Task.Run(() => parts.Hardware(token), token), InventoryFingerprint.Of, problems, cancellationToken);
        await RunAsync(Documents.SoftwareInventory, parts.Software, InventoryFingerprint.Of, problems, cancellationToken);
        return problems;
    }

    private async Task RunAsync<T>(DocumentKind<T> kind, Func<CancellationToken, Task<T>> collect, Func<T, string> fingerprint, List<string> problems,
        CancellationToken cancellationToken) where T : class
    {
        var name = kind.Name;
        var started = time.GetTimestamp();
        string print;
        byte[]? document = null;
        try
        {
            var inventory = await WithinDeadlineAsync(name, collect, cancellationToken);
            print = fingerprint(inventory);
            if (core.State.Get(StateKey.Fingerprint(name)) != print)
                document = kind.Encode(inventory);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            throw;
        }
        catch (PlatformNotSupportedException e)
        {
            core.State.SetComponent(new ComponentState(name, "not-implemented", e.Message));
            core.Report("warning", StatusCode.ComponentNotImplemented, $"{name}: {e.Message}", name);
            return;
        }
#pragma warning disable CA1031 // Whatever one component throws, the loop goes on and says so.
        catch (Exception e)
#pragma warning restore CA1031
        {
            problems.Add(Failed(name, e));
            return;
        }
        if (document is not null)
            core.Spool.Put(name, document, print);
        ClientLog.InventoryCollected(core.Log, name, time.GetElapsedTime(started).TotalMilliseconds, document is not null);
        core.State.SetComponent(new ComponentState(name, "ok", null));
        core.Spool.Over(name, StatusCode.ComponentFailed);
    }

    private string Failed(string name, Exception e)
    {
        var cause = e.Message.ReplaceLineEndings(" ");
        ClientLog.ComponentFailed(core.Log, name, cause, e);
        core.State.SetComponent(new ComponentState(name, "failed", cause));
        core.Report("error", StatusCode.ComponentFailed, $"{name} failed: {cause}; the last inventory stays valid, next try in an hour", name);
        return $"{name}: {cause}";
    }

    private async Task<T> WithinDeadlineAsync<T>(string name, Func<CancellationToken, Task<T>> collect, CancellationToken cancellationToken)
    {
        if (_hanging.TryGetValue(name, out var hanging) && !hanging.IsCompleted)
            throw new TimeoutException("an earlier run has passed its deadline and has not ended");
        using var deadline = new CancellationTokenSource(Deadline, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        var work = collect(either.Token);
        _hanging[name] = work;
        try
        {
            return await work.WaitAsync(either.Token);
        }
        catch (OperationCanceledException e) when (deadline.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new TimeoutException($"not finished within its deadline of {Deadline.TotalSeconds:F0} s", e);
        }
    }
}
