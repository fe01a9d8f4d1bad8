using Capstan.Nal.Providers;
using Capstan.Protocol;
using Capstan.Protocol.Tuf;

namespace Capstan.Site.Publish;

/// <summary>Reads a CAP as a client does, and needs all that a client needs.</summary>
internal static class CapTrust
{
    /// <summary>The version of the timestamp that verifies from our root; 0 when there is none.</summary>
    /// <exception cref="ProtocolException">Something is missing, or does not verify.</exception>
    public static async Task<long> VersionAsync(IStore store, string rootHash, int rootVersion, TimeProvider time, CancellationToken cancellationToken)
    {
        var client = new TufClient(new StoreSource(store), new TrustInMemory(), time);
        await client.TrustRootAsync(rootHash, rootVersion, cancellationToken);
        return (await client.RefreshAsync(complete: true, cancellationToken)).TimestampVersion;
    }

    private sealed class TrustInMemory : ITrustStore
    {
        private readonly Dictionary<string, byte[]> _roles = new(StringComparer.Ordinal);

        public ValueTask<byte[]?> LoadAsync(string role, CancellationToken cancellationToken) => new(_roles.GetValueOrDefault(role));

        public ValueTask SaveAsync(string role, ReadOnlyMemory<byte> metadata, CancellationToken cancellationToken)
        {
            _roles[role] = metadata.ToArray();
            return ValueTask.CompletedTask;
        }

        public ValueTask DeleteAsync(string role, CancellationToken cancellationToken)
        {
            _roles.Remove(role);
            return ValueTask.CompletedTask;
        }
    }
}
