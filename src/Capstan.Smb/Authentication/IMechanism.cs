namespace Capstan.Smb.Authentication;

/// <summary>One run of a GSS-API mechanism on the client's side, inside SPNEGO. Not thread-safe.</summary>
internal interface IMechanism : IDisposable
{
    /// <summary>How the mechanism is named in SPNEGO ([MS-SPNG] 1.9).</summary>
    string Oid { get; }

    /// <summary>For messages: <c>NTLM</c>, <c>Kerberos</c>.</summary>
    string Name { get; }

    /// <summary>Takes the server's token (empty at first) and makes the next one; empty when there is nothing left to say.</summary>
    /// <exception cref="SmbException"><see cref="SmbFailure.Logon"/>, <see cref="SmbFailure.Tampered"/>.</exception>
    /// <exception cref="SmbProtocolException">The bytes are no token of the mechanism.</exception>
    byte[] Step(ReadOnlySpan<byte> serverToken);

    /// <summary>This side needs no further token of the server.</summary>
    bool IsComplete { get; }

    /// <summary>Whether there is a key to sign the mechanism list with. Meaningful when complete.</summary>
    bool CanSign { get; }

    /// <summary>GSS_GetMIC. Once complete and only if <see cref="CanSign"/>.</summary>
    byte[] Sign(ReadOnlySpan<byte> message);

    /// <summary>GSS_VerifyMIC of what the server signed. Once complete and only if <see cref="CanSign"/>.</summary>
    bool Verify(ReadOnlySpan<byte> message, ReadOnlySpan<byte> signature);

    /// <summary>Empty for an anonymous logon.</summary>
    ReadOnlyMemory<byte> SessionKey { get; }
}
