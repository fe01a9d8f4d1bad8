using System.Net;
using System.Net.Sockets;
using Capstan.Ncp.Crypto;
using Capstan.Ncp.Wire;

namespace Capstan.Ncp.Connection;

/// <summary>One connection slot at one server: what it counts, and licenses once somebody has logged in. Thread-safe.</summary>
/// <remarks>
/// <para>One request is in flight at a time; the others wait in the order of asking. A caller that gives up goes at once, and the request ends by itself: the next one waits for that.</para>
/// <para>The slot is given back by <see cref="CloseAsync"/>, which waits for the server's answer. <see cref="DisposeAsync"/> only drops the link.</para>
/// </remarks>
public sealed partial class NcpConnection : IAsyncDisposable
{
    /// <summary>A server that is busy with one request for longer is taken for one that hangs.</summary>
    private static readonly TimeSpan MostBusy = TimeSpan.FromMinutes(10);

    private readonly ILink _link;
    private readonly NcpOptions _options;
    private readonly SemaphoreSlim _lane = new(1, 1);
    private readonly CancellationTokenSource _over = new();
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _gate = new();
    private Task _receiving = Task.CompletedTask;
    private Exchange? _pending;
    private PacketSigner? _signer;
    private byte _sequence;
    private bool _hasAnswered;

    private NcpConnection(ILink link, NcpEndpoint endpoint, NcpOptions options)
    {
        _link = link;
        _options = options;
        Endpoint = endpoint;
    }

    public NcpEndpoint Endpoint { get; }

    /// <summary>The number of this connection at the server.</summary>
    public int Number { get; private set; } = 0xFFFF;

    /// <summary>The largest number of bytes that one read or write carries, as it was negotiated.</summary>
    public int BufferBytes { get; private set; } = LeastBuffer;

    /// <summary>Packets are signed from the login on.</summary>
    public bool IsSigned { get; private set; }

    /// <summary>The address that was reached; null where it is not known.</summary>
    public IPEndPoint? RemoteAddress => Plain(_link.Remote);

    /// <summary>The address from which it was reached; null where it is not known.</summary>
    public IPEndPoint? LocalAddress => Plain(_link.Local);

    /// <summary>Completes when the link or the slot is over, whoever ended it. Never fails.</summary>
    public Task Ended => _ended.Task;

    /// <summary>Why it is over; null before, and after it was closed in order.</summary>
    public NcpException? EndCause { get; private set; }

    /// <summary>Gives the slot back. True only when the server confirmed it.</summary>
    public async ValueTask<bool> CloseAsync(CancellationToken cancellationToken)
    {
        try
        {
            var (code, _) = await ExchangeAsync(PacketType.Destroy, new byte[] { 0 }, cancellationToken);
            return !code.IsError;
        }
        catch (NcpException)
        {
            return false;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
        finally
        {
            await DisposeAsync();
        }
    }

    /// <summary>Drops the link, without a word to the server.</summary>
    public async ValueTask DisposeAsync()
    {
        End(null);
        await _receiving;
        await _link.DisposeAsync();
    }

    /// <summary>One request and its data.</summary>
    /// <exception cref="NcpException">Also for every completion code but 0.</exception>
    internal async Task<byte[]> AskAsync(NcpRequest request, string what, CancellationToken cancellationToken)
    {
        var (code, data) = await ExchangeAsync(PacketType.Request, request.Body, cancellationToken);
        return code.IsError ? throw NcpException.Of(code, what) : data;
    }

    /// <summary>As above, for what must not stay when the caller is gone: a success that comes too late is undone.</summary>
    internal async Task<byte[]> AskAsync(NcpRequest request, string what, Func<byte[], Task> undo, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var asking = AskAsync(request, what, CancellationToken.None);
        try
        {
            return await asking.WaitAsync(cancellationToken);
        }
        catch (OperationCanceledException)
        {
            _ = UndoAsync(asking, undo);
            throw;
        }
    }

    private static async Task UndoAsync(Task<byte[]> asking, Func<byte[], Task> undo)
    {
        try
        {
            await undo(await asking);
        }
        catch (NcpException)
        {
            // It failed by itself, or the connection is over, and all that it held with it.
            return;
        }
    }

    /// <summary>One request and whatever the server answers.</summary>
    /// <param name="body">Function and all that follows. Must not change until this is done.</param>
    private async Task<(NcpCode Code, byte[] Data)> ExchangeAsync(PacketType type, ReadOnlyMemory<byte> body, CancellationToken cancellationToken)
    {
        await _lane.WaitAsync(cancellationToken);
        var exchange = PerformAsync(type, body);
        return await (cancellationToken.CanBeCanceled ? exchange.WaitAsync(cancellationToken) : exchange);
    }

    private static IPEndPoint? Plain(EndPoint? address) =>
        address is IPEndPoint { Address.IsIPv4MappedToIPv6: true } mapped ? new IPEndPoint(mapped.Address.MapToIPv4(), mapped.Port) : address as IPEndPoint;

    /// <summary>Ends it, with the first cause that is given; null when this side is done with it.</summary>
    private void End(NcpException? cause)
    {
        Exchange? pending;
        lock (_gate)
        {
            if (_over.IsCancellationRequested)
                return;
            EndCause = cause;
            _over.Cancel();
            pending = _pending;
            _pending = null;
        }
        pending?.Fail(cause ?? Closed(NcpCompletion.Unknown));
        _ended.TrySetResult();
    }

    private NcpException Closed(NcpCompletion completion) => new(NcpFailure.Lost, $"the connection to {Endpoint} was closed by this side", completion);
}
