using System.Globalization;
using Capstan.Ncp.Connection;
using Capstan.Ncp.Crypto;
using Capstan.Ncp.Wire;

namespace Capstan.Ncp.Bindery;

/// <summary>Login, and what a server tells of its connections (functions 0x14, 0x17 and 0x19). Thread-safe.</summary>
/// <param name="connection">Not owned.</param>
public sealed class BinderyService(NcpConnection connection)
{
    private const int Group = 0x17;
    private const int MostConnectionsOfAnObject = 256;

    /// <summary>Logs in with a key of the server's; the password does not cross the wire. From here on packets are signed, where that was negotiated.</summary>
    /// <exception cref="NcpException"><see cref="NcpFailure.Completion"/>: the account or the password is wrong, or may not log in now.</exception>
    public async Task<BinderyObject> LogInAsync(string user, string password, CancellationToken cancellationToken)
    {
        ArgumentException.ThrowIfNullOrEmpty(user);
        ArgumentNullException.ThrowIfNull(password);
        var found = await FindAsync(user, BinderyObject.User, cancellationToken);
        var key = await connection.AskAsync(NcpRequest.Of(Group, 0x17, new NcpWriter(0)), $"asking {connection.Endpoint} for a login key", cancellationToken);
        if (key.Length < BinderyCipher.KeyBytes)
            throw new NcpProtocolException($"a login key of {key.Length} bytes");
        var hash = new byte[BinderyCipher.HashBytes];
        var proof = new byte[BinderyCipher.KeyBytes];
        BinderyCipher.Hash(found.Id, password, hash);
        BinderyCipher.Prove(key, hash, proof);
        await connection.LogInAsync(NcpRequest.Of(Group, 0x18, new NcpWriter().Bytes(proof).UInt16Big(BinderyObject.User).CountedText(found.Name)),
            $"logging {found.Name} in at {connection.Endpoint}", new PacketSigner(hash, key.AsSpan(0, BinderyCipher.KeyBytes)), cancellationToken);
        return found;
    }

    /// <summary>Logs out; the connection stays, and is not signed any more. <see cref="NcpConnection.CloseAsync"/> needs no logout before it.</summary>
    public Task LogOutAsync(CancellationToken cancellationToken) => connection.LogOutAsync(NcpRequest.Of(0x19, new NcpWriter(0)), $"logging out at {connection.Endpoint}", cancellationToken);

    /// <summary>An object by name and type.</summary>
    /// <exception cref="NcpException"><see cref="NcpCode.NoSuchObject"/>.</exception>
    public async Task<BinderyObject> FindAsync(string name, int type, CancellationToken cancellationToken) => BinderyObject.Read(await connection.AskAsync(
        NcpRequest.Of(Group, 0x35, new NcpWriter().UInt16Big(type).CountedText(NcpText.Upcase(name))), $"looking for {name} at {connection.Endpoint}", cancellationToken));

    /// <summary>What the server says of itself.</summary>
    public async Task<ServerInformation> InformationAsync(CancellationToken cancellationToken) => ServerInformation.Read(await connection.AskAsync(
        NcpRequest.Of(Group, 0x11, new NcpWriter(0)), $"asking {connection.Endpoint} about itself", cancellationToken));

    /// <summary>The server's clock, of a zone that it does not tell; null for one that shows no time.</summary>
    public async Task<DateTime?> ClockAsync(CancellationToken cancellationToken) => ServerClock.Read(await connection.AskAsync(
        NcpRequest.Of(0x14, new NcpWriter(0)), $"asking {connection.Endpoint} for the time", cancellationToken));

    /// <summary>Who is logged in on a connection. Empty (<see cref="ConnectionInformation.IsEmpty"/>) for nobody.</summary>
    public async Task<ConnectionInformation> OfAsync(int number, CancellationToken cancellationToken)
    {
        try
        {
            return ConnectionInformation.Read(await connection.AskAsync(NcpRequest.Of(Group, 0x1C, Number(number)), Asking(number), cancellationToken));
        }
        catch (NcpException gone) when (gone.Code == NcpCode.BadConnection)
        {
            return new ConnectionInformation(new BinderyObject(0, 0, ""), LoginTime: null);
        }
    }

    /// <summary>The address of a connection.</summary>
    public async Task<ConnectionAddress> AddressOfAsync(int number, CancellationToken cancellationToken) => ConnectionAddress.Read(await connection.AskAsync(
        NcpRequest.Of(Group, 0x1A, Number(number)), Asking(number), cancellationToken));

    /// <summary>The numbers of an object's connections.</summary>
    public async Task<IReadOnlyList<int>> ConnectionsOfAsync(string name, int type, CancellationToken cancellationToken)
    {
        var all = new List<int>();
        while (all.Count < MostConnectionsOfAnObject)
        {
            var some = ReadNumbers(await connection.AskAsync(
                NcpRequest.Of(Group, 0x1B, new NcpWriter().UInt32Little(all.Count == 0 ? 0 : (uint)all[^1]).UInt16Big(type).CountedText(NcpText.Upcase(name))),
                $"asking {connection.Endpoint} for the connections of {name}", cancellationToken)).Where(number => all.Count == 0 || number > all[^1]).ToList();
            if (some.Count == 0)
                break;
            all.AddRange(some);
        }
        return all;
    }

    /// <summary>Ends a connection, whoever has it.</summary>
    /// <exception cref="NcpException"><see cref="NcpCode.NoConsoleRights"/>: the account is no operator.</exception>
    public async Task ClearAsync(int number, CancellationToken cancellationToken) => await connection.AskAsync(
        NcpRequest.Of(Group, 0xFE, Number(number)), string.Create(CultureInfo.InvariantCulture, $"clearing connection {number} of {connection.Endpoint}"), cancellationToken);

    internal static IReadOnlyList<int> ReadNumbers(ReadOnlySpan<byte> data)
    {
        var reader = new NcpReader(data, "a list of connections");
        var numbers = new int[reader.Byte()];
        for (var at = 0; at < numbers.Length; at++)
            numbers[at] = (int)(reader.UInt32Little() & 0xFFFFFF);
        return numbers;
    }

    private static NcpWriter Number(int number) => new NcpWriter(4).UInt32Little((uint)number);

    private string Asking(int number) => string.Create(CultureInfo.InvariantCulture, $"asking {connection.Endpoint} about connection {number}");
}
