using System.Security.Cryptography;
using Capstan.Smb.Crypto;

namespace Capstan.Smb.Authentication;

/// <summary>What chance gives one NTLM logon. A value, so that a test can give it.</summary>
internal sealed record NtlmNonces(byte[] ClientChallenge, byte[] ExportedSessionKey)
{
    public static NtlmNonces Random() =>
        new(RandomNumberGenerator.GetBytes(NtlmV2.ClientChallengeBytes), RandomNumberGenerator.GetBytes(NtlmV2.KeyBytes));

    public override string ToString() => "(nonces)";
}

/// <summary>One NTLMv2 logon ([MS-NLMP] 3.1.5.1): NEGOTIATE, the server's CHALLENGE, AUTHENTICATE. Never NTLM version 1, never a key shorter than 128 bit.</summary>
/// <param name="host">As the caller named it; the response is bound to <c>cifs/host</c>.</param>
/// <param name="time">Asked only when the server's challenge has no time.</param>
internal sealed class NtlmMechanism(NtlmIdentity identity, string host, string workstation, NtlmNonces nonces, TimeProvider time) : IMechanism
{
    public const string MechanismOid = "1.3.6.1.4.1.311.2.2.10";

    private const NtlmFlags Asked = NtlmFlags.Unicode | NtlmFlags.RequestTarget | NtlmFlags.Sign | NtlmFlags.Ntlm | NtlmFlags.AlwaysSign
        | NtlmFlags.ExtendedSessionSecurity | NtlmFlags.TargetInfo | NtlmFlags.Version | NtlmFlags.Key128 | NtlmFlags.KeyExchange | NtlmFlags.Key56;

    /// <summary>Without one of these there is no NTLMv2 with a key of its own and a signature.</summary>
    private const NtlmFlags Needed = NtlmFlags.Unicode | NtlmFlags.ExtendedSessionSecurity | NtlmFlags.TargetInfo | NtlmFlags.Key128 | NtlmFlags.KeyExchange;

    private readonly byte[] _negotiate = NtlmMessages.Negotiate(Asked);
    private byte[] _sessionKey = [];
    private NtlmSignature? _client;
    private NtlmSignature? _server;
    private bool _isBegun;

    public string Oid => MechanismOid;

    public string Name => "NTLM";

    public bool IsComplete { get; private set; }

    public bool CanSign => _client is not null;

    public ReadOnlyMemory<byte> SessionKey => _sessionKey;

    public byte[] Step(ReadOnlySpan<byte> serverToken)
    {
        if (!_isBegun)
        {
            _isBegun = true;
            return _negotiate;
        }

        if (IsComplete)
            throw new SmbProtocolException("NTLM: the server goes on after AUTHENTICATE_MESSAGE");
        var challenge = NtlmChallenge.Read(serverToken);
        var message = identity.IsAnonymous ? AuthenticateAnonymously(challenge) : Authenticate(challenge, serverToken);
        IsComplete = true;
        return message;
    }

    private byte[] Authenticate(NtlmChallenge challenge, ReadOnlySpan<byte> challengeMessage)
    {
        var missing = Needed & ~challenge.Flags;
        if (missing != NtlmFlags.None)
            throw LogonFailure.NotMade($"the server does not offer NTLM version 2 with a 128-bit key (its challenge lacks {missing}); older ways are not used");
        var info = NtlmTargetInfo.Read(challenge.TargetInfo);
        var domain = identity.DomainFor(info);
        var responseKey = identity.ResponseKey(domain);
        var temp = NtlmV2.ClientChallenge(info.Timestamp ?? Now(), nonces.ClientChallenge, info.Answer($"cifs/{host}"));
        var proof = NtlmV2.Proof(responseKey, challenge.ServerChallenge, temp);
        var keyExchangeKey = NtlmV2.SessionBaseKey(responseKey, proof);

        // 3.1.5.1.2: where the target information is used, the LM response says nothing.
        var message = NtlmMessages.Authenticate(challenge.Flags & Asked, domain, identity.User, workstation,
            lmResponse: new byte[24], ntResponse: [.. proof, .. temp], Rc4.Once(keyExchangeKey, nonces.ExportedSessionKey));
        NtlmV2.Mic(nonces.ExportedSessionKey, _negotiate, challengeMessage, message).CopyTo(message, NtlmMessages.MicOffset);

        CryptographicOperations.ZeroMemory(responseKey);
        CryptographicOperations.ZeroMemory(keyExchangeKey);
        _sessionKey = nonces.ExportedSessionKey;
        _client = NtlmSignature.OfClient(_sessionKey);
        _server = NtlmSignature.OfServer(_sessionKey);
        return message;
    }

    /// <summary>3.2.5.1.2: no name, no NT response, and an LM response of one zero. There is no key.</summary>
    private static byte[] AuthenticateAnonymously(NtlmChallenge challenge)
    {
        const NtlmFlags keyed = NtlmFlags.KeyExchange | NtlmFlags.Sign | NtlmFlags.AlwaysSign;
        return NtlmMessages.Authenticate((challenge.Flags & Asked & ~keyed) | NtlmFlags.Anonymous, "", "", "", lmResponse: [0], ntResponse: [], encryptedSessionKey: []);
    }

    /// <summary>FILETIME: in 100 ns since 1601.</summary>
    private ulong Now() => (ulong)time.GetUtcNow().ToFileTime();

    public byte[] Sign(ReadOnlySpan<byte> message) => (_client ?? throw new InvalidOperationException("there is no key yet")).Next(message);

    public bool Verify(ReadOnlySpan<byte> message, ReadOnlySpan<byte> signature) =>
        CryptographicOperations.FixedTimeEquals((_server ?? throw new InvalidOperationException("there is no key yet")).Next(message), signature);

    public void Dispose()
    {
        _client?.Dispose();
        _server?.Dispose();
        CryptographicOperations.ZeroMemory(nonces.ExportedSessionKey);
    }
}
