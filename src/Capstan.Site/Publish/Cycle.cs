using Capstan.Site.Status;
using Capstan.Site.Store;
using Microsoft.Extensions.Logging;

namespace Capstan.Site.Publish;

/// <summary>Runs one part of the site again and again. A failing cycle is logged, counted and retried with jitter; nothing of it ends the site.</summary>
internal sealed class Cycle(string part, SiteContext site, CycleHealth health, ILogger logger)
{
    private static readonly TimeSpan FirstDelay = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestDelay = TimeSpan.FromMinutes(1);

    public async Task RunAsync(Func<Task> cycle, CancellationToken cancellationToken)
    {
        var failures = 0;
        while (!cancellationToken.IsCancellationRequested)
        {
            try
            {
                await cycle();
                failures = 0;
                health.Succeeded(part);
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception cause)
            {
                failures++;
                health.Failed(part, new CycleFailure(failures, cause.Message, Dialect.IsDiskFull(cause)));
                var delay = Backoff(failures, FirstDelay, LongestDelay, site.Random);
                SiteLog.CycleFailed(logger, part, failures, delay.TotalSeconds, cause);
                await Task.Delay(delay, site.Time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    /// <summary>Doubles with each failure up to <paramref name="longest"/>, times 0.5 to 1.5.</summary>
    public static TimeSpan Backoff(long failures, TimeSpan first, TimeSpan longest, Random random)
    {
        var ideal = Math.Min(first.TotalSeconds * Math.Pow(2, Math.Min(failures - 1, 30)), longest.TotalSeconds);
        lock (random)
            return TimeSpan.FromSeconds(ideal * (0.5 + random.NextDouble()));
    }
}
