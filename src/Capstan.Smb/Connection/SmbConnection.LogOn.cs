using Capstan.Smb.Authentication;
using Capstan.Smb.Crypto;
using Capstan.Smb.Wire;

namespace Capstan.Smb.Connection;

public sealed partial class SmbConnection
{
    private const int MostRounds = 8;

    /// <summary>Logs on ([MS-SMB2] 3.2.4.2.3). One attempt: what the server says is final.</summary>
    /// <param name="previousSessionId">A session of the same account that this one replaces: the server ends it, with its files and locks; 0 for none.</param>
    /// <exception cref="SmbException"><see cref="SmbFailure.Status"/> with the server's words on the account; <see cref="SmbFailure.Logon"/> when the server
    /// would only let a guest in.</exception>
    /// <remarks>A caller that gives up in the middle ends the connection, and so does a server that does not answer in time or whose answers cannot be believed:
    /// only that ends a session whose keys were never made.</remarks>
    public async ValueTask<SmbSession> LogOnAsync(SmbCredentials credentials, ulong previousSessionId, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(credentials);
        try
        {
            return await LogOnOnceAsync(credentials, previousSessionId, cancellationToken);
        }
        catch (OperationCanceledException)
        {
            End(new SmbException(SmbFailure.Lost, $"a logon at {Endpoint} was given up and the connection ended with it", SmbCompletion.Unknown));
            throw;
        }
        catch (SmbException cause) when (cause.Failure is SmbFailure.Silent or SmbFailure.Protocol or SmbFailure.Tampered)
        {
            throw EndWith(cause);
        }
    }

    private async Task<SmbSession> LogOnOnceAsync(SmbCredentials credentials, ulong previousSessionId, CancellationToken cancellationToken)
    {
        // On the pool: Kerberos may ask its servers, for a ticket of its own and for one of the service, and waits for them without a way to be cancelled.
        var beginning = Task.Run(() => BeginLogon(credentials), CancellationToken.None);
        ISecurityContext context;
        byte[] token;
        try
        {
            (context, token) = await beginning.WaitAsync(cancellationToken);
        }
        catch (OperationCanceledException)
        {
            _ = beginning.ContinueWith(static late =>
            {
                if (late.Exception is null)
                    late.Result.Context.Dispose();
            }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
            throw;
        }
        using (context)
            return await NegotiateLogonAsync(credentials, context, token, previousSessionId, cancellationToken);
    }

    private (ISecurityContext Context, byte[] Token) BeginLogon(SmbCredentials credentials)
    {
        var context = credentials.Begin(Endpoint.Host);
        try
        {
            return (context, context.Next(_negotiated.SecurityBuffer));
        }
        catch
        {
            context.Dispose();
            throw;
        }
    }

    private async Task<SmbSession> NegotiateLogonAsync(SmbCredentials credentials, ISecurityContext context, byte[] token, ulong previousSessionId, CancellationToken cancellationToken)
    {
        var hash = _preauth;
        ulong id = 0;
        for (var round = 0; round < MostRounds; round++)
        {
            var request = new SessionSetupRequest(_clientMode, _clientCapabilities & Capabilities.Dfs, previousSessionId, token);
            var exchanges = await StartAsync(new Route(id), [request], orphaned: null, capture: true, cancellationToken);
            using var answer = await AwaitAsync(exchanges[0], exchanges, cancellationToken);
            if (answer.Status != NtStatus.Success && answer.Status != NtStatus.MoreProcessingRequired)
                throw SmbException.Of(answer.Status, SmbCommand.SessionSetup, $"logging {credentials.Account} on to {Endpoint}");
            if (id != 0 && answer.Header.SessionId != id)
                throw EndWith(new SmbProtocolException("the server changed the session id in the middle of a logon"));
            id = answer.Header.SessionId;
            if (Dialect == SmbDialect.Smb311)
                hash = Hash(hash, exchanges[0].Sent!);
            var setup = SessionSetupResponse.Read(answer.Message);
            if (answer.Status == NtStatus.Success)
            {
                Finish(context, setup.Token);
                return await EstablishAsync(credentials, id, setup.Flags, context.SessionKey, hash, answer, cancellationToken);
            }
            if (Dialect == SmbDialect.Smb311)
                hash = Hash(hash, answer.Message);
            token = context.Next(setup.Token);
        }
        throw EndWith(new SmbProtocolException($"the server wants more than {MostRounds} rounds for a logon"));
    }

    private async ValueTask<SmbSession> EstablishAsync(SmbCredentials credentials, ulong id, SessionFlags flags, ReadOnlyMemory<byte> key, byte[] hash, Response answer,
        CancellationToken cancellationToken)
    {
        // Some servers say "anonymous" by the flag, others only by the missing key.
        var isGuest = (flags & (SessionFlags.Guest | SessionFlags.Anonymous)) != SessionFlags.None || key.IsEmpty;
        if (isGuest && !credentials.AllowsGuest)
        {
            throw await LeaveAsync(new Route(id), SmbFailure.Logon,
                $"{Endpoint} does not know {credentials.Account} and would only let a guest in, which was not asked for: check the account's name, or 'map to guest' at the server", cancellationToken);
        }
        var mustSign = !isGuest && (_options.RequireSigning || _negotiated.Mode.HasFlag(SecurityMode.SigningRequired));
        using var keys = isGuest ? null : SessionKeys.Derive(Dialect, key.Span, hash, Cipher);
        var security = new MessageSecurity(id, keys, Signing, Cipher, mustSign, signsTreeConnect: Dialect == SmbDialect.Smb311);
        try
        {
            VerifyLogon(security, answer, isGuest);
            var encrypts = security.CanEncrypt && (_options.Encryption != SmbEncryption.OnDemand || flags.HasFlag(SessionFlags.Encrypt));
            if (!encrypts && (flags.HasFlag(SessionFlags.Encrypt) || _options.Encryption == SmbEncryption.Required))
            {
                throw await LeaveAsync(new Route(id, 0, security, Encrypt: false), SmbFailure.Unsupported, $"the session of {credentials.Account} at {Endpoint} must be encrypted and cannot be", cancellationToken);
            }
            var session = new SmbSession(this, id, credentials.Account, security, encrypts, isGuest);
            lock (_gate)
            {
                // The session was made before the link ended.
                if (_end is { } lost)
                    throw Ending(lost, SmbCompletion.Unknown, SmbCommand.SessionSetup);
                if (!_sessions.Exists(other => other.Id == id))
                {
                    // Of a session that was left: what is still under way in it verifies with the keys that it holds itself.
                    if (_security.TryGetValue(id, out var before))
                        _replaced.Add(before);
                    _security[id] = security;
                    _sessions.Add(session);
                    return session;
                }
            }
            throw EndWith(new SmbProtocolException($"the server gave session id {id:X} to two logons"));
        }
        catch
        {
            security.Dispose();
            throw;
        }
    }

    /// <summary>The server has made the session by now: whatever fails here, it counts one.</summary>
    private void Finish(ISecurityContext context, byte[] token)
    {
        try
        {
            context.Finish(token);
        }
        catch (SmbException cause) when (cause.Completion != SmbCompletion.Unknown)
        {
            throw EndWith(new SmbException(cause.Failure, cause.Message, SmbCompletion.Unknown, SmbCommand.SessionSetup, cause.Status, cause));
        }
    }

    /// <summary>Leaves a session that the server made and this side does not want.</summary>
    /// <returns>What to throw: <see cref="SmbCompletion.Refused"/> when the server confirmed the end; else <see cref="SmbCompletion.Unknown"/>, with the link ended: the server may count the session.</returns>
    private async Task<SmbException> LeaveAsync(Route route, SmbFailure failure, string message, CancellationToken cancellationToken)
    {
        try
        {
            using var answer = await CallAsync(route, new EmptyRequest(SmbCommand.Logoff), orphaned: null, cancellationToken);
            if (!answer.Status.IsError || answer.Status == NtStatus.UserSessionDeleted)
                return new SmbException(failure, message, SmbCompletion.Refused, SmbCommand.SessionSetup);
            return EndWith(new SmbException(failure, $"{message} (and it did not end that session: {answer.Status})", SmbCompletion.Unknown, SmbCommand.SessionSetup));
        }
        catch (SmbException cause)
        {
            return EndWith(new SmbException(failure, $"{message} (and it did not end that session: {cause.Message})", SmbCompletion.Unknown, SmbCommand.SessionSetup, inner: cause));
        }
    }

    /// <summary>The last answer of a logon is signed with the keys that it made: only who knows the password could.</summary>
    private void VerifyLogon(MessageSecurity security, Response answer, bool isGuest)
    {
        if (isGuest)
            return;
        if (answer.Header.Flags.HasFlag(HeaderFlags.Signed))
        {
            var message = answer.Message.ToArray();
            if (!security.Verify(message, answer.Header.MessageId))
                throw EndWith(Tampered("the signature of the server's last answer to the logon is wrong"));
        }
        else if (Dialect == SmbDialect.Smb311 || security.Signs)
        {
            throw EndWith(Tampered("the server's last answer to the logon carries no signature"));
        }
    }

    /// <summary>Ends the link for a cause that makes it worthless.</summary>
    internal SmbException EndWith(SmbException cause)
    {
        End(cause);
        return cause;
    }

    /// <summary>Its keys stay until the end of the link: answers to what was given up may still come in them.</summary>
    internal void Forget(SmbSession session)
    {
        lock (_gate)
            _sessions.Remove(session);
    }

    /// <summary>What the server must repeat in its answer to VALIDATE_NEGOTIATE_INFO ([MS-SMB2] 3.2.5.5), so that nobody weakened NEGOTIATE on the way.</summary>
    internal async Task ValidateNegotiateAsync(Route route, CancellationToken cancellationToken)
    {
        var dialects = _options.Dialects;
        var input = new byte[24 + (dialects.Count * 2)];
        WriteNegotiation(input, dialects);
        using var answer = await AskToValidateAsync(route, input, cancellationToken);
        // A signed error comes from a server of before 3.0, which does not know the question (3.2.5.5).
        if (answer.Status.IsError && Dialect < SmbDialect.Smb300)
            return;
        if (answer.Status.IsError)
            throw EndWith(Tampered($"the server will not confirm what it negotiated ({answer.Status})"));
        if (!IsAsNegotiated(IoctlResponse.Output(answer.Message, 24)))
            throw EndWith(Tampered("the server negotiated something else than what arrived here"));
    }

    private async ValueTask<Response> AskToValidateAsync(Route route, byte[] input, CancellationToken cancellationToken)
    {
        try
        {
            return await CallAsync(route, new IoctlRequest(IoctlRequest.ValidateNegotiate, FileId.None, input, 24), orphaned: null, cancellationToken);
        }
        catch (SmbException lost) when (lost.Failure == SmbFailure.Lost)
        {
            // 3.3.5.15.12: a server that received another NEGOTIATE than was sent ends the connection. A link may also just break at this moment.
            throw new SmbException(SmbFailure.Lost,
                $"{lost.Message}, while the server was asked to confirm the negotiation: servers do that when somebody changed it on the way. If it happens again, the traffic is not safe",
                lost.Completion, lost.Command, lost.Status, lost);
        }
    }

    private void WriteNegotiation(byte[] input, IReadOnlyList<SmbDialect> dialects)
    {
        var writer = new WireWriter(input);
        writer.UInt32((uint)_clientCapabilities);
        writer.Guid(_clientGuid);
        writer.UInt16((int)_clientMode);
        writer.UInt16(dialects.Count);
        foreach (var dialect in dialects)
            writer.UInt16((int)dialect);
    }

    private bool IsAsNegotiated(ReadOnlySpan<byte> output)
    {
        var reader = new WireReader(output, "answer to VALIDATE_NEGOTIATE_INFO");
        return (Capabilities)reader.UInt32() == _negotiated.Capabilities
            && reader.Guid() == _negotiated.Server
            && (SecurityMode)reader.UInt16() == _negotiated.Mode
            && (SmbDialect)reader.UInt16() == Dialect;
    }
}
