using System.Runtime.InteropServices;

namespace Capstan.Smb.Authentication;

/// <summary>A logon with a Kerberos ticket that somebody already has (kinit, a login, a keytab's daemon), by the system's MIT krb5. Begins no logon to the realm itself.</summary>
/// <remarks>A logon may wait for a KDC; how long and how often says krb5.conf, and so does what becomes of the host's name (<c>dns_canonicalize_hostname</c>).</remarks>
public sealed class KerberosCredentials : SmbCredentials
{
    private readonly string? _cache;

    private KerberosCredentials(string principal, string? cache)
    {
        ArgumentException.ThrowIfNullOrEmpty(principal);
        Account = principal;
        _cache = cache;
    }

    /// <summary>With a ticket of a cache that the caller names.</summary>
    /// <param name="principal">Whose ticket it must be: <c>capa@EXAMPLE.ORG</c>.</param>
    /// <param name="cache">As krb5 names it: <c>FILE:/run/capstan/krb5cc</c>, or a path.</param>
    public static KerberosCredentials FromCache(string principal, string cache)
    {
        ArgumentException.ThrowIfNullOrEmpty(cache);
        return new KerberosCredentials(principal, cache);
    }

    /// <summary>With a ticket of whatever cache the environment of this process names (KRB5CCNAME, else the system's default).</summary>
    public static KerberosCredentials FromEnvironment(string principal) => new(principal, null);

    public override string Account { get; }

    /// <summary>Whether this machine can do Kerberos at all.</summary>
    /// <param name="why">When not: one line for a person. Else empty.</param>
    public static bool IsAvailable(out string why)
    {
        why = "";
        if (OperatingSystem.IsLinux() && NativeLibrary.TryLoad(Gss.Library, out _))
            return true;
        why = $"only NTLMv2 is available for SMB: {Gss.Library} (MIT Kerberos; package libgssapi-krb5-2 or krb5-libs) is not on this machine";
        return false;
    }

    /// <exception cref="SmbException"><see cref="SmbFailure.Logon"/>: the library is missing, or there is no ticket.</exception>
    internal override ISecurityContext Begin(string host) =>
        IsAvailable(out var why) ? new SpnegoContext(new KerberosMechanism(Account, _cache, host)) : throw LogonFailure.NotMade(why);
}
