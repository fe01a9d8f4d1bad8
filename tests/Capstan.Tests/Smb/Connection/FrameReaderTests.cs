using Capstan.Smb;
using Capstan.Smb.Connection;
using Capstan.Testing.Smb;

namespace Capstan.Tests.Smb.Connection;

public sealed class FrameReaderTests
{
    private static readonly byte[] Two = [0, 0, 0, 3, 1, 2, 3, 0, 0, 0, 1, 9];

    [Fact]
    public async Task Frames_come_out_whole_however_the_stream_is_split()
    {
        for (var most = 1; most <= Two.Length; most++)
        {
            var (reader, pipe) = Reader();
            pipe.MostPerRead = most;
            pipe.Write(Two);
            pipe.Complete();
            Assert.Equal([1, 2, 3], await NextAsync(reader));
            Assert.Equal([9], await NextAsync(reader));
            Assert.Null(await reader.ReadAsync(CancellationToken.None));
        }
    }

    [Fact]
    public async Task A_stream_that_ends_inside_a_frame_says_so()
    {
        for (var length = 1; length < Two.Length; length++)
        {
            if (length == 7)
                continue;       // between the two
            var (reader, pipe) = Reader();
            pipe.Write(Two.AsSpan(0, length));
            pipe.Complete();
            await Assert.ThrowsAsync<EndOfStreamException>(async () =>
            {
                while (await NextAsync(reader) is not null)
                {
                }
            });
        }
    }

    [Fact]
    public async Task A_frame_longer_than_allowed_is_refused_before_its_bytes_come()
    {
        var (reader, pipe) = Reader();
        pipe.Write([0, 0, 1, 1]);
        await Assert.ThrowsAsync<SmbProtocolException>(async () => await reader.ReadAsync(CancellationToken.None));
    }

    [Fact]
    public async Task What_is_no_frame_is_refused()
    {
        var (reader, pipe) = Reader();
        pipe.Write("HTTP/1.1 400"u8);
        await Assert.ThrowsAsync<SmbProtocolException>(async () => await reader.ReadAsync(CancellationToken.None));
    }

    private static (FrameReader Reader, MemoryPipe Pipe) Reader()
    {
        var link = new MemoryLink();
        return (new FrameReader(link.Client, mostBytes: 256), link.ToClient);
    }

    private static async Task<byte[]?> NextAsync(FrameReader reader)
    {
        if (await reader.ReadAsync(CancellationToken.None) is not { } frame)
            return null;
        var bytes = frame.Memory.ToArray();
        frame.Release();
        return bytes;
    }
}
