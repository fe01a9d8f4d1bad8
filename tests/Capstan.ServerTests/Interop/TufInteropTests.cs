using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Capstan.Protocol;
using Capstan.Protocol.Tuf;
using Capstan.Site;
using Capstan.Site.Api;
using Capstan.Site.Keeping;
using Microsoft.Extensions.Logging.Abstractions;

namespace Capstan.ServerTests.Interop;

/// <summary>Another implementation of TUF judges what we write, and signs what we read: npm tuf-js and @tufjs/models, run by node.</summary>
public sealed class TufInteropTests : IDisposable
{
    private static readonly string[] Roles = ["root", "targets", "snapshot", "timestamp", "site", "packages", "client", "policy"];

    private readonly string _folder = Directory.CreateTempSubdirectory("capstan-tuf-").FullName;

    private string Cap => Path.Combine(_folder, "cap");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    /// <summary>Bins of 8 and 10 bits lie below the normal delegation <c>policy</c>: tuf-js must walk both steps.</summary>
    [Theory]
    [InlineData(8)]
    [InlineData(10)]
    public async Task Tuf_js_verifies_what_we_publish(int binBits)
    {
        var now = TimeProvider.System.GetUtcNow();
        var keys = NewKeys();
        var repository = TufRepository.Create(keys, now, binBits);
        repository.SetTarget("site/site.json", Encoding.UTF8.GetBytes("""{"site":"ABC"}"""));
        for (var i = 0; i < 50; i++)
            repository.SetTarget($"policy/device-{i}.json", Encoding.UTF8.GetBytes($"policy {i}"));
        Write(repository.Publish(keys, now, 0));

        // A rotation with a threshold, and a changed policy on top.
        var next = NewKeys();
        using var second = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        repository.RotateRoot([keys.ByRole["root"]], [next.ByRole["root"], second], 2, next, now);
        repository.SetTarget("policy/device-7.json", Encoding.UTF8.GetBytes("policy 7, changed"));
        Write(repository.Publish(next, now, 0));

        var report = await RunAsync("tuf-verify.mjs", Cap, Path.Combine(_folder, "tuf-js"),
            "site/site.json", "policy/device-7.json", "policy/device-8.json", "policy/nobody.json");

        Assert.Equal(2, report.GetProperty("rootVersion").GetInt32());
        var targets = report.GetProperty("targets");
        Assert.Equal("""{"site":"ABC"}""", targets.GetProperty("site/site.json").GetString());
        Assert.Equal("policy 7, changed", targets.GetProperty("policy/device-7.json").GetString());
        Assert.Equal("policy 8", targets.GetProperty("policy/device-8.json").GetString());
        Assert.Equal(JsonValueKind.Null, targets.GetProperty("policy/nobody.json").ValueKind);
    }

    /// <summary>The site as an administrator uses it: published, all keys replaced, published, the root key replaced, published.</summary>
    [Fact]
    public async Task Tuf_js_follows_a_site_through_changes_of_all_its_keys()
    {
        var home = Path.Combine(_folder, "site");
        var stop = TestContext.Current.CancellationToken;
        await SiteServer.InitializeAsync(home, "ABC", TimeProvider.System, stop);
        await ServeAsync(home, api => api.AddCapAsync(new CapAdd(Nal.Paths.NalPath.FromDirectory(Cap).ToString()), stop));
        foreach (var withRoot in new[] { false, true })
        {
            await KeyRotation.RotateAsync(home, [], withRoot, null, TimeProvider.System, stop);
            await ServeAsync(home, api => api.PublishAsync(stop));
        }

        var report = await RunAsync("tuf-verify.mjs", Cap, Path.Combine(_folder, "tuf-js"), "site/site.json", "site/cap-list.json");

        Assert.Equal(3, report.GetProperty("rootVersion").GetInt32());
        Assert.Contains("formerSealingKeys", report.GetProperty("targets").GetProperty("site/site.json").GetString(), StringComparison.Ordinal);
        Assert.NotEqual(JsonValueKind.Null, report.GetProperty("targets").GetProperty("site/cap-list.json").ValueKind);
    }

    private static async Task ServeAsync(string home, Func<ApiClient, Task> work)
    {
        using var stopping = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        await using var site = await SiteServer.OpenAsync(new SiteOptions { Directory = home, Listen = new Uri("http://127.0.0.1:0") }, TimeProvider.System, NullLoggerFactory.Instance, stopping.Token);
        var running = site.RunAsync(stopping.Token);
        var (api, http) = ApiClient.Create(await site.Listening, site.ApiToken);
        using (http)
            await work(api);
        await stopping.CancelAsync();
        await running;
    }

    [Fact]
    public async Task Our_client_verifies_what_tufjs_models_sign()
    {
        var report = await RunAsync("tuf-sign.mjs", Cap);
        var client = new TufClient(new FolderSource(Cap), new MemoryTrust(), TimeProvider.System);

        await client.TrustRootAsync(report.GetProperty("rootHash").GetString()!, 1, TestContext.Current.CancellationToken);
        var update = await client.RefreshAsync(complete: false, TestContext.Current.CancellationToken);

        Assert.Equal((TufState.Updated, 9, DateTimeOffset.UnixEpoch), (update.State, update.TimestampVersion, update.SignedAt));
        var expected = report.GetProperty("targets").EnumerateObject().ToList();
        Assert.Equal(43, expected.Count);
        foreach (var target in expected)
        {
            var read = await client.ReadTargetAsync(target.Name, 1000, TestContext.Current.CancellationToken);
            Assert.Equal(target.Value.GetString(), Encoding.UTF8.GetString(read!.Content.Span));
        }
        Assert.Null(await client.ReadTargetAsync("policy/nobody.json", 1000, TestContext.Current.CancellationToken));
    }

    private static TufKeys NewKeys() => new(Roles.ToDictionary(role => role, _ => ECDsa.Create(ECCurve.NamedCurves.nistP256)));

    private void Write(IEnumerable<TufFile> files)
    {
        foreach (var file in files)
        {
            var path = Path.Combine(Cap, file.Path);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllBytes(path, file.Content.Span);
        }
    }

    private static async Task<JsonElement> RunAsync(string script, params string[] arguments) =>
        JsonDocument.Parse(await NodeProcess.RunAsync(script, arguments)).RootElement;

    private sealed class FolderSource(string folder) : ITufSource
    {
        public async ValueTask<byte[]?> ReadAsync(string path, long maxBytes, CancellationToken cancellationToken)
        {
            var file = Path.Combine(folder, path);
            if (!File.Exists(file))
                return null;
            if (new FileInfo(file).Length > maxBytes)
                throw new ProtocolException(ProtocolError.TooLarge, $"{path} has more than {maxBytes} bytes.", path);
            return await File.ReadAllBytesAsync(file, cancellationToken);
        }
    }

    private sealed class MemoryTrust : ITrustStore
    {
        private readonly Dictionary<string, byte[]> _files = new(StringComparer.Ordinal);

        public ValueTask<byte[]?> LoadAsync(string role, CancellationToken cancellationToken) => ValueTask.FromResult(_files.GetValueOrDefault(role));

        public ValueTask SaveAsync(string role, ReadOnlyMemory<byte> metadata, CancellationToken cancellationToken)
        {
            _files[role] = metadata.ToArray();
            return ValueTask.CompletedTask;
        }

        public ValueTask DeleteAsync(string role, CancellationToken cancellationToken)
        {
            _files.Remove(role);
            return ValueTask.CompletedTask;
        }
    }
}
