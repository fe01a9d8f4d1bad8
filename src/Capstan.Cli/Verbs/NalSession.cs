using Capstan.Nal.Arbiter;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers;
using Capstan.Site.Console;
using Microsoft.Extensions.Logging.Abstractions;

namespace Capstan.Cli.Verbs;

/// <summary>The network abstraction layer as a tool: one arbiter for one verb, one lease for one path.</summary>
internal static class NalSession
{
    public static ConnectionArbiter CreateArbiter(CliHost host) =>
        new(host.Storage(host.Time), new ArbiterOptions { Machine = host.Machine }, host.Time, host.Random, NullLoggerFactory.Instance);

    /// <summary>A lease, or a refusal. The arbiter asks a server that is full again by itself, as long as that is within the wait of <paramref name="purpose"/>.</summary>
    /// <exception cref="Capstan.Nal.NalException"/>
    public static Task<LeaseResult> AcquireAsync(CliHost host, ConnectionArbiter arbiter, NalPath path, LeasePurpose purpose, CancellationToken cancellationToken) =>
        host.WithProgressAsync($"connecting to {path}", () => arbiter.AcquireAsync(path, purpose with
        {
            AsksFullServerAgain = true,
            Waiting = text => host.Error.WriteLine($"capstan: {VisibleText.Of(text)}"),
        }, cancellationToken).AsTask());

    /// <summary>Runs <paramref name="work"/> with a lease on <paramref name="path"/>.</summary>
    /// <exception cref="CliException">Refused for capacity, with the next try.</exception>
    public static async Task<int> UseAsync(CliHost host, NalPath path, LeasePurpose purpose, Func<IStore, Task<int>> work, CancellationToken cancellationToken)
    {
        await using var arbiter = CreateArbiter(host);
        var result = await AcquireAsync(host, arbiter, path, purpose, cancellationToken);
        if (!result.TryGetLease(out var lease, out var refusal))
            throw Refused(refusal);
        await using (lease)
            return await work(lease.Store);
    }

    /// <summary>As <see cref="UseAsync"/>, for a path that names one entry: the lease is on the directory that holds it.</summary>
    public static Task<int> UseEntryAsync(CliHost host, NalPath path, LeasePurpose purpose, Func<IStore, StorePath, Task<int>> work, CancellationToken cancellationToken)
    {
        var (parent, name) = Split(path);
        return UseAsync(host, parent, purpose, store => work(store, name), cancellationToken);
    }

    public static CliException Refused(Refusal refusal) =>
        new(refusal.NextTry is { } next ? $"{refusal.Reason}; next try {Display.Utc(next)}" : refusal.Reason, ExitCode.Full);

    /// <summary>The directory, and the name in it; a root is its own directory.</summary>
    internal static (NalPath Parent, StorePath Name) Split(NalPath path)
    {
        if (path.Segments.Count == 0)
            return (path, StorePath.Root);
        var text = path.ToString().TrimEnd('\\');
        if (!StorePath.TryParse(path.Segments[^1], out var name, out var error))
            throw new CliException($"{path}: {error}.", ExitCode.Usage);
        return (NalPath.Parse(text[..(text.LastIndexOf('\\') + 1)]), name);
    }
}
