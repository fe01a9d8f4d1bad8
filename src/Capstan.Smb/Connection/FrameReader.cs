using System.Buffers.Binary;
using System.Runtime.CompilerServices;

namespace Capstan.Smb.Connection;

/// <summary>Cuts a byte stream into frames ([MS-SMB2] 2.1): a zero byte, three bytes of length, the message. One reader per stream; not thread-safe.</summary>
/// <param name="mostBytes">A longer frame is not believed, and not allocated.</param>
/// <param name="heard">Called whenever bytes came.</param>
internal sealed class FrameReader(Stream stream, int mostBytes, Action? heard = null)
{
    private const int PrefixBytes = 4;
    /// <summary>Small frames arrive several at a time; the rest of a large one goes straight into its own buffer.</summary>
    private readonly byte[] _buffer = new byte[8192];
    private int _start;
    private int _end;

    /// <summary>The next frame; null at the end of the stream between two frames.</summary>
    /// <exception cref="SmbProtocolException">The frame is not one of this transport, or too long.</exception>
    /// <exception cref="EndOfStreamException">The stream ended inside a frame.</exception>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<Frame?> ReadAsync(CancellationToken cancellationToken)
    {
        while (_end - _start < PrefixBytes)
        {
            if (await FillAsync(cancellationToken))
                continue;
            return _end == _start ? null : throw new EndOfStreamException();
        }
        var prefix = BinaryPrimitives.ReadUInt32BigEndian(_buffer.AsSpan(_start));
        if (prefix >> 24 != 0)
            throw new SmbProtocolException($"a frame begins with {prefix:X8} and must begin with a zero byte: this is no SMB over TCP");
        if (prefix > mostBytes)
            throw new SmbProtocolException($"a frame announces {prefix} bytes and may have {mostBytes}");
        _start += PrefixBytes;
        var frame = new Frame((int)prefix);
        try
        {
            await FillAsync(frame.Memory, cancellationToken);
            return frame;
        }
        catch
        {
            frame.Release();
            throw;
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<bool> FillAsync(CancellationToken cancellationToken)
    {
        _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
        (_start, _end) = (0, _end - _start);
        var count = await stream.ReadAsync(_buffer.AsMemory(_end), cancellationToken);
        _end += count;
        return count > 0;
    }

    private async ValueTask FillAsync(Memory<byte> target, CancellationToken cancellationToken)
    {
        var buffered = Math.Min(target.Length, _end - _start);
        _buffer.AsSpan(_start, buffered).CopyTo(target.Span);
        _start += buffered;
        for (var rest = target[buffered..]; rest.Length > 0;)
        {
            var count = await stream.ReadAsync(rest, cancellationToken);
            if (count == 0)
                throw new EndOfStreamException();
            heard?.Invoke();
            rest = rest[count..];
        }
    }
}
