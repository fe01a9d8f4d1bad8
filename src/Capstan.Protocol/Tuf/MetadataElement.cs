using System.Globalization;
using System.Text.Json;

namespace Capstan.Protocol.Tuf;

/// <summary>A JSON value of a named document: whatever it lacks is a <see cref="ProtocolException"/> that says where.</summary>
internal readonly struct MetadataElement(JsonElement json, string document, string place = "")
{
    private static readonly string[] TimeForms = ["yyyy-MM-dd'T'HH:mm:ss'Z'", "yyyy-MM-dd'T'HH:mm:ss.FFFFFFF'Z'"];

    public JsonElement Json { get; } = json;

    public string Document { get; } = document;

    public MetadataElement this[string name] => Optional(name) ?? throw Malformed($"has no member {Within(name)}");

    public MetadataElement? Optional(string name)
    {
        Expect(JsonValueKind.Object, "an object");
        return Json.TryGetProperty(name, out var member) ? new MetadataElement(member, Document, Within(name)) : null;
    }

    public IEnumerable<KeyValuePair<string, MetadataElement>> Members()
    {
        Expect(JsonValueKind.Object, "an object");
        return Enumerate(this);

        static IEnumerable<KeyValuePair<string, MetadataElement>> Enumerate(MetadataElement self)
        {
            foreach (var member in self.Json.EnumerateObject())
                yield return new(member.Name, new MetadataElement(member.Value, self.Document, self.Within(member.Name)));
        }
    }

    public IEnumerable<MetadataElement> Items()
    {
        Expect(JsonValueKind.Array, "an array");
        return Enumerate(this);

        static IEnumerable<MetadataElement> Enumerate(MetadataElement self)
        {
            foreach (var item in self.Json.EnumerateArray())
                yield return new MetadataElement(item, self.Document, self.Within("[]"));
        }
    }

    public string Text()
    {
        Expect(JsonValueKind.String, "a text");
        return Json.GetString()!;
    }

    public bool Flag() => Json.ValueKind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => throw Malformed($"{place} is not true or false"),
    };

    /// <param name="least">Below this the document is refused.</param>
    public long Number(long least)
    {
        Expect(JsonValueKind.Number, "a number");
        var number = Json.GetInt64();
        return number >= least ? number : throw Malformed($"{place} is {number}, at least {least} is expected");
    }

    public DateTimeOffset Time() =>
        DateTimeOffset.TryParseExact(Text(), TimeForms, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time)
            ? time
            : throw Malformed($"{place} is not a time in UTC like 2030-01-31T00:00:00Z");

    /// <summary>SHA-256 in lower-case hexadecimal out of <c>{"sha256": …}</c>; other algorithms beside it are ignored.</summary>
    public string Sha256()
    {
        var hash = this["sha256"].Text();
        return hash.Length == 64 && hash.All(c => char.IsAsciiHexDigitLower(c)) ? hash : throw Malformed($"{place} is not 64 lower-case hexadecimal digits");
    }

    public ProtocolException Malformed(string what) => new(ProtocolError.Malformed, $"{Document}: {what}.", Document);

    private void Expect(JsonValueKind kind, string what)
    {
        if (Json.ValueKind != kind)
            throw Malformed($"{(place.Length == 0 ? "the document" : place)} is not {what}");
    }

    private string Within(string name) => place.Length == 0 ? name : $"{place}.{name}";
}
