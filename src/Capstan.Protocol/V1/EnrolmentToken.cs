namespace Capstan.Protocol.V1;

/// <summary>All that a new client needs: where, whom to trust, and a one-time secret. It is a secret itself.</summary>
public sealed record EnrolmentToken
{
    public int Version { get; init; } = 1;
    public required string SiteCode { get; init; }
    /// <summary>SHA-256 of one version of root.json, lower-case hexadecimal; the chain is walked from there.</summary>
    public required string RootHash { get; init; }
    public required int RootVersion { get; init; }
    /// <summary>NAL paths of the CAPs, classic form.</summary>
    public required IReadOnlyList<string> Caps { get; init; }
    /// <summary>Names the token to the site.</summary>
    public required string TokenId { get; init; }
    /// <summary>256 random bits, base64url.</summary>
    public required string Secret { get; init; }

    /// <summary>One line, <c>capstan1.</c> + base64url of the JSON.</summary>
    public string Encode() => throw new NotSupportedException("not built yet");

    /// <exception cref="ProtocolException">With what is wrong, never with the token's text.</exception>
    public static EnrolmentToken Decode(string text) => throw new NotSupportedException("not built yet");
}
