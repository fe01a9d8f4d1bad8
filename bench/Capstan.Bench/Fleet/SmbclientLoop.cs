using System.Diagnostics;
using System.Globalization;
using Capstan.Nal.Arbiter.Core;
using Capstan.Testing.Servers;

namespace Capstan.Bench.Fleet;

/// <summary>What a script does in place of a client: <c>smbclient</c> in a loop until it was let in, then its connection held.</summary>
/// <param name="accountFile">As <c>smbclient -A</c> reads it.</param>
internal sealed class SmbclientLoop(int port, string share, string accountFile)
{
    private long _refused;
    private long _lost;

    /// <param name="holds">One client each.</param>
    /// <param name="jittered">Waits by decorrelated jitter from 1 s to 5 min; else 5 s.</param>
    /// <returns>How long it took until all were served; attempts that were refused; those that met anything else, such as its own time-out of a connection.</returns>
    public async Task<(TimeSpan Makespan, long Refused, long Lost)> RunAsync(IReadOnlyList<TimeSpan> holds, bool jittered, int seed, CancellationToken cancellationToken)
    {
        (_refused, _lost) = (0, 0);
        var clock = Stopwatch.StartNew();
        await Task.WhenAll(holds.Select((hold, number) => ServeAsync(hold, jittered, new Random(unchecked((seed * 397) ^ number)), cancellationToken)));
        return (clock.Elapsed, _refused, _lost);
    }

    private async Task ServeAsync(TimeSpan hold, bool jittered, Random random, CancellationToken cancellationToken)
    {
        var wait = TimeSpan.Zero;
        for (var refusals = 0; !await TryAsync(hold, cancellationToken); refusals++)
        {
            wait = jittered ? RetryRule.Wait(meanHold: null, wait, refusals, random.NextDouble()) : TimeSpan.FromSeconds(5);
            await Task.Delay(wait, TimeProvider.System, cancellationToken);
        }
    }

    private async Task<bool> TryAsync(TimeSpan hold, CancellationToken cancellationToken)
    {
        // Its output goes by the line: otherwise it would come when the program ends.
        using var process = Process.Start(Tools.StartInfo("stdbuf", ["-oL", "smbclient", "//127.0.0.1/" + share, "-p", port.ToString(CultureInfo.InvariantCulture), "-s", "/dev/null", "-A", accountFile], []))!;
        var errors = process.StandardError.ReadToEndAsync(cancellationToken);
        var said = "";
        // The hold begins with the answer to a command of its session: starting 200 processes at once takes seconds.
        await process.StandardInput.WriteLineAsync("pwd");
        await process.StandardInput.FlushAsync(cancellationToken);
        while (await process.StandardOutput.ReadLineAsync(cancellationToken) is { } line)
        {
            said += line;
            if (!line.Contains("Current directory", StringComparison.Ordinal))
                continue;
            await Task.Delay(hold, TimeProvider.System, cancellationToken);
            process.StandardInput.Close();
        }
        said += await errors;
        await process.WaitForExitAsync(cancellationToken);
        if (process.ExitCode == 0)
            return true;
        // A script cannot tell one failure from another, and tries again.
        if (said.Contains("NT_STATUS_INSUFFICIENT_RESOURCES", StringComparison.Ordinal))
            Interlocked.Increment(ref _refused);
        else
            Interlocked.Increment(ref _lost);
        return false;
    }
}
