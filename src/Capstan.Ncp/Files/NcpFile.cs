using System.Buffers.Binary;
using Capstan.Ncp.Connection;
using Capstan.Ncp.Wire;

namespace Capstan.Ncp.Files;

/// <summary>An open file: 4 GiB - 1 bytes at most, which is what these functions can address. Thread-safe.</summary>
public sealed class NcpFile : IAsyncDisposable
{
    private const int HandleBytes = 6;

    /// <summary>The largest offset that fits into 32 bits.</summary>
    public const long MostBytes = uint.MaxValue;

    private readonly NcpConnection _connection;
    private readonly string _what;
    private readonly byte[] _handle;
    private bool _isClosed;

    private NcpFile(NcpConnection connection, string what, byte[] handle, NcpEntry entry)
    {
        _connection = connection;
        _what = what;
        _handle = handle;
        Entry = entry;
    }

    /// <summary>As it was when it was opened.</summary>
    public NcpEntry Entry { get; }

    /// <summary>Reads up to the buffer's length; fewer bytes only at the end of the file.</summary>
    public async Task<int> ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        var total = 0;
        while (total < buffer.Length && offset + total <= MostBytes)
        {
            var at = offset + total;
            var wanted = Chunk(at, buffer.Length - total);
            var data = await _connection.AskAsync(NcpRequest.Of(new NcpWriter(16).Byte(0x48).Byte(0).Bytes(_handle).UInt32Big((uint)at).UInt16Big(wanted)), $"reading {_what}", cancellationToken);
            var count = Content(data, at, wanted, buffer.Span[total..]);
            total += count;
            if (count < wanted)
                break;
        }
        return total;
    }

    /// <exception cref="NcpException"><see cref="NcpCode.OutOfSpace"/> when the volume is full; <see cref="NcpFailure.Unsupported"/> beyond 4 GiB.</exception>
    public async Task WriteAsync(long offset, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        if (offset + content.Length > MostBytes)
            throw new NcpException(NcpFailure.Unsupported, $"writing {_what}: it would be longer than 4 GiB, which these functions cannot address; keep such files elsewhere", NcpCompletion.NotSent);
        for (var total = 0; total < content.Length;)
        {
            var at = offset + total;
            var count = Chunk(at, content.Length - total);
            await _connection.AskAsync(NcpRequest.Of(new NcpWriter(16 + count).Byte(0x49).Byte(0).Bytes(_handle).UInt32Big((uint)at).UInt16Big(count).Bytes(content.Span.Slice(total, count))),
                $"writing {_what}", cancellationToken);
            total += count;
        }
    }

    /// <summary>On the server's disk when this returns.</summary>
    public async Task FlushAsync(CancellationToken cancellationToken) =>
        await _connection.AskAsync(NcpRequest.Of(new NcpWriter(8).Byte(0x3B).Byte(0).Bytes(_handle)), $"flushing {_what}", cancellationToken);

    public async Task CloseAsync(CancellationToken cancellationToken)
    {
        if (_isClosed)
            return;
        _isClosed = true;
        await _connection.AskAsync(NcpRequest.Of(new NcpWriter(8).Byte(0x42).Byte(0).Bytes(_handle)), $"closing {_what}", cancellationToken);
    }

    /// <summary>Closes it where that was not done; what fails then fails quietly: the connection is over, and the file with it.</summary>
    public async ValueTask DisposeAsync()
    {
        try
        {
            await CloseAsync(CancellationToken.None);
        }
        catch (NcpException)
        {
            return;
        }
    }

    /// <summary>The server's answer to an open or create: a handle of four bytes, from which the other functions want six.</summary>
    internal static NcpFile Read(NcpConnection connection, string what, ReadOnlySpan<byte> data)
    {
        var reader = new NcpReader(data, "an open file");
        var (low, high) = (reader.UInt16Little(), reader.UInt16Little());
        reader.Skip(2);
        var handle = new byte[HandleBytes];
        BinaryPrimitives.WriteUInt16LittleEndian(handle, unchecked((ushort)(low + 1)));
        BinaryPrimitives.WriteUInt16LittleEndian(handle.AsSpan(2), low);
        BinaryPrimitives.WriteUInt16LittleEndian(handle.AsSpan(4), high);
        return new NcpFile(connection, what, handle, NcpEntry.Read(ref reader));
    }

    /// <summary>The bytes of a read: behind their count, and behind one more byte where the offset is odd.</summary>
    internal static int Content(ReadOnlySpan<byte> data, long offset, int wanted, Span<byte> target)
    {
        var reader = new NcpReader(data, "a read");
        var count = reader.UInt16Big();
        if (count > wanted)
            throw reader.Malformed($"{count} bytes, where {wanted} were asked for");
        if (count == 0)
            return 0;
        reader.Skip((int)(offset & 1));
        reader.Take(count).CopyTo(target);
        return count;
    }

    /// <summary>Never across a multiple of the buffer: servers answer such requests short.</summary>
    private int Chunk(long at, int left) => (int)Math.Min(left, _connection.BufferBytes - (at % _connection.BufferBytes));
}
