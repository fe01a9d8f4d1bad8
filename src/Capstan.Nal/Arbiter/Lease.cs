using System.Diagnostics.CodeAnalysis;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers;

namespace Capstan.Nal.Arbiter;

/// <summary>Why somebody wants a connection: shown in the journal, in <c>nal connections</c> and in traces.</summary>
/// <param name="Component">Who: <c>CCIM</c>, <c>APM</c>, <c>Loader</c>, <c>Publisher</c>, <c>nal</c>.</param>
/// <param name="KeepWarm">Asks that the connection stays open between leases (counts as persistence).</param>
/// <param name="Wait">How long the request may wait for a slot, opening included; default 30 s, 0 to 10 min. At 0 the request does not queue,
/// and the opening alone has the default.</param>
public sealed record LeasePurpose(string Component, bool KeepWarm = false, TimeSpan? Wait = null)
{
    /// <summary>The accounts of this request, in the order in which they are tried. Null (the default) for those that were set for the server.</summary>
    public IReadOnlyList<ConnectionAccount>? Accounts { get; init; }

    /// <summary>A server that is full is asked again within <see cref="Wait"/>; else (the default) the request is refused at once, with the time of the next try,
    /// which is then the caller's to keep.</summary>
    public bool AsksFullServerAgain { get; init; }

    /// <summary>Told in one line, each time, that a full server is waited for, and until when. Called under the arbiter's lock: it must return at once. Null for nobody.</summary>
    public Action<string>? Waiting { get; init; }
}

/// <summary>The right to use a connection. Disposing it gives it back; the last one given back closes the connection by the idle rule.</summary>
public sealed class Lease : IAsyncDisposable
{
    private Func<ValueTask>? _release;

    internal Lease(NalPath path, IStore store, NalTrace trace, Func<ValueTask> release)
    {
        Path = path;
        Store = store;
        Trace = trace;
        _release = release;
    }

    /// <summary>The path that was chosen: for an abstract export, one of its entries.</summary>
    public NalPath Path { get; }

    /// <summary>The storage at <see cref="Path"/>. Unusable after the lease was given back.</summary>
    public IStore Store { get; }

    public NalTrace Trace { get; }

    /// <summary>Gives the lease back, once; further calls have no effect. Awaits the close when this was the last lease.</summary>
    public ValueTask DisposeAsync() => Interlocked.Exchange(ref _release, null)?.Invoke() ?? ValueTask.CompletedTask;
}

/// <summary>A refusal for capacity: not an error, a scheduled next attempt.</summary>
/// <param name="Reason">One line: limit, reading, who holds it.</param>
/// <param name="NextTry">When to try again; never null for a transient refusal.</param>
public sealed record Refusal(string Reason, DateTimeOffset? NextTry, NalTrace Trace);

/// <summary>Either a lease or a refusal.</summary>
public readonly struct LeaseResult
{
    internal LeaseResult(Lease lease) => Lease = lease;
    internal LeaseResult(Refusal refusal) => Refusal = refusal;

    public Lease? Lease { get; }
    public Refusal? Refusal { get; }

    public bool TryGetLease([NotNullWhen(true)] out Lease? lease, [NotNullWhen(false)] out Refusal? refusal)
    {
        lease = Lease;
        refusal = Refusal;
        return lease is not null;
    }
}

/// <summary>What happened on the way to a lease, for <c>capstan nal explain</c> and for messages.</summary>
/// <param name="Requested">The path that was asked for.</param>
/// <param name="Candidates">In the order in which they were tried.</param>
/// <param name="Waited">Time from the request to the outcome.</param>
/// <param name="NextTry">When to try again; null when the request succeeded, or when trying again changes nothing.</param>
public sealed record NalTrace(string Requested, IReadOnlyList<NalTraceCandidate> Candidates, TimeSpan Waited, DateTimeOffset? NextTry = null);

/// <param name="Path">The candidate.</param>
/// <param name="Why">Why it stands at this place of the order.</param>
/// <param name="Accounts">Names of the accounts tried, in that order; empty where the storage has none or none was given.</param>
/// <param name="Outcome"><c>used</c>, <c>not tried</c>, or the failure's message.</param>
/// <param name="Error">The class of the failure; null when there was none.</param>
public sealed record NalTraceCandidate(string Path, string Why, IReadOnlyList<string> Accounts, string Outcome, NalError? Error);
