using Capstan.Site.Publish;
using Capstan.Site.Store;

namespace Capstan.Tests.Site;

public sealed class SiteTermsTests
{
    [Theory]
    [InlineData("per-seat:10", "per-seat:20", 60)]
    [InlineData("per-seat:10", "per-server:20", 0)] // The strictest of one server.
    [InlineData("per-seat:10", null, 0)]
    [InlineData(null, null, 0)]
    public void The_site_lingers_where_devices_are_counted_alone(string? first, string? second, int seconds) =>
        Assert.Equal(TimeSpan.FromSeconds(seconds), SiteTerms.Of("fs1:445", [Cap(@"MSWNET:\\fs1\a\", first), Cap(@"MSWNET:\\fs1\b\", second), Cap(@"MSWNET:\\fs2\c\", "per-server:1")]).Linger);

    [Fact]
    public void The_sites_own_connections_take_one_server_for_one_whatever_it_is_called()
    {
        var terms = SiteTerms.Of("fs1:445", [Cap(@"MSWNET:\\fs1\a\", null, "fs1.example.com", "fd00::1"), Cap(@"MSWNET:\\fs1\b\", null, "fs1.example.com"), Cap(@"LOCAL:\\srv\cap\", null)]);
        Assert.Equal(["fs1.example.com:445", "[fd00::1]:445"], terms.Aliases);
        Assert.Empty(SiteTerms.Of("fs9:445", [Cap(@"MSWNET:\\fs1\a\", null, "fs1.example.com")]).Aliases);
    }

    private static CapState Cap(string path, string? licensing, params string[] aliases) => new(path, licensing, 0, null, 0, null, 0, 0, null, null, null, null)
    {
        AliasNames = System.Text.Json.JsonSerializer.Serialize(aliases),
    };
}
