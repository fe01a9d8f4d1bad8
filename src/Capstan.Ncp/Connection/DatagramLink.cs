using System.Net;
using System.Net.Sockets;
using Capstan.Ncp.Wire;

namespace Capstan.Ncp.Connection;

/// <summary>One datagram for one packet, from one socket: the server knows a client by its address.</summary>
internal sealed class DatagramLink : ILink
{
    /// <summary>The largest buffer that is negotiated, and all heads.</summary>
    private const int MostBytes = 2048;

    private readonly Socket _socket;
    private readonly byte[] _received = new byte[MostBytes];

    private DatagramLink(Socket socket) => _socket = socket;

    public Framing Framing => Framing.Datagram;

    public bool MayLose => true;

    public EndPoint? Local => _socket.LocalEndPoint;

    public EndPoint? Remote => _socket.RemoteEndPoint;

    /// <exception cref="NcpException"><see cref="NcpFailure.Unreachable"/>.</exception>
    public static async Task<DatagramLink> ConnectAsync(NcpEndpoint endpoint, CancellationToken cancellationToken)
    {
        IPAddress[] addresses;
        try
        {
            addresses = await Dns.GetHostAddressesAsync(endpoint.Host, cancellationToken);
        }
        catch (SocketException cause)
        {
            throw LinkErrors.Connecting(cause, endpoint);
        }
        var address = addresses.FirstOrDefault()
            ?? throw new NcpException(NcpFailure.Unreachable, $"{endpoint} cannot be reached: the name has no address", NcpCompletion.NotSent);
        var socket = new Socket(address.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        try
        {
            await socket.ConnectAsync(address, endpoint.Port, cancellationToken);
            return new DatagramLink(socket);
        }
        catch (SocketException cause)
        {
            socket.Dispose();
            throw LinkErrors.Connecting(cause, endpoint);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    public async ValueTask SendAsync(ReadOnlyMemory<byte> frame, CancellationToken cancellationToken) => await _socket.SendAsync(frame, SocketFlags.None, cancellationToken);

    public async ValueTask<ReadOnlyMemory<byte>?> ReceiveAsync(CancellationToken cancellationToken) =>
        _received.AsMemory(0, await _socket.ReceiveAsync(_received, SocketFlags.None, cancellationToken));

    public ValueTask DisposeAsync()
    {
        _socket.Dispose();
        return ValueTask.CompletedTask;
    }
}
