using System.Diagnostics;
using System.Globalization;
using Capstan.Client.Configuration;
using Capstan.Client.Content;
using Capstan.Nal.Arbiter;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers;
using Microsoft.Extensions.Logging.Abstractions;

namespace Capstan.Bench.Content;

/// <summary>What one version cost, as a process of its own saw it.</summary>
/// <param name="BytesRead">Of the CAP.</param>
/// <param name="Packs">Different files that were opened there.</param>
/// <param name="CpuSeconds">Of all threads while it was fetched.</param>
/// <param name="PeakBytes">Resident, by <c>VmHWM</c>.</param>
internal sealed record FetchCost(double Seconds, double CpuSeconds, double VerifySeconds, long BytesRead, int Reads, int Packs, long PeakBytes)
{
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Seconds} {CpuSeconds} {VerifySeconds} {BytesRead} {Reads} {Packs} {PeakBytes}");

    public static FetchCost Parse(string text)
    {
        var parts = text.Split(' ').Select(part => double.Parse(part, CultureInfo.InvariantCulture)).ToArray();
        return new FetchCost(parts[0], parts[1], parts[2], (long)parts[3], (int)parts[4], (int)parts[5], (long)parts[6]);
    }
}

/// <summary>Brings one version to one client's directory, in this process.</summary>
internal static class FetchOnce
{
    public static readonly PackageKey Warm = new("warmwarm", 1);

    /// <summary>The manifest of <see cref="Warm"/>, beside the manifest that is meant.</summary>
    public const string WarmManifest = "warm.json";

    /// <summary>A small package comes first from the same CAP, which does not count: what the runtime loads and compiles once is not what content costs a service that is compiled before it is delivered.</summary>
    /// <param name="account">Null where the CAP needs none.</param>
    public static async Task<FetchCost> RunAsync(string directory, NalPath cap, ConnectionAccount? account, PackageKey package, string manifestFile, CancellationToken cancellationToken)
    {
        // As many as capstan-client has: each thread of the pool keeps buffers of its own.
        ThreadPool.SetMinThreads(Environment.ProcessorCount, Environment.ProcessorCount);
        var warm = Path.Combine(Path.GetDirectoryName(manifestFile)!, WarmManifest);
        for (var i = 0; i < 2; i++)
        {
            await OneAsync(directory, cap, account, Warm, warm, cancellationToken);
            new ContentCache(directory).Drop(Warm);
        }
        return await OneAsync(directory, cap, account, package, manifestFile, cancellationToken);
    }

    private static async Task<FetchCost> OneAsync(string directory, NalPath cap, ConnectionAccount? account, PackageKey package, string manifestFile, CancellationToken cancellationToken)
    {
        var counting = new Counting();
        var providers = StorageProviders.All(TimeProvider.System).Select(provider => new CountingProvider(provider, counting)).ToList();
        await using var arbiter = new ConnectionArbiter(providers, new ArbiterOptions(), TimeProvider.System, new Random(1), NullLoggerFactory.Instance);
        if (account is not null)
            arbiter.SetAccounts(cap.Server!, [account]);
        var settings = new ContentSettings { CacheBytes = long.MaxValue / 4 };
        using var content = new PackageContent(new ContentCache(directory), new ContentSources(arbiter, () => [cap], static () => [], "bench", new AvoidedCaps(new Clock(TimeProvider.System), [], static _ => { })), () => settings,
            static (_, _, _) => { }, NullLogger.Instance, TimeProvider.System, new Random(1));
        var manifest = await File.ReadAllBytesAsync(manifestFile, cancellationToken);
        using var self = Process.GetCurrentProcess();
        var before = self.TotalProcessorTime;
        var clock = Stopwatch.StartNew();
        while (true)
        {
            var outcome = await content.EnsureAsync(package, manifest, new ContentNeed(IsDue: true), new Progress<ContentProgress>(), cancellationToken);
            if (outcome is ContentOutcome.Ready)
                break;
            if (outcome is not ContentOutcome.Waits { Pause.TotalSeconds: < 20 } waits)
                throw new InvalidOperationException(outcome.ToString());
            await Task.Delay(waits.Pause, TimeProvider.System, cancellationToken);
        }
        var seconds = clock.Elapsed.TotalSeconds;
        self.Refresh();
        var processor = (self.TotalProcessorTime - before).TotalSeconds;
        clock.Restart();
        if (await content.VerifyAsync(package, manifest, cancellationToken) is { } fault)
            throw new InvalidOperationException(fault);
        return new FetchCost(seconds, processor, clock.Elapsed.TotalSeconds, counting.Bytes, counting.Reads, counting.Packs.Count, Peak());
    }

    private static long Peak() => File.ReadLines("/proc/self/status").Where(line => line.StartsWith("VmHWM:", StringComparison.Ordinal))
        .Select(line => long.Parse(line.AsSpan(6, line.Length - 9), NumberStyles.AllowLeadingWhite | NumberStyles.AllowTrailingWhite, CultureInfo.InvariantCulture) << 10).First();

    private sealed class Counting
    {
        public long Bytes { get; set; }
        public int Reads { get; set; }
        public HashSet<string> Packs { get; } = new(StringComparer.Ordinal);
    }

    private sealed class CountingProvider(IStorageProvider inner, Counting counting) : IStorageProvider
    {
        public string Name => inner.Name;
        public string? ServerOf(NalPath path) => inner.ServerOf(path);

        public async ValueTask<IStorageConnection> ConnectAsync(ConnectRequest request, CancellationToken cancellationToken) =>
            new CountingConnection(await inner.ConnectAsync(request, cancellationToken), counting);
    }

    private sealed class CountingConnection(IStorageConnection inner, Counting counting) : IStorageConnection
    {
        public ulong? SessionId => inner.SessionId;
        public ServerIdentity? Identity => inner.Identity;
        public Task<Nal.NalException>? Broken => inner.Broken;
        public async ValueTask<IStore> OpenAsync(NalPath path, CancellationToken cancellationToken) => new CountingStore(await inner.OpenAsync(path, cancellationToken), counting);
        public ValueTask<bool> CloseAsync(CancellationToken cancellationToken) => inner.CloseAsync(cancellationToken);
    }

    /// <summary>Content reads ranges and nothing else.</summary>
    private sealed class CountingStore(IStore inner, Counting counting) : IStore
    {
        public async ValueTask<int> ReadAsync(StorePath path, long offset, Memory<byte> buffer, CancellationToken cancellationToken)
        {
            var count = await inner.ReadAsync(path, offset, buffer, cancellationToken);
            lock (counting)
            {
                counting.Bytes += count;
                counting.Reads++;
                counting.Packs.Add(path.Value);
            }
            return count;
        }

        public ValueTask<StoreEntry?> StatAsync(StorePath path, CancellationToken cancellationToken) => inner.StatAsync(path, cancellationToken);
        public ValueTask<byte[]?> ReadAllAsync(StorePath path, long maxBytes, CancellationToken cancellationToken) => inner.ReadAllAsync(path, maxBytes, cancellationToken);
        public IAsyncEnumerable<StoreEntry> ListAsync(StorePath directory, CancellationToken cancellationToken) => inner.ListAsync(directory, cancellationToken);
        public ValueTask<bool> CreateAsync(StorePath path, Stream content, CancellationToken cancellationToken) => inner.CreateAsync(path, content, cancellationToken);
        public ValueTask ReplaceAsync(StorePath path, ReadOnlyMemory<byte> content, CancellationToken cancellationToken) => inner.ReplaceAsync(path, content, cancellationToken);
        public ValueTask<bool> DeleteAsync(StorePath path, CancellationToken cancellationToken) => inner.DeleteAsync(path, cancellationToken);
        public ValueTask RenameAsync(StorePath from, StorePath to, CancellationToken cancellationToken) => inner.RenameAsync(from, to, cancellationToken);
        public ValueTask CreateDirectoryAsync(StorePath path, CancellationToken cancellationToken) => inner.CreateDirectoryAsync(path, cancellationToken);
        public ValueTask<StoreSpace?> GetSpaceAsync(CancellationToken cancellationToken) => inner.GetSpaceAsync(cancellationToken);
    }
}
