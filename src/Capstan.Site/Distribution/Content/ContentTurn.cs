namespace Capstan.Site.Distribution.Content;

/// <summary>Whose turn it is with the packs: publishing one package, or collecting what no package needs. Thread-safe.</summary>
internal sealed class ContentTurn : IDisposable
{
    private readonly SemaphoreSlim _turn = new(1, 1);

    /// <summary>Waits for the turn; disposing ends it.</summary>
    public async Task<IDisposable> TakeAsync(CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken);
        return new Taken(_turn);
    }

    /// <summary>The turn, when nobody has it; null otherwise.</summary>
    public IDisposable? TryTake() => _turn.Wait(0) ? new Taken(_turn) : null;

    public void Dispose() => _turn.Dispose();

    private sealed class Taken(SemaphoreSlim turn) : IDisposable
    {
        private SemaphoreSlim? _turn = turn;

        public void Dispose() => Interlocked.Exchange(ref _turn, null)?.Release();
    }
}
