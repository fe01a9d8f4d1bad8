using System.Text.Json;
using Capstan.Client;
using Capstan.Nal.Paths;
using Capstan.ServerTests.Up;
using Capstan.Site;
using Capstan.Site.Api;
using Capstan.Testing;
using Microsoft.Extensions.Logging.Abstractions;

namespace Capstan.ServerTests.Distribution;

/// <summary>A site as its administrators start it, with one CAP in a folder and one on a share, and three enrolled machines: one reaches the folder alone, one the share alone, and one both, the folder first.</summary>
public sealed class DistributedSite : IAsyncLifetime
{
    private readonly TemporaryDirectory _directory = new();
    private readonly CancellationTokenSource _stop = new();
    private SambaServer? _samba;
    private SiteServer? _site;
    private Task _serving = Task.CompletedTask;
    private HttpClient? _http;

    internal SambaServer Samba => _samba!;

    internal ApiClient Api { get; private set; } = null!;

    /// <summary>Without a network.</summary>
    internal Machine OnFolder { get; private set; } = null!;

    /// <summary>The folder is empty there, as one that is not mounted.</summary>
    internal Machine OnShare { get; private set; } = null!;

    internal Machine OnBoth { get; private set; } = null!;

    internal IReadOnlyList<Machine> Machines => [OnFolder, OnShare, OnBoth];

    internal string Folder => _directory.Combine("cap");

    /// <summary>The CAPs as logs and reports name them.</summary>
    internal string FolderCap => NalPath.FromDirectory(Folder).ToString();

    internal string ShareCap => NalPath.Parse(FormattableString.Invariant($"smb://127.0.0.1:{Samba.Port}/cap/")).ToString();

    internal static string PacksOf(string cap) => Path.Combine(cap, "packs");

    public async ValueTask InitializeAsync()
    {
        Tools.Require("unshare", "mount", "dpkg", "dpkg-deb");
        _samba = await SambaServer.StartAsync();
        OnFolder = new Machine(_directory.Path, "on-folder", "unshare", "--net");
        OnShare = new Machine(_directory.Path, "on-share", "unshare", "--mount", "--propagation", "private", "sh", "-c", "mount -t tmpfs capstan-test \"$0\" && exec \"$@\"", Folder);
        OnBoth = new Machine(_directory.Path, "on-both");
        // Where every verb looks for it.
        var home = _directory.Combine("capstan-data/site");
        await SiteServer.InitializeAsync(home, "ABC", TimeProvider.System, CancellationToken.None);
        // A site of its own process looks into the inboxes of shares less often than a test has time for.
        _site = await SiteServer.OpenAsync(new SiteOptions { Directory = home, Listen = new Uri("http://127.0.0.1:0"), DrainInterval = TimeSpan.FromMilliseconds(500) }, TimeProvider.System, NullLoggerFactory.Instance, CancellationToken.None);
        _serving = _site.RunAsync(_stop.Token);
        (Api, _http) = ApiClient.Create(await _site.Listening, (await File.ReadAllTextAsync(Path.Combine(home, "api-token"))).Trim());
        await File.WriteAllTextAsync(_directory.Combine("password"), SambaServer.PasswordOf("capa"));
        await CapstanAsync("cap", "add", Folder);
        await CapstanAsync("cap", "add", ShareCap, "--account", "capa", "--password-file", "password");
        await CapstanAsync("setting", "set", "removal.pause", "off");
        await File.WriteAllTextAsync(_directory.Combine("token"), await CapstanAsync("token", "create", "--uses", "3"));
        await Task.WhenAll(OnFolder.InstallAsync(), OnShare.InstallAsync("--cap", ShareCap), OnBoth.InstallAsync("--cap", Folder));

        // They ask, are approved, and say on what they run.
        await ContactAsync();
        await UntilAsync(async () => (await Api.ClientsAsync("approved", null, null, null, null, CancellationToken.None)).Items.Count == Machines.Count, "not all were approved");
        await Api.PublishAsync(CancellationToken.None);
        await ContactAsync();
        await UntilAsync(async () => (await Api.CollectionAsync("All Linux", CancellationToken.None)).Members == Machines.Count, "not all have said on what they run");
    }

    public async ValueTask DisposeAsync()
    {
        if (_samba is not null)
            await EndAsync();
        await _stop.CancelAsync();
        await _serving.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (_site is not null)
            await _site.DisposeAsync();
        _stop.Dispose();
        _http?.Dispose();
        if (_samba is not null)
            await _samba.DisposeAsync();
        _directory.Dispose();
    }

    /// <summary>A directory of the test's own.</summary>
    internal string At(string name) => _directory.Combine(name);

    internal Task ContactAsync() => Task.WhenAll(Machines.Select(machine => machine.ContactAsync()));

    internal Task BeginAsync() => Task.WhenAll(Machines.Select(machine => machine.BeginAsync()));

    internal Task EndAsync() => Task.WhenAll(Machines.Select(machine => machine.EndAsync()));

    /// <summary>What <c>capstan</c> printed; one that fails fails the test.</summary>
    internal async Task<string> CapstanAsync(params string[] words)
    {
        var (code, output, errors) = await CapstanProcess.RunAsync(_directory.Path, words);
        Assert.True(code == 0, $"capstan {string.Join(' ', words)} ended with {code}: {output}{errors}");
        return output;
    }

    internal async Task<JsonElement> JsonAsync(params string[] words) => JsonDocument.Parse(await CapstanAsync([.. words, "-o", "json"])).RootElement;

    /// <summary>Advertises, and waits until documents and packs are on both CAPs.</summary>
    /// <returns>The advertisement's id.</returns>
    internal async Task<string> AdvertiseAsync(string program, string to)
    {
        var made = await JsonAsync("advertise", program, "--to", to);
        await PublishedAsync();
        return made.GetProperty("advertisementId").GetString()!;
    }

    internal async Task PublishedAsync()
    {
        var all = Packs(_directory.Combine("capstan-data/site/content/packs"));
        await UntilAsync(() => Task.FromResult(((string[])[Folder, Samba.FolderOf("cap")]).All(cap => all.IsSubsetOf(Packs(PacksOf(cap))))), "packs are lacking on a CAP");
        // No client hears of a version, nor of what offers it, before the site has noted that a CAP has all of it.
        foreach (var package in await Api.PackagesAsync(CancellationToken.None))
            await UntilAsync(async () => (await Api.PackageAsync(package.PackageId, CancellationToken.None)).Versions.All(version => version.WaitingSince is null), $"{package.Name} waits for a CAP");
        await Api.PublishAsync(CancellationToken.None);
    }

    /// <summary>Names and lengths.</summary>
    internal static HashSet<(string Name, long Bytes)> Packs(string folder) =>
        Directory.Exists(folder) ? [.. new DirectoryInfo(folder).EnumerateFiles("*", SearchOption.AllDirectories).Select(file => (file.Name, file.Length))] : [];

    internal async Task<AdvertisementFunnel> FunnelAsync(string advertisement) => (await Api.AdvertisementAsync(advertisement, CancellationToken.None)).Summary.Funnel;

    /// <summary>Waits until an advertisement is where it should be on some machines, and lets these tell the site: that they do by themselves with their next poll only.</summary>
    internal async Task SettledAsync(string advertisement, Func<ProgramView?, bool> isThere, params IReadOnlyList<Machine> machines)
    {
        foreach (var machine in machines)
            await UntilAsync(async () => isThere(await machine.FindAsync(advertisement)), $"{advertisement} is not where it should be");
        await Task.WhenAll(machines.Select(machine => machine.ContactAsync()));
    }

    internal async Task UntilAsync(Func<Task<bool>> holds, string otherwise)
    {
        var began = TimeProvider.System.GetTimestamp();
        while (!await holds())
        {
            if (TimeProvider.System.GetElapsedTime(began) > Patience.Limit)
                Assert.Fail($"{otherwise}\n{string.Join('\n', Machines)}");
            await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System, TestContext.Current.CancellationToken);
        }
    }
}
