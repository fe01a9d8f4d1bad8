using System.Buffers;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using System.Text.Unicode;

namespace Capstan.Protocol.Tuf;

/// <summary>The canonical JSON of OLPC that TUF signs: members sorted by code point, no blanks, only <c>"</c> and <c>\</c> escaped, no fractions.</summary>
/// <remarks>
/// Pure; thread-safe. A canonical text may hold raw control characters, so it is what is hashed and signed, not what is stored.
/// Members are sorted by code point as the reference implementation does (JavaScript's differs beyond U+FFFF; no name that we write goes there).
/// </remarks>
public static class CanonicalJson
{
    /// <summary>Whole numbers that every implementation holds exactly.</summary>
    private const long LargestInteger = (1L << 53) - 1;

    private static readonly JsonDocumentOptions Options = new() { MaxDepth = TufLimits.JsonDepth, AllowDuplicateProperties = false };

    /// <summary>Parses strictly: no fractions or exponents, no duplicate members, no half surrogates or invalid UTF-8, no comments, nothing after the value,
    /// nesting up to <see cref="TufLimits.JsonDepth"/>.</summary>
    /// <param name="json">Not copied: must stay unchanged while the result is in use.</param>
    /// <exception cref="ProtocolException"><see cref="ProtocolError.Malformed"/>.</exception>
    public static JsonDocument Parse(ReadOnlyMemory<byte> json, string document)
    {
        JsonDocument? parsed = null;
        try
        {
            // Checked here and not on the way: the parser looks at the bytes of a string only when somebody asks for it.
            if (!Utf8.IsValid(json.Span))
                throw new ProtocolException(ProtocolError.Malformed, $"{document} is not UTF-8.", document);
            parsed = JsonDocument.Parse(json, Options);
            Check(parsed.RootElement, document);
            var result = parsed;
            parsed = null;
            return result;
        }
        catch (JsonException exception)
        {
            // The parser's own message repeats what it could not read, up to all of it: it stays here.
            throw new ProtocolException(ProtocolError.Malformed, $"{document} is not JSON, or has a member twice (line {exception.LineNumber + 1}, byte {exception.BytePositionInLine + 1}).", document);
        }
        catch (InvalidOperationException exception)
        {
            throw new ProtocolException(ProtocolError.Malformed, $"{document} holds half of a surrogate pair.", document, exception);
        }
        finally
        {
            parsed?.Dispose();
        }
    }

    /// <summary>The canonical form of a value that came out of <see cref="Parse"/>.</summary>
    public static byte[] Encode(JsonElement value)
    {
        var output = new ArrayBufferWriter<byte>(JsonMarshal.GetRawUtf8Value(value).Length);
        Write(value, output);
        return output.WrittenSpan.ToArray();
    }

    private static void Check(JsonElement value, string document)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Object:
                foreach (var member in value.EnumerateObject())
                {
                    if (JsonMarshal.GetRawUtf8PropertyName(member).Contains((byte)'\\'))
                        _ = member.Name;
                    Check(member.Value, document);
                }
                break;
            case JsonValueKind.Array:
                foreach (var item in value.EnumerateArray())
                    Check(item, document);
                break;
            case JsonValueKind.String:
                if (JsonMarshal.GetRawUtf8Value(value).Contains((byte)'\\'))
                    _ = value.GetString();
                break;
            case JsonValueKind.Number:
                var digits = JsonMarshal.GetRawUtf8Value(value);
                if (digits.ContainsAny(".eE"u8) || digits.SequenceEqual("-0"u8) || !value.TryGetInt64(out var number)
                    || number is > LargestInteger or < -LargestInteger) // not Math.Abs: the smallest number has no absolute value
                {
                    throw new ProtocolException(ProtocolError.Malformed,
                        $"{document} holds the number {Encoding.ASCII.GetString(digits[..Math.Min(digits.Length, 40)])}; only whole numbers up to 2^53 - 1 can be signed.", document);
                }
                break;
        }
    }

    private static void Write(JsonElement value, ArrayBufferWriter<byte> output)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Object:
                WriteObject(value, output);
                break;
            case JsonValueKind.Array:
                var separator = (byte)'[';
                foreach (var item in value.EnumerateArray())
                {
                    WriteByte(separator, output);
                    Write(item, output);
                    separator = (byte)',';
                }
                if (separator == '[')
                    WriteByte(separator, output);
                WriteByte((byte)']', output);
                break;
            case JsonValueKind.String:
                var raw = JsonMarshal.GetRawUtf8Value(value);
                if (raw.Contains((byte)'\\'))
                    WriteString(Encoding.UTF8.GetBytes(value.GetString()!), output);
                else
                    output.Write(raw);
                break;
            default:
                output.Write(JsonMarshal.GetRawUtf8Value(value));
                break;
        }
    }

    private static void WriteObject(JsonElement value, ArrayBufferWriter<byte> output)
    {
        var members = new (byte[] Name, JsonElement Value)[value.GetPropertyCount()];
        var count = 0;
        foreach (var member in value.EnumerateObject())
        {
            var raw = JsonMarshal.GetRawUtf8PropertyName(member);
            members[count++] = (raw.Contains((byte)'\\') ? Encoding.UTF8.GetBytes(member.Name) : raw.ToArray(), member.Value);
        }
        // The order of UTF-8 bytes is the order of code points.
        Array.Sort(members, (a, b) => a.Name.AsSpan().SequenceCompareTo(b.Name));
        WriteByte((byte)'{', output);
        for (var i = 0; i < members.Length; i++)
        {
            if (i > 0)
                WriteByte((byte)',', output);
            WriteString(members[i].Name, output);
            WriteByte((byte)':', output);
            Write(members[i].Value, output);
        }
        WriteByte((byte)'}', output);
    }

    private static void WriteString(ReadOnlySpan<byte> text, ArrayBufferWriter<byte> output)
    {
        WriteByte((byte)'"', output);
        while (text.IndexOfAny((byte)'"', (byte)'\\') is var special and >= 0)
        {
            output.Write(text[..special]);
            WriteByte((byte)'\\', output);
            WriteByte(text[special], output);
            text = text[(special + 1)..];
        }
        output.Write(text);
        WriteByte((byte)'"', output);
    }

    private static void WriteByte(byte value, ArrayBufferWriter<byte> output)
    {
        output.GetSpan(1)[0] = value;
        output.Advance(1);
    }
}
