namespace Capstan.Smb.Authentication;

/// <summary>The ways in which a logon ends on this side, in one wording.</summary>
internal static class LogonFailure
{
    /// <summary>This side cannot, or will not, go on; the token that would be next was not sent.</summary>
    public static SmbException NotMade(string why, Exception? inner = null) =>
        new(SmbFailure.Logon, why, SmbCompletion.NotSent, SmbCommand.SessionSetup, inner: inner);

    /// <summary>The server's proof does not verify.</summary>
    public static SmbException Tampered(string why) =>
        new(SmbFailure.Tampered, why, SmbCompletion.Unknown, SmbCommand.SessionSetup);
}
