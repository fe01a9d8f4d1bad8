using System.Security.Cryptography;
using System.Text;
using Capstan.Protocol;
using Capstan.Protocol.Tuf;

namespace Capstan.Bench;

/// <summary>A published CAP in memory with many clients, as their own <see cref="ITufSource"/>; counts what is read.</summary>
internal sealed class LargeSite : ITufSource
{
    private static readonly string[] Roles = ["root", "targets", "snapshot", "timestamp", "site", "packages", "client", "policy"];

    private readonly Dictionary<string, ReadOnlyMemory<byte>> _files = new(StringComparer.Ordinal);
    private readonly TufKeys _keys = new(Roles.ToDictionary(role => role, _ => ECDsa.Create(ECCurve.NamedCurves.nistP256), StringComparer.Ordinal));
    private readonly TufRepository _repository;
    private long _revision;

    public LargeSite(int clients)
    {
        _repository = TufRepository.Create(_keys, TimeProvider.System.GetUtcNow());
        Devices = [.. Enumerable.Range(0, clients).Select(n => DeviceId.FromPublicKey(BitConverter.GetBytes(n)))];
        foreach (var device in Devices)
            SetPolicy(device);
        Publish();
    }

    public IReadOnlyList<DeviceId> Devices { get; }
    public string RootHash => _repository.RootHash;
    public long BytesRead { get; private set; }
    public int Reads { get; private set; }

    /// <summary>Changes one device's policy and publishes: the metadata files that had to be written.</summary>
    public IReadOnlyList<TufFile> ChangeOnePolicy(DeviceId device)
    {
        SetPolicy(device);
        return [.. Publish().Where(file => file.Path.StartsWith("metadata/", StringComparison.Ordinal))];
    }

    public ValueTask<byte[]?> ReadAsync(string path, long maxBytes, CancellationToken cancellationToken)
    {
        Reads++;
        if (!_files.TryGetValue(path, out var content))
            return new((byte[]?)null);
        if (content.Length > maxBytes)
            throw new ProtocolException(ProtocolError.TooLarge, $"{path} is {content.Length} bytes long, {maxBytes} are allowed.", path);
        BytesRead += content.Length;
        return new(content.ToArray());
    }

    private void SetPolicy(DeviceId device) =>
        // About the size of a real policy: two keys, ids and a certificate.
        _repository.SetTarget(Layout.PolicyTarget(device), Encoding.UTF8.GetBytes($"{{\"version\":1,\"deviceId\":\"{device}\",\"revision\":{_revision++},\"pad\":\"{new string('x', 700)}\"}}"));

    private IReadOnlyList<TufFile> Publish()
    {
        var files = _repository.Publish(_keys, TimeProvider.System.GetUtcNow(), seenOnCap: 0);
        foreach (var file in files)
            _files[file.Path] = file.Content;
        return files;
    }
}

/// <summary>A client's trust in memory.</summary>
internal sealed class MemoryTrust : ITrustStore
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
