using Capstan.Client;
using Capstan.Nal.Providers.Local;
using Capstan.Protocol.V1;
using Capstan.Testing;
using Capstan.Tests.Client;
using Microsoft.Extensions.Logging.Abstractions;

namespace Capstan.Tests.Site;

/// <summary>A client as it is delivered, on the site's folder; the test takes each step.</summary>
/// <param name="host">Its name, and that of its directory.</param>
/// <param name="uuid">Of its hardware; null for a machine that tells nothing.</param>
internal sealed class RealClient(SiteHarness site, ManualTime time, string host, string? uuid = null) : IAsyncDisposable
{
    private readonly ClientOptions _options = new() { Directory = Path.Combine(site.Directory, "clients", host) };
    private CapstanClient? _client;

    public string Directory => _options.Directory;

    /// <summary>Of its only package.</summary>
    public string PackageVersion { get; set; } = "1.0";

    public async Task InstallAsync(string token)
    {
        await CapstanClient.InstallAsync(_options, Parts(), token, null, CancellationToken.None);
        await OpenAsync();
    }

    public async Task OpenAsync() => _client = await CapstanClient.OpenAsync(_options, Parts(), time, new Random(1), NullLoggerFactory.Instance, CancellationToken.None);

    public async Task CloseAsync()
    {
        if (_client is { } client)
            await client.DisposeAsync();
        _client = null;
    }

    /// <summary>Puts a copy of all that a closed client has where another one finds it, in place of what was there.</summary>
    public static void Copy(string from, string to)
    {
        if (System.IO.Directory.Exists(to))
            System.IO.Directory.Delete(to, recursive: true);
        System.IO.Directory.CreateDirectory(to);
        foreach (var directory in System.IO.Directory.EnumerateDirectories(from, "*", SearchOption.AllDirectories))
            System.IO.Directory.CreateDirectory(Path.Combine(to, Path.GetRelativePath(from, directory)));
        foreach (var file in System.IO.Directory.EnumerateFiles(from, "*", SearchOption.AllDirectories))
            File.Copy(file, Path.Combine(to, Path.GetRelativePath(from, file)));
    }

    public Task<ClientStatus> StatusAsync() => CapstanClient.ReadStatusAsync(_options, CancellationToken.None);

    /// <summary>One whole cycle now, whatever is due.</summary>
    public Task<CycleReport> RunNowAsync() => _client!.RunNowAsync(CancellationToken.None);

    /// <summary>Something to report, which waits for the next contact.</summary>
    public void Say(string text) => _client!.Core.Report("warning", "test", text);

    public async Task SettleAsync()
    {
        while (await _client!.Loop.StepAsync(CancellationToken.None) == TimeSpan.Zero)
        {
        }
    }

    /// <summary>Lets the client's next waits pass.</summary>
    public async Task StepAsync(int waits)
    {
        for (var wait = 0; wait < waits; wait++)
        {
            TimeSpan pause;
            while ((pause = await _client!.Loop.StepAsync(CancellationToken.None)) == TimeSpan.Zero)
            {
            }
            time.Advance(pause);
        }
    }

    public async ValueTask DisposeAsync() => await CloseAsync();

    private ClientParts Parts() => new([new LocalProvider(time)], () => new HostFacts(host, "Test OS 1", []), _ => Hardware(), _ => Task.FromResult(ClientFixture.SampleSoftware(PackageVersion)));

    private HardwareInventory Hardware()
    {
        var sample = ClientFixture.SampleHardware(host);
        return sample with { System = sample.System with { Uuid = uuid } };
    }
}
