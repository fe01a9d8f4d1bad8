using Capstan.Smb;
using Capstan.Smb.Authentication;

namespace Capstan.Nal.Providers.Mswnet;

/// <summary>Accounts that log on with a Kerberos ticket in place of a password: <c>kerberos:user@REALM</c>, or <c>kerberos:</c> for whoever the ticket is of.</summary>
/// <remarks>The ticket is the one of this process: the cache that KRB5CCNAME or krb5.conf names. It is used only when an account of such a name was given; no
/// account of a server can have one, since a colon cannot be in it.</remarks>
public static class TicketAccount
{
    private const string Prefix = "kerberos:";

    /// <summary>The account takes no password.</summary>
    public static bool Is(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return name.StartsWith(Prefix, StringComparison.OrdinalIgnoreCase);
    }

    /// <summary>Whether this machine can do Kerberos at all.</summary>
    /// <param name="why">When not: one line for a person. Else empty.</param>
    public static bool IsAvailable(out string why) => KerberosCredentials.IsAvailable(out why);

    /// <exception cref="SmbException"><see cref="SmbFailure.Logon"/>: a ticket account with a password.</exception>
    /// <exception cref="ArgumentException">A name that no logon can hold.</exception>
    internal static SmbCredentials Credentials(ConnectionAccount account, TimeProvider time)
    {
        var password = account.Password.Reveal();
        if (!Is(account.Name))
            return new NtlmCredentials(account.Name, password, time);
        if (password.Length > 0)
            throw new SmbException(SmbFailure.Logon, "it logs on with a ticket and takes no password", SmbCompletion.NotSent, SmbCommand.SessionSetup);
        return account.Name.Length == Prefix.Length
            ? KerberosCredentials.FromEnvironment()
            : KerberosCredentials.FromEnvironment(account.Name[Prefix.Length..]);
    }
}
