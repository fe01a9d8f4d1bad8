using Capstan.Nal;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers;
using Capstan.Testing.Stores;

namespace Capstan.Tests.Lives;

/// <summary>One server with a CAP in memory: what lies there, and whether it answers.</summary>
internal sealed class LifeCap
{
    private readonly TimeProvider _time;

    public LifeCap(int number, TimeProvider time)
    {
        _time = time;
        Path = NalPath.Parse($@"MSWNET:\\fs{number}\cap\");
        Replace();
    }

    public NalPath Path { get; }

    /// <summary>What lies there.</summary>
    public MemoryStore Disk { get; private set; } = null!;

    /// <summary>The disk as the server has it: it may forget what was not flushed.</summary>
    public FaultStore Server { get; private set; } = null!;

    public bool IsDown { get; set; }

    /// <summary>Another disk, empty, under the same name.</summary>
    public void Replace()
    {
        Disk = new MemoryStore(_time);
        Server = new FaultStore(Disk, _time);
    }
}

/// <summary>All servers of one life, by path.</summary>
internal sealed class LifeNetwork(TimeProvider time)
{
    private readonly Dictionary<string, LifeCap> _caps = new(StringComparer.Ordinal);

    public LifeCap Add()
    {
        var cap = new LifeCap(_caps.Count + 1, time);
        _caps.Add(cap.Path.ToString(), cap);
        return cap;
    }

    public LifeCap? Find(NalPath path) => _caps.GetValueOrDefault(path.WithQualifiers(null, isPreferred: false).ToString());
}

/// <summary>How one computer reaches the servers: its own faults lie between.</summary>
/// <param name="wrap">Around each store that it opens.</param>
internal sealed class LifeProvider(LifeNetwork network, Func<IStore, IStore> wrap) : IStorageProvider
{
    public string Name => "MSWNET";

    /// <summary>The cable is out.</summary>
    public bool IsDeaf { get; set; }

    public string? ServerOf(NalPath path) => $"{path.Root}:445";

    public ValueTask<IStorageConnection> ConnectAsync(ConnectRequest request, CancellationToken cancellationToken) =>
        !IsDeaf && network.Find(request.Path) is { IsDown: false }
            ? ValueTask.FromResult<IStorageConnection>(new Connection(network, wrap))
            : throw new NalException(NalError.Connect, $"{request.Path.Root} does not answer", request.Path.ToString(), isTransient: true);

    private sealed class Connection(LifeNetwork network, Func<IStore, IStore> wrap) : IStorageConnection
    {
        public ulong? SessionId => null;

        public ValueTask<IStore> OpenAsync(NalPath path, CancellationToken cancellationToken) => ValueTask.FromResult(wrap(network.Find(path)!.Server));

        public ValueTask<bool> CloseAsync(CancellationToken cancellationToken) => ValueTask.FromResult(true);
    }
}
