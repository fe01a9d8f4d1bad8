using System.Diagnostics;

namespace Capstan.Smb.Authentication;

/// <summary>Whom NTLM logs on. Immutable. Holds the NT hash in place of the password, and shows neither.</summary>
/// <param name="user">Empty for an anonymous logon.</param>
/// <param name="domain">May be empty; <c>.</c> is the server itself.</param>
/// <param name="ntHash">16 bytes; a secret.</param>
[DebuggerDisplay("{User,nq}")]
internal sealed class NtlmIdentity(string user, string domain, byte[] ntHash)
{
    /// <summary>Windows' limit for a user principal name; a longer one is no account.</summary>
    public const int MaxNameLength = 1024;

    /// <summary>A domain that stands for the server, whatever its name.</summary>
    private const string ServerItself = ".";

    public string User => user;

    public bool IsAnonymous => user.Length == 0;

    /// <summary>Reads an account as people write it: <c>user</c>, <c>DOMAIN\user</c>, <c>user@realm</c> (sent whole, without domain, as Windows does) or <c>.\user</c>.</summary>
    public static NtlmIdentity Of(string account, string password)
    {
        ArgumentException.ThrowIfNullOrEmpty(account);
        ArgumentNullException.ThrowIfNull(password);
        var slash = account.IndexOf('\\', StringComparison.Ordinal);
        var (user, domain) = slash < 0 ? (account, "") : (account[(slash + 1)..], account[..slash]);
        if (user.Length is 0 or > MaxNameLength || domain.Length > MaxNameLength || user.Contains('\\', StringComparison.Ordinal))
            throw new ArgumentException($"\"{account}\" is no account; it is written user, DOMAIN\\user or user@realm", nameof(account));
        return new NtlmIdentity(user, domain, NtlmV2.NtHash(password));
    }

    /// <summary>The domain to name to a server.</summary>
    public string DomainFor(NtlmTargetInfo server) => domain == ServerItself ? server.ComputerName ?? "" : domain;

    public byte[] ResponseKey(string chosenDomain) => NtlmV2.ResponseKey(ntHash, user, chosenDomain);

    public override string ToString() => User;
}
