using Capstan.Nal.Arbiter.Core;
using Capstan.Nal.Paths;

namespace Capstan.Nal.Arbiter;

public sealed partial class ConnectionArbiter
{
    /// <summary>Shares that are full although their server lets the account log on (a limit of the share), by path. Used under the lock.</summary>
    /// <remarks>The core knows full servers; of a share it would learn only after the logon, at each try anew. The same rule says when it is asked again.</remarks>
    private readonly Dictionary<string, FullShare> _fullShares = new(StringComparer.Ordinal);

    /// <param name="Refusals">In a row.</param>
    private sealed record FullShare(NalException Cause, TimeSpan Wait, int Refusals, TimeSpan RetryAt);

    private static string ShareOf(NalPath path) => path.WithQualifiers(null, isPreferred: false).ToString();

    /// <summary>Why a share is not asked now, and when it is asked again; null for one that may be asked.</summary>
    private (NalException Cause, TimeSpan RetryAt)? FullNow(NalPath path)
    {
        lock (_gate)
            return _fullShares.TryGetValue(ShareOf(path), out var full) && full.RetryAt > Now ? (full.Cause, full.RetryAt) : null;
    }

    /// <summary>A share was not opened.</summary>
    /// <returns>When it is asked again; null when the cause is another one than its capacity.</returns>
    private TimeSpan? ShareRefused(ConnectionKey key, NalPath path, NalException cause)
    {
        if (cause.Error != NalError.ServerFull || key.Server is not { } server)
            return null;
        lock (_gate)
        {
            var before = _fullShares.GetValueOrDefault(ShareOf(path));
            var wait = RetryRule.Wait(_terms.GetValueOrDefault(server)?.MeanHold, before?.Wait ?? TimeSpan.Zero, before?.Refusals ?? 0, _random.NextDouble());
            _fullShares[ShareOf(path)] = new FullShare(cause, wait, (before?.Refusals ?? 0) + 1, Now + wait);
            return Now + wait;
        }
    }

    private void ShareOpened(NalPath path)
    {
        lock (_gate)
            _fullShares.Remove(ShareOf(path));
    }
}
