namespace Capstan.Site.Load;

/// <summary>What is remembered of one inbox between passes. Used by one pass at a time.</summary>
/// <remarks>Since when a file waits is by the wall clock, as it outlives the process; when it is looked at again is monotonic.</remarks>
internal sealed class InboxMemory(IEnumerable<(string FileName, DateTimeOffset Since)> waiting)
{
    private static readonly TimeSpan FirstLook = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestLook = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan FirstDeletion = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LongestDeletion = TimeSpan.FromMinutes(10);

    private readonly Dictionary<string, Waiting> _waiting = waiting.ToDictionary(row => row.FileName, row => new Waiting(row.Since, TimeSpan.Zero, 0, null, null, false), StringComparer.Ordinal);
    private readonly Dictionary<string, Undeletable> _undeletable = new(StringComparer.Ordinal);

    /// <summary>Where the next listing begins in each directory: see <see cref="InboxListing.ListAsync"/>.</summary>
    public Dictionary<string, int> ListFrom { get; } = new(StringComparer.Ordinal);

    public BinWatch Bins { get; } = new();

    /// <summary>See <see cref="InboxWork.Last"/>.</summary>
    public string? LastDevice { get; set; }

    public int WaitingCount => _waiting.Count;
    public int UndeletableCount => _undeletable.Count;
    public int UnreadableCount => _waiting.Values.Count(entry => entry.IsUnreadable);
    public DateTimeOffset? OldestWaiting => _waiting.Count == 0 ? null : _waiting.Values.Min(entry => entry.Since);

    /// <summary>Forgets files that are gone.</summary>
    /// <returns>Those that waited.</returns>
    public IReadOnlyList<string> Keep(IReadOnlySet<string> present)
    {
        foreach (var name in _undeletable.Keys.Where(name => !present.Contains(name)).ToList())
            _undeletable.Remove(name);
        var gone = _waiting.Keys.Where(name => !present.Contains(name)).ToList();
        foreach (var name in gone)
            _waiting.Remove(name);
        return gone;
    }

    /// <summary>The clock was ahead when some file was first seen, and is right now: that file waits since now.</summary>
    /// <returns>True when there was one.</returns>
    public bool Clamp(DateTimeOffset now)
    {
        var ahead = _waiting.Where(pair => pair.Value.Since > now).ToList();
        foreach (var (name, entry) in ahead)
            _waiting[name] = entry with { Since = now };
        return ahead.Count > 0;
    }

    public bool IsWaiting(InboxFile file) => _waiting.ContainsKey(file.FileName);

    /// <summary>True for a file that is to be read now: a new one, one that grew, or one whose time has come.</summary>
    /// <param name="elapsed">Monotonic.</param>
    public bool IsDue(InboxFile file, TimeSpan elapsed)
    {
        if (_undeletable.TryGetValue(file.FileName, out var done) && done.LengthBytes == file.LengthBytes)
            return false;
        return !_waiting.TryGetValue(file.FileName, out var entry) || entry.NextLook <= elapsed || (entry.LengthBytes is { } length && length != file.LengthBytes);
    }

    public TimeSpan Waited(string fileName, DateTimeOffset now) => _waiting.TryGetValue(fileName, out var entry) ? now - entry.Since : TimeSpan.Zero;

    /// <param name="device">Whose progress makes the file due at once; null when that is not known. Then it is looked at after 1 s, and twice as long each time, up to 1 min.</param>
    /// <returns>True when it was not waiting before.</returns>
    public bool Wait(InboxFile file, string? device, bool isUnreadable, DateTimeOffset now, TimeSpan elapsed)
    {
        var known = _waiting.TryGetValue(file.FileName, out var entry);
        var looks = known ? entry!.Looks + 1 : 1;
        var pause = device is null ? Doubled(FirstLook, looks, LongestLook) : LongestLook;
        _waiting[file.FileName] = new Waiting(known ? entry!.Since : now, elapsed + pause, looks, file.LengthBytes, device, isUnreadable);
        return !known;
    }

    /// <summary>The device advanced: what waited for that is due.</summary>
    public void Advanced(IReadOnlySet<string> devices)
    {
        foreach (var (name, entry) in _waiting.Where(pair => pair.Value.Device is { } device && devices.Contains(device)).ToList())
            _waiting[name] = entry with { NextLook = TimeSpan.Zero };
    }

    public bool Settled(string fileName) => _waiting.Remove(fileName);

    /// <summary>Done with, but it stays: deleting is tried again after 5 s, and twice as long each time, up to 10 min.</summary>
    public void CannotDelete(InboxFile file, TimeSpan elapsed)
    {
        var failures = (_undeletable.GetValueOrDefault(file.FileName)?.Failures ?? 0) + 1;
        _undeletable[file.FileName] = new Undeletable(file.LengthBytes, failures, elapsed + Doubled(FirstDeletion, failures, LongestDeletion));
    }

    public void Deleted(string fileName) => _undeletable.Remove(fileName);

    public bool IsDeletionDue(InboxFile file, TimeSpan elapsed) =>
        _undeletable.TryGetValue(file.FileName, out var done) && done.LengthBytes == file.LengthBytes && done.NextTry <= elapsed;

    private static TimeSpan Doubled(TimeSpan first, int times, TimeSpan longest) =>
        TimeSpan.FromSeconds(Math.Min(first.TotalSeconds * Math.Pow(2, Math.Min(times - 1, 30)), longest.TotalSeconds));

    /// <param name="LengthBytes">When it was last looked at; null before.</param>
    private sealed record Waiting(DateTimeOffset Since, TimeSpan NextLook, int Looks, long? LengthBytes, string? Device, bool IsUnreadable);

    private sealed record Undeletable(long LengthBytes, int Failures, TimeSpan NextTry);
}
