using System.Buffers;
using System.Collections.Concurrent;
using Microsoft.AspNetCore.Connections;

namespace Capstan.Site.Api;

/// <summary>Memory for what connections receive and send, in blocks of <see cref="BlockBytes"/>. Kestrel's own have 4 KiB, and each is a call to the system: 250,000 for a gigabyte of package. Thread-safe.</summary>
/// <remarks>A connection holds blocks while something is under way on it, and none while it is idle.</remarks>
internal sealed class ConnectionBlocks : MemoryPool<byte>
{
    /// <summary>64 KiB: what a call brings that comes while the one before is worked upon.</summary>
    public const int BlockBytes = 64 << 10;

    /// <summary>Most blocks that wait for use, 2 MiB: an upload and some requests. The collector has the others.</summary>
    public const int MostKept = 32;

    private readonly ConcurrentQueue<byte[]> _kept = [];
    private int _keptCount;
    private volatile bool _isDisposed;

    public override int MaxBufferSize => BlockBytes;

    /// <summary>Blocks that wait for use.</summary>
    internal int Kept => _kept.Count;

    /// <exception cref="ArgumentOutOfRangeException">More than <see cref="BlockBytes"/>.</exception>
    public override IMemoryOwner<byte> Rent(int minBufferSize = -1)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(minBufferSize, BlockBytes);
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        if (!_kept.TryDequeue(out var bytes))
            // Pinned: the system writes into it while the collector moves what lies around it.
            return new Block(this, GC.AllocateUninitializedArray<byte>(BlockBytes, pinned: true));
        Interlocked.Decrement(ref _keptCount);
        return new Block(this, bytes);
    }

    /// <summary>Blocks that are out stay good until they are given back.</summary>
    protected override void Dispose(bool disposing)
    {
        _isDisposed = true;
        _kept.Clear();
    }

    private void Return(byte[] bytes)
    {
        if (_isDisposed)
            return;
        if (Interlocked.Increment(ref _keptCount) <= MostKept)
            _kept.Enqueue(bytes);
        else
            Interlocked.Decrement(ref _keptCount);
    }

    /// <summary>One rental: a second give-back of it changes nothing, whoever has the bytes by then.</summary>
    private sealed class Block(ConnectionBlocks pool, byte[] bytes) : IMemoryOwner<byte>
    {
        private byte[]? _bytes = bytes;

        public Memory<byte> Memory => _bytes ?? throw new ObjectDisposedException(nameof(Block));

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _bytes, null) is { } bytes)
                pool.Return(bytes);
        }
    }
}

/// <summary>Gives Kestrel its pools.</summary>
internal sealed class ConnectionBlocksFactory : IMemoryPoolFactory<byte>
{
    public MemoryPool<byte> Create(MemoryPoolOptions? options = null) => new ConnectionBlocks();
}
