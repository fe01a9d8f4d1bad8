using System.Runtime.InteropServices;

namespace Capstan.Smb.Authentication;

/// <summary>A logon with a Kerberos ticket that somebody already has (kinit, a login, a keytab's daemon), by the system's MIT krb5. Begins no logon to the realm itself.</summary>
/// <remarks>A logon may wait for a KDC; how long and how often says krb5.conf, and so does what becomes of the host's name (<c>dns_canonicalize_hostname</c>).</remarks>
public sealed class KerberosCredentials : SmbCredentials
{
    private readonly string? _cache;

    private readonly string? _principal;

    private KerberosCredentials(string? principal, string? cache)
    {
        _principal = principal;
        _cache = cache;
    }

    /// <summary>With a ticket of a cache that the caller names.</summary>
    /// <param name="principal">Whose ticket it must be: <c>capa@EXAMPLE.ORG</c>.</param>
    /// <param name="cache">As krb5 names it: <c>FILE:/run/capstan/krb5cc</c>, or a path.</param>
    public static KerberosCredentials FromCache(string principal, string cache)
    {
        ArgumentException.ThrowIfNullOrEmpty(principal);
        ArgumentException.ThrowIfNullOrEmpty(cache);
        return new KerberosCredentials(principal, cache);
    }

    /// <summary>With a ticket of whatever cache the environment of this process names (KRB5CCNAME, else the system's default).</summary>
    public static KerberosCredentials FromEnvironment(string principal)
    {
        ArgumentException.ThrowIfNullOrEmpty(principal);
        return new KerberosCredentials(principal, null);
    }

    /// <summary>As above, whoever the ticket is of.</summary>
    public static KerberosCredentials FromEnvironment() => new(null, null);

    /// <summary>The principal; where any will do, words for that.</summary>
    public override string Account => _principal ?? "the owner of the Kerberos ticket at hand";

    /// <summary>Whether this machine can do Kerberos at all.</summary>
    /// <param name="why">When not: one line for a person. Else empty.</param>
    public static bool IsAvailable(out string why)
    {
        why = Missing(OperatingSystem.IsLinux(), static library => NativeLibrary.TryLoad(library, out _));
        return why.Length == 0;
    }

    /// <summary>Why there is no Kerberos; empty when there is.</summary>
    internal static string Missing(bool isLinux, Func<string, bool> loads) =>
        !isLinux ? "only NTLMv2 is available for SMB: Kerberos is on Linux alone so far"
        : loads(Gss.Library) ? ""
        : $"only NTLMv2 is available for SMB: {Gss.Library} of MIT Kerberos is not on this machine; install the package libgssapi-krb5-2 (krb5-libs on Fedora and its kin)";

    /// <exception cref="SmbException"><see cref="SmbFailure.Logon"/>: the library is missing, or there is no ticket.</exception>
    internal override ISecurityContext Begin(string host) =>
        IsAvailable(out var why) ? new SpnegoContext(new KerberosMechanism(_principal, _cache, host)) : throw LogonFailure.NotMade(why);
}
