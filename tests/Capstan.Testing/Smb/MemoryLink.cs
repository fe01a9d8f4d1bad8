namespace Capstan.Testing.Smb;

/// <summary>A byte stream in both directions between two ends in one process: TCP without a socket, for tests that cut, split and stall it.</summary>
public sealed class MemoryLink
{
    public MemoryLink()
    {
        ToServer.Cut += Close;
        ToClient.Cut += Close;
        Client = new End(this, read: ToClient, write: ToServer);
        Server = new End(this, read: ToServer, write: ToClient);
    }

    public Stream Client { get; }

    public Stream Server { get; }

    public MemoryPipe ToServer { get; } = new();

    public MemoryPipe ToClient { get; } = new();

    /// <summary>Both directions end; what lies in them is still read.</summary>
    public void Close()
    {
        ToServer.Complete();
        ToClient.Complete();
    }

    private sealed class End(MemoryLink link, MemoryPipe read, MemoryPipe write) : Stream
    {
        private bool _isDisposed;

        public override bool CanRead => true;

        public override bool CanWrite => true;

        public override bool CanSeek => false;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            return read.ReadAsync(buffer, cancellationToken);
        }

        public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
            ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            cancellationToken.ThrowIfCancellationRequested();
            write.Write(buffer.Span);
            return ValueTask.CompletedTask;
        }

        public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
            WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        public override void Flush()
        {
        }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        protected override void Dispose(bool disposing)
        {
            _isDisposed = true;
            link.Close();
            base.Dispose(disposing);
        }
    }
}

/// <summary>One direction of a <see cref="MemoryLink"/>. Unbounded; one reader, any writers.</summary>
public sealed class MemoryPipe
{
    private readonly Lock _gate = new();
    private readonly Queue<byte[]> _chunks = new();
    private ReadOnlyMemory<byte> _current;
    private TaskCompletionSource? _arrival;
    private bool _isComplete;
    private bool _isStalled;
    private int _allowed;
    private TaskCompletionSource? _taken;

    internal event Action? Cut;

    /// <summary>The most bytes that one read gives: 1 splits everything at every byte.</summary>
    public int MostPerRead { get; set; } = int.MaxValue;

    /// <summary>The link ends in both directions when this many bytes have passed; null for never.</summary>
    public long? CutAfterBytes { get; set; }

    /// <summary>Bytes written so far.</summary>
    public long PassedBytes { get; private set; }

    /// <summary>While set, nothing comes out at the other end, and nobody notices: a host that vanished.</summary>
    public bool IsStalled
    {
        get
        {
            lock (_gate)
                return _isStalled;
        }
        set
        {
            lock (_gate)
            {
                _isStalled = value;
                Arrive();
            }
        }
    }

    /// <summary>Lets so many bytes out of a stalled pipe. Completes when they were read, and the reader came back for more.</summary>
    public Task LetAsync(int bytes)
    {
        lock (_gate)
        {
            _allowed += bytes;
            _taken = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            Arrive();
            return _taken.Task;
        }
    }

    /// <exception cref="IOException">The link is over.</exception>
    public void Write(ReadOnlySpan<byte> bytes)
    {
        var isCut = false;
        lock (_gate)
        {
            if (_isComplete)
                throw new IOException("the link in memory was closed");
            if (CutAfterBytes is { } limit && PassedBytes + bytes.Length >= limit)
            {
                bytes = bytes[..(int)Math.Max(limit - PassedBytes, 0)];
                isCut = true;
            }
            PassedBytes += bytes.Length;
            if (bytes.Length > 0)
                _chunks.Enqueue(bytes.ToArray());
            Arrive();
        }
        if (isCut)
            Cut?.Invoke();
    }

    public void Complete()
    {
        lock (_gate)
        {
            _isComplete = true;
            Arrive();
        }
    }

    internal async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        while (true)
        {
            TaskCompletionSource arrival;
            lock (_gate)
            {
                if (_current.IsEmpty && _chunks.TryDequeue(out var chunk))
                    _current = chunk;
                if ((!_isStalled || _allowed > 0) && !_current.IsEmpty)
                    return Take(buffer.Span);
                if (_allowed == 0)
                    _taken?.TrySetResult();
                if (_isComplete)
                    return 0;
                arrival = _arrival ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            }
            await arrival.Task.WaitAsync(cancellationToken);
        }
    }

    private int Take(Span<byte> buffer)
    {
        var count = Math.Min(Math.Min(_current.Length, buffer.Length), _isStalled ? Math.Min(MostPerRead, _allowed) : MostPerRead);
        _allowed = Math.Max(_allowed - count, 0);
        _current.Span[..count].CopyTo(buffer);
        _current = _current[count..];
        return count;
    }

    private void Arrive()
    {
        _arrival?.TrySetResult();
        _arrival = null;
    }
}
