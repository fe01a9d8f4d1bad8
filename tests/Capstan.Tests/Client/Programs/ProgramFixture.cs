using Capstan.Client;
using Capstan.Client.Content;
using Capstan.Client.Programs;
using Capstan.Client.Programs.Gate;
using Capstan.Protocol;
using Capstan.Protocol.V1;
using Capstan.Testing;
using Capstan.Testing.Stores;
using Capstan.Tests.Client.Programs.Gate;
using Capstan.Tests.Golden;

namespace Capstan.Tests.Client.Programs;

/// <summary>An approved client with a site that offers programs, folders as their content, and the real executable as its gate.</summary>
internal sealed class ProgramFixture : IAsyncDisposable
{
    public static readonly PackageKey One = new("pppppppp", 1);

    private readonly string _root = Directory.CreateTempSubdirectory("capstan-programs-").FullName;

    private readonly Dictionary<string, Advertisement> _offers = [];

    private ProgramFixture(string provider)
    {
        Fixture = new ClientFixture(new MemoryStore(TimeProvider.System), provider: provider);
        Content = new FolderContent(_root);
        Fixture.Content = Content;
        Fixture.Programs = Machine;
    }

    public ClientFixture Fixture { get; }
    public FolderContent Content { get; }
    public List<string> Users { get; } = [];
    /// <summary>Where they are logged on.</summary>
    public List<LoggedOnUser> Sessions { get; } = [];
    public int Restarts { get; private set; }
    public string Root => _root;

    private ProgramMachine Machine => new(new GateStarter([GateFixture.Agent, ProgramGate.Verb], systemdRun: null), ProcessTable.OfThisMachine, 1L << 40, () => Users, _ => 1L << 40, _ =>
    {
        Restarts++;
        return Task.FromResult<string?>(null);
    })
    { Check = TimeSpan.FromMilliseconds(200), Terminals = new UserTerminals(() => Sessions, Fixture.Time) };

    public ProgramLoop Loop => Fixture.Client!.Programs!;

    public ProgramLedger Ledger => Fixture.Client!.Core.Programs;

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    /// <param name="provider">Of its CAP, as of <see cref="ClientFixture"/>.</param>
    public static async Task<ProgramFixture> StartAsync(string provider = "LOCAL")
    {
        var fixture = new ProgramFixture(provider);
        await fixture.Fixture.EnrolAsync();
        return fixture;
    }

    public void Script(string name, string text, PackageKey? package = null) => Content.Script(package ?? One, name, $"ROOT={_root}\n{text}");

    /// <summary>Offers these, and nothing else, to the client.</summary>
    public async Task OfferAsync(params Advertisement[] offers)
    {
        _offers.Clear();
        foreach (var offer in offers)
        {
            _offers[offer.AdvertisementId] = offer;
            Fixture.Site.Set(Layout.AdvertisementTarget(offer.AdvertisementId), Documents.Advertisement.Encode(offer));
            foreach (var package in offer.Offer.Chain().Select(AdvertisementPlanner.Package))
                Fixture.Site.Set(Layout.PackageTarget(package.PackageId, (int)package.Version), Documents.PackageManifest.Encode(Examples.PackageManifest with { PackageId = package.PackageId, PackageVersion = (int)package.Version }));
        }
        await ListAsync([.. offers.Select(offer => offer.AdvertisementId)]);
    }

    /// <summary>Publishes a policy that lists these, and lets the client adopt it.</summary>
    public async Task ListAsync(params string[] ids)
    {
        Fixture.Site.SetPolicy(Fixture.Site.Items(Documents.ConfigurationRequest)[^1], change: policy => policy with { Advertisements = ids });
        await Fixture.Site.PublishAsync(Stop);
        await Fixture.StepAsync(2);
    }

    /// <summary>Publishes a policy with one setting more, and lets the client adopt it.</summary>
    public async Task SetAsync(string name, string value)
    {
        Fixture.Site.SetPolicy(Fixture.Site.Items(Documents.ConfigurationRequest)[^1], change: policy => policy with { Advertisements = [.. _offers.Keys], Settings = [new PolicySetting(name, value, "a test")] });
        await Fixture.Site.PublishAsync(Stop);
        await Fixture.StepAsync(2);
    }

    /// <summary>Looks, and waits for what runs, until nothing is to be done now.</summary>
    public async Task SettleAsync()
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Stop);
        limit.CancelAfter(Patience.Limit);
        do
        {
            await Loop.TurnAsync(limit.Token);
            await Loop.RunEndsAsync().WaitAsync(limit.Token);
        }
        while (Loop.ProgramRuns);
        await Loop.TurnAsync(limit.Token);
    }

    public async Task ReopenAsync()
    {
        await Fixture.CloseAsync();
        await Fixture.OpenAsync();
    }

    public string State(string id = "aaaaaaaa") => Ledger.Told().TryGetValue(id, out var told) ? $"{told.State}{(told.Cause is null ? "" : " " + told.Cause)}" : "unknown here";

    public string Read(string name) => File.Exists(Path.Combine(_root, name)) ? File.ReadAllText(Path.Combine(_root, name)) : "";

    public async Task<ProgramsReport> ReportAsync()
    {
        await Fixture.SettleAsync();
        await Fixture.Site.DrainAsync(Stop);
        return Fixture.Site.Items(Documents.ProgramsReport)[^1];
    }

    public async ValueTask DisposeAsync()
    {
        await Fixture.DisposeAsync();
        Directory.Delete(_root, recursive: true);
    }
}
