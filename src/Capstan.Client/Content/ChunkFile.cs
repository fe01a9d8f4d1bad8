using Capstan.Protocol.Content;
using Microsoft.Win32.SafeHandles;

namespace Capstan.Client.Content;

/// <summary>Plain chunks in files of this disk.</summary>
internal static class ChunkFile
{
    /// <summary>Whether these bytes of a file are the chunk. What this disk cannot read is not: a bad sector is mended by writing, as anything else that is wrong.</summary>
    /// <param name="plain">At least as long as the chunk; holds it when the answer is true.</param>
    public static bool Has(SafeFileHandle file, long offset, StoredChunk chunk, Span<byte> plain)
    {
        plain = plain[..chunk.LengthBytes];
        for (var done = 0; done < plain.Length;)
        {
            int count;
            try
            {
                count = RandomAccess.Read(file, plain[done..], offset + done);
            }
            catch (IOException)
            {
                return false;
            }
            if (count == 0)
                return false;
            done += count;
        }
        return ContentHash.Of(plain) == chunk.Hash;
    }

    /// <summary>Writes a chunk. Zeros beyond the end of the file become a hole in it.</summary>
    public static void Write(SafeFileHandle file, long offset, ReadOnlySpan<byte> plain)
    {
        if (!plain.ContainsAnyExcept((byte)0) && RandomAccess.GetLength(file) <= offset)
            RandomAccess.SetLength(file, offset + plain.Length);
        else
            RandomAccess.Write(file, plain, offset);
    }
}
