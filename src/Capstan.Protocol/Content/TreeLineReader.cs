using System.Text.Json;

namespace Capstan.Protocol.Content;

/// <summary>The members of one line, each at most once and only those of its kind.</summary>
internal ref struct TreeLineReader
{
    private string? _path, _target;
    private TreeKind? _kind;
    private int? _mode;
    private long? _size, _offset;
    private ContentHash? _hash, _pack;
    private List<StoredChunk>? _chunks;

    /// <exception cref="JsonException">Not such an object.</exception>
    public static TreeLine Read(ref Utf8JsonReader reader)
    {
        var members = new TreeLineReader();
        Expect(reader.Read() && reader.TokenType == JsonTokenType.StartObject);
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            members.ReadMember(ref reader);
        Expect(reader.TokenType == JsonTokenType.EndObject && !reader.Read());
        return members.ToLine();
    }

    private void ReadMember(ref Utf8JsonReader reader)
    {
        if (reader.ValueTextEquals("path"u8))
            Once(ref _path, Text(ref reader));
        else if (reader.ValueTextEquals("target"u8))
            Once(ref _target, Text(ref reader));
        else if (reader.ValueTextEquals("kind"u8))
            ReadKind(ref reader);
        else if (reader.ValueTextEquals("mode"u8))
            Once(ref _mode, Mode(ref reader));
        else if (reader.ValueTextEquals("size"u8))
            Once(ref _size, Number(ref reader));
        else if (reader.ValueTextEquals("offset"u8))
            Once(ref _offset, Number(ref reader));
        else if (reader.ValueTextEquals("sha256"u8))
            Once(ref _hash, Hash(ref reader));
        else if (reader.ValueTextEquals("pack"u8))
            Once(ref _pack, Hash(ref reader));
        else if (reader.ValueTextEquals("chunks"u8))
            Once(ref _chunks, Chunks(ref reader));
        else
            throw new JsonException("an unknown member");
    }

    private readonly TreeLine ToLine()
    {
        if (_pack is { } pack)
        {
            Expect(_offset is not null && _chunks is not null && _kind is null && (_path, _target, _mode, _size, _hash) == default);
            return new Extent(pack, _offset!.Value, _chunks!);
        }
        Expect(_path is not null && _offset is null && _chunks is null
            && _kind switch
            {
                TreeKind.Directory => _mode is not null && (_size, _hash, _target) == default,
                TreeKind.File => _mode is not null && _size is not null && _hash is not null && _target is null,
                TreeKind.Link => _target is not null && (_mode, _size, _hash) == default,
                _ => false,
            });
        return new TreeEntry(_path!, _kind!.Value, _mode ?? 0, _size ?? 0, _hash, _target);
    }

    private void ReadKind(ref Utf8JsonReader reader)
    {
        Expect(_kind is null && reader.Read() && reader.TokenType == JsonTokenType.String);
        _kind = reader.ValueTextEquals("directory"u8) ? TreeKind.Directory
            : reader.ValueTextEquals("file"u8) ? TreeKind.File
            : reader.ValueTextEquals("link"u8) ? TreeKind.Link
            : throw new JsonException("an unknown kind");
    }

    private static string Text(ref Utf8JsonReader reader)
    {
        Expect(reader.Read() && reader.TokenType == JsonTokenType.String);
        return reader.GetString()!;
    }

    private static long Number(ref Utf8JsonReader reader)
    {
        var number = 0L;
        Expect(reader.Read() && reader.TokenType == JsonTokenType.Number && reader.TryGetInt64(out number));
        return number;
    }

    private static ContentHash Hash(ref Utf8JsonReader reader)
    {
        var hash = default(ContentHash);
        Expect(reader.Read() && reader.TokenType == JsonTokenType.String && !reader.ValueIsEscaped && ContentHash.TryParse(reader.ValueSpan, out hash));
        return hash;
    }

    /// <summary>Four octal digits.</summary>
    private static int Mode(ref Utf8JsonReader reader)
    {
        Expect(reader.Read() && reader.TokenType == JsonTokenType.String && reader.ValueSpan.Length == 4);
        var mode = 0;
        foreach (var digit in reader.ValueSpan)
        {
            Expect(digit is >= (byte)'0' and <= (byte)'7');
            mode = mode * 8 + (digit - '0');
        }
        return mode;
    }

    private static List<StoredChunk> Chunks(ref Utf8JsonReader reader)
    {
        Expect(reader.Read() && reader.TokenType == JsonTokenType.StartArray);
        var chunks = new List<StoredChunk>();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
            chunks.Add(StoredChunkConverter.Read(ref reader));
        return chunks;
    }

    private static void Once<T>(ref T? member, T value)
    {
        Expect(member is null);
        member = value;
    }

    private static void Expect(bool holds)
    {
        if (!holds)
            throw new JsonException("not what a line of a tree has");
    }
}
