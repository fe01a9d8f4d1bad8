using Capstan.Protocol;
using Capstan.Protocol.V1;
using Capstan.Tests.Golden;
using FsCheck;
using FsCheck.Fluent;

namespace Capstan.Tests.Protocol.V1;

public sealed class ClientBuildsTests
{
    private static readonly ClientBuild Build = Examples.ClientBuilds.Builds[0];

    public static TheoryData<string, string> Ordered => new()
    {
        { "0.9.0", "0.10.0" },
        { "1.0.0-rc.1", "1.0.0" },
        { "1.0.0-alpha", "1.0.0-alpha.1" },
        { "1.0.0-alpha.1", "1.0.0-alpha.beta" },
        { "1.0.0-beta.2", "1.0.0-beta.11" },
        { "1.0.0-1", "1.0.0-a" },
        { "2.1.0", "2.1.1" },
        { "1.0.0-99999999999999999999", "1.0.0-100000000000000000000" },
    };

    [Theory]
    [MemberData(nameof(Ordered))]
    public void Versions_have_the_order_of_semantic_versioning(string older, string newer)
    {
        Assert.True(Parsed(older).CompareRank(Parsed(newer)) < 0);
        Assert.True(Parsed(newer).CompareRank(Parsed(older)) > 0);
        Assert.Equal(0, Parsed(older).CompareRank(Parsed(older)));
    }

    [Theory]
    [InlineData("")]
    [InlineData("1")]
    [InlineData("1.2")]
    [InlineData("1.2.3.4")]
    [InlineData("01.2.3")]
    [InlineData("1.2.3-")]
    [InlineData("1.2.3-a..b")]
    [InlineData("1.2.3-01")]
    [InlineData("1.2.3+meta")]
    [InlineData("1.2.3/../x")]
    [InlineData("v1.2.3")]
    [InlineData("1.2.99999999999")]
    [InlineData("package")]
    [InlineData("1.2.3-abcdefghijklmnopqrstuvwxyz0123456789abc")]
    public void What_is_no_version_is_not_ordered(string text) => Assert.False(BuildVersion.TryParse(text, out _));

    [Fact]
    public void Versions_are_totally_ordered()
    {
        var word = Gen.Elements("0", "1", "2", "10", "a", "b", "rc", "a-b");
        var version = from a in Gen.Choose(0, 3)
                      from b in Gen.Choose(0, 3)
                      from c in Gen.Choose(0, 3)
                      from words in Gen.ListOf(word)
                      select $"{a}.{b}.{c}{(words.Count > 0 ? "-" + string.Join('.', words.Take(3)) : "")}";
        Prop.ForAll(Gen.Three(version).ToArbitrary(), three =>
        {
            var (a, b, c) = (Parsed(three.Item1), Parsed(three.Item2), Parsed(three.Item3));
            return Math.Sign(a.CompareRank(b)) == -Math.Sign(b.CompareRank(a))
                && (a.CompareRank(b) > 0 || b.CompareRank(c) > 0 || a.CompareRank(c) <= 0)
                && (a.CompareRank(b) != 0 || a.ToString() == b.ToString());
        }).QuickCheckThrowOnFailure();
    }

    public static TheoryData<string, ClientBuild> Refused => new()
    {
        { "version", Build with { Version = "latest" } },
        { "order", Build with { Order = 0 } },
        { "spreadSeconds", Build with { SpreadSeconds = -1 } },
        { "platform", Build with { Platform = "linux x64" } },
        { "files", Build with { Version = ClientBuild.OfPackage } },
        { "files", Build with { Files = [] } },
        { "files", Build with { Files = [Build.Files[1]] } },
        { "files", Build with { Files = [Build.Files[0] with { IsExecutable = false }] } },
        { "files", Build with { Files = [.. Build.Files, Build.Files[1]] } },
        { "files", Build with { Files = [.. Enumerable.Range(0, 65).Select(n => Build.Files[0] with { Name = $"f{n}" })] } },
        { "name", With(file => file with { Name = "../x" }) },
        { "name", With(file => file with { Name = ".hidden" }) },
        { "name", With(file => file with { Name = "a/b" }) },
        { "name", With(file => file with { Name = "-rf" }) },
        { "name", With(file => file with { Name = "" }) },
        { "lengthBytes", With(file => file with { LengthBytes = -1 }) },
        { "lengthBytes", With(file => file with { LengthBytes = BuildFile.MaxBytes + 1 }) },
        { "sha256", With(file => file with { Sha256 = "AA" }) },
        { "target", With(file => file with { Target = "site/site.json" }) },
        { "target", With(file => file with { Target = Layout.BuildFileTarget(new string('c', 64)) }) },
    };

    [Theory]
    [MemberData(nameof(Refused))]
    public void An_order_that_nobody_can_mean_is_refused_as_a_whole(string member, ClientBuild build)
    {
        var refused = Assert.Throws<ProtocolException>(() => Documents.ClientBuilds.Encode(new ClientBuilds { SiteCode = "ABC", Builds = [build] }));
        Assert.Contains($"builds[0].", refused.Message, StringComparison.Ordinal);
        Assert.Contains(member + " ", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_platform_stands_once() =>
        Assert.Throws<ProtocolException>(() => Documents.ClientBuilds.Encode(new ClientBuilds { SiteCode = "ABC", Builds = [Build, Build with { Version = "9.9.9" }] }));

    [Fact]
    public void A_build_is_named_by_its_version_and_content()
    {
        Assert.StartsWith("0.2.0-", Build.Id(), StringComparison.Ordinal);
        Assert.True(BuildFile.IsName(Build.Id()));
        Assert.Equal(Build.Id(), (Build with { Order = 99, Files = [.. Build.Files.Reverse()] }).Id());
        Assert.NotEqual(Build.Id(), (Build with { Version = "0.2.1" }).Id());
        Assert.NotEqual(Build.Id(), With(file => file with { Sha256 = new string('c', 64) }).Id());
        Assert.NotEqual(Build.Id(), With(file => file with { IsExecutable = !file.IsExecutable }).Id());
        Assert.Equal("package", Examples.ClientBuilds.Builds[1].Id());
    }

    private static ClientBuild With(Func<BuildFile, BuildFile> change) => Build with { Files = [Build.Files[0], change(Build.Files[1])] };

    private static BuildVersion Parsed(string text) => BuildVersion.TryParse(text, out var version) ? version : throw new ArgumentException("not a version", nameof(text));
}
