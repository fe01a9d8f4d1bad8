using System.Collections.Concurrent;

namespace Capstan.Nal.Providers.Mswnet;

/// <summary>When a directory is looked through for temporaries of processes that were killed: at most once in the time after which one counts as abandoned. Thread-safe.</summary>
internal sealed class TemporarySweep(TimeProvider time)
{
    private const int MaxDirectories = 1_024;

    private readonly ConcurrentDictionary<string, long> _swept = new(StringComparer.OrdinalIgnoreCase);

    /// <param name="directory">With server and share.</param>
    public bool IsDue(string directory)
    {
        var now = time.GetTimestamp();
        if (_swept.TryGetValue(directory, out var last) && time.GetElapsedTime(last, now) < TemporaryNames.AbandonedAfter)
            return false;
        if (_swept.Count >= MaxDirectories)
            _swept.Clear();
        _swept[directory] = now;
        return true;
    }

    /// <param name="lastWrite">By the server's clock, which may be another one: a temporary of its future is left alone.</param>
    public bool IsAbandoned(DateTimeOffset lastWrite) => time.GetUtcNow() - lastWrite >= TemporaryNames.AbandonedAfter;
}
