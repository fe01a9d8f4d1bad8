using System.Text;
using Capstan.Protocol.V1;
using Capstan.Site;
using Capstan.Site.Api;
using Capstan.Site.Publish;
using Capstan.Site.Store;

namespace Capstan.Tests.Site;

/// <summary>Connection accounts at the site: who uses which, where they are kept, and how they reach the clients.</summary>
public sealed class AccountTests : ShareSiteTests
{
    [Fact]
    public async Task The_site_uses_its_own_account_and_hands_out_the_clients_one()
    {
        var added = await AddAsync(Own, Clients);
        Assert.Equal("ok", added.Cap.State);
        Assert.Equal((Own.Name, Clients.Name), (Assert.Single(added.Cap.Accounts!), Assert.Single(added.Cap.ClientAccounts!)));
        // The clients' is tried once, so that a wrong password is found now; all work is the site's.
        Assert.Single(Server.Logons, name => name == Clients.Name);
        Assert.Equal([new AccountSecret(Clients.Name, Clients.Password, "fs1:445")], (await Site.TokenAsync()).Accounts);
        Assert.DoesNotContain("{ Name = capsite-1, Password = pw", new CapAdd("x", Account: Own).ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_an_account_of_their_own_clients_get_the_sites_and_the_recipe_says_what_that_means()
    {
        var added = await AddAsync(Own, null);
        Assert.Equal(added.Cap.Accounts, added.Cap.ClientAccounts);
        Assert.Equal(Own.Name, Assert.Single((await Site.TokenAsync()).Accounts!).Name);
        Assert.Contains(added.Recipe, line => line.Contains("--client-account", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Passwords_lie_sealed_in_the_database()
    {
        await AddAsync(Own, Clients);
        await Site.Context.Database.WriteAsync(static _ => Task.CompletedTask, None);
        foreach (var file in Directory.EnumerateFiles(Site.Context.Directory.Root, "site.db*"))
        {
            var text = Encoding.Latin1.GetString(await File.ReadAllBytesAsync(file, None));
            Assert.DoesNotContain(Own.Password, text, StringComparison.Ordinal);
            Assert.DoesNotContain(Clients.Password, text, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_wrong_password_of_either_account_is_refused_before_anything_changes()
    {
        foreach (var (own, clients) in new[] { (Own with { Password = "typo" }, Clients), (Own, Clients with { Password = "typo" }) })
        {
            var refused = await Assert.ThrowsAsync<SiteException>(() => AddAsync(own, clients));
            Assert.Equal("cap_unusable", refused.Code);
            Assert.Contains("wrong password", refused.Message, StringComparison.Ordinal);
            Assert.DoesNotContain("typo", refused.ToString(), StringComparison.Ordinal);
        }
        Assert.Empty(await Site.Get<CapStore>().ListAsync(None));
        Assert.Empty(await Site.Get<AccountStore>().ListAsync(None));
    }

    [Fact]
    public async Task Another_account_is_tried_first_and_no_password_changes_under_its_name()
    {
        await AddAsync(Own, Clients);
        Time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal("account_exists", (await Assert.ThrowsAsync<SiteException>(() => AddAsync(null, Clients with { Name = "CAPCLIENT-1" }))).Code);
        Assert.Equal("cap_exists", (await Assert.ThrowsAsync<SiteException>(() => AddAsync(new CapAdd("")))).Code);
        var added = await AddAsync(null, new CapAccount("capclient-2", "another"));
        Assert.Equal(["capclient-2", "capclient-1"], added.Cap.ClientAccounts!);
        Assert.Equal(["capclient-2", "capclient-1"], (await Site.TokenAsync()).Accounts!.Select(account => account.Name));
    }

    [Fact]
    public async Task Policies_bring_the_accounts_sealed_to_each_device_and_change_with_them()
    {
        await AddAsync(Own, Clients);
        using var device = new FakeDevice(Site.Context);
        await EnrolAsync(device);
        Assert.Equal([Clients.Name], await AccountsOfAsync(device));
        Time.Advance(TimeSpan.FromMinutes(2));
        await AddAsync(null, new CapAccount("capclient-2", "another"));
        Assert.Equal(["capclient-2", "capclient-1"], await AccountsOfAsync(device));

        Time.Advance(TimeSpan.FromMinutes(2));
        await Site.Get<CapAdministration>().RemoveAsync(Share, None);
        await Site.PublishAsync();
        Assert.Empty(await Site.Get<AccountStore>().ListAsync(None));
        var published = await PolicyAsync(device);
        Assert.Empty(device.Open(published.Secrets!).Accounts);
    }
}
