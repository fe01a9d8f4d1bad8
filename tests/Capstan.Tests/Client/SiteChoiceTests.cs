using Capstan.Client;
using Capstan.Client.Configuration;
using Capstan.Client.Identity;
using Capstan.Nal.Paths;
using Capstan.Protocol.V1;
using Capstan.Testing;
using Capstan.Testing.Stores;

namespace Capstan.Tests.Client;

/// <summary>Which site an installation is for, and which CAPs of a site are near.</summary>
public sealed class SiteChoiceTests
{
    private static readonly string Both = Token("ABC", "10.1.0.0/16") + "\n" + Token("XYZ", "10.2.0.0/16", "10.1.7.0/24") + "\n";

    [Theory]
    [InlineData("10.1.2.3", null, null, "ABC", "boundary 10.1.0.0/16")]
    [InlineData("10.2.2.3", null, null, "XYZ", "boundary 10.2.0.0/16")]
    [InlineData("10.1.7.3", null, null, "XYZ", "boundary 10.1.7.0/24")]
    [InlineData("192.0.2.1 10.2.2.3", null, null, "XYZ", "boundary 10.2.0.0/16")]
    [InlineData("192.0.2.1", null, null, "ABC", "outside every boundary: the first token")]
    [InlineData("", null, null, "ABC", "outside every boundary: the first token")]
    [InlineData("10.1.2.3", "XYZ", null, "XYZ", "forced: --site")]
    // A client stays with its site, wherever it is.
    [InlineData("10.1.2.3", null, "XYZ", "XYZ", null)]
    [InlineData("10.1.2.3", null, "DEF", "ABC", "boundary 10.1.0.0/16")]
    public void The_site_is_forced_or_its_own_or_that_of_the_boundary_or_the_first(string addresses, string? forced, string? present, string expected, string? why)
    {
        var chosen = SiteChoice.Choose(Both, addresses.Split(' '), forced, present);
        Assert.Equal((expected, why), (EnrolmentToken.Decode(chosen.Token).SiteCode, chosen.Why));
    }

    [Fact]
    public void One_token_is_taken_as_it_is_and_a_site_that_no_token_is_for_is_refused()
    {
        var one = Token("ABC");
        Assert.Equal(new ChosenSite(one, null), SiteChoice.Choose(one, [], null, null));
        // As a mail may have wrapped it.
        var wrapped = string.Join('\n', one.Chunk(40).Select(part => new string(part)));
        Assert.Equal("ABC", EnrolmentToken.Decode(SiteChoice.Choose(wrapped, [], null, null).Token).SiteCode);
        Assert.Equal("no_such_site", Assert.Throws<ClientException>(() => SiteChoice.Choose(Both, [], "DEF", null)).Code);
        Assert.Equal("bad_token", Assert.Throws<ClientException>(() => SiteChoice.Choose(Both + "capstan1.x.y", [], null, null)).Code);
    }

    [Fact]
    public async Task An_installation_records_why_it_chose()
    {
        await using var client = new ClientFixture(new MemoryStore(new ManualTime()));
        client.Options = new ClientOptions { Directory = client.Options.Directory, Site = "XYZ" };
        await client.InstallAsync(Both);
        var status = await client.StatusAsync();
        Assert.Equal(("XYZ", "forced: --site"), (status.SiteCode, status.Assignment));
    }

    [Fact]
    public void Near_are_the_CAPs_with_the_smallest_boundary_around_the_machine()
    {
        var list = new CapList
        {
            SiteCode = "ABC",
            Caps =
            [
                new CapEntry { Path = @"MSWNET:\\head\cap\", Boundaries = ["10.0.0.0/8"] },
                new CapEntry { Path = @"MSWNET:\\branch\cap\", Boundaries = ["10.1.7.0/24"] },
                new CapEntry { Path = @"MSWNET:\\branch2\cap\", Boundaries = ["10.1.9.0/24", "10.1.7.0-10.1.7.255"] },
                new CapEntry { Path = @"MSWNET:\\other\cap\" },
            ],
        };
        Assert.Equal([@"MSWNET:\\branch\cap\", @"MSWNET:\\branch2\cap\"], Near(list, "192.0.2.1", "10.1.7.5"));
        Assert.Equal([@"MSWNET:\\head\cap\"], Near(list, "10.1.8.5"));
        Assert.Empty(Near(list, "192.0.2.1"));
        Assert.Empty(Near(list));
        Assert.Empty(Near(null!, "10.1.7.5"));
    }

    [Fact]
    public async Task A_client_that_travels_keeps_its_site_and_takes_the_CAP_that_is_near()
    {
        var time = new ManualTime();
        await using var client = new ClientFixture(new MemoryStore(time), provider: "MSWNET");
        const string Far = @"MSWNET:\\far\cap\";
        client.Provider.Elsewhere[Far] = client.Site.Cap;
        client.Site.Describe(new CapEntry { Path = client.CapPath, Boundaries = ["10.1.0.0/16"] }, new CapEntry { Path = Far, Boundaries = ["10.2.0.0/16"] });
        var address = "10.1.0.5";
        client.Host = () => new HostFacts("host1", "Test OS 1", ["192.0.2.1", address]);
        await client.EnrolAsync();
        foreach (var (place, cap) in new[] { ("10.2.0.5", Far), ("10.1.0.5", client.CapPath), ("10.2.0.6", Far), ("10.1.0.6", client.CapPath) })
        {
            address = place;
            client.Provider.Paths.Clear();
            await client.StepAsync(2);
            await client.SettleAsync();
            Assert.All(client.Provider.Paths.TakeLast(1), path => Assert.Equal(cap, path));
            Assert.Equal("ABC", (await client.StatusAsync()).SiteCode);
        }
    }

    private static string[] Near(CapList list, params IReadOnlyList<string> addresses) => [.. CapExport.Near(list, addresses).Select(path => path.ToString())];

    private static string Token(string site, params IReadOnlyList<string> boundaries) => new EnrolmentToken
    {
        SiteCode = site,
        RootHash = new string('0', 64),
        RootVersion = 1,
        Caps = [NalPath.FromDirectory("/cap").ToString()],
        TokenId = site.ToLowerInvariant(),
        Secret = Convert.ToBase64String(new byte[32]).TrimEnd('=').Replace('+', '-').Replace('/', '_'),
        Boundaries = boundaries.Count == 0 ? null : boundaries,
    }.Encode();
}
