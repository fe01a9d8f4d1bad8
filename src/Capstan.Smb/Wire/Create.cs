using System.Runtime.InteropServices;

namespace Capstan.Smb.Wire;

/// <summary>CREATE ([MS-SMB2] 2.2.13): opens or makes a file, a directory or a pipe. No lease, no oplock, no create contexts.</summary>
/// <param name="name">Relative to the share, <c>\</c> between segments; for a DFS share <c>server\share\…</c>.</param>
internal sealed class CreateRequest(string name, SmbOpen how) : SmbRequest(SmbCommand.Create)
{
    private const int Impersonation = 2;

    // The buffer holds at least one byte, for a name of length 0, too.
    public override int Bytes => 56 + Math.Max(name.Length * 2, 8);

    public override void Check(ReadOnlySpan<byte> answer) => CreateResponse.Read(answer);

    public override void Write(ref WireWriter writer)
    {
        writer.UInt16(57);
        writer.Byte(0);
        writer.Byte(0);
        writer.UInt32(Impersonation);
        writer.UInt64(0);
        writer.UInt64(0);
        writer.UInt32((uint)how.Access);
        writer.UInt32((uint)how.Attributes);
        writer.UInt32((uint)how.Sharing);
        writer.UInt32((uint)how.Disposition);
        writer.UInt32((uint)how.Options);
        writer.UInt16(SmbHeader.Bytes + 56);
        writer.UInt16(name.Length * 2);
        writer.UInt32(0);
        writer.UInt32(0);
        writer.Text(name);
        writer.Zero(Bytes - 56 - (name.Length * 2));
    }
}

/// <summary>The answer to CREATE (2.2.14).</summary>
/// <param name="Action">1 opened, 2 created, 3 overwritten.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct CreateResponse(FileId FileId, uint Action, SmbTimes Times, long LengthBytes, SmbAttributes Attributes)
{
    public static CreateResponse Read(ReadOnlySpan<byte> message)
    {
        var reader = new WireReader(message, "answer to CREATE");
        reader.Skip(SmbHeader.Bytes);
        reader.Expect(89);
        reader.Skip(2);
        var action = reader.UInt32();
        var times = SmbTimes.Read(ref reader);
        reader.Skip(8);
        var length = (long)Math.Min(reader.UInt64(), long.MaxValue);
        var attributes = (SmbAttributes)reader.UInt32();
        reader.Skip(4);
        return new CreateResponse(FileId.Read(ref reader), action, times, length, attributes);
    }
}

/// <summary>CLOSE (2.2.15).</summary>
internal sealed class CloseRequest(FileId file) : SmbRequest(SmbCommand.Close)
{
    public override int Bytes => 24;

    public override void Write(ref WireWriter writer)
    {
        writer.UInt16(24);
        writer.UInt16(0);
        writer.UInt32(0);
        file.Write(ref writer);
    }
}

/// <summary>FLUSH (2.2.17).</summary>
internal sealed class FlushRequest(FileId file) : SmbRequest(SmbCommand.Flush)
{
    public override int Bytes => 24;

    public override void Write(ref WireWriter writer)
    {
        writer.UInt16(24);
        writer.UInt16(0);
        writer.UInt32(0);
        file.Write(ref writer);
    }
}
