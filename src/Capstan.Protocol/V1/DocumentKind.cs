using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using System.Text.Unicode;

namespace Capstan.Protocol.V1;

/// <summary>One kind of document: its name, its limits, and the only way to write and read it. Thread-safe.</summary>
/// <remarks>Reading goes: byte limit, UTF-8, structure (depth, number of values), version, members, then ranges. Nothing is built in memory before the structure is known to be bounded.</remarks>
public sealed class DocumentKind<T> where T : class
{
    /// <summary>Longest path of a member in a message: a hostile document has names of any length.</summary>
    private const int MaxPath = 200;

    private readonly JsonTypeInfo<T> _type;
    private readonly JsonLimits _limits;
    private readonly Action<T, Problems> _validate;

    internal DocumentKind(string name, JsonTypeInfo<T> type, JsonLimits limits, Action<T, Problems> validate)
    {
        Name = name;
        _type = type;
        _limits = limits;
        _validate = validate;
    }

    /// <summary>For messages; for what travels in an upload, the item's kind.</summary>
    public string Name { get; }

    /// <summary>Longest JSON, in bytes.</summary>
    public int MaxBytes => _limits.Bytes;

    /// <summary>UTF-8 JSON, always the same bytes for equal documents.</summary>
    /// <exception cref="ProtocolException">Nobody would accept this document: all problems in one message.</exception>
    public byte[] Encode(T document)
    {
        ArgumentNullException.ThrowIfNull(document);
        Validate(document, null);
        var json = JsonSerializer.SerializeToUtf8Bytes(document, _type);
        return json.Length <= MaxBytes ? json : throw TooLarge(json.Length, null);
    }

    /// <param name="json">Verified bytes (from TUF, a JWS or a JWE): decoding is not authentication.</param>
    /// <param name="path">Where it came from, for the message; null when there is no path.</param>
    /// <exception cref="ProtocolException">With all that is wrong.</exception>
    public T Decode(ReadOnlySpan<byte> json, string? path = null)
    {
        if (json.Length > MaxBytes)
            throw TooLarge(json.Length, path);
        if (!Utf8.IsValid(json))
            throw new ProtocolException(ProtocolError.Malformed, $"{Name}: not UTF-8", path);
        CheckStructure(json, path);
        T? document;
        try
        {
            document = JsonSerializer.Deserialize(json, _type);
        }
        catch (JsonException e)
        {
            throw new ProtocolException(ProtocolError.Malformed, $"{Name}: {Describe(e)}", path);
        }
        if (document is null)
            throw new ProtocolException(ProtocolError.Malformed, $"{Name}: null instead of a JSON object", path);
        Validate(document, path);
        return document;
    }

    /// <summary>Reads the body of an upload item.</summary>
    /// <exception cref="ProtocolException">With all that is wrong, or when the item is of another kind.</exception>
    public T Decode(UploadItem item)
    {
        ArgumentNullException.ThrowIfNull(item);
        if (item.Kind != Name)
            throw new ProtocolException(ProtocolError.Malformed, $"an item of another kind stands where {Name} was expected");
        if (item.Body.ValueKind != JsonValueKind.Object)
            throw new ProtocolException(ProtocolError.Malformed, $"{Name}: not a JSON object");
        return Decode(JsonMarshal.GetRawUtf8Value(item.Body));
    }

    /// <summary>Makes an upload item of it.</summary>
    /// <exception cref="ProtocolException">Nobody would accept this document: all problems in one message.</exception>
    public UploadItem ToItem(T document)
    {
        using var parsed = JsonDocument.Parse(Encode(document), new JsonDocumentOptions { MaxDepth = JsonLimits.MaxDepth });
        return new UploadItem(Name, parsed.RootElement.Clone());
    }

    private void Validate(T document, string? path)
    {
        var problems = new Problems();
        _validate(document, problems);
        if (problems.Any)
            throw new ProtocolException(ProtocolError.Malformed, $"{Name}: {problems}", path);
    }

    private ProtocolException TooLarge(long length, string? path) =>
        new(ProtocolError.TooLarge, $"{Name}: {length} bytes; the limit is {MaxBytes}", path);

    /// <remarks>The reader's own message, and so the exception, repeats what it could not read: a secret, or megabytes. Neither goes on.</remarks>
    private void CheckStructure(ReadOnlySpan<byte> json, string? path)
    {
        try
        {
            _limits.CheckStructure(json, Name, path);
        }
        catch (JsonException e)
        {
            throw new ProtocolException(ProtocolError.Malformed, $"{Name}: not JSON ({Place(e)})", path);
        }
    }

    /// <summary>Where it stands, and which members are missing; never a value of the document. The JSON is well-formed here, so the names are ours.</summary>
    private static string Describe(JsonException e)
    {
        var missing = e.Message.IndexOf("missing required properties", StringComparison.Ordinal);
        var what = missing < 0 ? "a member is not what it must be" : e.Message[missing..].Split(". Path", 2)[0].TrimEnd('.');
        var path = e.Path is { Length: <= MaxPath } known ? known : "$…";
        return $"{what} (at {path}, {Place(e)})";
    }

    private static string Place(JsonException e) => $"line {e.LineNumber + 1 ?? 1}, byte {e.BytePositionInLine + 1 ?? 1}";
}
