namespace Capstan.Site.Access;

/// <summary>Lets few in at one time, and few wait. Thread-safe.</summary>
/// <param name="atOnce">How many may be in.</param>
/// <param name="mostWaiting">How many may wait, besides those that always may.</param>
internal sealed class BoundedTurns(int atOnce, int mostWaiting) : IDisposable
{
    private readonly SemaphoreSlim _turn = new(atOnce);
    private int _waiting;

    /// <param name="always">Waits, however many do.</param>
    /// <returns>False when too many wait. After true, <see cref="Leave"/> must follow.</returns>
    public async Task<bool> EnterAsync(bool always, CancellationToken cancellationToken)
    {
        if (_turn.Wait(0, CancellationToken.None))
            return true;
        try
        {
            if (Interlocked.Increment(ref _waiting) > mostWaiting && !always)
                return false;
            await _turn.WaitAsync(cancellationToken);
            return true;
        }
        finally
        {
            Interlocked.Decrement(ref _waiting);
        }
    }

    public void Leave() => _turn.Release();

    public void Dispose() => _turn.Dispose();
}
