using Capstan.Protocol.V1;
using Capstan.Site.Publish.Settings;
using FsCheck;
using FsCheck.Fluent;

namespace Capstan.Tests.Site.Settings;

/// <summary>Whose value counts: site, then collections by priority, then the device itself.</summary>
public sealed class SettingBookTests
{
    private const string Lab = "labaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    [Fact]
    public void The_device_counts_before_its_collections_and_these_before_the_site()
    {
        var book = new SettingBook(
            [Row("site", "cycle", "3600"), Row("site", "inventory", "7200"), Row("site", "heartbeat", "90000"), Row("collection:lab", "inventory", "10800"), Row("collection:lab", "heartbeat", "100000"), Row(SettingScope.OfClient(Lab), "heartbeat", "110000"), Row("client:other", "cycle", "300")],
            ["lab"]);
        Assert.Equal([new PolicySetting("cycle", "3600", "site"), new PolicySetting("heartbeat", "110000", "client"), new PolicySetting("inventory", "10800", "collection:lab")], book.Resolve(Lab, ["lab"]));
    }

    [Fact]
    public void Of_two_collections_the_stronger_one_counts_of_those_that_the_device_is_in()
    {
        SettingRow[] settings = [Row("collection:a", "cycle", "3600"), Row("collection:b", "cycle", "7200"), Row("collection:c", "cycle", "10800")];
        Assert.Equal("collection:a", Assert.Single(new SettingBook(settings, ["b", "a", "c"]).Resolve(Lab, ["a", "b"])).From);
        Assert.Equal("collection:b", Assert.Single(new SettingBook(settings, ["a", "b"]).Resolve(Lab, ["a", "b"])).From);
    }

    [Fact]
    public void What_this_program_does_not_know_is_handed_to_nobody() =>
        Assert.Empty(new SettingBook([Row("site", "later", "1"), Row("site", "cycle", "1")], []).Resolve(Lab, []));

    /// <summary>Whatever is set where: each name once, from a scope that the device is in, and the strongest of them.</summary>
    [Fact]
    public void For_any_book_the_strongest_scope_of_the_device_wins()
    {
        var names = new[] { "cycle", "inventory", "heartbeat" };
        var scopes = new[] { "site", "collection:a", "collection:b", "collection:c", SettingScope.OfClient(Lab), "client:other" };
        var rows = Gen.Elements(scopes).SelectMany(scope => Gen.Elements(names).SelectMany(name => Gen.Choose(3_600, 86_400).Select(value => Row(scope, name, value.ToString(System.Globalization.CultureInfo.InvariantCulture))))).ListOf();
        var cases = rows.SelectMany(list => Gen.Shuffle(new[] { "a", "b", "c" }).Select(order => (Rows: (IReadOnlyList<SettingRow>)[.. list.DistinctBy(row => (row.Scope, row.Name))], order)));
        Prop.ForAll(cases.ToArbitrary(), test =>
        {
            var result = new SettingBook(test.Rows, test.order).Resolve(Lab, ["a", "b"]);
            Assert.Equal(result.Count, result.DistinctBy(setting => setting.Name).Count());
            foreach (var name in names)
            {
                var strongest = test.Rows.Where(row => row.Name == name).OrderByDescending(row => Strength(row.Scope)).FirstOrDefault(row => Strength(row.Scope) >= 0);
                Assert.Equal(strongest?.Value, result.FirstOrDefault(setting => setting.Name == name)?.Value);
            }

            double Strength(string scope) => scope switch
            {
                "site" => 0,
                "collection:a" or "collection:b" => 1 + Array.IndexOf(test.order, scope[^1..]),
                "collection:c" or "client:other" => -1,
                _ => 100,
            };
        }).QuickCheckThrowOnFailure();
    }

    private static SettingRow Row(string scope, string name, string value) => new(scope, name, value, 0);
}
