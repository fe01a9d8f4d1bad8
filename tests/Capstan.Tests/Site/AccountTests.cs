using System.Text;
using Capstan.Nal.Paths;
using Capstan.Protocol;
using Capstan.Protocol.V1;
using Capstan.Site;
using Capstan.Site.Api;
using Capstan.Site.Publish;
using Capstan.Site.Store;
using Capstan.Testing;
using Capstan.Testing.Stores;

namespace Capstan.Tests.Site;

/// <summary>Connection accounts at the site: who uses which, where they are kept, and how they reach the clients.</summary>
public sealed class AccountTests : IAsyncLifetime
{
    private static readonly NalPath Share = NalPath.Parse("""MSWNET:["SMS_SITE=ABC"]\\fs1\cap\""");
    private static readonly CancellationToken None = CancellationToken.None;
    private static readonly CapAccount Own = new("capsite-1", "pw of the site 1"), Clients = new("capclient-1", "pw of clients 1");

    private readonly ManualTime _time = new();
    private readonly MemoryProvider _server;
    private SiteHarness? _site;

    public AccountTests() => _server = new MemoryProvider("MSWNET", _time)
    {
        Passwords = new Dictionary<string, string>
        {
            ["capsite-1"] = "pw of the site 1",
            ["capclient-1"] = "pw of clients 1",
            ["capclient-2"] = "another",
        },
    };

    private SiteHarness Site => _site!;

    public async ValueTask InitializeAsync() => _site = await SiteHarness.CreateAsync(_time, wrap: _ => _server);

    public async ValueTask DisposeAsync()
    {
        await Site.DisposeAsync();
        Assert.Equal(0, _server.OpenConnections);
    }

    [Fact]
    public async Task The_site_uses_its_own_account_and_hands_out_the_clients_one()
    {
        var added = await AddAsync(Own, Clients);
        Assert.Equal("ok", added.Cap.State);
        Assert.Equal((Own.Name, Clients.Name), (Assert.Single(added.Cap.Accounts!), Assert.Single(added.Cap.ClientAccounts!)));
        // The clients' is tried once, so that a wrong password is found now; all work is the site's.
        Assert.Single(_server.Logons, name => name == Clients.Name);
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
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal("account_exists", (await Assert.ThrowsAsync<SiteException>(() => AddAsync(null, Clients with { Name = "CAPCLIENT-1" }))).Code);
        Assert.Equal("cap_exists", (await Assert.ThrowsAsync<SiteException>(() => AddAsync(null, null))).Code);
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
        _time.Advance(TimeSpan.FromMinutes(2));
        await AddAsync(null, new CapAccount("capclient-2", "another"));
        Assert.Equal(["capclient-2", "capclient-1"], await AccountsOfAsync(device));

        _time.Advance(TimeSpan.FromMinutes(2));
        await Site.Get<CapAdministration>().RemoveAsync(Share, None);
        await Site.PublishAsync();
        Assert.Empty(await Site.Get<AccountStore>().ListAsync(None));
        var published = await PolicyAsync(device);
        Assert.Empty(device.Open(published.Secrets!).Accounts);
    }

    [Fact]
    public async Task A_check_logs_on_as_the_clients_and_names_each_right_that_is_too_wide()
    {
        await AddAsync(Own, Clients);
        var before = _server.Logons.Count;
        var check = await Site.Get<CapChecker>().CheckAsync(Share, None);
        Assert.Equal([Clients.Name], _server.Logons.Skip(before));
        Assert.False(check.Ok);
        Assert.Equal(["list inbox", "rename in inbox", "delete in inbox", "write metadata"], check.Lines.Where(line => line.State == "failed").Select(line => line.Name));
        Assert.All(check.Lines.Where(line => line.State == "failed"), line => Assert.Contains("The right of capclient-1", line.Detail, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Keys_of_another_backup_are_the_cause_of_one_caps_failure()
    {
        await AddAsync(Own, Clients);
        var store = Site.Get<CapStore>();
        await Site.Context.Database.WriteAsync(async transaction =>
        {
            await AccountStore.RemoveAsync(transaction, Share.ToString());
            var sealedElsewhere = PolicySecretsCodec.Seal(new PolicySecrets { Accounts = [new AccountSecret(Own.Name, "x")] }, FixedKeys.SiteSealing.Public);
            await AccountStore.AddAsync(transaction, new AccountRow(Share.ToString(), AccountRole.Site, Own.Name, sealedElsewhere), _time.GetUtcNow());
        }, None);
        await Site.Get<Publisher>().PublishNowAsync(None);
        var cap = Assert.Single(await store.ListAsync(None));
        Assert.Equal("Authenticate", cap.ErrorCode);
        Assert.Contains("database and keys come from different backups", cap.LastError, StringComparison.Ordinal);
    }

    private Task<CapAdded> AddAsync(CapAccount? own, CapAccount? clients) =>
        Site.Get<CapAdministration>().AddAsync(Share, new CapAdd(Share.ToString(), Account: own, ClientAccount: clients), None);

    private async Task EnrolAsync(FakeDevice device)
    {
        var (path, content, _) = device.Next(device.Request(await Site.TokenAsync()));
        await _server.StoreOf(Share).CreateAsync(Capstan.Nal.Providers.StorePath.Parse(path), new MemoryStream(content), None);
        await Site.DrainAsync();
        _time.Advance(TimeSpan.FromSeconds(3));
        await Site.PublishAsync();
    }

    private async Task<IReadOnlyList<string>> AccountsOfAsync(FakeDevice device) => [.. device.Open((await PolicyAsync(device)).Secrets!).Accounts.Select(account => account.Name)];

    private async Task<Policy> PolicyAsync(FakeDevice device)
    {
        var files = (await Site.Get<PublishStore>().CurrentAsync(null, None)).Files;
        var name = Layout.PolicyTarget(device.Id).Split('/')[^1];
        var path = files.Select(file => file.Path).Single(file => file.EndsWith(name, StringComparison.Ordinal));
        return Documents.Policy.Decode(await Site.Get<PublishStore>().ContentAsync(path, None));
    }
}
