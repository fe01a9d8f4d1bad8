using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Capstan.Protocol.Content;

/// <summary>One chunk within a pack. In JSON a list of three: <c>[stored, length, "sha256"]</c>.</summary>
/// <param name="StoredBytes">In the pack; equal to <paramref name="LengthBytes"/> when stored raw, shorter when compressed.</param>
/// <param name="LengthBytes">Plain: 1 to <see cref="ContentFormat.MaxChunkBytes"/>.</param>
/// <param name="Hash">SHA-256 of the plain chunk.</param>
[StructLayout(LayoutKind.Auto)]
[JsonConverter(typeof(StoredChunkConverter))]
public readonly record struct StoredChunk(int StoredBytes, int LengthBytes, ContentHash Hash)
{
    public bool IsCompressed => StoredBytes < LengthBytes;

    /// <summary>What is wrong with the lengths; null when nothing is.</summary>
    internal string? Problem() =>
        LengthBytes is < 1 or > ContentFormat.MaxChunkBytes ? $"a chunk has 1 to {ContentFormat.MaxChunkBytes} bytes"
        : StoredBytes < 1 || StoredBytes > LengthBytes ? "a chunk is stored in at least one byte and in no more than its own length"
        : null;
}

internal sealed class StoredChunkConverter : JsonConverter<StoredChunk>
{
    public override StoredChunk Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => Read(ref reader);

    public override void Write(Utf8JsonWriter writer, StoredChunk value, JsonSerializerOptions options) => Write(writer, value);

    /// <summary>The reader stands on the list's beginning, and afterwards on its end.</summary>
    /// <exception cref="JsonException">Not a list of two numbers and a hash.</exception>
    internal static StoredChunk Read(ref Utf8JsonReader reader)
    {
        if (reader.TokenType == JsonTokenType.StartArray
            && reader.Read() && reader.TokenType == JsonTokenType.Number && reader.TryGetInt32(out var stored)
            && reader.Read() && reader.TokenType == JsonTokenType.Number && reader.TryGetInt32(out var length)
            && reader.Read() && reader.TokenType == JsonTokenType.String && !reader.ValueIsEscaped && ContentHash.TryParse(reader.ValueSpan, out var hash)
            && reader.Read() && reader.TokenType == JsonTokenType.EndArray)
        {
            return new StoredChunk(stored, length, hash);
        }
        throw new JsonException("a chunk is [stored, length, \"sha256\"]");
    }

    internal static void Write(Utf8JsonWriter writer, StoredChunk chunk)
    {
        Span<byte> hash = stackalloc byte[ContentHash.Bytes];
        Span<byte> hex = stackalloc byte[ContentHash.Bytes * 2];
        chunk.Hash.CopyTo(hash);
        Convert.TryToHexStringLower(hash, hex, out _);
        writer.WriteStartArray();
        writer.WriteNumberValue(chunk.StoredBytes);
        writer.WriteNumberValue(chunk.LengthBytes);
        writer.WriteStringValue(hex);
        writer.WriteEndArray();
    }
}
