using System.Collections.Concurrent;
using System.Globalization;
using Capstan.Testing;
using Capstan.Testing.Arbiter;

namespace Capstan.Tests.Nal.Arbiter.Simulation;

/// <summary>The production core and rules in worlds of clients, machines, servers and faults, each drawn from one seed: invariants 1, 2, 3 and 9, no account is locked, every client finishes.</summary>
public sealed class WorldTests(ITestOutputHelper output)
{
    [Fact]
    public void Ten_thousand_worlds_of_up_to_20_clients_keep_the_invariants_and_finish() => Run(firstSeed: 1, worlds: 10_000, clients: 20);

    [Theory]
    [InlineData(1_000_000, 200_000, 20)]
    [InlineData(2_000_000, 5_000, 200)]
    public void Many_and_larger_worlds_keep_the_invariants_and_finish(int firstSeed, int worlds, int clients)
    {
        LongRun.SkipUnlessAsked();
        Run(firstSeed, worlds, clients);
    }

    private void Run(int firstSeed, int worlds, int clients)
    {
        var broken = new ConcurrentQueue<string>();
        var steps = 0L;
        Parallel.For(firstSeed, firstSeed + worlds, (seed, loop) =>
        {
            var world = new World(seed, clients);
            try
            {
                world.Run();
            }
            catch (WorldException failure)
            {
                broken.Enqueue(string.Create(CultureInfo.InvariantCulture, $"new World({seed}, {clients}): {failure.Message}"));
                if (broken.Count >= 10)
                    loop.Stop();
            }
            Interlocked.Add(ref steps, world.Steps);
        });
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{worlds} worlds from seed {firstSeed}, {steps} steps"));
        Assert.True(broken.IsEmpty, string.Join('\n', broken));
    }
}
