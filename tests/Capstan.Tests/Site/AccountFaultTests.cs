using Capstan.Nal.Paths;
using Capstan.Protocol.V1;
using Capstan.Site.Api;
using Capstan.Site.Publish;
using Capstan.Site.Store;
using Capstan.Testing;

namespace Capstan.Tests.Site;

/// <summary>One bad account, or too many of them, stops neither publishing nor enrolment, takes nothing away from clients, and is shown.</summary>
public sealed class AccountFaultTests : ShareSiteTests
{
    private static readonly NalPath Other = NalPath.Parse("""MSWNET:["SMS_SITE=ABC"]\\fs2\cap\""");

    [Fact]
    public async Task Keys_of_another_backup_are_the_cause_of_one_caps_failure()
    {
        await AddAsync(Own, Clients);
        await Site.Context.Database.WriteAsync(transaction => AccountStore.RemoveAllAsync(transaction, Share.ToString()), None);
        await AddUnreadableAsync(AccountRole.Site, Own.Name);
        await Site.Get<Publisher>().PublishNowAsync(None);
        var cap = Assert.Single(await Site.Get<CapStore>().ListAsync(None));
        Assert.Equal("Authenticate", cap.ErrorCode);
        Assert.Contains("database and keys come from different backups", cap.LastError, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_account_that_cannot_be_opened_is_left_out_and_the_others_go_on()
    {
        await AddAsync(Own, Clients);
        using var device = new FakeDevice(Site.Context);
        await EnrolAsync(device);
        Time.Advance(TimeSpan.FromMinutes(2));
        await AddUnreadableAsync(AccountRole.Site, "capsite-0");
        await AddUnreadableAsync(AccountRole.Clients, "capclient-0");
        await Site.Get<Publisher>().PublishNowAsync(None);

        Assert.Equal([Clients.Name], await AccountsOfAsync(device));
        Assert.Equal([Clients.Name], (await Site.TokenAsync()).Accounts!.Select(account => account.Name));
        Assert.Equal("ok", Assert.Single(await Site.Get<CapStore>().ListAsync(None)).ToRow().State);
        var condition = await Site.OnlyConditionAsync();
        Assert.Equal(("account_unreadable", "error"), (condition.Code, condition.Severity));
        Assert.Contains("capclient-0 (of the clients), capsite-0 (of the site)", condition.Text, StringComparison.Ordinal);
        Assert.Contains("cap account remove", condition.NextStep, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Clients_keep_their_account_while_the_site_cannot_open_it()
    {
        await AddAsync(Own, Clients);
        using var device = new FakeDevice(Site.Context);
        await EnrolAsync(device);
        var readable = (await Site.Get<SiteAccounts>().ListAsync(None)).Single(account => account.Row.Role == AccountRole.Clients).Row;
        await Site.Context.Database.WriteAsync(transaction => AccountStore.RemoveAsync(transaction, readable), None);
        await AddUnreadableAsync(AccountRole.Clients, Clients.Name);
        Time.Advance(TimeSpan.FromMinutes(2));
        await Site.Get<Publisher>().PublishNowAsync(None);
        // A list without it would be an order to forget it; and the site's, with more rights, is not for them.
        Assert.Null((await PolicyAsync(device)).Secrets);
        Assert.Null((await Site.TokenAsync()).Accounts);
        Assert.Contains("Clients keep the accounts that they have", (await Site.OnlyConditionAsync()).Text, StringComparison.Ordinal);

        // Given again, it takes the place of the one that cannot be opened, and policies tell it again.
        Assert.Equal([Clients.Name], (await AddAsync(null, Clients)).Cap.ClientAccounts!);
        Assert.Equal([Clients.Name], await AccountsOfAsync(device));
        Assert.DoesNotContain(await Site.ConditionsAsync(), condition => condition.Code == "account_unreadable");
    }

    [Fact]
    public async Task Policies_tell_accounts_again_as_soon_as_the_right_key_is_back()
    {
        await AddAsync(Own, Clients);
        using var device = new FakeDevice(Site.Context);
        await EnrolAsync(device);
        // Signed with the wrong key in place, the policy says nothing; the row itself is good.
        await Site.Context.Database.WriteAsync(transaction => SettingStore.SetAsync(transaction, SettingStore.AccountsWithheld, "1"), None);
        var before = await Site.VersionAsync();
        Time.Advance(TimeSpan.FromMinutes(2));
        await Site.Get<Publisher>().PublishNowAsync(None);
        Assert.True(await Site.VersionAsync() > before);
        var after = await Site.VersionAsync();
        Time.Advance(TimeSpan.FromMinutes(2));
        await Site.Get<Publisher>().PublishNowAsync(None);
        Assert.Equal(after, await Site.VersionAsync());
    }

    [Fact]
    public async Task More_accounts_than_clients_can_be_given_stop_nothing()
    {
        await AddAsync(Own, Clients);
        using var device = new FakeDevice(Site.Context);
        await EnrolAsync(device);
        Server.Passwords = null;
        for (var number = 0; number < 70; number++)
        {
            Time.Advance(TimeSpan.FromSeconds(1));
            await Site.Context.Database.WriteAsync(async transaction =>
            {
                await Site.Get<AccountAdministration>().AddAsync(transaction, Share.ToString(), AccountRole.Clients, new($"more-{number}", new("pw")), 1);
                await AccountAdministration.ChangedAsync(transaction, default);
            }, None);
        }
        await AddAsync(Own, Clients with { Name = "capclient-of-fs2" }, Other);

        var given = await AccountsOfAsync(device);
        Assert.Equal(given, (await Site.TokenAsync()).Accounts!.Select(account => account.Name));
        Assert.Equal(AccountSecret.MaxAccounts, given.Count);
        // The newest of every CAP is among them; the oldest of the one with many are not.
        Assert.Contains("capclient-of-fs2", given);
        Assert.Equal("more-69", given[0]);
        Assert.DoesNotContain("more-0", given);
        var condition = await Site.OnlyConditionAsync();
        Assert.Equal(("accounts_left_out", "warning"), (condition.Code, condition.Severity));
        Assert.Equal(8, (await Site.Get<AccountAdministration>().ListAsync(None)).Count(account => account.State == CapAccountRow.LeftOut));
    }

    [Fact]
    public async Task More_access_points_than_a_token_holds_stop_no_token()
    {
        for (var number = 0; number < EnrolmentToken.MaxCaps + 6; number++)
        {
            await Site.Context.Database.WriteAsync(transaction => CapStore.AddAsync(transaction, $"""MSWNET:["SMS_SITE=ABC"]\\fs{number}\cap\""", null, 0, Time.GetUtcNow()), None);
            Time.Advance(TimeSpan.FromSeconds(1));
        }
        var caps = (await Site.TokenAsync()).Caps;
        Assert.Equal(EnrolmentToken.MaxCaps, caps.Count);
        Assert.Contains("fs0", caps[0], StringComparison.Ordinal);
    }
}
