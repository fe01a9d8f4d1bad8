using System.Diagnostics;
using System.Globalization;
using Capstan.Testing;

namespace Capstan.Tests.Lives;

/// <summary>Whole lives of sites and machines. Invariants 3 to 8 of docs/architecture.md hold in all of them: <see cref="LifeWorld"/> looks at each.</summary>
public sealed class LivesTests(ITestOutputHelper output)
{
    [Fact]
    public Task After_any_life_the_site_holds_exactly_the_truth_of_each_machine() => LiveAsync(first: 1, count: 3, new LifeRules { Machines = 8 });

    [Fact]
    public Task After_two_hundred_lives_of_twenty_machines_too()
    {
        LongRun.SkipUnlessAsked();
        return LiveAsync(first: 1_000, count: 200, new LifeRules { Machines = 20 });
    }

    [Fact]
    public Task After_five_years_of_five_hundred_machines_too()
    {
        LongRun.SkipUnlessAsked();
        return LiveAsync(first: 5_000, count: 1, new LifeRules
        {
            Machines = 500,
            Length = TimeSpan.FromDays(5 * 365),
            MeanSleep = TimeSpan.FromDays(60),
            MeanPause = TimeSpan.FromDays(6),
            MeanMishap = TimeSpan.FromDays(1),
        });
    }

    [Fact]
    public Task A_life_that_failed_is_lived_again()
    {
        var asked = Environment.GetEnvironmentVariable(LifeRules.Variable);
        Assert.SkipUnless(asked is not null, $"one life again: {LifeRules.Variable}=SEED,MACHINES,DAYS");
        var numbers = asked.Split(',').Select(number => int.Parse(number, CultureInfo.InvariantCulture)).ToList();
        return LiveAsync(numbers[0], count: 1, new LifeRules { Machines = numbers[1], Length = TimeSpan.FromDays(numbers[2]) });
    }

    private async Task LiveAsync(int first, int count, LifeRules rules)
    {
        var counts = new LifeCounts();
        var failures = new List<LifeException>();
        var began = Stopwatch.GetTimestamp();
        await Parallel.ForAsync(first, first + count, new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount, CancellationToken = TestContext.Current.CancellationToken }, async (seed, _) =>
        {
            await using var world = new LifeWorld(seed, rules);
            try
            {
                await world.LiveAsync();
            }
            catch (LifeException failure)
            {
                lock (failures)
                    failures.Add(failure);
            }
            lock (counts)
                counts.Add(world.Counts);
        });
        output.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{count} lives: {counts.MachineDays:N0} days of machines, {counts.Wakings:N0} wakings, {counts.Passes:N0} passes of a site, {counts.Mishaps:N0} events, {counts.Visits} visits; {Stopwatch.GetElapsedTime(began).TotalSeconds:F0} s"));
        Assert.True(failures.Count == 0, string.Join("\n\n", failures.Select(failure => failure.Message)));
    }
}
