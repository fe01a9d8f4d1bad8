namespace Capstan.Cli.Packages;

/// <summary>A file as long as it was said to be: cut there, and filled up with zeros when somebody shortened it meanwhile (it is read again then). The file stays the caller's.</summary>
internal sealed class FixedLengthStream(FileStream file, long lengthBytes) : Stream
{
    private long _position;

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        var wanted = (int)Math.Min(buffer.Length, lengthBytes - _position);
        if (wanted == 0)
            return 0;
        var read = await file.ReadAsync(buffer[..wanted], cancellationToken);
        if (read == 0)
        {
            buffer.Span[..wanted].Clear();
            read = wanted;
        }
        _position += read;
        return read;
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException("Only asynchronous reading.");

    public override bool CanRead => true;

    /// <summary>So that its length is asked; nobody seeks.</summary>
    public override bool CanSeek => true;
    public override bool CanWrite => false;
    public override long Length => lengthBytes;
    public override long Position { get => _position; set => throw new NotSupportedException("Nobody seeks here."); }
    public override void Flush() { }
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException("Nobody seeks here.");
    public override void SetLength(long value) => throw new NotSupportedException();
    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}
