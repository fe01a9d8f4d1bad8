using System.Buffers;
using System.Buffers.Binary;
using Capstan.Smb.Wire;

namespace Capstan.Smb.Connection;

/// <summary>A frame to be sent: one request or a chain of related ones ([MS-SMB2] 3.2.4.1.4), built before the credits are there, sealed when it is its turn.</summary>
internal sealed class Outgoing
{
    private const int PrefixBytes = 4;
    private const int MostBytes = 0xFFFFFF;

    private readonly Route _route;
    private readonly byte[] _buffer;
    private readonly (int Offset, int Length)[] _messages;
    private readonly int _body;
    private readonly int _length;
    private readonly bool _isCancel;
    private ulong _cancelId;

    private Outgoing(Route route, int bodyBytes, int messages, bool isCancel)
    {
        _route = route;
        _isCancel = isCancel;
        _body = PrefixBytes + (route.Encrypt ? TransformHeader.Bytes : 0);
        _length = _body + bodyBytes;
        if (_length - PrefixBytes > MostBytes)
            throw new ArgumentException($"a frame of {_length} bytes is above the limit of {MostBytes}", nameof(bodyBytes));
        _buffer = ArrayPool<byte>.Shared.Rent(_length);
        _messages = new (int, int)[messages];
    }

    public Exchange[] Exchanges { get; private init; } = [];

    public ReadOnlyMemory<byte> Memory => _buffer.AsMemory(0, _length);

    /// <param name="creditsWanted">Beyond what the chain costs itself.</param>
    public static Outgoing Of(Route route, ReadOnlySpan<SmbRequest> requests, Exchange[] exchanges, bool hasMultiCredit, int creditsWanted)
    {
        var size = 0;
        for (var i = 0; i < requests.Length; i++)
            size += i + 1 < requests.Length ? Aligned(SmbHeader.Bytes + requests[i].Bytes) : SmbHeader.Bytes + requests[i].Bytes;
        var frame = new Outgoing(route, size, requests.Length, isCancel: false) { Exchanges = exchanges };
        var position = 0;
        for (var i = 0; i < requests.Length; i++)
        {
            var (request, isLast) = (requests[i], i + 1 == requests.Length);
            var exact = SmbHeader.Bytes + request.Bytes;
            var length = isLast ? exact : Aligned(exact);
            var message = frame._buffer.AsSpan(frame._body + position, length);
            new SmbHeader(request.Command, NtStatus.Success, Flags(route, isRelated: i > 0, request.Command), hasMultiCredit ? (ushort)exchanges[i].Charge : (ushort)0,
                (ushort)Math.Min(exchanges[i].Charge + (i == 0 ? creditsWanted : 0), ushort.MaxValue), isLast ? 0 : (uint)length, 0, route.TreeId, 0, route.SessionId).Write(message);
            var body = new WireWriter(message[..exact], SmbHeader.Bytes);
            request.Write(ref body);
            message[exact..].Clear();
            frame._messages[i] = (position, length);
            position += length;
        }
        return frame;
    }

    /// <summary>CANCEL for a request that is under way (3.2.4.24): it has that request's id and costs nothing.</summary>
    public static Outgoing Cancel(Exchange exchange)
    {
        var request = new EmptyRequest(SmbCommand.Cancel);
        var frame = new Outgoing(exchange.Route, SmbHeader.Bytes + request.Bytes, 1, isCancel: true);
        var message = frame._buffer.AsSpan(frame._body, SmbHeader.Bytes + request.Bytes);
        var flags = Flags(exchange.Route, isRelated: false, SmbCommand.Cancel) | (exchange.AsyncId == 0 ? HeaderFlags.None : HeaderFlags.Async);
        new SmbHeader(SmbCommand.Cancel, NtStatus.Success, flags, 0, 0, 0, exchange.MessageId, exchange.Route.TreeId, exchange.AsyncId, exchange.Route.SessionId).Write(message);
        var body = new WireWriter(message, SmbHeader.Bytes);
        request.Write(ref body);
        frame._messages[0] = (0, message.Length);
        frame._cancelId = exchange.MessageId;
        return frame;
    }

    /// <summary>Gives the messages their ids, in the order of the chain.</summary>
    public void Number(bool capture)
    {
        for (var i = 0; i < Exchanges.Length; i++)
        {
            var message = Message(i);
            SmbHeader.PatchMessageId(message, Exchanges[i].MessageId);
            if (capture)
                Exchanges[i].Sent = message.ToArray();
        }
    }

    /// <summary>Signs or encrypts, and puts the length in front. Called once, by the one who sends.</summary>
    public void Seal()
    {
        BinaryPrimitives.WriteUInt32BigEndian(_buffer, (uint)(_length - PrefixBytes));
        if (_route.Encrypt)
        {
            _route.Security!.Seal(_buffer.AsSpan(PrefixBytes, _length - PrefixBytes));
        }
        else if (_route.Security is { } security)
        {
            if (_isCancel && security.Signs)
                security.Sign(Message(0), _cancelId, isCancel: true);
            for (var i = 0; i < Exchanges.Length; i++)
            {
                if (security.Covers(Exchanges[i].Command))
                    security.Sign(Message(i), Exchanges[i].MessageId, isCancel: false);
            }
        }
    }

    public void Return() => ArrayPool<byte>.Shared.Return(_buffer);

    private Span<byte> Message(int index) => _buffer.AsSpan(_body + _messages[index].Offset, _messages[index].Length);

    private static HeaderFlags Flags(Route route, bool isRelated, SmbCommand command) =>
        (isRelated ? HeaderFlags.Related : HeaderFlags.None)
        | (route.Security is { } security && security.Covers(command) && !route.Encrypt ? HeaderFlags.Signed : HeaderFlags.None)
        | (route.IsDfs && command == SmbCommand.Create ? HeaderFlags.Dfs : HeaderFlags.None);

    private static int Aligned(int bytes) => (bytes + 7) & ~7;
}
