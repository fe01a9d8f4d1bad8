namespace Capstan.Nal.Arbiter.Core;

/// <summary>What is shared: one connection per server and account; where the storage counts nobody, one per place.</summary>
/// <param name="Account">Lower case; empty where the storage has no accounts.</param>
/// <param name="Server">The server that counts the connection: whose slots are used. Null where nobody does (then no budget applies).</param>
/// <param name="Place">The root, for storage that counts nobody; the server's name, where it shares the slots of another one; else empty.</param>
/// <param name="Credential">Tells two secrets of one account name apart, within this process; 0 where there is none.</param>
internal sealed record ConnectionKey(string Provider, string? Server, string Account, string Place, ulong Credential = 0)
{
    /// <summary>The name of the server, or the place where nobody counts.</summary>
    public string Show => Place.Length > 0 ? Place : Server ?? "";
}

/// <summary>Where a connection stands in its life.</summary>
internal enum ConnectionState
{
    /// <summary>A slot of the machine is asked for.</summary>
    Claiming = 1,
    /// <summary>All slots are taken by others on this machine: standing in line.</summary>
    InLine = 2,
    /// <summary>A slot is held, and the server is asked for a session.</summary>
    Connecting = 3,
    /// <summary>Leases use it.</summary>
    Open = 4,
    /// <summary>Nobody uses it: it lingers, or was asked to stay warm.</summary>
    Idle = 5,
    /// <summary>Leases use it, and no further one is granted: it has lived long enough, or others wait.</summary>
    Draining = 6,
    /// <summary>The server is asked to end the session.</summary>
    Closing = 7,
}

/// <summary>Why a request ended without a connection.</summary>
internal enum RefusalKind
{
    /// <summary>The budget is used up and the request may not queue.</summary>
    Busy = 1,
    /// <summary>The queue has reached its bound.</summary>
    QueueFull = 2,
    /// <summary>Its time ended in the queue, or in the machine's line.</summary>
    WaitedForSlot = 3,
    /// <summary>Its time ended while the connection was being opened.</summary>
    WaitedForAnswer = 4,
    /// <summary>The server refused for capacity, and its next try lies beyond the request's time.</summary>
    ServerFull = 5,
}

/// <summary>Why a lease ended before it was given back.</summary>
internal enum LossKind
{
    Broken = 1,
    /// <summary>It was held longer than any may be.</summary>
    HeldTooLong = 2,
}

/// <summary>The reading at the moment of a refusal.</summary>
/// <param name="RetryAt">Monotonic time of the server's next try; null unless it is full.</param>
internal sealed record SlotReading(int Limit, int Used, IReadOnlyList<string> Holders, int Waiting, TimeSpan Waited, TimeSpan? RetryAt = null);

/// <summary>What the shell has to do after an event, in order.</summary>
internal abstract record ArbiterAction
{
    private ArbiterAction() { }

    /// <summary>Try to take a slot without waiting, and report <c>SlotTaken</c>, <c>SlotBusy</c> or <c>SlotFailed</c>.</summary>
    internal sealed record ClaimSlot(long Claim, ConnectionKey Key) : ArbiterAction;

    /// <summary>Stand in the machine's line for a slot, and report <c>SlotTaken</c> or <c>SlotFailed</c>.</summary>
    internal sealed record StandInLine(long Claim, ConnectionKey Key) : ArbiterAction;

    /// <summary>The slot of this claim is not needed any more; nothing was opened on it.</summary>
    internal sealed record ReturnSlot(long Claim) : ArbiterAction;

    /// <summary>Open a connection for the request (whose path says where) on the slot of the claim, and report <c>Connected</c>, or give the slot back
    /// and report <c>ConnectFailed</c>.</summary>
    internal sealed record Connect(long Claim, ConnectionKey Key, long Request) : ArbiterAction;

    /// <summary>Close the connection, give its slot back, and report <c>Closed</c>.</summary>
    internal sealed record Close(long Claim, ConnectionKey Key) : ArbiterAction;

    /// <summary>The request is a lease now, under the same number.</summary>
    internal sealed record Grant(long Request, ConnectionKey Key) : ArbiterAction;

    internal sealed record Refuse(long Request, RefusalKind Kind, SlotReading Reading) : ArbiterAction;

    /// <summary>The shared attempt failed; its cause is the shell's.</summary>
    internal sealed record Fail(long Request, ConnectionKey Key) : ArbiterAction;

    /// <summary>The lease is over before it was given back.</summary>
    internal sealed record Lose(long Request, ConnectionKey Key, LossKind Kind) : ArbiterAction;
}

/// <summary>One connection, for people, the journal and tests.</summary>
internal sealed record ConnectionReading(long Claim, ConnectionKey Key, ConnectionState State, int ReferenceCount, int PersistenceCount,
    IReadOnlyList<string> Holders, TimeSpan Opened, TimeSpan LastUsed);
