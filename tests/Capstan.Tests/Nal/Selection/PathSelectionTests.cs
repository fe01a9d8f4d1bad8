using Capstan.Nal.Paths;
using Capstan.Nal.Selection;
using FsCheck;
using FsCheck.Fluent;

namespace Capstan.Tests.Nal.Selection;

public sealed class PathSelectionTests
{
    private static readonly SelectionRules Defaults = new(UsePreferred: false, UseExisting: true, UseRandom: true, [], "device", 1);

    private static readonly NalPath[] Four = [.. Enumerable.Range(1, 4).Select(number => NalPath.Parse($"smb://fs{number}/cap/"))];

    [Fact]
    public void Paths_that_served_badly_come_last_in_their_order_even_when_they_are_preferred()
    {
        var rules = new SelectionRules(UsePreferred: true, UseExisting: false, UseRandom: false, [Four[0]], "", 0) { Avoided = [Four[1], Four[0]] };
        Assert.Equal([Four[2], Four[3], Four[1], Four[0]], PathSelection.Rank(Four, _ => false, rules).Select(ranked => ranked.Path));
    }

    [Fact]
    public void Preferred_then_connected_then_the_rest()
    {
        NalPath[] paths = [Four[0], Four[1], Four[2].WithQualifiers(null, isPreferred: true)];
        var ranked = PathSelection.Rank(paths, path => path.Root == "fs2", Defaults with { UsePreferred = true });
        Assert.Equal(["fs3", "fs2", "fs1"], ranked.Select(item => item.Path.Root));
        Assert.Equal(["preferred", "existing connection", "random order of this device and cycle"], ranked.Select(item => item.Why));
    }

    [Fact]
    public void Without_switches_the_list_is_the_order() =>
        Assert.Equal(Four, PathSelection.Rank(Four, _ => true, Defaults with { UseExisting = false, UseRandom = false }).Select(item => item.Path));

    [Theory]
    [InlineData("smb://fs1/", "smb://fs1/SMSPKGx$/ABC00001/", true)]
    [InlineData("smb://FS1/smspkgX$/", "smb://fs1/SMSPKGx$/ABC00001/", true)]
    [InlineData("smb://fs1/SMSPKG/", "smb://fs1/SMSPKGx$/", false)]
    [InlineData("smb://fs2/", "smb://fs1/SMSPKGx$/", false)]
    [InlineData("ncp://fs1/", "smb://fs1/SMSPKGx$/", false)]
    public void A_preference_by_server_name_alone_matches_every_path_of_that_server(string preference, string path, bool covers) =>
        Assert.Equal(covers, PathSelection.Covers(NalPath.Parse(preference), NalPath.Parse(path)));

    [Fact]
    public void Switches_change_the_order_and_never_drop_a_path() => Prop.ForAll(Gen.Choose(0, int.MaxValue).ToArbitrary(), bits =>
    {
        var rules = new SelectionRules((bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0, (bits & 8) != 0 ? [Four[3]] : [], $"{bits >> 4}", bits >> 8);
        var ranked = PathSelection.Rank(Four, path => path.Root[2] % 2 == bits % 2, rules);
        return ranked.Select(item => item.Path.Root).Order().SequenceEqual(Four.Select(path => path.Root))
            && ranked.SequenceEqual(PathSelection.Rank(Four, path => path.Root[2] % 2 == bits % 2, rules));
    }).QuickCheckThrowOnFailure();

    [Fact]
    public void The_rest_keeps_its_order_when_a_path_goes()
    {
        var all = PathSelection.Rank(Four, _ => false, Defaults).Select(item => item.Path).ToList();
        var gone = all[1];
        Assert.Equal(all.Where(path => !path.Equals(gone)), PathSelection.Rank(Four.Where(path => !path.Equals(gone)).ToArray(), _ => false, Defaults).Select(item => item.Path));
    }

    [Fact]
    public void Devices_and_cycles_spread_over_all_servers()
    {
        Assert.Equal(4, Enumerable.Range(0, 100).Select(cycle => PathSelection.Rank(Four, _ => false, Defaults with { Cycle = cycle })[0].Path.Root).Distinct().Count());
        Assert.Equal(4, Enumerable.Range(0, 100).Select(device => PathSelection.Rank(Four, _ => false, Defaults with { Seed = $"{device}" })[0].Path.Root).Distinct().Count());
    }
}
