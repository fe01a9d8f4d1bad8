using System.Diagnostics;
using Capstan.Testing.Servers;

namespace Capstan.Bench.Fleet;

/// <summary>What a server shows of its connections to one share, asked again and again.</summary>
internal sealed class ServerWatch(SambaServer samba, string share)
{
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(250);

    /// <summary>The most that it showed at one time while the work went on.</summary>
    public async Task<(T Result, int Peak)> PeakAsync<T>(Func<Task<T>> work)
    {
        var working = work();
        var peak = 0;
        while (!working.IsCompleted)
        {
            peak = Math.Max(peak, await CountAsync());
            await Task.WhenAny(working, Task.Delay(s_pause, TimeProvider.System));
        }
        return (await working, peak);
    }

    public async Task<int> CountAsync() => (await samba.StatusAsync()).Trees.Count(tree => tree.Share == share);

    /// <summary>How long it takes, from now, until the server shows no session; <paramref name="limit"/> when it does to the end.</summary>
    public async Task<TimeSpan> EmptyAfterAsync(TimeSpan limit)
    {
        var clock = Stopwatch.StartNew();
        while (clock.Elapsed < limit)
        {
            // Measured before the question: its answer takes some time itself.
            var asked = clock.Elapsed;
            if ((await samba.StatusAsync()).Sessions.Count == 0)
                return asked;
        }
        return limit;
    }
}
