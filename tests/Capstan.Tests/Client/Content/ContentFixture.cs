using System.Collections.Concurrent;
using Capstan.Client.Configuration;
using Capstan.Client.Content;
using Capstan.Nal.Arbiter;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers;
using Capstan.Protocol.Content;
using Capstan.Testing;
using Capstan.Testing.Content;
using Capstan.Testing.Stores;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Capstan.Tests.Client.Content;

/// <summary>The content of one client in a temporary directory, with servers in memory that carry it. The test moves the clock.</summary>
internal sealed class ContentFixture : IAsyncDisposable
{
    private readonly string _directory;
    private readonly MemoryProvider _provider;
    private readonly ConnectionArbiter _arbiter;
    private readonly bool _ownsDirectory;
    private string? _avoided;

    /// <param name="caps">Number of CAPs: <see cref="Cap"/>.</param>
    public ContentFixture(int caps = 1, string? directory = null)
    {
        _ownsDirectory = directory is null;
        _directory = directory ?? Directory.CreateTempSubdirectory("capstan-content-").FullName;
        Time = new ManualTime();
        _provider = new MemoryProvider("MSWNET", Time);
        Paths = [.. Enumerable.Range(1, caps).Select(number => NalPath.Parse(FormattableString.Invariant($@"MSWNET:\\server{number}\cap\")))];
        Stores = [.. Paths.Select(path => new SeenStore(_provider.StoreOf(path), this))];
        _arbiter = new ConnectionArbiter([new Through(_provider, this)], new ArbiterOptions { UseRandomPathSelection = false }, Time, new Random(1), NullLoggerFactory.Instance);
        Cache = new ContentCache(_directory);
        Content = Open();
    }

    public ManualTime Time { get; }
    public IReadOnlyList<NalPath> Paths { get; }
    public IReadOnlyList<SeenStore> Stores { get; }
    public ContentCache Cache { get; }
    public PackageContent Content { get; private set; }
    public ContentSettings Settings { get; set; } = new();
    public List<ContentProgress> Progress { get; } = [];
    public SeenEvents Log { get; } = new();

    /// <summary>What the site was told last; null when it is over.</summary>
    public string? Told { get; private set; }

    /// <summary>CAPs that are known; all by default.</summary>
    public int Known { get; set; } = int.MaxValue;

    /// <summary>Connections that the servers count now, and the most that they ever did.</summary>
    public int OpenConnections => _provider.OpenConnections;

    public int Attempts => _provider.Attempts;

    public int MaxConnections { set => _provider.MaxConnections = value; }

    /// <summary>Called before each read of a pack, with the CAP's number from 0.</summary>
    public Action<int>? OnRead { get; set; }

    public static CancellationToken Stop => TestContext.Current.CancellationToken;

    public MemoryStore Cap(int number = 0) => _provider.StoreOf(Paths[number]);

    /// <summary>An empty directory that is none of the client's.</summary>
    public string Outside => Directory.CreateDirectory(Path.Combine(_directory, "outside")).FullName;

    public string DirectoryOf(PackageKey package) => Cache.DirectoryOf(package);

    /// <summary>As a process that was killed and begins again.</summary>
    public void Restart()
    {
        Content.Dispose();
        Content = Open();
    }

    public Task<ContentOutcome> EnsureAsync(PackageKey package, byte[] manifest, ContentNeed? need = null, CancellationToken? stop = null) =>
        Content.EnsureAsync(package, manifest, need ?? new ContentNeed(IsDue: false), new Collected(Progress), stop ?? Stop);

    public async Task<ContentOutcome.Waits> WaitsAsync(PackageKey package, byte[] manifest, ContentNeed? need = null) =>
        Assert.IsType<ContentOutcome.Waits>(await EnsureAsync(package, manifest, need));

    /// <summary>Why no server can be reached; null while they can.</summary>
    public string? Unreachable
    {
        set => _provider.OnConnect = value is null ? null : (request, _) => throw new Capstan.Nal.NalException(Capstan.Nal.NalError.Connect, $"{request.Path.Root}: {value}", request.Path.ToString(), isTransient: true);
    }

    public async Task<string> ReadyAsync(PackageKey package, byte[] manifest) =>
        await EnsureAsync(package, manifest) switch
        {
            ContentOutcome.Ready ready => ready.Directory,
            var other => throw new Xunit.Sdk.XunitException($"not ready: {other}"),
        };

    /// <summary>Compares what is on the disk with what was published: every path, kind, byte, mode and target.</summary>
    public static void AssertIs(IEnumerable<MadeEntry> published, string directory)
    {
        var found = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var entry in Below(new DirectoryInfo(directory)))
            found.Add(Path.GetRelativePath(directory, entry.FullName), entry.LinkTarget is { } target ? $"link {target}"
                : entry is DirectoryInfo ? $"directory {Mode(entry)}" : $"file {Mode(entry)} {ContentHash.Of(File.ReadAllBytes(entry.FullName))}");
        var wanted = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var entry in published)
        {
            for (var cut = entry.Path.LastIndexOf('/'); cut > 0; cut = entry.Path.LastIndexOf('/', cut - 1))
                wanted.TryAdd(entry.Path[..cut], $"directory {Convert.ToString(0b111_101_101, 8)}");
            wanted[entry.Path] = entry.Kind switch
            {
                TreeKind.Link => $"link {entry.Target}",
                TreeKind.Directory => $"directory {Convert.ToString(entry.Mode, 8)}",
                _ => $"file {Convert.ToString(entry.Mode, 8)} {ContentHash.Of(entry.Content)}",
            };
        }
        Assert.Equal(wanted, found);
    }

    public async ValueTask DisposeAsync()
    {
        Content.Dispose();
        await _arbiter.DisposeAsync();
        if (!_ownsDirectory)
            return;
        using (var folder = VersionFolder.Open(Path.GetDirectoryName(_directory)!))
            folder.Remove(Path.GetFileName(_directory));
    }

    /// <summary>Everything, and nothing behind a link.</summary>
    private static IEnumerable<FileSystemInfo> Below(DirectoryInfo directory) =>
        directory.EnumerateFileSystemInfos("*", new EnumerationOptions { AttributesToSkip = 0 }).ToList()
            .SelectMany(entry => entry is DirectoryInfo { LinkTarget: null } below ? Below(below).Prepend(entry) : [entry]);

    private static string Mode(FileSystemInfo entry) => OperatingSystem.IsWindows() ? "" : Convert.ToString((int)entry.UnixFileMode, 8);

    private PackageContent Open() => new(Cache, new ContentSources(_arbiter, () => [.. Paths.Take(Known)], () => [], "device", new AvoidedCaps(new Clock(Time), _avoided?.Split('\n') ?? [], lines => _avoided = lines)), () => Settings,
        (_, _, text) => Told = text, Log, Time, new Random(1));

    /// <summary>How often each event was logged. Thread-safe.</summary>
    internal sealed class SeenEvents : ILogger
    {
        private readonly ConcurrentQueue<int> _ids = [];

        public int Count(int id) => _ids.Count(seen => seen == id);

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) => _ids.Enqueue(eventId.Id);
    }

    private sealed class Collected(List<ContentProgress> seen) : IProgress<ContentProgress>
    {
        public void Report(ContentProgress value) => seen.Add(value);
    }

    /// <summary>What a server answers, seen and spoiled by the test.</summary>
    internal sealed class SeenStore(MemoryStore inner, ContentFixture fixture)
    {
        public FaultStore Faults { get; } = new(inner, fixture.Time);
    }

    private sealed class Through(MemoryProvider inner, ContentFixture fixture) : IStorageProvider
    {
        public string Name => inner.Name;
        public string? ServerOf(NalPath path) => inner.ServerOf(path);

        public async ValueTask<IStorageConnection> ConnectAsync(ConnectRequest request, CancellationToken cancellationToken) =>
            new Connection(await inner.ConnectAsync(request, cancellationToken), fixture);

        private sealed class Connection(IStorageConnection inner, ContentFixture fixture) : IStorageConnection
        {
            public ulong? SessionId => inner.SessionId;
            public ServerIdentity? Identity => inner.Identity;
            public Task<Capstan.Nal.NalException>? Broken => inner.Broken;

            public ValueTask<IStore> OpenAsync(NalPath path, CancellationToken cancellationToken)
            {
                var number = fixture.Paths.Index().First(known => known.Item.Equals(path)).Index;
                return ValueTask.FromResult<IStore>(new Hooked(fixture.Stores[number].Faults, () => fixture.OnRead?.Invoke(number)));
            }

            public ValueTask<bool> CloseAsync(CancellationToken cancellationToken) => inner.CloseAsync(cancellationToken);
        }
    }

    /// <summary>Tells of each read.</summary>
    private sealed class Hooked(IStore inner, Action onRead) : IStore
    {
        public async ValueTask<int> ReadAsync(StorePath path, long offset, Memory<byte> buffer, CancellationToken cancellationToken)
        {
            onRead();
            return await inner.ReadAsync(path, offset, buffer, cancellationToken);
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
