using Capstan.Nal;
using Capstan.Protocol;
using Capstan.Site.Api;
using Capstan.Site.Publish;
using Capstan.Site.Store;
using Capstan.Testing.Stores;

namespace Capstan.Tests.Site;

/// <summary><c>cap check</c> on a share: it speaks of the account that was really used.</summary>
public sealed class CapCheckTests : ShareSiteTests
{
    [Fact]
    public async Task A_check_logs_on_as_the_clients_and_names_each_right_that_is_too_wide()
    {
        await AddAsync(Own, Clients);
        var before = Server.Logons.Count;
        var check = await CheckAsync();
        Assert.Equal([Clients.Name], Server.Logons.Skip(before));
        Assert.False(check.Ok);
        Assert.Equal(["list inbox", "rename in inbox", "delete in inbox", "write metadata"], check.Lines.Where(line => line.State == "failed").Select(line => line.Name));
        Assert.All(check.Lines.Where(line => line.State == "failed"), line => Assert.Contains("The right of capclient-1", line.Detail, StringComparison.Ordinal));
    }

    [Fact]
    public async Task The_account_that_opened_the_share_is_named_and_the_one_that_was_refused()
    {
        await AddAsync(Own, Clients);
        Time.Advance(TimeSpan.FromSeconds(1));
        await AddAsync(null, NextClients);
        Server.Passwords = new Dictionary<string, string>(Server.Passwords!) { [NextClients.Name] = "changed there" };
        var lines = (await CheckAsync()).Lines;
        Assert.Equal("warning", lines[0].State);
        Assert.Contains("reached as capclient-1; capclient-2, tried first, was refused", lines[0].Detail, StringComparison.Ordinal);
        Assert.All(lines.Where(line => line.State == "failed"), line => Assert.Contains("The right of capclient-1", line.Detail, StringComparison.Ordinal));
    }

    [Fact]
    public async Task One_account_for_the_site_and_its_clients_is_a_warning_that_stays()
    {
        await AddAsync(Own, null);
        var check = await CheckAsync();
        Assert.True(check.Ok);
        var warning = Assert.Single(check.Lines, line => line.State == "warning");
        Assert.StartsWith("The site and its clients share one account: capsite-1.", warning.Detail, StringComparison.Ordinal);
        Assert.Contains("--client-account", warning.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Clients_who_are_let_in_with_the_sites_account_alone_are_told_of_it()
    {
        await AddAsync(Own, Clients);
        Time.Advance(TimeSpan.FromSeconds(1));
        await AddAsync(null, Own);
        Assert.Contains((await CheckAsync()).Lines, line => line.Name == "accounts" && line.State == "warning");
    }

    [Fact]
    public async Task Folders_that_clients_may_not_look_at_are_not_said_to_be_missing()
    {
        await AddAsync(Own, Clients);
        foreach (var directory in (string[])[Layout.InboxDirectory("00"), Layout.Metadata])
            Faults.Add(new StoreFault(StoreOperations.Stat, NalError.AccessDenied) { PathPrefix = directory });
        var lines = (await CheckAsync()).Lines;
        Assert.DoesNotContain(lines, line => line.Detail.StartsWith("The folder is not there", StringComparison.Ordinal));
        Assert.Contains(lines, line => line.Name == "create in inbox" && line.State == "ok");
    }

    [Fact]
    public async Task Accounts_that_cannot_be_opened_fail_the_check_and_nothing_else()
    {
        await AddAsync(Own, Clients);
        await Site.Context.Database.WriteAsync(transaction => AccountStore.RemoveAllAsync(transaction, Share.ToString()), None);
        await AddUnreadableAsync(AccountRole.Clients, Clients.Name);
        var line = Assert.Single((await CheckAsync()).Lines);
        Assert.Equal(("open", "failed"), (line.Name, line.State));
        Assert.Contains("cannot be opened", line.Detail, StringComparison.Ordinal);
    }

    private Task<CapCheck> CheckAsync() => Site.Get<CapChecker>().CheckAsync(Share, None);
}
