namespace Capstan.ServerTests.Up;

/// <summary><c>capstan up</c>, ended as a power cut ends it.</summary>
public sealed class KilledUpTests
{
    /// <summary>Invariants 4 and 6: whatever a kill interrupts, the next start goes on, with one device and a chain without gaps.</summary>
    [Fact]
    public async Task Killed_at_any_moment_it_goes_on_where_it_was()
    {
        const int seed = 20261122;
        var random = new Random(seed);
        using var directory = new TemporaryDirectory();
        for (var kill = 0; kill < 15; kill++)
        {
            await using var up = CapstanProcess.Start(directory.Path, "up", "--port", "0");
            // Not a wait for anything: the moment is what the seed draws.
            await Task.Delay(TimeSpan.FromMilliseconds(random.Next(200, 5_000)), TimeProvider.System, TestContext.Current.CancellationToken);
            await up.KillAsync();
        }
        var (code, output, errors) = await CapstanProcess.RunAsync(directory.Path, "up", "--port", "0", "--once");
        Assert.True(code == 0, $"seed {seed}\n{output}\n{errors}");

        using var database = RunningUp.Open(directory);
        Assert.Equal(1L, RunningUp.Scalar(database, "select count(*) from device where state = 'approved'"));
        Assert.Equal(0L, RunningUp.Scalar(database, "select count(*) from quarantine"));
        Assert.Equal(RunningUp.Scalar(database, "select max(sequence) from ledger"), RunningUp.Scalar(database, "select count(*) from ledger"));
    }
}
