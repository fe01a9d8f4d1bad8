namespace Capstan.Site.Distribution.Content;

/// <summary>Passes a tar stream on, and sees whether it ended as an archive does: in two blocks of zeros. One that was cut between two entries reads as a shorter archive otherwise.</summary>
internal sealed class ArchiveEnd(Stream inner) : Stream
{
    private const int EndBytes = 1_024;
    private long _zeros;

    /// <summary>Nothing arrived at all: what some make of an empty list.</summary>
    public bool IsEmpty { get; private set; } = true;

    public bool IsWhole => _zeros >= EndBytes;

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        var read = await inner.ReadAsync(buffer, cancellationToken);
        IsEmpty &= read == 0;
        var last = buffer.Span[..read].LastIndexOfAnyExcept((byte)0);
        _zeros = last < 0 ? _zeros + read : read - last - 1;
        return read;
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException("Only asynchronous reading.");

    public override bool CanRead => true;
    public override bool CanSeek => false;
    public override bool CanWrite => false;
    public override long Length => throw new NotSupportedException();
    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }
    public override void Flush() { }
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
    public override void SetLength(long value) => throw new NotSupportedException();
    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}
