using Capstan.Nal.Providers;
using Capstan.Protocol;
using Capstan.Protocol.Tuf;
using Capstan.Protocol.V1;

namespace Capstan.Site.Publish;

/// <summary>Reads a CAP as a client does, and needs all that a client needs.</summary>
internal static class CapTrust
{
    /// <summary>The version of the timestamp that verifies from our root; 0 when there is none.</summary>
    /// <exception cref="ProtocolException">Something is missing, or does not verify.</exception>
    public static async Task<long> VersionAsync(IStore store, string rootHash, int rootVersion, TimeProvider time, CancellationToken cancellationToken)
    {
        var client = new TufClient(new StoreSource(store), new MemoryTrustStore(), time);
        await client.TrustRootAsync(rootHash, rootVersion, cancellationToken);
        return (await client.RefreshAsync(complete: true, cancellationToken)).TimestampVersion;
    }

    /// <summary>The epoch that a CAP verifiably shows, and its latest root; 0 for what does not verify from our root.</summary>
    public static async Task<(long Epoch, int RootVersion)> EpochAsync(IStore store, TufRepository repository, TimeProvider time, CancellationToken cancellationToken)
    {
        var root = 0;
        try
        {
            var client = await OpenAsync(store, repository, time, cancellationToken);
            root = client.RootVersion;
            return await client.ReadTargetAsync(Layout.SiteDescriptionTarget, Documents.SiteDescription.MaxBytes, cancellationToken) is { } target
                ? (Documents.SiteDescription.Decode(target.Content.Span, target.Path).Epoch, root)
                : (0, root);
        }
        catch (ProtocolException)
        {
            // What does not verify says nothing of an epoch; what is published next repairs it.
            return (0, root);
        }
    }

    /// <summary>A reader of a CAP that has verified its metadata from our root.</summary>
    /// <exception cref="ProtocolException">Something is missing, or does not verify.</exception>
    public static async Task<TufClient> OpenAsync(IStore store, TufRepository repository, TimeProvider time, CancellationToken cancellationToken)
    {
        var client = new TufClient(new StoreSource(store), new MemoryTrustStore(), time);
        await client.TrustRootAsync(repository.RootHash, repository.RootVersion, cancellationToken);
        await client.RefreshAsync(complete: true, cancellationToken);
        return client;
    }
}
