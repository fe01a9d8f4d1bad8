namespace Capstan.Smb.Connection;

/// <summary>Credits that the server granted ([MS-SMB2] 3.2.4.1.2): who may send, in the order of asking. Pure; the connection serialises the calls.</summary>
internal sealed class CreditWindow
{
    /// <summary>What a server grants beyond this is not counted: no sum overflows.</summary>
    private const int Most = 65536;

    private readonly LinkedList<Waiter> _queue = [];
    private int _inFlight;

    /// <summary>Credits that nobody uses now. A client begins with one, for NEGOTIATE.</summary>
    public int Available { get; private set; } = 1;

    /// <summary>Credits available and in use: what a single request can at most cost without waiting for a grant that may never come.</summary>
    public int Total => Available + _inFlight;

    public int Waiting => _queue.Count;

    /// <summary>Takes credits at once, or queues. A large request is not overtaken by small ones, so it cannot starve.</summary>
    /// <returns>Null when the credits were taken.</returns>
    public Waiter? Take(int charge, long deadline)
    {
        if (_queue.Count == 0 && charge <= Available)
        {
            Use(charge);
            return null;
        }
        var waiter = new Waiter(charge, deadline);
        _queue.AddLast(waiter.Node);
        Serve();
        return waiter;
    }

    /// <summary>A request was answered: its credits are used up, and the server granted new ones.</summary>
    /// <param name="charge">What the request had cost; 0 for an interim answer.</param>
    public void Settle(int charge, int granted)
    {
        _inFlight -= charge;
        Available = Math.Min(Available + granted, Most);
        Serve();
    }

    /// <summary>Somebody no longer waits.</summary>
    public void Leave(Waiter waiter)
    {
        if (waiter.Node.List is null)
            return;
        _queue.Remove(waiter.Node);
        Serve();
    }

    /// <summary>Takes all waiters that match out of the queue.</summary>
    public IReadOnlyList<Waiter> Remove(Func<Waiter, bool> match)
    {
        var removed = _queue.Where(match).ToArray();
        foreach (var waiter in removed)
            _queue.Remove(waiter.Node);
        Serve();
        return removed;
    }

    private void Serve()
    {
        while (_queue.First is { } first && first.Value.Charge <= Available)
        {
            _queue.RemoveFirst();
            Use(first.Value.Charge);
            first.Value.Granted.TrySetResult();
        }
        // Nothing is under way whose answer could bring more: who is first now would wait for ever, and all behind it.
        while (_inFlight == 0 && _queue.First is { } starved)
        {
            if (starved.Value.Charge <= Available)
            {
                Serve();
                return;
            }
            _queue.RemoveFirst();
            starved.Value.Granted.TrySetException(new SmbException(SmbFailure.Unsupported,
                $"the server took credits back: it leaves {Available}, and the request costs {starved.Value.Charge}; smaller requests still go", SmbCompletion.NotSent));
        }
    }

    private void Use(int charge)
    {
        Available -= charge;
        _inFlight += charge;
    }

    /// <summary>One who waits for credits.</summary>
    internal sealed class Waiter
    {
        public Waiter(int charge, long deadline)
        {
            Charge = charge;
            Deadline = deadline;
            Node = new LinkedListNode<Waiter>(this);
        }

        public int Charge { get; }
        /// <summary>On the connection's clock.</summary>
        public long Deadline { get; }
        public LinkedListNode<Waiter> Node { get; }
        public TaskCompletionSource Granted { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
