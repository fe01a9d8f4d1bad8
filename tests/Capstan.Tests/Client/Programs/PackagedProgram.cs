using Capstan.Client.Programs;
using Capstan.Client.Programs.Gate;
using Capstan.Protocol;
using Capstan.Protocol.V1;
using Capstan.Testing;
using Capstan.Testing.Content;
using Capstan.Testing.Stores;
using Capstan.Tests.Client.Programs.Gate;

namespace Capstan.Tests.Client.Programs;

/// <summary>An approved client with a site on a share: programs come in packs, as the site publishes them, and run by the real executable as their gate. The test moves the clock.</summary>
internal sealed class PackagedProgram : IAsyncDisposable
{
    public const string Package = "pppppppp";

    private readonly MemoryStore _cap = new(TimeProvider.System);
    private readonly ContentMaker _maker = new(Package);
    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("capstan-packaged-");

    private PackagedProgram()
    {
        Fixture = new ClientFixture(_cap, provider: "MSWNET");
        Fixture.Programs = new ProgramMachine(new GateStarter([GateFixture.Agent, ProgramGate.Verb], systemdRun: null), ProcessTable.OfThisMachine, 1L << 40, () => [], _ => 1L << 40, _ =>
        {
            Restarts++;
            return Task.FromResult<string?>(null);
        })
        { Check = TimeSpan.FromMilliseconds(200) };
    }

    public ClientFixture Fixture { get; }

    /// <summary>How often the machine was asked to start anew.</summary>
    public int Restarts { get; private set; }

    public ProgramLoop Loop => Fixture.Client!.Programs!;

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    /// <param name="account">Who may use the share, and the client knows from its token. Null: everybody may.</param>
    public static async Task<PackagedProgram> StartAsync(AccountSecret? account = null)
    {
        var program = new PackagedProgram();
        var fixture = program.Fixture;
        fixture.Provider.Accepts = account is null ? null : $"{account.Name}/{account.Password}";
        await fixture.Site.PublishAsync(Stop);
        await fixture.InstallAsync(fixture.Site.Token(fixture.CapPath, accounts: account is null ? null : [account]));
        await fixture.OpenAsync();
        await fixture.SettleAsync();
        await fixture.ApproveAsync();
        await fixture.StepAsync();
        await fixture.SettleAsync();
        await fixture.Site.DrainAsync(Stop);
        return program;
    }

    /// <summary>As a process that was killed and begins again: no contact is due for that.</summary>
    public async Task RestartAsync()
    {
        await Fixture.CloseAsync();
        await Fixture.OpenAsync();
    }

    /// <summary>The programs alone, without a contact.</summary>
    public async Task TurnAsync()
    {
        await Loop.TurnAsync(Stop);
        await Loop.RunEndsAsync().WaitAsync(Patience.Limit, Stop);
        await Loop.TurnAsync(Stop);
    }

    /// <summary>Publishes a script as a version of the package, offers it, and lets the client adopt the offer. <c>$ROOT</c> is a directory of the test.</summary>
    public async Task OfferAsync(string script, Func<ProgramRules, ProgramRules>? rules = null, int version = 1, long revision = 1)
    {
        var text = $"#!/bin/sh\nROOT={_root.FullName}\n{script.ReplaceLineEndings("\n")}\n";
        var manifest = _maker.Make(version, [MadeEntry.File("setup.sh", System.Text.Encoding.UTF8.GetBytes(text), 0b101_101_101), MadeEntry.File("data", MadeEntry.Noise(version, 100_000))]);
        await _maker.StoreAsync(_cap, Stop);
        var offer = PlannedMachine.Offer(rules: rules, version: version) with { Revision = revision };
        Fixture.Site.Set(Layout.AdvertisementTarget(offer.AdvertisementId), Documents.Advertisement.Encode(offer));
        Fixture.Site.Set(Layout.PackageTarget(Package, version), manifest);
        Fixture.Site.SetPolicy(Fixture.Site.Items(Documents.ConfigurationRequest)[^1], change: policy => policy with { Advertisements = [offer.AdvertisementId] });
        await Fixture.Site.PublishAsync(Stop);
        await Fixture.StepAsync(2);
    }

    /// <summary>Both loops of the client, as long as the clock stands: until nothing is to be done now.</summary>
    /// <returns>How long nothing will be.</returns>
    public async Task<TimeSpan> SettleAsync()
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Stop);
        limit.CancelAfter(Patience.Limit);
        do
        {
            await Loop.TurnAsync(limit.Token);
            await Loop.RunEndsAsync().WaitAsync(limit.Token);
        }
        while (Loop.ProgramRuns);
        var pause = await Loop.TurnAsync(limit.Token);
        TimeSpan contact;
        while ((contact = await Fixture.Client!.Loop.StepAsync(limit.Token)) == TimeSpan.Zero)
        {
        }
        return contact < pause ? contact : pause;
    }

    /// <summary>Lets time pass from one thing to do to the next.</summary>
    public async Task PassAsync(TimeSpan time, Action? each = null)
    {
        var end = Fixture.Time.GetUtcNow() + time;
        while (Fixture.Time.GetUtcNow() < end)
        {
            var pause = await SettleAsync();
            each?.Invoke();
            // What is due at once was done; a second lets whatever is due in less be due.
            Fixture.Time.Advance(pause > TimeSpan.FromSeconds(1) ? pause : TimeSpan.FromSeconds(1));
        }
        await SettleAsync();
    }

    public string State() => Fixture.Client!.Core.Programs.Told().TryGetValue("aaaaaaaa", out var told) ? $"{told.State}{(told.Cause is null ? "" : " " + told.Cause)}" : "unknown here";

    public string Read(string name) => File.Exists(Path.Combine(_root.FullName, name)) ? File.ReadAllText(Path.Combine(_root.FullName, name)) : "";

    /// <summary>What the site was told last of the offer.</summary>
    public async Task<AdvertisementState> ToldAsync()
    {
        await Fixture.SettleAsync();
        await Fixture.Site.DrainAsync(Stop);
        return Assert.Single(Fixture.Site.Items(Documents.ProgramsReport)[^1].Advertisements);
    }

    public async ValueTask DisposeAsync()
    {
        await Fixture.DisposeAsync();
        _root.Delete(recursive: true);
    }
}
