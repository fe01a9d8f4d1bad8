using System.Security.Cryptography;
using Capstan.Client;
using Capstan.Protocol.V1;
using Capstan.Site.Api;
using Capstan.Site.Keeping;
using Capstan.Site.Load;
using Capstan.Site.Publish;
using Capstan.Site.Publish.Builds;
using Capstan.Site.Store;
using Capstan.Testing;
using Capstan.Tests.Client.Builds;
using Capstan.Tests.Site;
using Microsoft.Extensions.Logging.Abstractions;

namespace Capstan.Tests.Lives;

/// <summary>The production site of a life: its passes, its administrator, its deaths and restores.</summary>
internal sealed class LifeSite : IAsyncDisposable
{
    private readonly string _root;
    private readonly LifeProvider _provider;
    private readonly Mortality _life = new();
    private readonly List<string> _backups = [];
    private SiteHarness? _open;
    private string _directory;
    private int _lives = 1, _made;

    public LifeSite(string root, LifeNetwork network, DateTimeOffset now)
    {
        _root = root;
        _directory = Path.Combine(root, "life1");
        Time = new ManualTime(now);
        _provider = new LifeProvider(network, store => new MortalStore(store, _life));
    }

    public ManualTime Time { get; }

    public int Backups => _backups.Count;

    public SiteHarness Open => _open ?? throw new InvalidOperationException("the site is off");

    public async Task CreateAsync()
    {
        _open = await SiteHarness.CreateAsync(Time, wrap: _ => _provider, directory: _directory);
        _open.KeepDirectory = true;
    }

    public async ValueTask DisposeAsync()
    {
        if (_open is not null)
            await _open.CloseAsync();
    }

    /// <summary>Takes in what arrived, and publishes what changed.</summary>
    public async Task PassAsync()
    {
        while (await Open.DrainAsync())
        {
        }
        await Open.PublishAsync();
        // Enrolments and receipts of this very pass.
        if (!_life.IsDead)
            await Open.DrainAsync();
        if (_life.IsDead)
            await StartAgainAsync();
    }

    public void Doom(int operations, bool after) => _life.Doom(operations, after);

    public async Task StartAgainAsync()
    {
        await Open.CloseAsync();
        _life.Revive();
        await OpenAsync();
    }

    public async Task<string> TokenAsync() =>
        (await Open.Get<TokenIssuer>().CreateAsync(new TokenRequest(1, 86_400 * 30, "life"), CancellationToken.None)).Token;

    public Task AddCapAsync(LifeCap cap) => Open.Get<CapAdministration>().AddAsync(cap.Path, new CapAdd(cap.Path.ToString()), CancellationToken.None);

    public Task RemoveCapAsync(LifeCap cap) => Open.Get<CapAdministration>().RemoveAsync(cap.Path, CancellationToken.None);

    /// <summary>An administrator asks for everything to be written: what <c>cap publish</c> does.</summary>
    public Task PublishNowAsync() => Open.Get<Publisher>().PublishNowAsync(CancellationToken.None);

    public async Task ApproveAsync()
    {
        foreach (var pending in await Open.Get<DeviceStore>().ListAsync(DeviceState.Pending, null, null, 0, 100, CancellationToken.None))
            await Open.Get<Enrolment>().ApproveAsync(pending.DeviceId, CancellationToken.None);
    }

    public Task<bool> RetireAsync(string deviceId) => Open.Get<Enrolment>().RetireAsync(deviceId, CancellationToken.None);

    public async Task BackUpAsync()
    {
        var backup = Path.Combine(_root, $"backup{_made++}");
        await SiteBackup.CreateAsync(Home, backup, true, Time, CancellationToken.None);
        _backups.Add(backup);
    }

    /// <summary>The site's machine is lost; another one begins from a backup.</summary>
    /// <param name="which">0 for the oldest.</param>
    public async Task RestoreAsync(int which)
    {
        await Open.CloseAsync();
        _open = null;
        _life.Revive();
        Time.Advance(TimeSpan.FromSeconds(2));
        _directory = Path.Combine(_root, $"life{++_lives}");
        await SiteRestore.RestoreAsync(_backups[which], Home, [_provider], Time, null, NullLoggerFactory.Instance, CancellationToken.None);
        await OpenAsync();
    }

    /// <summary>Backups from before hold keys that clients refuse: as the site says, there is a new one at once.</summary>
    public async Task RotateAsync(IReadOnlyList<string> roles, bool withRoot)
    {
        await Open.CloseAsync();
        _open = null;
        await KeyRotation.RotateAsync(Home, roles, withRoot, null, Time, CancellationToken.None);
        await OpenAsync();
        _backups.Clear();
        await BackUpAsync();
    }

    /// <summary>Takes a build in and orders it.</summary>
    /// <returns>Its id.</returns>
    public async Task<string> OrderAsync(string version)
    {
        var builds = Open.Get<BuildAdministration>();
        var files = SampleBuild.Files(version);
        foreach (var content in files.Values)
        {
            using var stream = new MemoryStream(content);
            await builds.SaveFileAsync(Hash(content), stream, CancellationToken.None);
        }
        var row = await builds.AddAsync(new ClientBuildAdd(ClientParts.Platform, version, [.. files.Select(file => new ClientBuildFile(file.Key, file.Key == BuildFile.Program, Hash(file.Value)))]),
            CancellationToken.None);
        await builds.UseAsync(new ClientBuildUse(ClientParts.Platform, version, 0), CancellationToken.None);
        return row.Id;
    }

    private string Home => Path.Combine(_directory, "site");

    private async Task OpenAsync()
    {
        _open = await SiteHarness.OpenAsync(_directory, Time, _ => _provider);
        _open.KeepDirectory = true;
        await _open.Get<Publisher>().StartAsync(CancellationToken.None);
    }

    private static string Hash(byte[] content) => Convert.ToHexStringLower(SHA256.HashData(content));
}
