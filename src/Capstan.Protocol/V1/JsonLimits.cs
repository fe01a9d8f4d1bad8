using System.Text.Json;

namespace Capstan.Protocol.V1;

/// <summary>What a document may cost before it is looked at: checked in one pass that allocates nothing.</summary>
/// <param name="Bytes">Longest JSON.</param>
/// <param name="Values">Most values (strings, numbers, objects, lists …): bounds what deserializing can allocate.</param>
/// <param name="Elements">Most elements of a list that is a member of the document itself.</param>
internal sealed record JsonLimits(int Bytes, int Values, int Elements)
{
    /// <summary>Nesting of objects and lists.</summary>
    public const int MaxDepth = 32;

    /// <summary>Depth, counts and version.</summary>
    /// <exception cref="ProtocolException"/>
    /// <exception cref="JsonException">Not JSON.</exception>
    public void CheckStructure(ReadOnlySpan<byte> json, string name, string? path)
    {
        var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = MaxDepth });
        int values = 0, elements = 0;
        while (reader.Read())
        {
            if (reader.TokenType == JsonTokenType.PropertyName)
            {
                if (reader.CurrentDepth == 1 && reader.ValueTextEquals("version"u8))
                    CheckVersion(reader, name, path);
                continue;
            }
            if (++values > Values)
                throw new ProtocolException(ProtocolError.TooLarge, $"{name}: more than {Values} values", path);
            if (reader.CurrentDepth == 1 && reader.TokenType is JsonTokenType.StartArray or JsonTokenType.StartObject)
                elements = 0;
            else if (reader.CurrentDepth == 2 && reader.TokenType is not (JsonTokenType.EndObject or JsonTokenType.EndArray) && ++elements > Elements)
                throw new ProtocolException(ProtocolError.TooLarge, $"{name}: a list has more than {Elements} elements", path);
        }
    }

    /// <remarks>The first thing looked at: of a version that we do not know, nothing else is understood. Other faults are the deserializer's.</remarks>
    private static void CheckVersion(Utf8JsonReader reader, string name, string? path)
    {
        if (reader.Read() && reader.TokenType == JsonTokenType.Number && (!reader.TryGetInt64(out var version) || version > 1))
            throw new ProtocolException(ProtocolError.UnknownVersion,
                $"{name}: version {(version > 1 ? version : "beyond reason")} of the format; this program knows version 1: upgrade it", path);
    }
}
