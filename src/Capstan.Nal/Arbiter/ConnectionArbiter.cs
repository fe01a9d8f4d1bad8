using Capstan.Nal.Paths;
using Capstan.Nal.Providers;

namespace Capstan.Nal.Arbiter;

/// <summary>Shares, counts, bounds and explains connections, and always gives them back. One per process; thread-safe.</summary>
public sealed class ConnectionArbiter : IAsyncDisposable
{
    public ConnectionArbiter(IEnumerable<IStorageProvider> providers, ArbiterOptions options, TimeProvider time, Random random,
        Microsoft.Extensions.Logging.ILoggerFactory loggers) => throw new NotSupportedException("not built yet");

    /// <summary>Replaces the entries of an abstract export such as <c>CAP List for site ABC</c>.</summary>
    public void SetExport(string name, IReadOnlyList<NalPath> paths) => throw new NotSupportedException("not built yet");

    /// <summary>A lease on <paramref name="path"/> (for an abstract export: on one of its entries), or a refusal for capacity.</summary>
    /// <exception cref="NalException">No candidate can be used for another reason; the message names each candidate's cause.</exception>
    public ValueTask<LeaseResult> AcquireAsync(NalPath path, LeasePurpose purpose, CancellationToken cancellationToken) => throw new NotSupportedException("not built yet");

    /// <summary>Connections and their leases now, for people.</summary>
    public IReadOnlyList<ConnectionView> Connections() => throw new NotSupportedException("not built yet");

    public ValueTask DisposeAsync() => throw new NotSupportedException("not built yet");
}

/// <summary>One connection as <c>nal connections</c> shows it.</summary>
public sealed record ConnectionView(string Path, string? Server, string Account, string State, int ReferenceCount, int PersistenceCount,
    IReadOnlyList<string> Holders, DateTimeOffset Opened, DateTimeOffset LastUsed);

public sealed class ArbiterOptions
{
    /// <summary>Seed of the stable random order: the device id. Empty gives one order for all.</summary>
    public string OrderSeed { get; set; } = "";

    /// <summary>Connections per server that this machine may have. Default 1.</summary>
    public int BudgetPerServer { get; set; } = 1;
}
