namespace Capstan.Tests.Smb.Connection;

/// <summary>A link whose other side makes room only when the test says so: once shut, each write waits for its turn.</summary>
internal sealed class GatedStream(Stream inner) : Stream
{
    private readonly SemaphoreSlim _turns = new(0);
    private readonly SemaphoreSlim _arrivals = new(0);
    private volatile bool _isShut;

    public override bool CanRead => true;

    public override bool CanWrite => true;

    public override bool CanSeek => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public void Shut() => _isShut = true;

    /// <summary>The next write is waiting.</summary>
    public Task ArrivedAsync() => _arrivals.WaitAsync();

    /// <summary>One write goes on.</summary>
    public void Pass() => _turns.Release();

    public void Open()
    {
        _isShut = false;
        _turns.Release();
    }

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (_isShut)
        {
            _arrivals.Release();
            await _turns.WaitAsync(cancellationToken);
        }
        await inner.WriteAsync(buffer, cancellationToken);
    }

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => inner.ReadAsync(buffer, cancellationToken);

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        inner.ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override void Flush()
    {
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        inner.Dispose();
        base.Dispose(disposing);
    }
}
