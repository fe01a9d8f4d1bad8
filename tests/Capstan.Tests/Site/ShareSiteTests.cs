using Capstan.Nal.Paths;
using Capstan.Nal.Providers;
using Capstan.Protocol;
using Capstan.Protocol.V1;
using Capstan.Site.Api;
using Capstan.Site.Publish;
using Capstan.Site.Store;
using Capstan.Testing;
using Capstan.Testing.Stores;

namespace Capstan.Tests.Site;

/// <summary>A site whose CAPs lie on servers in memory that know a few accounts; <see cref="Share"/> is added by each test as it needs it.</summary>
public abstract class ShareSiteTests : IAsyncLifetime
{
    private protected static readonly NalPath Share = NalPath.Parse("""MSWNET:["SMS_SITE=ABC"]\\fs1\cap\""");
    private protected static readonly CancellationToken None = CancellationToken.None;
    private protected static readonly CapAccount Own = new("capsite-1", "pw of the site 1"), NextOwn = new("capsite-2", "pw of the site 2");
    private protected static readonly CapAccount Clients = new("capclient-1", "pw of clients 1"), NextClients = new("capclient-2", "another");

    private readonly FaultyStorage _storage;
    private SiteHarness? _site;

    protected ShareSiteTests()
    {
        _storage = new FaultyStorage(Time);
        Server = new MemoryProvider("MSWNET", Time)
        {
            Passwords = new[] { Own, NextOwn, Clients, NextClients }.ToDictionary(account => account.Name, account => account.Password),
        };
    }

    private protected ManualTime Time { get; } = new();

    private protected MemoryProvider Server { get; }

    private protected SiteHarness Site => _site!;

    /// <summary>What the share does wrong; it must have been opened before.</summary>
    private protected FaultStore Faults => _storage[Share];

    public async ValueTask InitializeAsync() => _site = await SiteHarness.CreateAsync(Time, wrap: _ => _storage.Wrap(Server));

    public async ValueTask DisposeAsync()
    {
        await Site.DisposeAsync();
        Assert.Equal(0, Server.OpenConnections);
        GC.SuppressFinalize(this);
    }

    private protected Task<CapAdded> AddAsync(CapAccount? own, CapAccount? clients, NalPath? path = null) => AddAsync(new CapAdd("", Account: own, ClientAccount: clients), path);

    private protected Task<CapAdded> AddAsync(CapAdd request, NalPath? path = null) =>
        Site.Get<CapAdministration>().AddAsync(path ?? Share, request with { Path = (path ?? Share).ToString() }, None);

    /// <summary>Puts an account into the store that this site's key does not open.</summary>
    private protected Task AddUnreadableAsync(string role, string name) => Site.Context.Database.WriteAsync(async transaction =>
    {
        var sealedElsewhere = PolicySecretsCodec.Seal(new PolicySecrets { Accounts = [new AccountSecret(name, "x")] }, FixedKeys.SiteSealing.Public);
        await AccountStore.AddAsync(transaction, new AccountRow(Share.ToString(), role, name, sealedElsewhere, Site.Context.NowMilliseconds));
        await AccountAdministration.ChangedAsync(transaction, Time.GetUtcNow());
    }, None);

    private protected async Task<IReadOnlyList<string>> AccountsOfAsync(FakeDevice device) => [.. device.Open((await PolicyAsync(device)).Secrets!).Accounts.Select(account => account.Name)];

    private protected async Task EnrolAsync(FakeDevice device)
    {
        var (path, content, _) = device.Next(device.Request(await Site.TokenAsync()));
        await Server.StoreOf(Share).CreateAsync(StorePath.Parse(path), new MemoryStream(content), None);
        // A remote inbox has its own interval.
        Time.Advance(TimeSpan.FromMinutes(2));
        await Site.DrainAsync();
        Time.Advance(TimeSpan.FromSeconds(3));
        await Site.PublishAsync();
    }

    private protected async Task<Policy> PolicyAsync(FakeDevice device)
    {
        var files = (await Site.Get<PublishStore>().CurrentAsync(null, None)).Files;
        var name = Layout.PolicyTarget(device.Id).Split('/')[^1];
        var path = files.Select(file => file.Path).Single(file => file.EndsWith(name, StringComparison.Ordinal));
        return Documents.Policy.Decode(await Site.Get<PublishStore>().ContentAsync(path, None));
    }
}
