using Microsoft.Win32.SafeHandles;

namespace Capstan.Site.Distribution.Content;

/// <summary>Reads a file from a place on, beside others that read it elsewhere. The file stays the caller's.</summary>
internal sealed class FileSlice(SafeFileHandle file, long from) : ForwardStream
{
    private long _position = from;

    public override int Read(Span<byte> buffer)
    {
        var read = RandomAccess.Read(file, buffer, _position);
        _position += read;
        return read;
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));
}
