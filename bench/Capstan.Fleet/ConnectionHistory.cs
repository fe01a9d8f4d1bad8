namespace Capstan.Fleet;

/// <summary>How many connections were open when. Not thread-safe.</summary>
internal sealed class ConnectionHistory
{
    private readonly List<(TimeSpan At, int Count)> _changes = [];

    /// <summary>Open at the end of what was noted.</summary>
    public int Open { get; private set; }

    /// <summary>The most that were open at one time.</summary>
    public int Peak { get; private set; }

    /// <param name="at">Not before the change noted last.</param>
    /// <param name="by">1 for a connection that opened, -1 for one that closed.</param>
    public void Note(TimeSpan at, int by)
    {
        Open += by;
        Peak = Math.Max(Peak, Open);
        _changes.Add((at, Open));
    }

    /// <summary>How long more than <paramref name="level"/> were open, up to the last change.</summary>
    public TimeSpan TimeAbove(int level)
    {
        var above = TimeSpan.Zero;
        for (var i = 1; i < _changes.Count; i++)
        {
            if (_changes[i - 1].Count > level)
                above += _changes[i].At - _changes[i - 1].At;
        }
        return above;
    }

    /// <summary>The time that all connections lasted, together, up to the last change.</summary>
    public TimeSpan Held()
    {
        var held = TimeSpan.Zero;
        for (var i = 1; i < _changes.Count; i++)
            held += (_changes[i].At - _changes[i - 1].At) * _changes[i - 1].Count;
        return held;
    }
}
