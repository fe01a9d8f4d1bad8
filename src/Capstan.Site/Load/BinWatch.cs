namespace Capstan.Site.Load;

/// <summary>Which directories of an inbox need not be listed, because nothing has changed in them since they were found empty: an idle site lists one directory in place of 257. Pure but for what it remembers; one pass at a time.</summary>
/// <remarks>
/// A directory's time moves when a name is made in it. It is believed when the directory was found empty twice with the same time, far enough apart for the coarsest clock of a file system (2 s, FAT): what is made
/// later gets another time. All directories are listed at least once a minute all the same, and a storage whose times did not tell of a file that is found then is not believed any more.
/// </remarks>
internal sealed class BinWatch
{
    /// <summary>Between two passes that list everything.</summary>
    public static readonly TimeSpan FullEvery = TimeSpan.FromMinutes(1);

    /// <summary>Times of files may be as coarse as this.</summary>
    public static readonly TimeSpan CoarsestTick = TimeSpan.FromSeconds(2);

    private readonly Dictionary<string, Empty> _empty = new(StringComparer.Ordinal);
    private TimeSpan? _lastFull;
    private TimeSpan _now;
    private bool _isFull;

    /// <summary>A file was found where the times told of none: they tell nothing here.</summary>
    public bool IsUnreliable { get; private set; }

    /// <param name="elapsed">Monotonic.</param>
    public void BeginPass(TimeSpan elapsed)
    {
        _now = elapsed;
        _isFull = IsUnreliable || _lastFull is not { } last || elapsed - last >= FullEvery;
        if (_isFull)
            _lastFull = elapsed;
    }

    /// <param name="lastWrite">As the listing of the directory above tells it, before this one is listed.</param>
    public bool IsKnownEmpty(string bin, DateTimeOffset lastWrite) => !_isFull && IsSettled(bin, lastWrite);

    /// <summary>A directory was listed to its end.</summary>
    public void Listed(string bin, DateTimeOffset lastWrite, bool isEmpty)
    {
        if (!isEmpty)
        {
            IsUnreliable |= IsSettled(bin, lastWrite);
            _empty.Remove(bin);
        }
        else if (_empty.GetValueOrDefault(bin) is { } known && known.LastWrite == lastWrite)
            _empty[bin] = known with { IsSettled = known.IsSettled || _now - known.Since >= CoarsestTick };
        else
            _empty[bin] = new Empty(lastWrite, _now, IsSettled: false);
    }

    private bool IsSettled(string bin, DateTimeOffset lastWrite) => _empty.GetValueOrDefault(bin) is { IsSettled: true } known && known.LastWrite == lastWrite;

    /// <param name="Since">When it was first found empty with this time.</param>
    private sealed record Empty(DateTimeOffset LastWrite, TimeSpan Since, bool IsSettled);
}
