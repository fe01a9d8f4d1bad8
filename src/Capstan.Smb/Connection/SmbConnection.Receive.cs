using System.Net.Sockets;
using Capstan.Smb.Wire;

namespace Capstan.Smb.Connection;

public sealed partial class SmbConnection
{
    /// <summary>Room for headers and small structures around the largest payload.</summary>
    private const int FrameOverhead = 64 * 1024;

    private bool _hasAnswered;

    private async Task ReceiveAsync(FrameReader reader)
    {
        try
        {
            while (await reader.ReadAsync(_stop) is { } frame)
            {
                try
                {
                    Take(frame);
                }
                finally
                {
                    frame.Release();
                }
            }
            End(Broken(cause: null));
        }
        catch (SmbException cause)
        {
            End(cause);
        }
        catch (Exception cause) when (cause is IOException or ObjectDisposedException or OperationCanceledException)
        {
            End(Broken(cause));
        }
        catch (Exception cause)
        {
            // A defect of ours ends the link: whoever waits is told now, and not by a deadline.
            End(new SmbException(SmbFailure.Lost, $"receiving from {Endpoint} failed: {cause.Message}", SmbCompletion.Unknown, inner: cause));
        }
    }

    private SmbException Broken(Exception? cause)
    {
        var why = cause switch
        {
            null => "the server closed the link",
            EndOfStreamException => "the server closed the link inside a frame",
            { InnerException: SocketException socket } => Describe(socket),
            _ => cause.Message,
        };
        return _hasAnswered
            ? new SmbException(SmbFailure.Lost, $"the connection to {Endpoint} broke: {why}", SmbCompletion.Unknown, inner: cause)
            : AtOnce(Endpoint, why, cause);
    }

    private static SmbException AtOnce(SmbEndpoint endpoint, string why, Exception? cause) => new(SmbFailure.ClosedAtOnce,
        $"{endpoint} accepted the connection and closed it before a first answer ({why}): it is likely full, or offers no SMB 2 or later, or something else listens there",
        SmbCompletion.Unknown, SmbCommand.Negotiate, inner: cause);

    private static string Describe(SocketException cause) => cause.SocketErrorCode switch
    {
        SocketError.ConnectionReset => "reset by the server",
        SocketError.TimedOut => "no answer to TCP",
        SocketError.HostUnreachable or SocketError.NetworkUnreachable => "no route to the host any more",
        _ => cause.SocketErrorCode.ToString(),
    };

    /// <summary>Opens a frame and gives each answer in it to whoever waits for it.</summary>
    private void Take(Frame frame)
    {
        var bytes = frame.Memory.Span;
        Volatile.Write(ref _lastHeard, Now);
        MessageSecurity? opened = null;
        var start = 0;
        if (TransformHeader.Is(bytes))
        {
            var id = TransformHeader.Read(bytes);
            lock (_gate)
                _security.TryGetValue(id, out opened);
            if (opened is null)
                throw new SmbProtocolException($"an encrypted message came for session {id:X}, which is not one of this connection");
            opened.Open(bytes);
            start = TransformHeader.Bytes;
        }
        else if (bytes.Length >= 4 && bytes[0] == 0xFF && bytes[1] == 'S' && bytes[2] == 'M' && bytes[3] == 'B')
        {
            throw new SmbException(SmbFailure.Unsupported, $"{Endpoint} answers in SMB 1, which is refused: enable SMB 2 or later at the server",
                SmbCompletion.Refused, SmbCommand.Negotiate);
        }
        while (true)
        {
            var header = SmbHeader.Read(bytes[start..]);
            if (!header.Flags.HasFlag(HeaderFlags.ServerToClient))
                throw new SmbProtocolException("a message came that is not marked as the server's");
            var length = bytes.Length - start;
            if (header.NextCommand != 0)
            {
                if (header.NextCommand < SmbHeader.Bytes || header.NextCommand % 8 != 0 || header.NextCommand > length - SmbHeader.Bytes)
                    throw new SmbProtocolException($"the next answer of a compound is said to be at {header.NextCommand} of {length} bytes");
                length = (int)header.NextCommand;
            }
            _hasAnswered = true;
            if (header.MessageId != SmbHeader.Unsolicited)
                Answer(frame, start, length, header, opened);
            if (header.NextCommand == 0)
                return;
            start += length;
        }
    }

    private void Answer(Frame frame, int start, int length, SmbHeader header, MessageSecurity? opened)
    {
        Exchange? exchange;
        lock (_gate)
            _pending.TryGetValue(header.MessageId, out exchange);
        if (exchange is null)
        {
            // After End nobody waits; what is in the buffers then is of no interest.
            if (EndCause is not null)
                return;
            throw new SmbProtocolException($"an answer came for message {header.MessageId} ({header.Command}), which waits for none");
        }
        if (header.Command != exchange.Command)
            throw new SmbProtocolException($"message {header.MessageId} was {exchange.Command} and is answered as {header.Command}");
        var message = frame.Memory.Span.Slice(start, length);
        var isInterim = header.Status == NtStatus.Pending && header.Flags.HasFlag(HeaderFlags.Async);
        Authenticate(exchange, message, header, isInterim, opened);
        if (!isInterim)
            Check(exchange, message, header.Status);
        bool wasAbandoned;
        lock (_gate)
        {
            if (isInterim)
                exchange.AsyncId = header.AsyncId;
            else if (!_pending.Remove(header.MessageId))
                return;
            _credits.Settle(isInterim ? 0 : exchange.Charge, header.Credits);
            if (isInterim)
                return;
            Disarm();
            wasAbandoned = exchange.IsAbandoned;
            // Until its undoing is among the cleanups, whoever closes must wait for it here.
            _undoing += wasAbandoned ? 1 : 0;
        }
        frame.Retain();
        var answer = new Response(frame, start, length);
        if (!wasAbandoned)
        {
            exchange.TrySetResult(answer);
            return;
        }
        try
        {
            Orphan(exchange, answer);
        }
        finally
        {
            lock (_gate)
            {
                _undoing--;
                TellClean();
            }
        }
    }

    /// <summary>An answer is what its status and its request say it is. Found out here, so that malformed bytes end the link, whoever waits for them.</summary>
    private static void Check(Exchange exchange, ReadOnlySpan<byte> message, NtStatus status)
    {
        if (status == NtStatus.Success || status == NtStatus.BufferOverflow || (status == NtStatus.MoreProcessingRequired && exchange.Command == SmbCommand.SessionSetup))
            exchange.Request.Check(message);
        else if (status == NtStatus.Pending)
            throw new SmbProtocolException($"the answer to {exchange.Command} says {status} and is no interim one");
        else
            ErrorResponse.Check(message);
    }

    /// <summary>[MS-SMB2] 3.2.5.1.3: what must be signed is, and rightly; what must be encrypted was.</summary>
    private void Authenticate(Exchange exchange, Span<byte> message, SmbHeader header, bool isInterim, MessageSecurity? opened)
    {
        var route = exchange.Route;
        if (opened is not null)
        {
            if (opened.SessionId != route.SessionId)
                throw Tampered($"the answer to {exchange.Command} came encrypted for another session");
            return;
        }
        // The answers to SESSION_SETUP are verified by the logon, which makes the keys.
        if (route.Security is not { } security || exchange.Command == SmbCommand.SessionSetup)
            return;
        // A server that lost the session has no key to say so with. Nothing is gained by forging this: who can forge can cut the link.
        if (header.Status == NtStatus.UserSessionDeleted || header.Status == NtStatus.NetworkSessionExpired)
            return;
        // An interim answer decides nothing, and servers send it without a signature.
        if (isInterim)
            return;
        if (route.Encrypt)
            throw Tampered($"the answer to {exchange.Command} came in clear on an encrypted session");
        if (!security.Covers(exchange.Command))
            return;
        if (!header.Flags.HasFlag(HeaderFlags.Signed))
            throw Tampered($"the answer to {exchange.Command} ({header.Status}) carries no signature");
        if (!security.Verify(message, header.MessageId))
            throw Tampered($"the signature of the answer to {exchange.Command} ({header.Status}) is wrong");
    }

    private SmbException Tampered(string what) =>
        new(SmbFailure.Tampered, $"{what}: the traffic with {Endpoint} was changed on the way, or the server is broken; the connection was ended", SmbCompletion.Unknown);
}
