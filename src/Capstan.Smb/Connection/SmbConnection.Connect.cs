using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using Capstan.Smb.Wire;

namespace Capstan.Smb.Connection;

public sealed partial class SmbConnection
{
    private const int LeastPayload = 4096;
    private const int MostPayload = 8 * 1024 * 1024;
    private const int HashBytes = 64;

    /// <summary>The hash over NEGOTIATE (3.1.1), which every logon continues ([MS-SMB2] 3.1.4.4).</summary>
    private byte[] _preauth = [];
    private NegotiateResponse _negotiated = null!;
    private SecurityMode _clientMode;
    private Capabilities _clientCapabilities;
    private Guid _clientGuid;

    /// <summary>Connects by TCP and negotiates. Nobody is logged on yet.</summary>
    /// <exception cref="SmbException"><see cref="SmbFailure.Unreachable"/>, <see cref="SmbFailure.ClosedAtOnce"/>, <see cref="SmbFailure.Silent"/>
    /// and <see cref="SmbFailure.Unsupported"/> are told apart.</exception>
    public static async ValueTask<SmbConnection> ConnectAsync(SmbEndpoint endpoint, SmbOptions options, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(endpoint);
        ArgumentNullException.ThrowIfNull(options);
        using var late = new CancellationTokenSource(options.ConnectTimeout, options.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(late.Token, cancellationToken);
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(endpoint.Host, endpoint.Port, either.Token);
        }
        catch (SocketException cause) when (cause.SocketErrorCode is SocketError.ConnectionReset or SocketError.ConnectionAborted)
        {
            // The server was quicker with its reset than this side with the end of the handshake.
            socket.Dispose();
            throw AtOnce(endpoint, Describe(cause), cause);
        }
        catch (SocketException cause)
        {
            socket.Dispose();
            var why = cause.SocketErrorCode switch
            {
                SocketError.ConnectionRefused => "nothing listens there (connection refused)",
                SocketError.HostNotFound or SocketError.NoData or SocketError.TryAgain => "the name cannot be resolved",
                SocketError.HostUnreachable or SocketError.NetworkUnreachable => "there is no route to it",
                SocketError.TimedOut => "it does not answer",
                _ => cause.Message,
            };
            throw new SmbException(SmbFailure.Unreachable, $"{endpoint} cannot be reached: {why}", SmbCompletion.NotSent, inner: cause);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            socket.Dispose();
            throw new SmbException(SmbFailure.Unreachable,
                $"{endpoint} cannot be reached: no answer to TCP within {options.ConnectTimeout.TotalSeconds:F0} s (host down, or a firewall drops it)", SmbCompletion.NotSent);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
        var stream = new NetworkStream(socket, ownsSocket: true);
        try
        {
            return await AttachAsync(stream, endpoint, options, socket.RemoteEndPoint, either.Token, cancellationToken);
        }
        catch (SmbException closed) when (closed.Failure == SmbFailure.ClosedAtOnce)
        {
            if (!await AnswersSmb1Async(endpoint, either.Token, cancellationToken))
                throw;
            throw new SmbException(SmbFailure.Unsupported, $"{endpoint} offers SMB 1 alone, which is refused: enable SMB 2 or later there",
                SmbCompletion.Refused, SmbCommand.Negotiate, inner: closed);
        }
    }

    private static async Task<bool> AnswersSmb1Async(SmbEndpoint endpoint, CancellationToken deadline, CancellationToken caller)
    {
        try
        {
            return await Smb1Probe.AnswersAsync(endpoint, deadline);
        }
        catch (OperationCanceledException) when (!caller.IsCancellationRequested)
        {
            return false;
        }
    }

    /// <summary>Negotiates over a byte stream of the caller's, which the connection owns from now on.</summary>
    public static async ValueTask<SmbConnection> AttachAsync(Stream stream, SmbEndpoint endpoint, SmbOptions options, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentNullException.ThrowIfNull(options);
        using var late = new CancellationTokenSource(options.ConnectTimeout, options.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(late.Token, cancellationToken);
        return await AttachAsync(stream, endpoint, options, remote: null, either.Token, cancellationToken);
    }

    private static async ValueTask<SmbConnection> AttachAsync(Stream stream, SmbEndpoint endpoint, SmbOptions options, EndPoint? remote,
        CancellationToken deadline, CancellationToken caller)
    {
        var connection = new SmbConnection(stream, endpoint, options, remote);
        connection._receiving = connection.ReceiveAsync(new FrameReader(stream, MostPayload + FrameOverhead, connection.Heard));
        try
        {
            await connection.NegotiateAsync(deadline);
            return connection;
        }
        catch (Exception cause)
        {
            await connection.DisposeAsync();
            caller.ThrowIfCancellationRequested();
            if (cause is not OperationCanceledException)
                throw;
            throw new SmbException(SmbFailure.Silent,
                $"{endpoint} accepted the connection and has said nothing within {options.ConnectTimeout.TotalSeconds:F0} s: it hangs, is overloaded, or is full",
                SmbCompletion.Unknown, SmbCommand.Negotiate);
        }
    }

    private async Task NegotiateAsync(CancellationToken cancellationToken)
    {
        var dialects = _options.Dialects;
        if (dialects.Count == 0)
            throw new SmbException(SmbFailure.Unsupported, $"no dialect lies between {_options.Least} and {_options.Most}", SmbCompletion.NotSent);
        _clientMode = _options.RequireSigning ? SecurityMode.SigningRequired : SecurityMode.SigningEnabled;
        _clientCapabilities = Capabilities.Dfs | (_options.Most >= SmbDialect.Smb210 ? Capabilities.LargeMtu : Capabilities.None) | (_options.Most >= SmbDialect.Smb300 ? Capabilities.Encryption : Capabilities.None);
        _clientGuid = _options.ClientGuid ?? Guid.NewGuid();
        var request = new NegotiateRequest(dialects, _clientMode, _clientCapabilities, _clientGuid, _options.Ciphers, _options.SigningAlgorithms, Endpoint.Host);
        var exchanges = await StartAsync(default, [request], orphaned: null, capture: true, cancellationToken);
        using var answer = await AwaitAsync(exchanges[0], exchanges, cancellationToken);
        if (answer.Status == NtStatus.NotSupported)
        {
            throw new SmbException(SmbFailure.Unsupported,
                $"{Endpoint} supports none of the dialects {Name(dialects[0])} to {Name(dialects[^1])}: {answer.Status}. It may offer SMB 1 only, which is refused; enable SMB 2 or later there",
                SmbCompletion.Refused, SmbCommand.Negotiate, answer.Status);
        }
        if (answer.Status.IsError)
            throw SmbException.Of(answer.Status, SmbCommand.Negotiate, $"connecting to {Endpoint}");
        Accept(NegotiateResponse.Read(answer.Message), dialects);
        if (Dialect == SmbDialect.Smb311)
            _preauth = Hash(Hash(new byte[HashBytes], exchanges[0].Sent!), answer.Message);
    }

    private void Accept(NegotiateResponse answer, IReadOnlyList<SmbDialect> offered)
    {
        _negotiated = answer;
        if (!offered.Contains(answer.Dialect))
            throw new SmbProtocolException($"the server chose dialect {(int)answer.Dialect:X4}, which was not offered");
        Dialect = answer.Dialect;
        if (Dialect == SmbDialect.Smb311 && !answer.HasPreauth)
            throw new SmbProtocolException("the answer to NEGOTIATE has no integrity context, which 3.1.1 requires");
        if (answer.Cipher != SmbCipher.None && !_options.Ciphers.Contains(answer.Cipher))
            throw new SmbProtocolException($"the server chose cipher {(int)answer.Cipher}, which was not offered");
        if (answer.Signing is { } chosen && !_options.SigningAlgorithms.Contains(chosen))
            throw new SmbProtocolException($"the server chose signing algorithm {(int)chosen}, which was not offered");
        Signing = Dialect switch
        {
            < SmbDialect.Smb300 => SmbSigning.HmacSha256,
            SmbDialect.Smb311 when answer.Signing is { } algorithm => algorithm,
            _ => SmbSigning.AesCmac,
        };
        Cipher = Dialect switch
        {
            SmbDialect.Smb311 => answer.Cipher,
            >= SmbDialect.Smb300 when answer.Capabilities.HasFlag(Capabilities.Encryption) && _options.Ciphers.Contains(SmbCipher.Aes128Ccm) => SmbCipher.Aes128Ccm,
            _ => SmbCipher.None,
        };
        if (_options.Encryption == SmbEncryption.Required && Cipher == SmbCipher.None)
        {
            throw new SmbException(SmbFailure.Unsupported, $"{Endpoint} cannot encrypt (dialect {Name(Dialect)}), and encryption is required",
                SmbCompletion.Refused, SmbCommand.Negotiate);
        }
        HasMultiCredit = Dialect >= SmbDialect.Smb210 && answer.Capabilities.HasFlag(Capabilities.LargeMtu);
        ServerGuid = answer.Server;
        ServerTime = answer.SystemTime > 0 ? SmbTimes.ToTime((ulong)answer.SystemTime) : null;
        MaxReadBytes = Payload(answer.MaxReadBytes, "reads");
        MaxWriteBytes = Payload(answer.MaxWriteBytes, "writes");
        MaxTransactBytes = Payload(answer.MaxTransactBytes, "transactions");
    }

    private int Payload(uint limit, string what)
    {
        if (limit < LeastPayload)
            throw new SmbProtocolException($"the server limits {what} to {limit} bytes; at least {LeastPayload} are needed");
        return (int)Math.Min(limit, HasMultiCredit ? MostPayload : CreditUnit);
    }

    private static byte[] Hash(byte[] before, ReadOnlySpan<byte> message)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA512);
        hash.AppendData(before);
        hash.AppendData(message);
        return hash.GetHashAndReset();
    }

    internal static string Name(SmbDialect dialect) => dialect switch
    {
        SmbDialect.Smb202 => "2.0.2",
        SmbDialect.Smb210 => "2.1",
        SmbDialect.Smb300 => "3.0",
        SmbDialect.Smb302 => "3.0.2",
        SmbDialect.Smb311 => "3.1.1",
        _ => $"{(int)dialect:X4}",
    };
}
