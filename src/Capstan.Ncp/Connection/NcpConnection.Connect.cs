using Capstan.Ncp.Wire;

namespace Capstan.Ncp.Connection;

public sealed partial class NcpConnection
{
    internal const int LeastBuffer = 512;
    internal const int MostStreamBuffer = 65_024;
    internal const int MostDatagramBuffer = 1_024;
    private const int SigningBit = 0x02;

    /// <summary>Connects, takes a slot and negotiates. Nobody is logged in yet.</summary>
    /// <exception cref="NcpException"><see cref="NcpFailure.Unreachable"/>, <see cref="NcpFailure.ClosedAtOnce"/>, <see cref="NcpFailure.Silent"/>, <see cref="NcpFailure.Unsupported"/>;
    /// <see cref="NcpFailure.Completion"/> with <see cref="NcpCode.NoFreeConnection"/> when the server is full.</exception>
    public static async Task<NcpConnection> ConnectAsync(NcpEndpoint endpoint, NcpOptions options, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(endpoint);
        ArgumentNullException.ThrowIfNull(options);
        using var late = new CancellationTokenSource(options.ConnectTimeout, options.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(late.Token, cancellationToken);
        ILink link;
        try
        {
            link = options.Transport == NcpTransport.Tcp ? await StreamLink.ConnectAsync(endpoint, either.Token) : await DatagramLink.ConnectAsync(endpoint, either.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new NcpException(NcpFailure.Unreachable,
                $"{endpoint} cannot be reached: no answer within {options.ConnectTimeout.TotalSeconds:F0} s (host down, or a firewall drops it)", NcpCompletion.NotSent);
        }
        return await AttachAsync(link, endpoint, options, either.Token, cancellationToken);
    }

    /// <param name="deadline">The caller's token, and the end of the time to connect.</param>
    internal static async Task<NcpConnection> AttachAsync(ILink link, NcpEndpoint endpoint, NcpOptions options, CancellationToken deadline, CancellationToken caller)
    {
        var connection = new NcpConnection(link, endpoint, options);
        connection._receiving = connection.ReceiveAsync();
        var hasSlot = false;
        try
        {
            var (code, _) = await connection.ExchangeAsync(PacketType.Create, new byte[] { 0 }, deadline);
            if (code.IsError)
                throw NcpException.Of(code, $"{endpoint} gave no connection");
            hasSlot = true;
            await connection.NegotiateAsync(deadline);
            return connection;
        }
        catch (Exception cause)
        {
            await connection.LeaveAsync(hasSlot);
            caller.ThrowIfCancellationRequested();
            if (cause is not OperationCanceledException)
                throw;
            throw new NcpException(NcpFailure.Silent,
                $"{endpoint} has said nothing within {options.ConnectTimeout.TotalSeconds:F0} s: it hangs, is overloaded, or nothing listens there", NcpCompletion.Unknown);
        }
    }

    /// <summary>After a failure: what the server gave is given back, as far as it answers.</summary>
    private async Task LeaveAsync(bool hasSlot)
    {
        if (!hasSlot)
        {
            await DisposeAsync();
            return;
        }
        using var late = new CancellationTokenSource(LongestWait, _options.Time);
        await CloseAsync(late.Token);
    }

    /// <summary>Sizes and signing (0x61); servers that do not know that are asked for the size alone (0x21).</summary>
    private async Task NegotiateAsync(CancellationToken cancellationToken)
    {
        var most = _link.MayLose ? MostDatagramBuffer : MostStreamBuffer;
        var wanted = Math.Clamp(_options.MaxBufferBytes ?? most, LeastBuffer, most);
        var offered = _options.Signing == NcpSigning.OnDemand ? 0 : SigningBit;
        var (size, bits) = await NegotiateAsync(wanted, offered, cancellationToken);
        // The server insists on what was not offered: it is asked again, as it wants it.
        if (bits is { } insisted && offered == 0 && (insisted & SigningBit) != 0)
            (size, bits) = await NegotiateAsync(wanted, SigningBit, cancellationToken);
        IsSigned = (bits & SigningBit) > 0;
        if (!IsSigned && _options.Signing == NcpSigning.Required)
            throw new NcpException(NcpFailure.Unsupported, $"{Endpoint} does not sign packets, and signing is required: raise its NCP packet signature level", NcpCompletion.Refused);
        // Over UDP some servers answer 0: the size then is what was asked for.
        BufferBytes = size >= LeastBuffer ? Math.Min(size, wanted) : wanted;
    }

    /// <returns>The server's size, and its options; null for those of a server that knows none.</returns>
    private async Task<(int Size, int? Options)> NegotiateAsync(int size, int options, CancellationToken cancellationToken)
    {
        var (code, data) = await ExchangeAsync(PacketType.Request, NcpRequest.Of(0x61, new NcpWriter().UInt16Big(size).Byte(options)).Body, cancellationToken);
        if (!code.IsError)
            return ReadOptions(data);
        var plain = await AskAsync(NcpRequest.Of(0x21, new NcpWriter().UInt16Big(size)), $"negotiating a buffer with {Endpoint}", cancellationToken);
        return (ReadSize(plain), null);
    }

    internal static (int Size, int? Options) ReadOptions(ReadOnlySpan<byte> data)
    {
        var reader = new NcpReader(data, "the answer to negotiation");
        var size = reader.UInt16Big();
        reader.Skip(2);
        return (size, reader.Byte());
    }

    internal static int ReadSize(ReadOnlySpan<byte> data) => new NcpReader(data, "the answer to negotiation").UInt16Big();
}
