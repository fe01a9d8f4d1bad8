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

    /// <summary>Two processes of a machine with two slots try one wrong password in the same moment.</summary>
    [Fact]
    public void Two_refusals_of_one_moment_are_no_second_try() => new World(1_102_659, 20).Run();

    /// <summary>Ghosts that were ended by logons of their own, on two slots at once.</summary>
    [Theory, InlineData(1_105_211), InlineData(1_177_223)]
    public void A_logon_that_only_ends_a_ghost_is_written_down_as_any_other(int seed) => new World(seed, 20).Run();

    [Theory, InlineData(1_143_716), InlineData(1_047_746), InlineData(1_198_367)]
    public void A_logon_that_was_under_way_when_its_process_died_is_a_ghost_without_an_id(int seed) => new World(seed, 20).Run();

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
