using Capstan.Nal.Arbiter.Accounts;
using FsCheck;
using FsCheck.Fluent;

namespace Capstan.Tests.Nal.Arbiter.Accounts;

public sealed class StopRulesTests
{
    private static readonly DateTimeOffset Now = new(2026, 11, 22, 12, 0, 0, TimeSpan.Zero);
    private static readonly string[] Both = ["one", "Two"];

    [Fact]
    public void Nothing_stopped_leaves_all_in_order() => Assert.Equal(Both, MayTry(Both, [], out _));

    [Fact]
    public void A_stopped_one_is_left_out_whatever_its_case_and_whatever_else_is_stopped()
    {
        Assert.Equal(["one"], MayTry(Both, [Stopped("TWO", days: 400), Stopped("three", days: 0)], out var next));
        Assert.Null(next);
    }

    [Fact]
    public void When_all_are_stopped_none_is_tried_before_the_pause_after_the_last_attempt()
    {
        Assert.Empty(MayTry(Both, [Stopped("one", days: 30), Stopped("two", days: 6.9)], out var next));
        Assert.Equal(Now + TimeSpan.FromDays(0.1), next!.Value, TimeSpan.FromMilliseconds(1));
    }

    [Fact]
    public void After_the_pause_the_one_that_rested_longest_is_tried_alone()
    {
        Assert.Equal(["Two"], MayTry(Both, [Stopped("one", days: 7), Stopped("two", days: 8)], out var next));
        Assert.Null(next);
    }

    [Theory]
    [InlineData(0.0, 6.125)]
    [InlineData(0.5, 7.0)]
    [InlineData(0.999999, 7.875)]
    public void Devices_differ_in_the_pause_by_an_eighth(double draw, double days)
    {
        Assert.Empty(StopRules.MayTry(["one"], [Stopped("one", days - 0.001)], Now, draw, out _));
        Assert.Single(StopRules.MayTry(["one"], [Stopped("one", days + 0.001)], Now, draw, out _));
    }

    [Fact]
    public void Named_twice_its_later_attempt_counts() =>
        Assert.Empty(MayTry(["one"], [Stopped("ONE", days: 30), Stopped("one", days: 1)], out _));

    [Fact]
    public void Without_accounts_there_is_nothing_to_wait_for()
    {
        Assert.Empty(MayTry([], [Stopped("one", days: 0)], out var next));
        Assert.Null(next);
    }

    /// <summary>No account is locked by us: with every logon refused, however often it asks and however many accounts there are, a device makes at most one attempt for each
    /// account, and then one in six days.</summary>
    [Fact]
    public void A_device_whose_accounts_are_all_refused_tries_each_once_and_then_one_a_week() =>
        Prop.ForAll(Gen.Choose(1, 8).ToArbitrary(), Gen.Choose(0, 999).ToArbitrary(), Gen.Choose(1, 48).ToArbitrary(), (accounts, draw, hours) =>
        {
            string[] names = [.. Enumerable.Range(0, accounts).Select(number => $"account{number}")];
            var stopped = new Dictionary<string, StoppedAccount>();
            var later = new List<DateTimeOffset>();
            for (var now = Now; now < Now + TimeSpan.FromDays(100); now += TimeSpan.FromHours(hours))
            {
                foreach (var name in StopRules.MayTry(names, stopped.Values, now, draw / 1_000.0, out _))
                {
                    if (stopped.ContainsKey(name))
                        later.Add(now);
                    stopped[name] = new StoppedAccount("fs1:445", name, "", now);
                }
            }
            Assert.Equal(accounts, stopped.Count);
            Assert.All(later.Zip(later.Skip(1)), pair => Assert.True(pair.Second - pair.First >= TimeSpan.FromDays(6)));
            Assert.InRange(later.Count, 9, 16);
        }).Check(Config.QuickThrowOnFailure.WithQuietOnSuccess(true));

    private static IReadOnlyList<string> MayTry(IReadOnlyList<string> accounts, StoppedAccount[] stopped, out DateTimeOffset? next) =>
        StopRules.MayTry(accounts, stopped, Now, draw: 0.5, out next);

    private static StoppedAccount Stopped(string account, double days) => new("fs1:445", account, "wrong password", Now - TimeSpan.FromDays(days));
}
