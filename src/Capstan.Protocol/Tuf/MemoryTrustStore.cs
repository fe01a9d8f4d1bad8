namespace Capstan.Protocol.Tuf;

/// <summary>Trust that lasts as long as the object: for a look at a site that is not the caller's. Not thread-safe.</summary>
public sealed class MemoryTrustStore : ITrustStore
{
    private readonly Dictionary<string, byte[]> _roles = new(StringComparer.Ordinal);

    public ValueTask<byte[]?> LoadAsync(string role, CancellationToken cancellationToken) => ValueTask.FromResult(_roles.GetValueOrDefault(role));

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
