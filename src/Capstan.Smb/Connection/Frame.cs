using System.Buffers;
using System.Runtime.InteropServices;
using Capstan.Smb.Wire;

namespace Capstan.Smb.Connection;

/// <summary>The bytes of one frame from the server, on loan from the pool. Several answers of a compound share it; the last one gives it back.</summary>
internal sealed class Frame(int length)
{
    private byte[]? _buffer = ArrayPool<byte>.Shared.Rent(Math.Max(length, 1));
    private int _holders = 1;

    public int Length => length;

    public Memory<byte> Memory => (_buffer ?? throw new ObjectDisposedException(nameof(Frame))).AsMemory(0, length);

    public void Retain() => Interlocked.Increment(ref _holders);

    public void Release()
    {
        if (Interlocked.Decrement(ref _holders) == 0 && Interlocked.Exchange(ref _buffer, null) is { } buffer)
            ArrayPool<byte>.Shared.Return(buffer);
    }
}

/// <summary>One answer. Whoever receives it disposes it, once.</summary>
[StructLayout(LayoutKind.Auto)]
internal readonly struct Response(Frame frame, int offset, int length) : IDisposable
{
    public SmbHeader Header => SmbHeader.Read(Message);

    public NtStatus Status => SmbHeader.ReadStatus(Message);

    /// <summary>Header and body.</summary>
    public ReadOnlySpan<byte> Message => frame.Memory.Span.Slice(offset, length);

    public void Dispose() => frame.Release();
}
