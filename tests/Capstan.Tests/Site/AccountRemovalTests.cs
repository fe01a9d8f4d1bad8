using Capstan.Nal.Paths;
using Capstan.Site;
using Capstan.Site.Api;
using Capstan.Site.Publish;
using Capstan.Site.Store;

namespace Capstan.Tests.Site;

/// <summary>Taking a connection account away: who goes on with what, what is refused, and what is written down.</summary>
public sealed class AccountRemovalTests : ShareSiteTests
{
    [Fact]
    public async Task Clients_get_the_remaining_account_and_it_is_said_who_may_know_the_old_one_alone()
    {
        await AddAsync(Own, Clients);
        using FakeDevice awake = new(Site.Context, "awake"), deaf = new(Site.Context, "deaf"), asleep = new(Site.Context, "asleep");
        foreach (var device in (FakeDevice[])[asleep, deaf, awake])
        {
            await EnrolAsync(device);
            await DropAsync(device, device.Heartbeat(accounts: await RevisionAsync(device)));
        }
        Assert.Equal((3, 3), Assert.Single(await RowsAsync(), row => row.Name == Clients.Name) is var first ? (first.Confirmed, first.Clients) : default);
        var old = await RevisionAsync(deaf);
        Time.Advance(TimeSpan.FromDays(1));
        await AddAsync(null, NextClients);
        Time.Advance(TimeSpan.FromDays(1));
        // It reports, and its policy has not come to it: a torn CAP, a clock that is wrong.
        await DropAsync(deaf, deaf.Heartbeat(accounts: old));
        await DropAsync(awake, awake.Heartbeat(accounts: await RevisionAsync(awake)));
        Assert.Equal([(NextClients.Name, 1, 3), (Clients.Name, 3, 3), (Own.Name, null, null)], (await RowsAsync()).Select(row => (row.Name, row.Confirmed, row.Clients)));

        var removed = await RemoveAsync(Clients.Name.ToUpperInvariant());
        Assert.Equal((Clients.Name, AccountRole.Clients, 2), (removed.Name, removed.Role, removed.ClientsUnheard));
        Assert.Equal([NextClients.Name], removed.Remaining);
        Assert.Contains(removed.Notes, note => note.StartsWith("2 of 3 clients have not confirmed capclient-2, ", StringComparison.Ordinal)
            && note.Contains($": asleep ({asleep.Id.Fingerprint}), deaf ({deaf.Id.Fingerprint}). ", StringComparison.Ordinal) && note.Contains("install --token-file", StringComparison.Ordinal));
        await Site.PublishAsync();
        Assert.Equal([NextClients.Name], await AccountsOfAsync(asleep));
        Assert.Equal([NextClients.Name], (await Site.TokenAsync()).Accounts!.Select(account => account.Name));
        Assert.Equal(["account_removed", "account_added"], (await Site.Get<StatusStore>().ListAsync(null, null, null, 10, None)).Where(row => row.Component == "caps").Take(2).Select(row => row.Code));
    }

    [Fact]
    public async Task Retiring_a_client_names_the_accounts_that_its_disk_may_give_away()
    {
        await AddAsync(Own, Clients);
        using FakeDevice device = new(Site.Context);
        await EnrolAsync(device);
        Assert.True(await Site.Get<Capstan.Site.Load.Enrolment>().RetireAsync(device.Id.Value, None));
        var told = (await Site.Get<StatusStore>().ListAsync(null, null, null, 10, None)).Single(row => row.Code == "client_retired");
        Assert.Contains($"the connection account {Clients.Name}:", told.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Whoever_has_confirmed_an_account_that_remains_is_no_worry()
    {
        await AddAsync(Own, Clients);
        using FakeDevice device = new(Site.Context);
        await EnrolAsync(device);
        Time.Advance(TimeSpan.FromDays(1));
        await AddAsync(null, NextClients);
        Time.Advance(TimeSpan.FromDays(1));
        await DropAsync(device, device.Heartbeat(accounts: await RevisionAsync(device)));
        Assert.Contains("All 1 clients have confirmed that they have another account than capclient-1.", (await RemoveAsync(Clients.Name)).Notes);
        // The site was restored from a backup of before: its next revision is above what the device remembers.
        var confirmed = await RevisionAsync(device);
        await Site.Context.Database.WriteAsync(transaction => SettingStore.SetAsync(transaction, SettingStore.AccountsRevision, "1"), None);
        Time.Advance(TimeSpan.FromDays(1));
        await AddAsync(null, Clients);
        Assert.True(await RevisionAsync(device) > confirmed);
        Assert.Equal(0, Assert.Single(await RowsAsync(), row => row.Name == Clients.Name).Confirmed);
    }

    [Fact]
    public void An_account_that_clients_were_never_given_reassures_nobody()
    {
        AccountRow old = new("c", AccountRole.Clients, "old", "", 1_000, 5), leftOut = old with { Name = "left-out", Revision = 3 }, given = old with { Name = "given", AddedAt = 2_000, Revision = 9 };
        var removal = new AccountRemoval(old, [leftOut, given], [], IsUsedByClients: true) { Given = [given] };
        Assert.Equal((9, DateTimeOffset.UnixEpoch.AddSeconds(2)), (removal.KnownRevision, removal.KnownSince));
        removal = removal with { Given = [] };
        Assert.Equal(long.MaxValue, removal.KnownRevision);
        Assert.Contains(removal.Tell(new UnconfirmedDevices(1, 1, [("pc1", "x")])).Notes, note => note.Contains("which no client has been given yet", StringComparison.Ordinal));
    }

    [Fact]
    public async Task The_last_account_of_either_stays_until_there_is_another()
    {
        await AddAsync(Own, Clients);
        Assert.Contains("the last account with which the site opens", (await RefusedAsync("account_last", Own.Name)).Message, StringComparison.Ordinal);
        Assert.Contains("they would get the site's", (await RefusedAsync("account_last", Clients.Name)).Message, StringComparison.Ordinal);
        // Nobody could use the one that would remain.
        await AddUnreadableAsync(AccountRole.Site, "capsite-0");
        await RefusedAsync("account_last", Own.Name);
        await RemoveAsync("capsite-0");
        Assert.Equal(2, (await Site.Get<AccountAdministration>().ListAsync(None)).Count);
    }

    [Fact]
    public async Task An_account_of_the_site_that_clients_do_not_use_changes_nothing_for_them()
    {
        await AddAsync(Own, Clients);
        Time.Advance(TimeSpan.FromSeconds(1));
        await AddAsync(NextOwn, null);
        var removed = await RemoveAsync(Own.Name);
        Assert.Null(removed.ClientsUnheard);
        Assert.Contains(removed.Notes, note => note.Contains("stay as they are", StringComparison.Ordinal));
        var before = Server.Logons.Count;
        await Site.Get<Publisher>().PublishNowAsync(None);
        Assert.Equal([NextOwn.Name], Server.Logons.Skip(before).Distinct());
    }

    [Fact]
    public async Task A_name_that_is_not_there_or_means_two_is_refused_and_another_cap_with_it_is_named()
    {
        var second = NalPath.Parse("""MSWNET:["SMS_SITE=ABC"]\\fs1\second\""");
        await AddAsync(Own, Own);
        Time.Advance(TimeSpan.FromSeconds(1));
        await AddAsync(NextOwn, NextClients);
        await AddAsync(Own, null, second);
        await RefusedAsync("account_unknown", "nobody");
        Assert.Contains("--role", (await RefusedAsync("account_ambiguous", Own.Name)).Message, StringComparison.Ordinal);
        var removed = await RemoveAsync(Own.Name, AccountRole.Clients);
        Assert.Equal([NextClients.Name], removed.Remaining);
        Assert.Contains(removed.Notes, note => note.Contains(second.ToString(), StringComparison.Ordinal));
    }

    private Task<CapAccountRemoved> RemoveAsync(string name, string? role = null) => Site.Get<AccountAdministration>().RemoveAsync(Share, name, role, None);

    private async Task<SiteException> RefusedAsync(string code, string name)
    {
        var refused = await Assert.ThrowsAsync<SiteException>(() => RemoveAsync(name));
        Assert.Equal(code, refused.Code);
        return refused;
    }

    private async Task<long> RevisionAsync(FakeDevice device)
    {
        Time.Advance(TimeSpan.FromMinutes(2));
        await Site.PublishAsync();
        return device.Open((await PolicyAsync(device)).Secrets!).Revision!.Value;
    }

    private Task<IReadOnlyList<CapAccountRow>> RowsAsync() => Site.Get<AccountAdministration>().ListAsync(None);

    private async Task DropAsync(FakeDevice device, Capstan.Protocol.V1.UploadItem item)
    {
        var (path, content, _) = device.Next(item);
        await Server.StoreOf(Share).CreateAsync(Capstan.Nal.Providers.StorePath.Parse(path), new MemoryStream(content), None);
        // A remote inbox has its own interval.
        Time.Advance(TimeSpan.FromMinutes(2));
        await Site.DrainAsync();
    }
}
