using System.Diagnostics;

namespace Capstan.Smb.Authentication;

/// <summary>A logon with name and password by NTLM version 2 ([MS-NLMP]).</summary>
[DebuggerDisplay("{Account,nq}")]
public sealed class NtlmCredentials : SmbCredentials
{
    [DebuggerBrowsable(DebuggerBrowsableState.Never)]
    private readonly NtlmIdentity _identity;
    private readonly TimeProvider _time;

    /// <param name="account"><c>user</c>, <c>DOMAIN\user</c>, <c>user@realm</c>, or <c>.\user</c> for an account of the server itself.
    /// <c>user@realm</c> is for domains: a server that stands alone (Samba, too) does not know it.</param>
    /// <param name="password">Not kept: only what NTLM makes of it.</param>
    /// <exception cref="ArgumentException">The account cannot be one. The message does not hold the password.</exception>
    public NtlmCredentials(string account, string password)
        : this(account, password, TimeProvider.System)
    {
    }

    /// <inheritdoc cref="NtlmCredentials(string, string)"/>
    /// <param name="time">For servers that do not say what time it is.</param>
    public NtlmCredentials(string account, string password, TimeProvider time)
    {
        _identity = NtlmIdentity.Of(account, password);
        _time = time;
        Account = account;
    }

    public override string Account { get; }

    internal override ISecurityContext Begin(string host) => Ntlm.Begin(_identity, host, _time);
}

/// <summary>A logon as guest, for servers that take every name for one. Asked for by name only, because the server does not prove who it is and the session can be neither signed nor encrypted.</summary>
public sealed class GuestCredentials : SmbCredentials
{
    private readonly NtlmIdentity _identity = NtlmIdentity.Of("Guest", "");

    public override string Account => "guest";

    internal override bool AllowsGuest => true;

    internal override ISecurityContext Begin(string host) => Ntlm.Begin(_identity, host, TimeProvider.System);
}

/// <summary>A logon without a name (a null session). Asked for by name only, for the reasons of <see cref="GuestCredentials"/>.</summary>
public sealed class AnonymousCredentials : SmbCredentials
{
    private readonly NtlmIdentity _identity = new("", "", []);

    public override string Account => "anonymous";

    internal override bool AllowsGuest => true;

    internal override ISecurityContext Begin(string host) => Ntlm.Begin(_identity, host, TimeProvider.System);
}

file static class Ntlm
{
    public static SpnegoContext Begin(NtlmIdentity identity, string host, TimeProvider time) =>
        new(new NtlmMechanism(identity, host, Environment.MachineName, NtlmNonces.Random(), time));
}
