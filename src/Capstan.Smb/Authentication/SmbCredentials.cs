namespace Capstan.Smb.Authentication;

/// <summary>Who logs on, and how. Immutable; usable for any number of logons at once. <c>ToString</c> never shows a secret.</summary>
public abstract class SmbCredentials
{
    /// <summary>The account as people write it: <c>FS1\capa</c>, <c>capa@EXAMPLE.ORG</c>, or the words <c>guest</c> and <c>anonymous</c>.</summary>
    public abstract string Account { get; }

    /// <summary>Whether a session without an authenticated user was asked for. Else a server that answers with one is refused.</summary>
    internal virtual bool AllowsGuest => false;

    /// <summary>Begins one logon.</summary>
    /// <param name="host">The server's name as the caller gave it, for the target name that binds the logon to it.</param>
    internal abstract ISecurityContext Begin(string host);

    public override string ToString() => Account;
}

/// <summary>One logon: tokens out, tokens in, at the end a key. Not thread-safe.</summary>
internal interface ISecurityContext : IDisposable
{
    /// <summary>The next token for the server ([MS-SMB2] 3.2.4.2.3).</summary>
    /// <param name="serverToken">What the server sent last; at first its hint from NEGOTIATE, which may be empty.</param>
    /// <exception cref="SmbException"><see cref="SmbFailure.Logon"/> when this side cannot go on, <see cref="SmbFailure.Tampered"/> when the
    /// server's proof is wrong; <see cref="SmbProtocolException"/> for bytes that are no token.</exception>
    byte[] Next(ReadOnlySpan<byte> serverToken);

    /// <summary>Takes the token that came with the server's success (it may be empty) and verifies the server's proof in it, where there is one.</summary>
    void Finish(ReadOnlySpan<byte> serverToken);

    /// <summary>The session key ([MS-SMB2] 3.2.5.3), 16 bytes or more; empty for an anonymous logon. Valid after <see cref="Finish"/> or the last <see cref="Next"/>.</summary>
    ReadOnlyMemory<byte> SessionKey { get; }
}
