using System.Collections.Concurrent;

namespace Capstan.Site.Status;

/// <summary>A part of the site whose cycles fail as a whole now.</summary>
/// <param name="Failures">In a row.</param>
/// <param name="IsDiskFull">The site's own disk has no room.</param>
internal sealed record CycleFailure(long Failures, string Message, bool IsDiskFull);

/// <summary>How the last cycle of each part went, for health. Thread-safe.</summary>
internal sealed class CycleHealth
{
    private readonly ConcurrentDictionary<string, CycleFailure> _failing = new(StringComparer.Ordinal);

    public void Succeeded(string part) => _failing.TryRemove(part, out _);

    public void Failed(string part, CycleFailure failure) => _failing[part] = failure;

    public IReadOnlyDictionary<string, CycleFailure> Read() => _failing;
}
