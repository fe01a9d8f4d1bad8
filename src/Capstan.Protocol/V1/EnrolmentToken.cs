using System.Security.Cryptography;
using System.Text;
using Capstan.Protocol.Jose;

namespace Capstan.Protocol.V1;

/// <summary>All that a new client needs: where, whom to trust, and a one-time secret. It is a secret itself.</summary>
public sealed record EnrolmentToken
{
    /// <summary>Longest text that <see cref="Decode"/> looks at.</summary>
    public const int MaxCharacters = 64 << 10;

    /// <summary>Most CAPs of one token.</summary>
    public const int MaxCaps = 64;

    private const string Prefix = "capstan1.";
    private const int ChecksumCharacters = 6;
    private const int SecretBytes = 32;

    public int Version { get; init; } = 1;
    public required string SiteCode { get; init; }
    /// <summary>SHA-256 of one version of root.json, lower-case hexadecimal; the chain is walked from there.</summary>
    public required string RootHash { get; init; }
    public required int RootVersion { get; init; }
    /// <summary>NAL paths of the CAPs, classic form; 1 to 64.</summary>
    public required IReadOnlyList<string> Caps { get; init; }
    /// <summary>Connection accounts for the CAPs, in the order in which they are tried; null when none is needed.</summary>
    public IReadOnlyList<AccountSecret>? Accounts { get; init; }
    /// <summary>Where the site's machines are, at most <see cref="Boundary.Most"/>: a machine that is given tokens of several sites chooses by them. Null for none.</summary>
    public IReadOnlyList<string>? Boundaries { get; init; }
    /// <summary>Names the token to the site.</summary>
    public required string TokenId { get; init; }
    /// <summary>256 random bits, base64url.</summary>
    public required string Secret { get; init; }

    /// <summary>One line: <c>capstan1.</c>, base64url of the JSON, a dot, 6 characters of checksum (for a truncated paste, not against an attacker).</summary>
    /// <exception cref="ProtocolException">Nobody would accept this token: all problems in one message.</exception>
    public string Encode()
    {
        var text = Prefix + StrictBase64Url.Encode(Documents.EnrolmentToken.Encode(this));
        return $"{text}.{Checksum(text)}";
    }

    /// <summary>Blanks and line ends are ignored wherever a terminal or a mail put them.</summary>
    /// <exception cref="ProtocolException">With all that is wrong, never with the token's text.</exception>
    public static EnrolmentToken Decode(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (text.Length > MaxCharacters)
            throw new ProtocolException(ProtocolError.TooLarge, $"the enrolment token has {text.Length} characters; the limit is {MaxCharacters}");
        var token = string.Concat(text.Where(c => !char.IsWhiteSpace(c)));
        if (token.Length == 0)
            throw Malformed("is empty: paste the whole line that `capstan token create` printed");
        if (!token.StartsWith(Prefix, StringComparison.Ordinal))
            throw NotOurs(token);
        var dot = token.LastIndexOf('.');
        if (dot < Prefix.Length || token.Length - dot - 1 != ChecksumCharacters)
            throw Malformed("is incomplete: it must end with a dot and 6 characters; paste the whole line that `capstan token create` printed");
        if (token[(dot + 1)..] != Checksum(token[..dot]))
            throw Malformed("was altered or is incomplete (its checksum does not fit): paste the whole line that `capstan token create` printed");
        return Documents.EnrolmentToken.Decode(StrictBase64Url.Decode(token.AsSpan(Prefix.Length, dot - Prefix.Length), "the enrolment token"));
    }

    /// <summary>Without the secrets.</summary>
    public override string ToString() => $"{nameof(EnrolmentToken)} {{ SiteCode = {SiteCode}, TokenId = {TokenId}, Secret = (hidden) }}";

    internal void Check(Problems problems)
    {
        problems.Version(Version);
        problems.Site(SiteCode);
        problems.Boundaries("boundaries", Boundaries);
        problems.Hash("rootHash", RootHash);
        problems.Range("rootVersion", RootVersion, 1, int.MaxValue);
        problems.Require(Caps.Count > 0, "caps", "must name at least one CAP");
        problems.Each("caps", Caps, static (problems, path) => problems.Line("", path), MaxCaps);
        if (Accounts is not null)
            AccountSecret.Check(Accounts, problems);
        problems.Word("tokenId", TokenId);
        problems.Require(StrictBase64Url.TryDecode(Secret, out var secret) && secret.Length == SecretBytes, "secret", "must be base64url of 32 bytes");
    }

    private static string Checksum(string text) => Base32.Encode(SHA256.HashData(Encoding.UTF8.GetBytes(text)))[..ChecksumCharacters];

    private static ProtocolException NotOurs(string token)
    {
        var digits = token.AsSpan("capstan".Length is var start && token.StartsWith("capstan", StringComparison.Ordinal) ? start : token.Length);
        var end = digits.IndexOf('.');
        return end > 0 && !digits[..end].ContainsAnyExceptInRange('0', '9')
            ? new ProtocolException(ProtocolError.UnknownVersion, "the enrolment token is of another version of the format; this program knows version 1: upgrade it")
            : Malformed("does not start with capstan1. : paste the whole line that `capstan token create` printed");
    }

    private static ProtocolException Malformed(string what) => new(ProtocolError.Malformed, $"the enrolment token {what}");
}
