using System.Globalization;
using System.Runtime.CompilerServices;
using Capstan.Client;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers;
using Capstan.Nal.Providers.Local;
using Capstan.Protocol.V1;
using Capstan.Testing;
using Microsoft.Extensions.Logging.Abstractions;

namespace Capstan.Bench.Figures;

/// <summary>What a client costs that has nothing to do: the delivered client on a folder CAP of a site with 256 bins, whose clock is moved from poll to poll.</summary>
internal static class PollFigures
{
    private const int Warm = 500, Polls = 2_000;

    public static async IAsyncEnumerable<Figure> RunAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var directory = Directory.CreateTempSubdirectory("capstan-bench-").FullName;
        try
        {
            var time = new ManualTime();
            var cap = NalPath.FromDirectory(Path.Combine(directory, "cap"));
            var local = new LocalProvider(time);
            await using var connection = new Opened(await local.ConnectAsync(new ConnectRequest(cap, null, null), cancellationToken));
            Directory.CreateDirectory(Path.Combine(directory, "cap"));
            using var site = new TestSite(await connection.Value.OpenAsync(cap, cancellationToken), time, binBits: 8);
            site.Describe(new CapEntry { Path = cap.ToString() });
            await site.PublishAsync(cancellationToken);
            var counted = new CountingProvider(local);
            var parts = new ClientParts([counted], () => new HostFacts("bench", "Bench OS 1", []), _ => Hardware(), _ => Task.FromResult(new SoftwareInventory { Packages = [] }));
            var options = new ClientOptions { Directory = Path.Combine(directory, "client") };
            await CapstanClient.InstallAsync(options, parts, site.Token(cap.ToString()), null, cancellationToken);
            await using var client = await CapstanClient.OpenAsync(options, parts, time, new Random(1), NullLoggerFactory.Instance, cancellationToken);
            while (client.Lifecycle != Capstan.Client.Configuration.ClientLifecycle.Approved || client.Core.Spool.HasUnacknowledged())
            {
                time.Advance(await client.Loop.StepAsync(cancellationToken));
                await site.DrainAsync(cancellationToken);
                if (site.Items(Documents.ConfigurationRequest) is [var request, ..])
                    site.SetPolicy(request);
                await site.PublishAsync(cancellationToken);
            }
            double cpu = 0;
            var (polls, operations, bytes) = (0, 0, 0L);
            for (var step = 0; polls < Warm + Polls; step++)
            {
                counted.Reset();
                var pause = TimeSpan.Zero;
                var cost = await Cost.OfAsync(async () =>
                {
                    while ((pause = await client.Loop.StepAsync(cancellationToken)) == TimeSpan.Zero)
                    {
                    }
                });
                time.Advance(pause);
                // A cycle was due meanwhile, or its receipts are read: that is not what is measured.
                if (counted.Operations != 1)
                    await site.DrainAsync(cancellationToken);
                else if (++polls > Warm)
                    (cpu, operations, bytes) = (cpu + cost.CpuSeconds, operations + counted.Operations, bytes + counted.Bytes);
            }
            yield return new("a poll that finds nothing new, the delivered client, folder CAP",
                string.Create(CultureInfo.InvariantCulture, $"{(double)operations / Polls:0} read, {bytes / Polls} bytes; {cpu / Polls * 1e3:0.00} ms of processor time"),
                "1 read, ≤ 1 KB, ≤ 5 ms");
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    private static HardwareInventory Hardware() => new()
    {
        System = new ComputerSystem("bench", null, "Maker", "Model", null, null, null),
        OperatingSystem = new OperatingSystemFacts("Bench OS", "1", "bench", "6.0", "x86_64", null, null, null),
        Memory = new MemoryFacts(1 << 30, 0, []),
    };

    private sealed class Opened(IStorageConnection value) : IAsyncDisposable
    {
        public IStorageConnection Value => value;

        public async ValueTask DisposeAsync() => await value.CloseAsync(CancellationToken.None);
    }
}

/// <summary>Counts what a client asks of its storage. One client at a time.</summary>
internal sealed class CountingProvider(IStorageProvider inner) : IStorageProvider
{
    public int Operations { get; private set; }
    public long Bytes { get; private set; }

    public string Name => inner.Name;

    public string? ServerOf(NalPath path) => inner.ServerOf(path);

    public async ValueTask<IStorageConnection> ConnectAsync(ConnectRequest request, CancellationToken cancellationToken) =>
        new Connection(this, await inner.ConnectAsync(request, cancellationToken));

    public void Reset() => (Operations, Bytes) = (0, 0);

    private sealed class Connection(CountingProvider provider, IStorageConnection inner) : IStorageConnection
    {
        public ulong? SessionId => inner.SessionId;

        public async ValueTask<IStore> OpenAsync(NalPath path, CancellationToken cancellationToken) => new Store(provider, await inner.OpenAsync(path, cancellationToken));

        public ValueTask<bool> CloseAsync(CancellationToken cancellationToken) => inner.CloseAsync(cancellationToken);
    }

    private sealed class Store(CountingProvider provider, IStore inner) : IStore
    {
        public ValueTask<StoreEntry?> StatAsync(StorePath path, CancellationToken cancellationToken)
        {
            provider.Operations++;
            return inner.StatAsync(path, cancellationToken);
        }

        public async ValueTask<byte[]?> ReadAllAsync(StorePath path, long maxBytes, CancellationToken cancellationToken)
        {
            provider.Operations++;
            var content = await inner.ReadAllAsync(path, maxBytes, cancellationToken);
            provider.Bytes += content?.Length ?? 0;
            return content;
        }

        public async ValueTask<int> ReadAsync(StorePath path, long offset, Memory<byte> buffer, CancellationToken cancellationToken)
        {
            provider.Operations++;
            var read = await inner.ReadAsync(path, offset, buffer, cancellationToken);
            provider.Bytes += read;
            return read;
        }

        public IAsyncEnumerable<StoreEntry> ListAsync(StorePath directory, CancellationToken cancellationToken)
        {
            provider.Operations++;
            return inner.ListAsync(directory, cancellationToken);
        }

        public ValueTask<bool> CreateAsync(StorePath path, Stream content, CancellationToken cancellationToken)
        {
            provider.Operations++;
            return inner.CreateAsync(path, content, cancellationToken);
        }

        public ValueTask ReplaceAsync(StorePath path, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
        {
            provider.Operations++;
            return inner.ReplaceAsync(path, content, cancellationToken);
        }

        public ValueTask<bool> DeleteAsync(StorePath path, CancellationToken cancellationToken) => inner.DeleteAsync(path, cancellationToken);

        public ValueTask RenameAsync(StorePath from, StorePath to, CancellationToken cancellationToken) => inner.RenameAsync(from, to, cancellationToken);

        public ValueTask CreateDirectoryAsync(StorePath path, CancellationToken cancellationToken) => inner.CreateDirectoryAsync(path, cancellationToken);

        public ValueTask<StoreSpace?> GetSpaceAsync(CancellationToken cancellationToken) => inner.GetSpaceAsync(cancellationToken);
    }
}
