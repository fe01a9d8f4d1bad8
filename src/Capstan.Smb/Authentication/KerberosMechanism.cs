using System.Security.Cryptography;
using System.Text;

namespace Capstan.Smb.Authentication;

/// <summary>One Kerberos logon with mutual authentication, by the system's GSS-API (RFC 4121, [MS-KILE]). Everything it asks of the library may wait for a KDC.</summary>
internal sealed unsafe class KerberosMechanism : IMechanism
{
    public const string MechanismOid = "1.2.840.113554.1.2.2";

    private const uint Asked = Gss.Mutual | Gss.Replay | Gss.Sequence | Gss.Integrity;

    private readonly string _host;
    private nint _credentials;
    private nint _target;
    private nint _context;
    private byte[] _sessionKey = [];

    /// <param name="principal">Whose ticket; it must be the cache's. Null for whoever that is.</param>
    /// <param name="cache">As krb5 names it: <c>FILE:/path</c>; null for the one of the environment.</param>
    /// <exception cref="SmbException"><see cref="SmbFailure.Logon"/>: no such cache, no ticket in it, an expired one, another principal's.</exception>
    public KerberosMechanism(string? principal, string? cache, string host)
    {
        _host = host;
        try
        {
            _credentials = Acquire(principal, cache);
            _target = Import($"cifs@{host}", Gss.HostBasedService);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public string Oid => MechanismOid;

    public string Name => "Kerberos";

    public bool IsComplete { get; private set; }

    public bool CanSign => IsComplete;

    public ReadOnlyMemory<byte> SessionKey => _sessionKey;

    public byte[] Step(ReadOnlySpan<byte> serverToken)
    {
        if (IsComplete)
            throw new SmbProtocolException("Kerberos: the server goes on after the logon is complete");
        fixed (byte* oid = Gss.KerberosOid, token = serverToken)
        {
            var mechanism = new Gss.Oid { Length = (uint)Gss.KerberosOid.Length, Elements = oid };
            var input = new Gss.Buffer { Length = (nuint)serverToken.Length, Value = token };
            var major = Gss.InitSecurityContext(out var minor, _credentials, ref _context, _target, mechanism, Asked, 0, 0, input, 0, out var output, out var flags, 0);
            var answer = Gss.Take(ref output);
            if (Gss.IsError(major))
                throw serverToken.IsEmpty ? NoTicket(major, minor) : NotProved(major, minor);
            if (major == Gss.ContinueNeeded)
                return answer;
            if ((flags & Asked & (Gss.Mutual | Gss.Integrity)) != (Gss.Mutual | Gss.Integrity))
                throw LogonFailure.Tampered($"the Kerberos logon to {_host} ended without proof of who the server is");
            IsComplete = true;
            _sessionKey = InquireSessionKey();
            return answer;
        }
    }

    public byte[] Sign(ReadOnlySpan<byte> message)
    {
        fixed (byte* bytes = message)
        {
            var text = new Gss.Buffer { Length = (nuint)message.Length, Value = bytes };
            Check(Gss.GetMic(out var minor, _context, 0, text, out var mic), minor, "signing the mechanism list");
            return Gss.Take(ref mic);
        }
    }

    public bool Verify(ReadOnlySpan<byte> message, ReadOnlySpan<byte> signature)
    {
        fixed (byte* bytes = message, mac = signature)
        {
            var text = new Gss.Buffer { Length = (nuint)message.Length, Value = bytes };
            var mic = new Gss.Buffer { Length = (nuint)signature.Length, Value = mac };
            return !Gss.IsError(Gss.VerifyMic(out _, _context, text, mic, out _));
        }
    }

    private static nint Acquire(string? principal, string? cache)
    {
        var name = principal is null ? 0 : Import(principal, Gss.PrincipalName);
        try
        {
            fixed (byte* oid = Gss.KerberosOid, key = "ccache\0"u8, value = Encoding.UTF8.GetBytes($"{cache}\0"))
            {
                var mechanism = new Gss.Oid { Length = (uint)Gss.KerberosOid.Length, Elements = oid };
                var mechanisms = new Gss.OidSet { Count = 1, Elements = &mechanism };
                var element = new Gss.KeyValue { Key = key, Value = value };
                var store = new Gss.KeyValueSet { Count = 1, Elements = &element };
                var major = Gss.AcquireCredentials(out var minor, name, uint.MaxValue, mechanisms, Gss.InitiateOnly, cache is null ? null : &store, out var credentials, 0, 0);
                if (Gss.IsError(major))
                    throw LogonFailure.NotMade($"there is no Kerberos ticket{(principal is null ? "" : $" of {principal}")} in {cache ?? "the default cache"}: {Gss.Describe(major, minor)}; kinit gets one");
                return credentials;
            }
        }
        finally
        {
            if (name != 0)
                Gss.ReleaseName(out _, ref name);
        }
    }

    private static nint Import(string text, ReadOnlySpan<byte> type)
    {
        fixed (byte* oid = type, bytes = Encoding.UTF8.GetBytes(text))
        {
            var buffer = new Gss.Buffer { Length = (nuint)Encoding.UTF8.GetByteCount(text), Value = bytes };
            Check(Gss.ImportName(out var minor, buffer, new Gss.Oid { Length = (uint)type.Length, Elements = oid }, out var name), minor, $"\"{text}\"");
            return name;
        }
    }

    /// <summary>The whole key, as [MS-SMB2] 3.2.5.3 wants it; the second value of the set is its encryption type.</summary>
    private byte[] InquireSessionKey()
    {
        fixed (byte* oid = Gss.SessionKey)
        {
            Check(Gss.InquireSecurityContext(out var minor, _context, new Gss.Oid { Length = (uint)Gss.SessionKey.Length, Elements = oid }, out var values), minor, "the session key");
            try
            {
                return values is null || values->Count == 0 ? throw LogonFailure.NotMade("the Kerberos logon has no session key") : values->Elements[0].Span.ToArray();
            }
            finally
            {
                Gss.ReleaseBufferSet(out _, ref values);
            }
        }
    }

    private SmbException NoTicket(uint major, uint minor) =>
        LogonFailure.NotMade($"Kerberos gives no ticket for cifs/{_host}: {Gss.Describe(major, minor)}");

    private SmbException NotProved(uint major, uint minor) =>
        LogonFailure.Tampered($"what {_host} answered to the Kerberos logon does not verify: {Gss.Describe(major, minor)}");

    private static void Check(uint major, uint minor, string what)
    {
        if (Gss.IsError(major))
            throw LogonFailure.NotMade($"Kerberos: {what}: {Gss.Describe(major, minor)}");
    }

    public void Dispose()
    {
        if (_context != 0)
            Gss.DeleteSecurityContext(out _, ref _context, 0);
        if (_target != 0)
            Gss.ReleaseName(out _, ref _target);
        if (_credentials != 0)
            Gss.ReleaseCredentials(out _, ref _credentials);
        CryptographicOperations.ZeroMemory(_sessionKey);
    }
}
