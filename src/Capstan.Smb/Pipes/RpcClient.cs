using System.Buffers;

namespace Capstan.Smb.Pipes;

/// <summary>Calls an interface behind a named pipe ([MS-RPCE] 2.1.1.2). One call at a time: not thread-safe.</summary>
/// <remarks>Owns the pipe. A call that did not come to its answer or fault leaves the pipe in the middle of something, so later calls are refused.</remarks>
internal sealed class RpcClient : IAsyncDisposable
{
    /// <summary>The most that one call may give back, as a guard against a hostile server. 10,000 sessions take about 2 MB.</summary>
    internal const int MaxResultBytes = 16 << 20;

    private readonly IPipe _pipe;
    private readonly string _name;
    private byte[] _received = [];
    private int _maxSendBytes;
    private uint _callId;
    private bool _broken;

    private RpcClient(IPipe pipe, string name) => (_pipe, _name) = (pipe, name);

    /// <summary>Binds to an interface.</summary>
    /// <param name="name">How messages call it: <c>srvsvc of FS1</c>.</param>
    /// <exception cref="SmbException">Also <see cref="SmbFailure.Unsupported"/>: the server does not offer the interface. The pipe is closed then.</exception>
    public static async ValueTask<RpcClient> BindAsync(IPipe pipe, RpcSyntax interfaceId, string name, CancellationToken cancellationToken)
    {
        var client = new RpcClient(pipe, name);
        try
        {
            await client.BindAsync(interfaceId, cancellationToken);
            return client;
        }
        catch
        {
            await client.DisposeAsync();
            throw;
        }
    }

    private async ValueTask BindAsync(RpcSyntax interfaceId, CancellationToken cancellationToken)
    {
        _received = await _pipe.TransceiveAsync(RpcPdu.Bind(++_callId, interfaceId), RpcPdu.MaxReceiveBytes, cancellationToken);
        _maxSendBytes = RpcPdu.BindAnswer(Whole(await FragmentAsync(cancellationToken)), _name).MaxSendBytes;
    }

    /// <summary>Makes one call.</summary>
    /// <param name="what">What is asked, for messages.</param>
    /// <returns>The results, as NDR.</returns>
    public async ValueTask<byte[]> CallAsync(ushort operation, ReadOnlyMemory<byte> stub, string what, CancellationToken cancellationToken)
    {
        if (_broken)
            throw new SmbException(SmbFailure.Lost, $"{_name}: an earlier call did not come to its end; open the pipe again", SmbCompletion.NotSent, SmbCommand.Ioctl);
        _broken = true;
        _callId++;
        var most = _maxSendBytes - RpcPdu.RequestHeaderBytes;
        var sent = 0;
        for (; stub.Length - sent > most; sent += most)
            await _pipe.WriteAsync(RpcPdu.Request(_callId, operation, stub.Span, sent, most), cancellationToken);
        _received = await _pipe.TransceiveAsync(RpcPdu.Request(_callId, operation, stub.Span, sent, stub.Length - sent), RpcPdu.MaxReceiveBytes, cancellationToken);
        return await ResultAsync(what, cancellationToken);
    }

    private async ValueTask<byte[]> ResultAsync(string what, CancellationToken cancellationToken)
    {
        var result = new ArrayBufferWriter<byte>();
        for (var isFirst = true; ; isFirst = false)
        {
            if (Append(await FragmentAsync(cancellationToken), result, isFirst, what))
            {
                if (_received.Length > 0)
                    throw Malformed($"{_received.Length} bytes behind the answer");
                _broken = false;
                return result.WrittenSpan.ToArray();
            }
        }
    }

    /// <returns>Whether it was the last fragment.</returns>
    private bool Append(byte[] pdu, ArrayBufferWriter<byte> result, bool isFirst, string what)
    {
        var fragment = RpcPdu.Parse(pdu);
        if (fragment.CallId != _callId)
            throw Malformed($"an answer to call {fragment.CallId} during call {_callId}");
        if (fragment.IsFirst != isFirst)
            throw Malformed("a fragment out of order");
        if (fragment is { Kind: RpcKind.Fault, IsLast: true } && _received.Length == 0)
            _broken = false; // an orderly no: the next call may be made
        var stub = RpcPdu.ResponseStub(fragment, what);
        if (stub.Length > MaxResultBytes - result.WrittenCount)
            throw Malformed($"{what}: an answer of more than {MaxResultBytes} bytes");
        if (stub.IsEmpty && !fragment.IsLast)
            throw Malformed("an empty fragment in the middle");
        result.Write(stub);
        return fragment.IsLast;
    }

    private RpcFragment Whole(byte[] pdu)
    {
        var fragment = RpcPdu.Parse(pdu);
        if (!fragment.IsFirst || !fragment.IsLast || fragment.CallId != _callId || _received.Length > 0)
            throw Malformed($"an answer to bind {_callId} that is not one message");
        return fragment;
    }

    /// <summary>The next fragment, whatever portions the pipe gives it in.</summary>
    private async ValueTask<byte[]> FragmentAsync(CancellationToken cancellationToken)
    {
        while (_received.Length < RpcPdu.HeaderBytes)
            await MoreAsync(cancellationToken);
        var length = RpcPdu.LengthOf(_received.AsSpan(0, RpcPdu.HeaderBytes));
        while (_received.Length < length)
            await MoreAsync(cancellationToken);
        var fragment = _received[..length];
        _received = _received[length..];
        return fragment;
    }

    private async ValueTask MoreAsync(CancellationToken cancellationToken)
    {
        var more = await _pipe.ReadAsync(RpcPdu.MaxReceiveBytes, cancellationToken);
        if (more.Length == 0)
            throw Malformed("the pipe gave nothing where an answer was due");
        _received = [.. _received, .. more];
    }

    private SmbProtocolException Malformed(string why) => new($"{_name}: {why}");

    public ValueTask DisposeAsync() => _pipe.DisposeAsync();
}
