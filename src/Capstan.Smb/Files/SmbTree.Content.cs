using System.Buffers;
using System.Globalization;
using System.Runtime.InteropServices;
using Capstan.Smb.Wire;

namespace Capstan.Smb.Files;

/// <summary>A whole file, or why not.</summary>
/// <param name="Exists">False when nothing is there.</param>
/// <param name="Bytes">Null when nothing is there, or more than was asked for.</param>
/// <param name="LengthBytes">Of the file at the server.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct SmbContent(bool Exists, byte[]? Bytes, long LengthBytes);

public sealed partial class SmbTree
{
    private const int ChunkBytes = 1024 * 1024;

    /// <summary>Reads a whole file. One round trip up to 64 KiB.</summary>
    /// <param name="maxBytes">A longer file is not read.</param>
    public async ValueTask<SmbContent> ReadAllAsync(string path, long maxBytes, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(maxBytes);
        var bytes = Math.Min(SmallBytes, Connection.MaxReadBytes);
        using (var chain = await FileChain.RunAsync(this, path, SmbOpen.Read, file => [new ReadRequest(file, 0, bytes)], cancellationToken))
        {
            if (IsAbsent(chain.Opened))
                return default;
            await ThrowAsync(chain.Opened, SmbCommand.Create, "reading", path, cancellationToken);
            var length = chain.File.LengthBytes;
            if (length > maxBytes)
                return new SmbContent(true, null, length);
            if (chain[0] == NtStatus.EndOfFile)
                return new SmbContent(true, [], 0);
            await ThrowAsync(chain[0], SmbCommand.Read, "reading", path, cancellationToken);
            var data = ReadResponse.Data(chain.Message(0), bytes);
            // A file that grows while it is read may be longer than it was when it was opened; what was there then is the answer.
            if (data.Length >= length)
                return new SmbContent(true, data[..(int)length].ToArray(), length);
        }
        return await ReadLargeAsync(path, maxBytes, cancellationToken);
    }

    private async ValueTask<SmbContent> ReadLargeAsync(string path, long maxBytes, CancellationToken cancellationToken)
    {
        SmbFile file;
        try
        {
            file = await OpenAsync(path, SmbOpen.Read, cancellationToken);
        }
        catch (SmbException gone) when (IsAbsent(gone.Status))
        {
            return default;
        }
        await using (file)
        {
            if (file.LengthBytes > Math.Min(maxBytes, Array.MaxLength))
                return new SmbContent(true, null, file.LengthBytes);
            var content = GC.AllocateUninitializedArray<byte>((int)file.LengthBytes);
            var count = await file.ReadAsync(0, content, cancellationToken);
            await file.CloseAsync(cancellationToken);
            return new SmbContent(true, count == content.Length ? content : content[..count], file.LengthBytes);
        }
    }

    /// <summary>Creates a file under its final name; false, and nothing changed, when the name is taken. Two round trips for what goes with one request: 64 KiB at first, and up to 960 KiB on a connection that has shown to be fast enough.</summary>
    /// <param name="flush">Whether the server must have it on its disk before this returns.</param>
    /// <exception cref="SmbException">A file that was begun is deleted again, through the handle that made it, where the account may; the message says when it was not.</exception>
    /// <remarks>Closing is a request of its own: a write that fails needs the handle, to take the short file away.</remarks>
    public async ValueTask<bool> CreateAsync(string path, Stream content, bool flush, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(content);
        var most = OneWriteBytes;
        var buffer = ArrayPool<byte>.Shared.Rent(most);
        try
        {
            var count = await content.ReadAtLeastAsync(buffer.AsMemory(0, most), most, throwOnEndOfStream: false, cancellationToken);
            return count < most
                ? await CreateSmallAsync(path, buffer.AsMemory(0, count), flush, cancellationToken)
                : await CreateLargeAsync(path, buffer.AsMemory(0, most), content, flush, cancellationToken);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>Creates or replaces a file atomically: another name, then a rename over the final one. Two round trips for what goes with one request, as of <see cref="CreateAsync"/>.</summary>
    /// <param name="temporary">A free name in the same directory. It is gone afterwards, also when this fails and the link still stands.</param>
    /// <param name="flush">Whether the server must have the content on its disk before it gets its name.</param>
    /// <remarks>The rename is a request of its own: servers go on in a chain behind a write that failed.</remarks>
    public async ValueTask ReplaceAsync(string temporary, string path, ReadOnlyMemory<byte> content, bool flush, CancellationToken cancellationToken)
    {
        var most = OneWriteBytes;
        var isWhole = content.Length <= most;
        var first = isWhole ? content : ReadOnlyMemory<byte>.Empty;
        using var chain = await FileChain.OpenAsync(this, temporary, SmbOpen.Temporary, file => Steps(file, first, isWhole && flush),
            Leftover.GoesByName, cancellationToken);
        await ThrowAsync(chain.Opened, SmbCommand.Create, "writing", temporary, cancellationToken);
        var file = new SmbFile(this, temporary, chain.File);
        try
        {
            await CheckWrittenAsync(chain, first, isWhole && flush, temporary, cancellationToken);
            if (!isWhole)
            {
                await file.WriteAsync(0, content, cancellationToken);
                if (flush)
                    await file.FlushAsync(cancellationToken);
            }
            await file.RenameAndCloseAsync(path, cancellationToken);
        }
        catch
        {
            file.LeaveLater(Leftover.GoesByName);
            throw;
        }
    }

    private int OneWriteBytes => Math.Min(Math.Min(Connection.Pace.Bytes, Connection.MaxWriteBytes), Connection.AffordableBytes);

    private static SmbRequest[] Steps(FileId file, ReadOnlyMemory<byte> content, bool flush) => (content.Length > 0, flush) switch
    {
        (true, true) => [new WriteRequest(file, 0, content), new FlushRequest(file)],
        (true, false) => [new WriteRequest(file, 0, content)],
        (false, true) => [new FlushRequest(file)],
        _ => [],
    };

    private async ValueTask<bool> CreateSmallAsync(string path, ReadOnlyMemory<byte> content, bool flush, CancellationToken cancellationToken)
    {
        using var chain = await BeginAsync(path, file => Steps(file, content, flush), cancellationToken);
        return chain.Opened != NtStatus.ObjectNameCollision
            && await FinishAsync(path, new SmbFile(this, path, chain.File), _ => CheckWrittenAsync(chain, content, flush, path, cancellationToken), cancellationToken);
    }

    private async ValueTask<bool> CreateLargeAsync(string path, ReadOnlyMemory<byte> first, Stream rest, bool flush, CancellationToken cancellationToken)
    {
        using var chain = await BeginAsync(path, _ => [], cancellationToken);
        return chain.Opened != NtStatus.ObjectNameCollision && await FinishAsync(path, new SmbFile(this, path, chain.File), async file =>
        {
            await file.WriteAsync(0, first, cancellationToken);
            await CopyAsync(file, first.Length, rest, cancellationToken);
            if (flush)
                await file.FlushAsync(cancellationToken);
        }, cancellationToken);
    }

    /// <summary>Makes a new file, with the right to delete it again where the account may have that.</summary>
    private async ValueTask<FileChain> BeginAsync(string path, Func<FileId, SmbRequest[]> steps, CancellationToken cancellationToken)
    {
        var chain = await FileChain.OpenAsync(this, path, SmbOpen.CreateNew with { Access = SmbOpen.CreateNew.Access | SmbAccess.Delete }, steps, Leftover.GoesByHandle, cancellationToken);
        if (chain.Opened == NtStatus.AccessDenied)
        {
            chain.Dispose();
            chain = await FileChain.OpenAsync(this, path, SmbOpen.CreateNew, steps, Leftover.GoesByHandle, cancellationToken);
        }
        if (chain.Opened == NtStatus.ObjectNameCollision)
            return chain;
        using (chain.Opened.IsError ? chain : null)
            await ThrowAsync(chain.Opened, SmbCommand.Create, "creating", path, cancellationToken);
        return chain;
    }

    /// <summary>Writes and closes a new file. Nothing half-written stays under its final name, where the account may delete.</summary>
    private async ValueTask<bool> FinishAsync(string path, SmbFile file, Func<SmbFile, ValueTask> write, CancellationToken cancellationToken)
    {
        try
        {
            await write(file);
        }
        catch (SmbException cause)
        {
            throw await RemovedAsync(path, file, cause);
        }
        catch
        {
            file.LeaveLater(Leftover.GoesByHandle);
            throw;
        }
        await file.CloseAsync(cancellationToken);
        return true;
    }

    private static async ValueTask CopyAsync(SmbFile file, long offset, Stream rest, CancellationToken cancellationToken)
    {
        // Several chunks at once, so that the link does not wait for the server between them.
        var buffer = ArrayPool<byte>.Shared.Rent(SmbFile.Window * ChunkBytes);
        try
        {
            int count;
            // No more than is written soon: whoever gives the stream sees by its reads that something moves.
            while (Math.Min(file.TurnBytes, buffer.Length) is var turn && (count = await rest.ReadAtLeastAsync(buffer.AsMemory(0, turn), turn, throwOnEndOfStream: false, cancellationToken)) > 0)
            {
                await file.WriteAsync(offset, buffer.AsMemory(0, count), cancellationToken);
                offset += count;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private async ValueTask CheckWrittenAsync(FileChain chain, ReadOnlyMemory<byte> content, bool flush, string path, CancellationToken cancellationToken)
    {
        var step = 0;
        if (content.Length > 0)
        {
            await ThrowAsync(chain[step], SmbCommand.Write, "writing", path, cancellationToken);
            var written = WriteResponse.Count(chain.Message(step), content.Length);
            if (written < content.Length)
                throw ShortWrite(path, written, content.Length);
            step++;
        }
        if (flush)
            await ThrowAsync(chain[step], SmbCommand.Flush, "flushing", path, cancellationToken);
    }

    internal SmbException ShortWrite(string path, int written, int length) =>
        new(SmbFailure.Status, string.Create(CultureInfo.InvariantCulture, $"writing {Show(path)}: the server took {written} of {length} bytes"),
            SmbCompletion.Refused, SmbCommand.Write, NtStatus.DiskFull);

    /// <summary>What to report of a failed creation, after its file was removed.</summary>
    private async ValueTask<SmbException> RemovedAsync(string path, SmbFile file, SmbException cause)
    {
        if (Connection.EndCause is not null)
            return cause;
        string why;
        try
        {
            if (await file.RemoveAsync(CancellationToken.None) is not { } kept)
                return cause;
            why = kept.ToString();
        }
        catch (SmbException left)
        {
            why = left.Message;
        }
        return new SmbException(cause.Failure, $"{cause.Message}; a short file remains at {Show(path)} ({why})", cause.Completion, cause.Command, cause.Status, cause);
    }
}
