using Capstan.Protocol.V1;
using Capstan.Site.Publish.Settings;
using FsCheck;
using FsCheck.Fluent;

namespace Capstan.Tests.Site.Settings;

/// <summary>Whose value counts: site, then groups by priority, then the device itself.</summary>
public sealed class SettingBookTests
{
    private static readonly GroupFacts Lab = new("labaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "LAB-01", "Debian 12", "ThinkCentre M70q", "school");

    [Fact]
    public void The_device_counts_before_its_groups_and_these_before_the_site()
    {
        var book = new SettingBook(
            [Row("site", "cycle", "3600"), Row("site", "inventory", "7200"), Row("site", "heartbeat", "90000"), Row("group:lab", "inventory", "10800"), Row("group:lab", "heartbeat", "100000"), Row(SettingScope.OfClient(Lab.DeviceId), "heartbeat", "110000"), Row("client:other", "cycle", "300")],
            [Group("lab", 0, "host:lab-")], []);
        Assert.Equal([new PolicySetting("cycle", "3600", "site"), new PolicySetting("heartbeat", "110000", "client"), new PolicySetting("inventory", "10800", "group:lab")], book.Resolve(Lab));
    }

    [Fact]
    public void Of_two_groups_the_higher_priority_counts_and_of_equal_ones_the_later_name()
    {
        SettingRow[] settings = [Row("group:a", "cycle", "3600"), Row("group:b", "cycle", "7200"), Row("group:c", "cycle", "10800")];
        Assert.Equal("group:a", Assert.Single(new SettingBook(settings, [Group("a", 5, "host:lab"), Group("b", 1, "host:lab"), Group("c", 4, "model:x")], []).Resolve(Lab)).From);
        Assert.Equal("group:b", Assert.Single(new SettingBook(settings, [Group("a", 1, "host:lab"), Group("b", 1, "host:lab")], []).Resolve(Lab)).From);
        Assert.Equal(["a", "b"], new SettingBook(settings, [Group("a", 5, "host:lab"), Group("b", 1, "host:lab")], []).GroupsOf(Lab));
    }

    [Theory]
    [InlineData("host:LAB-", true)]
    [InlineData("host:lab-0", true)]
    [InlineData("host:AB", false)]
    [InlineData("system:debian", true)]
    [InlineData("model:ThinkCentre M70q ", false)]
    [InlineData("token:school", true)]
    [InlineData("owner:anna", false)]
    [InlineData("host:", false)]
    [InlineData("host", false)]
    [InlineData("", false)]
    [InlineData(null, false)]
    public void A_rule_that_is_not_understood_has_no_members(string? rule, bool expected) =>
        Assert.Equal(expected, new SettingBook([], [Group("g", 0, rule)], []).IsMember("g", Lab));

    [Fact]
    public void A_named_member_is_one_whatever_the_rule_says()
    {
        var book = new SettingBook([Row("group:g", "builds", "hold")], [Group("g", 0, "host:nothing")], [("g", Lab.DeviceId)]);
        Assert.True(book.IsNamed("g", Lab.DeviceId));
        Assert.Equal("group:g", Assert.Single(book.Resolve(Lab)).From);
        Assert.Empty(book.Resolve(Lab with { DeviceId = "other" }));
    }

    [Fact]
    public void What_this_program_does_not_know_is_handed_to_nobody() =>
        Assert.Empty(new SettingBook([Row("site", "later", "1"), Row("site", "cycle", "1")], [], []).Resolve(Lab));

    /// <summary>Whatever is set where: each name once, from a scope that the device is in, and the strongest of them.</summary>
    [Fact]
    public void For_any_book_the_strongest_scope_of_the_device_wins()
    {
        var names = new[] { "cycle", "inventory", "heartbeat" };
        var scopes = new[] { "site", "group:a", "group:b", "group:c", SettingScope.OfClient(Lab.DeviceId), "client:other" };
        var rows = Gen.Elements(scopes).SelectMany(scope => Gen.Elements(names).SelectMany(name => Gen.Choose(3_600, 86_400).Select(value => Row(scope, name, value.ToString(System.Globalization.CultureInfo.InvariantCulture))))).ListOf();
        var cases = rows.SelectMany(list => Gen.Choose(0, 3).Three().Select(priorities => (Rows: (IReadOnlyList<SettingRow>)[.. list.DistinctBy(row => (row.Scope, row.Name))], priorities)));
        Prop.ForAll(cases.ToArbitrary(), test =>
        {
            var groups = new[] { Group("a", test.priorities.Item1, "host:lab"), Group("b", test.priorities.Item2, "host:lab"), Group("c", test.priorities.Item3, "host:other") };
            var result = new SettingBook(test.Rows, groups, []).Resolve(Lab);
            Assert.Equal(result.Count, result.DistinctBy(setting => setting.Name).Count());
            foreach (var name in names)
            {
                var strongest = test.Rows.Where(row => row.Name == name).OrderByDescending(row => Strength(row.Scope)).FirstOrDefault(row => Strength(row.Scope) >= 0);
                Assert.Equal(strongest?.Value, result.FirstOrDefault(setting => setting.Name == name)?.Value);
            }

            double Strength(string scope) => scope switch
            {
                "site" => 0,
                "group:a" => 1 + test.priorities.Item1,
                "group:b" => 1.5 + test.priorities.Item2,
                "group:c" or "client:other" => -1,
                _ => 100,
            };
        }).QuickCheckThrowOnFailure();
    }

    private static SettingRow Row(string scope, string name, string value) => new(scope, name, value, 0);

    private static GroupRow Group(string name, int priority, string? rule) => new(name, priority, rule, 0);
}
