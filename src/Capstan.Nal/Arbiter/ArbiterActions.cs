namespace Capstan.Nal.Arbiter;

/// <summary>What is shared: one connection per server and account; where the storage counts nobody, one per place.</summary>
/// <param name="Server">The server that counts the connection; null where nobody does (then no budget applies).</param>
/// <param name="Account">Empty where the storage has no accounts.</param>
/// <param name="Place">The root, for storage that counts nobody; else empty.</param>
internal sealed record ConnectionKey(string Provider, string? Server, string Account, string Place)
{
    public string Show => Server ?? Place;
}

internal enum ConnectionState
{
    Connecting = 1,
    Open = 2,
    Closing = 3,
}

/// <summary>Why a request ended without a connection.</summary>
internal enum RefusalKind
{
    /// <summary>The budget is used up and the request may not queue.</summary>
    Busy = 1,
    /// <summary>The queue has reached its bound.</summary>
    QueueFull = 2,
    /// <summary>Its time ended in the queue.</summary>
    WaitedForSlot = 3,
    /// <summary>Its time ended while the connection was being opened.</summary>
    WaitedForAnswer = 4,
}

/// <summary>The reading at the moment of a refusal.</summary>
internal sealed record SlotReading(int Limit, int Used, IReadOnlyList<string> Holders, int Waiting, TimeSpan Waited);

/// <summary>What the shell has to do after an event, in order.</summary>
internal abstract record ArbiterAction
{
    private ArbiterAction() { }

    /// <summary>Open a connection for the request (whose path says where), and report <c>Connected</c> or <c>ConnectFailed</c>.</summary>
    internal sealed record Connect(ConnectionKey Key, long Request) : ArbiterAction;

    /// <summary>Close the connection, and report <c>Closed</c>.</summary>
    internal sealed record Close(ConnectionKey Key) : ArbiterAction;

    /// <summary>The request is a lease now, under the same number.</summary>
    internal sealed record Grant(long Request, ConnectionKey Key) : ArbiterAction;

    internal sealed record Refuse(long Request, RefusalKind Kind, SlotReading Reading) : ArbiterAction;

    /// <summary>The shared attempt failed; its cause is the shell's.</summary>
    internal sealed record Fail(long Request, ConnectionKey Key) : ArbiterAction;

    /// <summary>The lease is over before it was given back: its connection broke. The cause is the shell's.</summary>
    internal sealed record Lose(long Request, ConnectionKey Key) : ArbiterAction;
}

/// <summary>One connection, for people and tests.</summary>
internal sealed record ConnectionReading(ConnectionKey Key, ConnectionState State, int ReferenceCount, int PersistenceCount,
    IReadOnlyList<string> Holders, TimeSpan Opened, TimeSpan LastUsed);
