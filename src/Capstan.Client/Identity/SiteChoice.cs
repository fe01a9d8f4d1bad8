using System.Text.RegularExpressions;
using Capstan.Protocol;
using Capstan.Protocol.V1;

namespace Capstan.Client.Identity;

/// <summary>Which of several sites an installation is for.</summary>
/// <param name="Token">The text of its token.</param>
/// <param name="Why">Recorded, and shown by status; null where there was nothing to choose.</param>
internal sealed record ChosenSite(string Token, string? Why);

/// <summary>Chooses among the tokens of an installation. Pure.</summary>
/// <remarks>A site that is asked for by name, else the one to which this directory belongs, else the one in whose boundaries the machine is, else the first.</remarks>
internal static partial class SiteChoice
{
    /// <summary>Several tokens stand one after another, each at the beginning of a line.</summary>
    public static IReadOnlyList<string> Split(string text)
    {
        var begins = Begin().Matches(text).Select(match => match.Index).ToList();
        return begins.Count < 2 ? [text] : [.. begins.Select((begin, index) => text[begin..(index + 1 < begins.Count ? begins[index + 1] : text.Length)])];
    }

    /// <param name="text">One token, or several.</param>
    /// <param name="addresses">Of this machine.</param>
    /// <param name="forced">Site code that a person asks for; null for none.</param>
    /// <param name="present">Site code of the client that is installed already; null for none.</param>
    /// <exception cref="ClientException"><c>bad_token</c>; <c>no_such_site</c>: no token is for the site that was asked for.</exception>
    public static ChosenSite Choose(string text, IReadOnlyList<string> addresses, string? forced, string? present)
    {
        var tokens = Split(text).Select(token => (Text: token, Token: Decode(token))).ToList();
        if (forced is not null)
        {
            return tokens.FirstOrDefault(token => token.Token.SiteCode == forced) is { Text: not null } wanted
                ? new ChosenSite(wanted.Text, "forced: --site")
                : throw new ClientException($"no token is for site {forced}: there {(tokens.Count == 1 ? "is one" : "are some")} for {string.Join(", ", tokens.Select(token => token.Token.SiteCode))}", "no_such_site");
        }
        if (tokens.Count == 1)
            return new ChosenSite(tokens[0].Text, null);
        // A client stays with its site, wherever it is.
        if (tokens.FirstOrDefault(token => token.Token.SiteCode == present) is { Text: not null } own)
            return new ChosenSite(own.Text, null);
        var match = BoundaryMatch.Find(addresses, tokens.SelectMany(token => (token.Token.Boundaries ?? []).Select(boundary => (token.Token.SiteCode, boundary))));
        return match is { } found
            ? new ChosenSite(tokens.First(token => token.Token.SiteCode == found.Name).Text, $"boundary {found.Boundary}")
            : new ChosenSite(tokens[0].Text, "outside every boundary: the first token");
    }

    private static EnrolmentToken Decode(string token)
    {
        try
        {
            return EnrolmentToken.Decode(token);
        }
        catch (ProtocolException e)
        {
            throw new ClientException($"{e.Message}; ask for a new one with: capstan token create", "bad_token", e);
        }
    }

    [GeneratedRegex(@"^\s*capstan[0-9]+\.", RegexOptions.Multiline | RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1_000)]
    private static partial Regex Begin();
}
