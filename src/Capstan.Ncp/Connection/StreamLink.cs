using System.Buffers;
using System.Net;
using System.Net.Sockets;
using Capstan.Ncp.Wire;

namespace Capstan.Ncp.Connection;

/// <summary>Records on a byte stream, which the link owns.</summary>
internal sealed class StreamLink(Stream stream, EndPoint? local, EndPoint? remote) : ILink
{
    /// <summary>Large enough for all answers but those to reads; an idle connection keeps no more.</summary>
    private const int SmallBytes = 2048;

    private readonly SemaphoreSlim _sending = new(1, 1);
    private readonly byte[] _small = new byte[SmallBytes];
    private byte[]? _large;
    private int _begin;
    private int _end;

    public Framing Framing => Framing.Stream;

    public bool MayLose => false;

    public EndPoint? Local => local;

    public EndPoint? Remote => remote;

    /// <exception cref="NcpException"><see cref="NcpFailure.Unreachable"/>, <see cref="NcpFailure.ClosedAtOnce"/>.</exception>
    public static async Task<StreamLink> ConnectAsync(NcpEndpoint endpoint, CancellationToken cancellationToken)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
            socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, 60);
            socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, 10);
            await socket.ConnectAsync(endpoint.Host, endpoint.Port, cancellationToken);
            return new StreamLink(new NetworkStream(socket, ownsSocket: true), socket.LocalEndPoint, socket.RemoteEndPoint);
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

    public async ValueTask SendAsync(ReadOnlyMemory<byte> frame, CancellationToken cancellationToken)
    {
        await _sending.WaitAsync(cancellationToken);
        try
        {
            await stream.WriteAsync(frame, cancellationToken);
        }
        finally
        {
            _sending.Release();
        }
    }

    public async ValueTask<ReadOnlyMemory<byte>?> ReceiveAsync(CancellationToken cancellationToken)
    {
        if (_large is not null)
        {
            ArrayPool<byte>.Shared.Return(_large);
            _large = null;
        }
        while (_end - _begin < StreamRecord.ReplyHeadBytes)
        {
            MoveToFront();
            var read = await stream.ReadAsync(_small.AsMemory(_end), cancellationToken);
            if (read == 0)
                return null;
            _end += read;
        }
        var length = StreamRecord.ReadReplyHead(_small.AsSpan(_begin, StreamRecord.ReplyHeadBytes));
        _begin += StreamRecord.ReplyHeadBytes;
        if (length <= SmallBytes)
        {
            while (_end - _begin < length)
            {
                MoveToFront();
                var read = await stream.ReadAsync(_small.AsMemory(_end), cancellationToken);
                if (read == 0)
                    return null;
                _end += read;
            }
            _begin += length;
            return _small.AsMemory(_begin - length, length);
        }
        _large = ArrayPool<byte>.Shared.Rent(length);
        var there = _end - _begin;
        _small.AsSpan(_begin, there).CopyTo(_large);
        (_begin, _end) = (0, 0);
        try
        {
            await stream.ReadExactlyAsync(_large.AsMemory(there, length - there), cancellationToken);
        }
        catch (EndOfStreamException)
        {
            return null;
        }
        return _large.AsMemory(0, length);
    }

    public async ValueTask DisposeAsync()
    {
        await stream.DisposeAsync();
        _sending.Dispose();
    }

    private void MoveToFront()
    {
        if (_begin == 0)
            return;
        _small.AsSpan(_begin, _end - _begin).CopyTo(_small);
        (_begin, _end) = (0, _end - _begin);
    }
}
