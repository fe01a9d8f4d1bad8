using Capstan.Protocol;
using Capstan.Protocol.V1;
using Capstan.Site;
using Capstan.Site.Api;
using Capstan.Site.Publish;
using Capstan.Site.Store;

namespace Capstan.Tests.Site;

/// <summary>Licensing and headroom of a CAP that is on the list already.</summary>
public sealed class CapTermsTests : ShareSiteTests
{
    [Fact]
    public async Task What_is_given_changes_and_is_said_and_reaches_clients()
    {
        await AddAsync(Own, Clients);
        var before = Server.Logons.Count(name => name == Clients.Name);
        var changed = await AddAsync(new CapAdd("", Licensing: "per-server:20", Headroom: 2));
        Assert.Equal(("per-server:20", 2), (changed.Cap.Licensing, changed.Cap.Headroom));
        Assert.Equal(["licensing per-server:20 (was unlimited)", "headroom 2 (was 0)"], changed.Changes!);
        Assert.Equal(before, Server.Logons.Count(name => name == Clients.Name));
        Assert.Equal(("per-server:20", 2), await PublishedAsync());

        Assert.Equal(["headroom 5 (was 2)", "account capclient-2 of the clients, tried first"], (await AddAsync(new CapAdd("", Headroom: 5, ClientAccount: NextClients))).Changes!);
        Assert.Equal(("per-server:20", 5), await PublishedAsync());
        Assert.Equal(["licensing unlimited (was per-server:20)", "headroom 0 (was 5)"], (await AddAsync(new CapAdd("", Licensing: Licensing.Unlimited))).Changes!);
        Assert.Equal((null, 0), await PublishedAsync());
    }

    [Fact]
    public async Task What_is_so_already_is_no_change_and_what_does_not_fit_changes_nothing()
    {
        Assert.Null((await AddAsync(new CapAdd("", Licensing: "per-server:20", Headroom: 2, Account: Own))).Changes);
        Assert.Equal("cap_exists", await RefusedAsync(new CapAdd("", Licensing: "per-server:20", Headroom: 2)));
        Assert.Equal("bad_licensing", await RefusedAsync(new CapAdd("", Licensing: "per-server:2")));
        Assert.Equal("bad_licensing", await RefusedAsync(new CapAdd("", Headroom: 20, ClientAccount: Clients)));
        Assert.Equal(("per-server:20", 2), await PublishedAsync());
        Assert.DoesNotContain(await Site.Get<AccountAdministration>().ListAsync(None), account => account.Role == AccountRole.Clients);
    }

    [Fact]
    public async Task Other_names_of_a_server_reach_clients_in_one_form_and_are_replaced_as_a_whole()
    {
        Assert.Equal(["192.0.2.10", "fs1.example.com"], (await AddAsync(new CapAdd("", Account: Own, Aliases: ["192.0.2.10", "FS1.Example.COM", "fs1.example.com"]))).Cap.Aliases!);
        Assert.Equal(["headroom 2 (was 0)", "licensing per-server:20 (was unlimited)"], (await AddAsync(new CapAdd("", Licensing: "per-server:20", Headroom: 2))).Changes!.Order(StringComparer.Ordinal));
        Assert.Equal(["192.0.2.10", "fs1.example.com"], (await PublishedEntryAsync()).Aliases);
        foreach (var bad in (string[])["fs1:445", "fs 1", "", @"fs1\cap", "a/b", new string('x', 256)])
            Assert.Equal("bad_alias", await RefusedAsync(new CapAdd("", Aliases: [bad])));
        Assert.Equal(["other names fd00::1 (was 192.0.2.10, fs1.example.com)"], (await AddAsync(new CapAdd("", Aliases: ["FD00::1"]))).Changes!);
        Assert.Null((await AddAsync(new CapAdd("", Aliases: []))).Cap.Aliases);
        Assert.Empty((await PublishedEntryAsync()).Aliases);
    }

    private async Task<string> RefusedAsync(CapAdd request) => (await Assert.ThrowsAsync<SiteException>(() => AddAsync(request))).Code;

    private async Task<(string?, int)> PublishedAsync()
    {
        var cap = await PublishedEntryAsync();
        return (cap.Licensing, cap.Headroom);
    }

    private async Task<CapEntry> PublishedEntryAsync()
    {
        var files = (await Site.Get<PublishStore>().CurrentAsync(null, None)).Files;
        var path = files.Select(file => file.Path).Single(file => file.EndsWith(Layout.CapListTarget.Split('/')[^1], StringComparison.Ordinal));
        return Assert.Single(Documents.CapList.Decode(await Site.Get<PublishStore>().ContentAsync(path, None)).Caps);
    }
}
