using System.Buffers;
using System.Net.Sockets;
using Capstan.Ncp.Wire;

namespace Capstan.Ncp.Connection;

public sealed partial class NcpConnection
{
    private const int LogOutFunction = 0x19;
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(4);

    /// <summary>Sends one request until it is answered. Has the lane, and gives it back; ends by itself, whoever waits.</summary>
    private async Task<(NcpCode Code, byte[] Data)> PerformAsync(PacketType type, ReadOnlyMemory<byte> body)
    {
        byte[]? frame = null;
        try
        {
            // A signature moves the state of the signer, so a frame is built once, and sent again as it is.
            var length = _link.Framing.LengthOf(body.Length, _signer is not null);
            frame = ArrayPool<byte>.Shared.Rent(length);
            var exchange = Begin(type, mayBeUnsigned: type == PacketType.Destroy || body.Span[0] == LogOutFunction);
            _link.Framing.Write(new Packet(type, exchange.Sequence, (ushort)Number), body.Span, _signer, frame.AsSpan(0, length));
            await SendAsync(frame.AsMemory(0, length));
            return await AwaitAsync(exchange, frame.AsMemory(0, length));
        }
        finally
        {
            if (frame is not null)
                ArrayPool<byte>.Shared.Return(frame);
            _lane.Release();
        }
    }

    private Exchange Begin(PacketType type, bool mayBeUnsigned)
    {
        lock (_gate)
        {
            if (_over.IsCancellationRequested)
                throw EndCause is { } cause ? new NcpException(cause.Failure, cause.Message, NcpCompletion.NotSent, cause.Code, cause) : Closed(NcpCompletion.NotSent);
            var sequence = type == PacketType.Create ? (byte)0 : unchecked(++_sequence);
            return _pending = new Exchange(type, sequence, _options.Time.GetTimestamp()) { MayBeUnsigned = mayBeUnsigned };
        }
    }

    private async Task SendAsync(ReadOnlyMemory<byte> frame)
    {
        try
        {
            await _link.SendAsync(frame, _over.Token);
        }
        catch (OperationCanceledException)
        {
            // It is over: whoever waits for the answer is told why.
            return;
        }
        catch (Exception cause) when (cause is IOException or SocketException or ObjectDisposedException)
        {
            End(Lost(cause));
        }
    }

    private async Task<(NcpCode Code, byte[] Data)> AwaitAsync(Exchange exchange, ReadOnlyMemory<byte> frame)
    {
        var time = _options.Time;
        var wait = _link.MayLose ? _options.FirstRetransmission : _options.RequestTimeout;
        while (true)
        {
            try
            {
                return await exchange.Answer.WaitAsync(wait, time);
            }
            catch (TimeoutException)
            {
                var silent = time.GetElapsedTime(exchange.LastHeard);
                if (silent >= _options.RequestTimeout || time.GetElapsedTime(exchange.Sent) >= MostBusy)
                {
                    End(new NcpException(_hasAnswered ? NcpFailure.Lost : NcpFailure.Silent,
                        $"{Endpoint} has said nothing for {silent.TotalSeconds:F0} s: it hangs, is overloaded, or its host is gone", NcpCompletion.Unknown));
                    continue;
                }
                if (_link.MayLose)
                {
                    await SendAsync(frame);
                    wait = exchange.LastHeard == exchange.Sent && wait * 2 < LongestWait ? wait * 2 : LongestWait;
                }
                else
                {
                    wait = _options.RequestTimeout - silent;
                }
            }
        }
    }

    private async Task ReceiveAsync()
    {
        try
        {
            while (await _link.ReceiveAsync(_over.Token) is { } received)
                await HandleAsync(received);
            End(_hasAnswered ? Lost(null) : LinkErrors.AtOnce(Endpoint, null));
        }
        catch (OperationCanceledException)
        {
            // This side ended it.
            return;
        }
        catch (NcpException cause)
        {
            End(cause);
        }
        catch (Exception cause) when (cause is IOException or SocketException or ObjectDisposedException)
        {
            End(_hasAnswered ? Lost(cause)
                : cause is SocketException { SocketErrorCode: SocketError.ConnectionRefused } refused ? LinkErrors.Connecting(refused, Endpoint)
                : LinkErrors.AtOnce(Endpoint, cause));
        }
    }

    private async ValueTask HandleAsync(ReadOnlyMemory<byte> received)
    {
        if (_link.MayLose && Watchdog.Answer(received.Span, (ushort)Number) is { } alive)
        {
            await SendAsync(alive);
            return;
        }
        lock (_gate)
        {
            if (_pending is not { } exchange)
                return;
            if (Read(received.Span, exchange) is not { } head)
                return;
            if (head.Type == PacketType.Busy)
            {
                exchange.Busy(_options.Time.GetTimestamp());
                return;
            }
            _pending = null;
        }
    }

    /// <summary>Of an answer to this exchange its head, after the exchange has it; null for everything else.</summary>
    private Packet? Read(ReadOnlySpan<byte> received, Exchange exchange)
    {
        if (received.Length < Packet.ReplyBytes && _link.MayLose)
            return null;
        // An answer without data and without a signature: "busy", the end of a connection, or the answer to its end. Nothing else is believed without one.
        var isSigned = _signer is not null && received.Length > Packet.ReplyBytes;
        var (where, signed) = _link.Framing.Open(received, isSigned);
        var packet = received[where];
        var head = Packet.Read(packet);
        if (head.Type is not (PacketType.Reply or PacketType.Busy) || head.Sequence != exchange.Sequence || (exchange.Type != PacketType.Create && head.Connection != Number))
            return null;
        if (head.Type == PacketType.Busy)
            return head;
        var isEnded = head.IsEnding && exchange.Type == PacketType.Request;
        if (_signer is not null && !exchange.MayBeUnsigned && !(isSigned ? _link.Framing.Verify(_signer, packet, received[signed]) : isEnded))
            throw new NcpException(NcpFailure.Tampered, $"an answer of {Endpoint} has a wrong signature: somebody changed the traffic, or the server is broken", NcpCompletion.Unknown);
        _hasAnswered = true;
        if (exchange.Type == PacketType.Create && !head.Code.IsError)
            Number = head.Connection;
        // Whatever its code says, it is no answer to the request: "failure" of a connection that is gone must not be read as "nothing is there".
        if (isEnded)
            throw new NcpException(NcpFailure.Lost, $"{Endpoint} ended connection {Number} (connection status {head.Status:X2}): its watchdog, or an operator", NcpCompletion.Unknown);
        // A slot that the server does not know (any more) is given back.
        exchange.Complete(exchange.Type == PacketType.Destroy && head.IsUnknownConnection ? NcpCode.Success : head.Code, packet[Packet.ReplyBytes..].ToArray());
        return head;
    }

    private NcpException Lost(Exception? cause) =>
        new(NcpFailure.Lost, $"the connection to {Endpoint} broke: {cause?.Message ?? "the server closed it"}", NcpCompletion.Unknown, inner: cause);
}
