using Capstan.Protocol.Tuf;

namespace Capstan.Client.State;

/// <summary>Trusted metadata in the client's database: each call is one durable transaction.</summary>
internal sealed class TrustStore(ClientDatabase database) : ITrustStore
{
    public ValueTask<byte[]?> LoadAsync(string role, CancellationToken cancellationToken) =>
        ValueTask.FromResult(database.Read(connection => (byte[]?)connection.Scalar("select metadata from trust where role = $role", ("$role", role))));

    public ValueTask SaveAsync(string role, ReadOnlyMemory<byte> metadata, CancellationToken cancellationToken)
    {
        database.Write(connection => connection.Execute(
            "insert into trust (role, metadata) values ($role, $metadata) on conflict (role) do update set metadata = excluded.metadata",
            ("$role", role), ("$metadata", metadata.ToArray())));
        return ValueTask.CompletedTask;
    }

    public ValueTask DeleteAsync(string role, CancellationToken cancellationToken)
    {
        database.Write(connection => connection.Execute("delete from trust where role = $role", ("$role", role)));
        return ValueTask.CompletedTask;
    }
}
