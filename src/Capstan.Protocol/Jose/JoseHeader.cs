using System.Buffers;
using System.Text.Json;

namespace Capstan.Protocol.Jose;

/// <summary>A protected header, read strictly: only the members below, each once. Anything else (<c>crit</c>, <c>zip</c>, <c>jku</c>, <c>apu</c> …) is refused.</summary>
/// <remarks>A closed set is what ends confusion of algorithms and of key sources: a new header member is a new content type.</remarks>
internal sealed record JoseHeader(string? Alg, string? Enc, string? ContentType, string? KeyId, Jwk? EphemeralKey, Jwk? EmbeddedKey)
{
    /// <summary>Longest encoded header. Ours take about 350 characters.</summary>
    private const int MaxCharacters = 2048;

    private static readonly SearchValues<char> ContentTypeCharacters =
        SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-+./");

    /// <exception cref="ProtocolException"/>
    public static JoseHeader Parse(ReadOnlySpan<char> encoded)
    {
        if (encoded.Length > MaxCharacters)
            throw new ProtocolException(ProtocolError.TooLarge, $"the JOSE header has {encoded.Length} characters; the limit is {MaxCharacters}");
        var json = StrictBase64Url.Decode(encoded, "the JOSE header");
        try
        {
            return Read(json);
        }
        // GetString reports ill-formed UTF-8 and lone surrogates as InvalidOperationException.
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new ProtocolException(ProtocolError.Malformed, "the JOSE header is not the JSON object that it must be", inner: e);
        }
    }

    /// <summary>A content type stands in a header as it is; callers pass constants.</summary>
    public static void RequireContentType(string contentType)
    {
        if (contentType.Length == 0 || contentType.AsSpan().ContainsAnyExcept(ContentTypeCharacters))
            throw new ArgumentException("A content type has letters, digits and - + . / only.", nameof(contentType));
    }

    /// <summary>The parts of a compact serialization.</summary>
    /// <exception cref="ProtocolException">Not exactly <paramref name="ranges"/>.Length parts.</exception>
    public static void Split(string compact, Span<Range> ranges, string form)
    {
        var text = compact.AsSpan();
        if (text.Count('.') != ranges.Length - 1)
            throw new ProtocolException(ProtocolError.Malformed, $"not a compact {form}: {ranges.Length} parts were expected");
        text.Split(ranges, '.');
    }

    private static JoseHeader Read(byte[] json)
    {
        var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = 2 });
        string? alg = null, enc = null, contentType = null, keyId = null;
        Jwk? ephemeral = null, embedded = null;
        Expect(ref reader, JsonTokenType.StartObject);
        while (Next(ref reader) == JsonTokenType.PropertyName)
        {
            var name = reader.GetString();
            switch (name)
            {
                case "alg": Once(ref alg, Text(ref reader), name); break;
                case "enc": Once(ref enc, Text(ref reader), name); break;
                case "cty": Once(ref contentType, Text(ref reader), name); break;
                case "kid": Once(ref keyId, Text(ref reader), name); break;
                case "epk": Once(ref ephemeral, Key(ref reader), name); break;
                case "jwk": Once(ref embedded, Key(ref reader), name); break;
                default: throw Refused("has a member that is not one of alg enc cty kid epk jwk");
            }
        }
        if (reader.Read())
            throw Refused("goes on after its end");
        return new JoseHeader(alg, enc, contentType, keyId, ephemeral, embedded);
    }

    private static Jwk Key(ref Utf8JsonReader reader)
    {
        string? kty = null, crv = null, x = null, y = null;
        Expect(ref reader, JsonTokenType.StartObject);
        while (Next(ref reader) == JsonTokenType.PropertyName)
        {
            var name = reader.GetString();
            switch (name)
            {
                case "kty": Once(ref kty, Text(ref reader), name); break;
                case "crv": Once(ref crv, Text(ref reader), name); break;
                case "x": Once(ref x, Text(ref reader), name); break;
                case "y": Once(ref y, Text(ref reader), name); break;
                default: throw Refused("has a key with a member that is not one of kty crv x y");
            }
        }
        return kty is null || crv is null || x is null || y is null
            ? throw Refused("has an incomplete key")
            : new Jwk(kty, crv, x, y);
    }

    private static void Once<T>(ref T? member, T value, string name) where T : class =>
        member = member is null ? value : throw Refused($"has {name} twice");

    private static string Text(ref Utf8JsonReader reader)
    {
        Expect(ref reader, JsonTokenType.String);
        return reader.GetString()!;
    }

    private static JsonTokenType Next(ref Utf8JsonReader reader) =>
        reader.Read() ? reader.TokenType : throw Refused("ends too early");

    private static void Expect(ref Utf8JsonReader reader, JsonTokenType type)
    {
        if (Next(ref reader) != type)
            throw Refused($"has a value that is not a {(type == JsonTokenType.String ? "string" : "JSON object")} where one must stand");
    }

    private static ProtocolException Refused(string what) => new(ProtocolError.Malformed, $"the JOSE header {what}");
}
