namespace Capstan.Site.Distribution.Content;

/// <summary>Whose turn it is with the packs: publishing one package, or collecting what no package needs. Thread-safe.</summary>
internal sealed class ContentTurn : IDisposable
{
    /// <summary>Most that wait: each has a connection of its own, and one whose sender went away without a word costs its time when its turn comes.</summary>
    public const int MostWaiting = 32;

    private readonly SemaphoreSlim _turn = new(1, 1);
    private volatile string? _holder;
    private int _waiting;

    /// <summary>Who has it, for people; null for nobody.</summary>
    public string? Holder => _holder;

    /// <summary>Waits for the turn; disposing ends it.</summary>
    /// <param name="holder">Shown to those who wait.</param>
    /// <exception cref="SiteException"><c>too_many_uploads</c>: so many wait already.</exception>
    public async Task<IDisposable> TakeAsync(string holder, CancellationToken cancellationToken)
    {
        try
        {
            if (Interlocked.Increment(ref _waiting) > MostWaiting)
                throw new SiteException($"{MostWaiting} uploads wait already, and it is the turn of another ({Holder ?? "one that just began"}). Nothing was published; send it again later.", "too_many_uploads");
            await _turn.WaitAsync(cancellationToken);
        }
        finally
        {
            Interlocked.Decrement(ref _waiting);
        }
        _holder = holder;
        return new Taken(this);
    }

    /// <summary>The turn, when nobody has it; null otherwise.</summary>
    public IDisposable? TryTake(string holder)
    {
        if (!_turn.Wait(0))
            return null;
        _holder = holder;
        return new Taken(this);
    }

    public void Dispose() => _turn.Dispose();

    private sealed class Taken(ContentTurn turn) : IDisposable
    {
        private ContentTurn? _turn = turn;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _turn, null) is not { } turn)
                return;
            turn._holder = null;
            turn._turn.Release();
        }
    }
}
