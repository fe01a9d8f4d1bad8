using System.Globalization;

namespace Capstan.Protocol.V1;

/// <summary>The file <c>install.capstan</c>: an enrolment token with what a person needs to know of it. A secret, as the token is.</summary>
/// <remarks>Text: lines that begin with <c>#</c> are for people, but for the first, which names the form; the rest is the token.</remarks>
public static class InstallFile
{
    /// <summary>How it is called beside an installer.</summary>
    public const string Name = "install.capstan";

    private const string Form = "# Capstan install file ";
    private const string Version = "1";

    /// <param name="token">The text of an enrolment token.</param>
    /// <param name="uses">Machines that may use it.</param>
    /// <exception cref="ProtocolException">It is no token.</exception>
    public static string Encode(string token, DateTimeOffset expiresAt, int uses)
    {
        var content = EnrolmentToken.Decode(token);
        return string.Create(CultureInfo.InvariantCulture,
            $"""
            {Form}{Version}
            # A SECRET: until {expiresAt.UtcDateTime:yyyy-MM-dd HH:mm} UTC it makes {uses} {(uses == 1 ? "machine" : "machines")} a client of site {content.SiteCode}{(content.Accounts is { Count: > 0 } ? ", and holds the accounts that open its client access points" : "")}.
            # On the machine, as root: capstan-client install --file {Name}
            {token.Trim()}

            """).ReplaceLineEndings("\n");
    }

    /// <summary>The token's text of such a file, or of one that holds a token alone. Several, of several sites, stay on lines of their own.</summary>
    /// <exception cref="ProtocolException">A later form, which this program does not know.</exception>
    public static string TokenIn(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (text.StartsWith(Form, StringComparison.Ordinal) && text[Form.Length..].Split('\n', 2)[0].TrimEnd() is var version && version != Version)
            throw new ProtocolException(ProtocolError.UnknownVersion, $"{Name} has another form than version {Version}, which this program knows: upgrade it, or ask for a new file");
        return string.Join('\n', text.Split('\n').Where(line => !line.StartsWith('#'))).Trim();
    }
}
