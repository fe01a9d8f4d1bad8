namespace Capstan.Site.Distribution.Content;

/// <summary>The body of an upload: counts what arrives, and ends when nothing does for a while, or next to nothing for longer. A sender that went away without a word, or drips, would keep its turn for ever otherwise.</summary>
/// <remarks>Only reading counts: while nobody reads, the sender may not be able to send.</remarks>
internal sealed class UploadBody : ForwardStream
{
    /// <summary>Longest silence.</summary>
    public static readonly TimeSpan Silence = TimeSpan.FromMinutes(2);

    /// <summary>In each so long a time of waiting for bytes, <see cref="LeastBytes"/> have to arrive: 1 KB/s, less than any modem has.</summary>
    public static readonly TimeSpan Window = TimeSpan.FromMinutes(5);

    /// <summary>See <see cref="Window"/>.</summary>
    public const int LeastBytes = 300_000;

    private readonly Stream _inner;
    private readonly PackageUploadWatch _upload;
    private readonly TimeProvider _time;
    private readonly CancellationTokenSource _silence;
    private readonly CancellationTokenSource _either;
    /// <summary>In the window that has begun.</summary>
    private TimeSpan _waited;
    private long _arrived;

    /// <param name="inner">Stays the caller's.</param>
    /// <param name="aborted">The request was given up.</param>
    public UploadBody(Stream inner, PackageUploadWatch upload, TimeProvider time, CancellationToken aborted)
    {
        _inner = inner;
        _upload = upload;
        _time = time;
        _silence = new CancellationTokenSource(Timeout.InfiniteTimeSpan, time);
        _either = CancellationTokenSource.CreateLinkedTokenSource(_silence.Token, aborted);
    }

    /// <exception cref="SiteException"><c>upload_stalled</c></exception>
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        _silence.CancelAfter(Silence);
        var begin = _time.GetTimestamp();
        try
        {
            var read = await _inner.ReadAsync(buffer, _either.Token);
            _upload.Received(read);
            Judge(read, _time.GetElapsedTime(begin));
            return read;
        }
        catch (OperationCanceledException cause) when (_silence.IsCancellationRequested)
        {
            throw new SiteException($"Nothing arrived for {Silence.TotalMinutes:0} minutes, so the upload was given up. Nothing was published; send it again: what is here already is not written twice.", "upload_stalled", cause);
        }
        finally
        {
            if (!_silence.IsCancellationRequested)
                _silence.CancelAfter(Timeout.InfiniteTimeSpan);
        }
    }

    private void Judge(int read, TimeSpan waited)
    {
        _arrived += read;
        _waited += waited;
        if (read == 0 || _waited < Window)
            return;
        if (_arrived < LeastBytes)
            throw new SiteException($"Only {_arrived} bytes arrived in {_waited.TotalMinutes:0} minutes of waiting for them, and others have to wait meanwhile, so the upload was given up. Nothing was published; send it again over a better line.", "upload_stalled");
        (_waited, _arrived) = (TimeSpan.Zero, 0);
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException("Only asynchronous reading.");

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _either.Dispose();
            _silence.Dispose();
        }
        base.Dispose(disposing);
    }
}
