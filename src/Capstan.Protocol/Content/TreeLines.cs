using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Unicode;

namespace Capstan.Protocol.Content;

/// <summary>Lines of a tree ⇄ values: JSON of a closed set of members, each once. What lines say together is the rule of <see cref="TreeRules"/>. Pure; thread-safe.</summary>
public static class TreeLines
{
    private static readonly JsonWriterOptions s_writer = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, SkipValidation = true };

    /// <summary>Writes one line with its newline; equal values always give the same bytes.</summary>
    /// <exception cref="ProtocolException">No reader would accept the line.</exception>
    public static void Write(IBufferWriter<byte> output, TreeLine line)
    {
        ArgumentNullException.ThrowIfNull(output);
        ArgumentNullException.ThrowIfNull(line);
        Check(line);
        using (var writer = new Utf8JsonWriter(output, s_writer))
        {
            writer.WriteStartObject();
            if (line is Extent extent)
                Write(writer, extent);
            else
                Write(writer, (TreeEntry)line);
            writer.WriteEndObject();
        }
        output.Write("\n"u8);
    }

    /// <summary>Reads one line.</summary>
    /// <param name="line">Without its newline.</param>
    /// <exception cref="ProtocolException">With what is wrong, never with the line itself.</exception>
    public static TreeLine Parse(ReadOnlySpan<byte> line)
    {
        if (line.Length > ContentFormat.MaxLineBytes)
            throw new ProtocolException(ProtocolError.TooLarge, $"a line of a tree has {line.Length} bytes; the limit is {ContentFormat.MaxLineBytes}");
        if (ExtentLine.TryRead(line) is { } extent)
        {
            Check(extent);
            return extent;
        }
        if (!Utf8.IsValid(line))
            throw Malformed("not UTF-8");
        TreeLine parsed;
        try
        {
            var reader = new Utf8JsonReader(line, new JsonReaderOptions { MaxDepth = 4 });
            parsed = TreeLineReader.Read(ref reader);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // InvalidOperationException: an escaped lone surrogate, which no string can be.
            throw Malformed("not a JSON object of the members that an entry or an extent has");
        }
        Check(parsed);
        return parsed;
    }

    private static void Check(TreeLine line)
    {
        var problem = line is Extent extent ? extent.Problem(ContentFormat.MaxChunksOfLine) : ((TreeEntry)line).Problem();
        if (problem is not null)
            throw Malformed(problem);
    }

    private static ProtocolException Malformed(string what) => new(ProtocolError.Malformed, $"a line of a tree: {what}");

    private static void Write(Utf8JsonWriter writer, Extent extent)
    {
        writer.WriteString("pack"u8, extent.Pack.ToString());
        writer.WriteNumber("offset"u8, extent.OffsetBytes);
        writer.WriteStartArray("chunks"u8);
        foreach (var chunk in extent.Chunks)
            StoredChunkConverter.Write(writer, chunk);
        writer.WriteEndArray();
    }

    private static void Write(Utf8JsonWriter writer, TreeEntry entry)
    {
        writer.WriteString("path"u8, entry.Path);
        writer.WriteString("kind"u8, Name(entry.Kind));
        if (entry.Kind == TreeKind.Link)
        {
            writer.WriteString("target"u8, entry.Target);
            return;
        }
        writer.WriteString("mode"u8, Convert.ToString(entry.Mode, 8).PadLeft(4, '0'));
        if (entry.Kind == TreeKind.File)
        {
            writer.WriteNumber("size"u8, entry.SizeBytes);
            writer.WriteString("sha256"u8, entry.Hash.GetValueOrDefault().ToString());
        }
    }

    internal static string Name(TreeKind kind) => kind switch
    {
        TreeKind.Directory => "directory",
        TreeKind.File => "file",
        TreeKind.Link => "link",
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, "An entry is a directory, a file or a link."),
    };
}
