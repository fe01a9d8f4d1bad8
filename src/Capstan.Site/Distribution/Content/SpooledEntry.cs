using Capstan.Protocol.Content;

namespace Capstan.Site.Distribution.Content;

/// <summary>One entry of a publication, before packs have names.</summary>
/// <param name="FirstChunk">Its first chunk, counted through the publication.</param>
/// <param name="Chunks">How many.</param>
internal sealed record SpooledEntry(string Path, TreeKind Kind, int Mode, long SizeBytes, ContentHash Hash, string? Target, long FirstChunk, long Chunks)
{
    /// <summary>About what it takes of memory: itself, and its texts in UTF-16.</summary>
    public int MemoryBytes => 200 + 2 * (Path.Length + (Target?.Length ?? 0));

    public TreeEntry ToEntry() => Kind switch
    {
        TreeKind.Directory => TreeEntry.Directory(Path, Mode),
        TreeKind.File => TreeEntry.File(Path, Mode, SizeBytes, Hash),
        _ => TreeEntry.Link(Path, Target!),
    };

    public void Write(BinaryWriter writer)
    {
        writer.Write(Path);
        writer.Write((byte)Kind);
        writer.Write(Mode);
        writer.Write(SizeBytes);
        Span<byte> hash = stackalloc byte[ContentHash.Bytes];
        Hash.CopyTo(hash);
        writer.Write(hash);
        writer.Write(Target ?? "");
        writer.Write(FirstChunk);
        writer.Write(Chunks);
    }

    public static SpooledEntry Read(BinaryReader reader)
    {
        var path = reader.ReadString();
        var kind = (TreeKind)reader.ReadByte();
        var (mode, size) = (reader.ReadInt32(), reader.ReadInt64());
        Span<byte> hash = stackalloc byte[ContentHash.Bytes];
        reader.BaseStream.ReadExactly(hash);
        var target = reader.ReadString();
        return new SpooledEntry(path, kind, mode, size, new ContentHash(hash), kind == TreeKind.Link ? target : null, reader.ReadInt64(), reader.ReadInt64());
    }
}
