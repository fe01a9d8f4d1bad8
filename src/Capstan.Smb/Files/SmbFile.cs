using Capstan.Smb.Connection;
using Capstan.Smb.Wire;

namespace Capstan.Smb.Files;

/// <summary>An open file or directory. Thread-safe: reads and writes at offsets may overlap in time.</summary>
public sealed class SmbFile : IAsyncDisposable
{
    /// <summary>Chunks of one transfer that are under way at once: the link is busy, and others still get their turn.</summary>
    internal const int Window = 4;

    /// <summary>Of one request, at most: with what stands around it an answer fits an array of 1 MiB; of one more byte it would take one of 2 MiB.</summary>
    private const int ChunkBytes = 15 * CreditBytes;

    /// <summary>What one credit pays for.</summary>
    private const int CreditBytes = 64 * 1024;

    private readonly SmbTree _tree;
    private readonly string _path;
    private readonly FileId _id;
    private int _isClosed;

    internal SmbFile(SmbTree tree, string path, CreateResponse file)
    {
        _tree = tree;
        _path = path;
        _id = file.FileId;
        Entry = SmbTree.Entry(path, file);
    }

    /// <summary>Facts at the time of opening.</summary>
    public SmbEntry Entry { get; }

    /// <summary>At the time of opening.</summary>
    public long LengthBytes => Entry.LengthBytes;

    private SmbConnection Connection => _tree.Connection;

    /// <summary>Reads up to the buffer's length; fewer bytes only at the end of the file, 0 at or past it.</summary>
    public async ValueTask<int> ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        return await TransferAsync(buffer.Length, Math.Min(Connection.MaxReadBytes, Connection.AffordableBytes),
            (start, length, token) => ReadChunkAsync(offset + start, buffer.Slice(start, length), token), cancellationToken);
    }

    /// <summary>Writes all bytes.</summary>
    /// <exception cref="SmbException">Part of it may be written.</exception>
    public async ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        var done = 0;
        do
        {
            var (begin, turn) = (done, Math.Min(TurnBytes, content.Length - done));
            await TransferAsync(turn, RequestBytes, (start, length, token) => WriteChunkAsync(offset + begin + start, content.Slice(begin + start, length), token), cancellationToken);
            done += turn;
        }
        while (done < content.Length);
    }

    /// <summary>Bytes that are written before the pace is looked at again: as many requests as may be under way.</summary>
    internal int TurnBytes => RequestBytes * Connection.Pace.Window(Window);

    private int RequestBytes => Math.Min(Math.Min(Connection.MaxWriteBytes, Connection.AffordableBytes), Connection.Pace.Bytes);

    /// <summary>Facts now.</summary>
    public async ValueTask<SmbEntry> StatAsync(CancellationToken cancellationToken)
    {
        using var answer = await CallAsync(new QueryInfoRequest(_id, InfoType.File, NetworkOpenInformation.Class, NetworkOpenInformation.Bytes), cancellationToken);
        await ThrowAsync(answer.Status, SmbCommand.QueryInfo, "looking at", cancellationToken);
        var (attributes, length, times) = NetworkOpenInformation.Read(answer.Message);
        return new SmbEntry(Entry.Name, attributes, attributes.HasFlag(SmbAttributes.Directory) ? 0 : length, SmbTimes.ToTime(times.LastWrite));
    }

    /// <summary>Cuts the file, or fills it up with zeros.</summary>
    public async ValueTask SetLengthAsync(long lengthBytes, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(lengthBytes);
        using var answer = await CallAsync(SetInfoRequest.Length(_id, lengthBytes), cancellationToken);
        await ThrowAsync(answer.Status, SmbCommand.SetInfo, "setting the length of", cancellationToken);
    }

    /// <summary>Sets attributes and the time of the last write; what is null stays. The file must be open with <see cref="SmbAccess.WriteAttributes"/>.</summary>
    public async ValueTask SetFactsAsync(SmbAttributes? attributes, DateTimeOffset? lastWrite, CancellationToken cancellationToken)
    {
        using var answer = await CallAsync(SetInfoRequest.Basic(_id, attributes, lastWrite), cancellationToken);
        await ThrowAsync(answer.Status, SmbCommand.SetInfo, "setting the attributes of", cancellationToken);
    }

    /// <summary>Waits until the server has everything on its disk.</summary>
    public async ValueTask FlushAsync(CancellationToken cancellationToken)
    {
        using var answer = await CallAsync(new FlushRequest(_id), cancellationToken);
        await ThrowAsync(answer.Status, SmbCommand.Flush, "flushing", cancellationToken);
    }

    /// <summary>The file goes when it is closed. It must have been opened with <see cref="SmbAccess.Delete"/>.</summary>
    public async ValueTask DeleteOnCloseAsync(CancellationToken cancellationToken)
    {
        using var answer = await CallAsync(SetInfoRequest.Delete(_id), cancellationToken);
        await ThrowAsync(answer.Status, SmbCommand.SetInfo, "deleting", cancellationToken);
    }

    /// <summary>Closes, and waits for the server's answer. Once; further calls have no effect. Who gives up the waiting does not give up the closing.</summary>
    public async ValueTask CloseAsync(CancellationToken cancellationToken)
    {
        if (Interlocked.Exchange(ref _isClosed, 1) != 0)
            return;
        try
        {
            using var answer = await CallAsync(new CloseRequest(_id), cancellationToken);
            if (answer.Status != NtStatus.FileClosed)
                await ThrowAsync(answer.Status, SmbCommand.Close, "closing", cancellationToken);
        }
        catch (OperationCanceledException)
        {
            FileChain.Later(_tree, _path, _id, Leftover.Stays);
            throw;
        }
    }

    /// <summary>Closes when nobody did; what the world answers then is not told.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _isClosed, 1) != 0 || Connection.EndCause is not null)
            return;
        try
        {
            using var answer = await CallAsync(new CloseRequest(_id), CancellationToken.None);
        }
        catch (SmbException)
        {
            // The link ended: the server has closed the file, or will.
        }
    }

    /// <summary>Gives the file its final name, over whatever has it, and closes it: one round trip.</summary>
    internal async ValueTask RenameAndCloseAsync(string path, CancellationToken cancellationToken)
    {
        NtStatus renamed;
        SmbRequest[] related = [SetInfoRequest.Rename(_id, SmbTree.RenamePath(path), replace: true), new CloseRequest(FileId.FromChain)];
        if (Connection.Compounds && Connection.CanAfford(related))
        {
            var answers = await Connection.ChainAsync(_tree.Route, related, orphaned: null, cancellationToken);
            renamed = answers[0].Status;
            if (!answers[1].Status.IsError)
                Interlocked.Exchange(ref _isClosed, 1);
            foreach (var answer in answers)
                answer.Dispose();
        }
        else
        {
            using var answer = await CallAsync(related[0], cancellationToken);
            renamed = answer.Status;
        }
        await _tree.ThrowAsync(renamed, SmbCommand.SetInfo, $"renaming {_path} to", path, cancellationToken);
        await CloseAsync(cancellationToken);
    }

    /// <summary>Closes and removes without holding up whoever failed.</summary>
    internal void LeaveLater(Leftover leftover)
    {
        Interlocked.Exchange(ref _isClosed, 1);
        FileChain.Later(_tree, _path, _id, leftover);
    }

    /// <summary>Removes the file through this handle, and closes it.</summary>
    /// <returns>Null when it is gone; else why it stays.</returns>
    internal async ValueTask<NtStatus?> RemoveAsync(CancellationToken cancellationToken)
    {
        if (Interlocked.Exchange(ref _isClosed, 1) != 0)
            return NtStatus.FileClosed;
        NtStatus marked, closed;
        using (var answer = await CallAsync(SetInfoRequest.Delete(_id), cancellationToken))
            marked = answer.Status;
        using (var answer = await CallAsync(new CloseRequest(_id), cancellationToken))
            closed = answer.Status;
        return marked.IsError ? marked : closed.IsError ? closed : null;
    }

    /// <summary>One page of a listing; null after the last one.</summary>
    internal async ValueTask<List<SmbEntry>?> ListPageAsync(string pattern, int bytes, CancellationToken cancellationToken)
    {
        using var answer = await CallAsync(new QueryDirectoryRequest(_id, pattern, bytes), cancellationToken);
        if (answer.Status == NtStatus.NoMoreFiles || answer.Status == NtStatus.NoSuchFile)
            return null;
        await ThrowAsync(answer.Status, SmbCommand.QueryDirectory, "listing", cancellationToken);
        return QueryDirectoryResponse.Read(answer.Message, bytes);
    }

    private async Task<int> ReadChunkAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        var done = 0;
        while (done < buffer.Length)
        {
            using var answer = await CallAsync(new ReadRequest(_id, offset + done, buffer.Length - done), cancellationToken);
            if (answer.Status == NtStatus.EndOfFile)
                break;
            await ThrowAsync(answer.Status, SmbCommand.Read, "reading", cancellationToken);
            var data = ReadResponse.Data(answer.Message, buffer.Length - done);
            if (data.Length == 0)
                break;
            data.CopyTo(buffer.Span[done..]);
            done += data.Length;
        }
        return done;
    }

    private async Task<int> WriteChunkAsync(long offset, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        var began = Connection.Pace.Begin();
        using var answer = await CallAsync(new WriteRequest(_id, offset, content), cancellationToken);
        await ThrowAsync(answer.Status, SmbCommand.Write, "writing", cancellationToken);
        Connection.Pace.Note(content.Length, began);
        var written = WriteResponse.Count(answer.Message, content.Length);
        return written == content.Length ? written : throw _tree.ShortWrite(_path, written, content.Length);
    }

    /// <summary>Moves a buffer in chunks, a few at a time. Waits for all that were begun, whatever happens: they use the caller's buffer.</summary>
    /// <returns>Bytes up to the first chunk that was not full.</returns>
    private static async ValueTask<int> TransferAsync(int length, int mostBytes, Func<int, int, CancellationToken, Task<int>> chunk, CancellationToken cancellationToken)
    {
        var size = Math.Min(mostBytes, ChunkBytes);
        if (length <= size)
            return length == 0 ? 0 : await chunk(0, length, cancellationToken);
        // All of about one length: a short one at the end would leave the others waiting for it.
        var even = (length - 1) / ((length - 1) / size + 1) + 1;
        size = Math.Min(size, (even + CreditBytes - 1) / CreditBytes * CreditBytes);
        using var failed = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var running = new Queue<(Task<int> Task, int Length)>(Window);
        int start = 0, done = 0;
        var isShort = false;
        try
        {
            while (running.Count > 0 || (start < length && !isShort))
            {
                if (start < length && !isShort && running.Count < Window)
                {
                    var next = Math.Min(size, length - start);
                    running.Enqueue((chunk(start, next, failed.Token), next));
                    start += next;
                    continue;
                }
                var (task, wanted) = running.Dequeue();
                var count = await task;
                done += isShort ? 0 : count;
                isShort |= count < wanted;
            }
            return done;
        }
        catch
        {
            await failed.CancelAsync();
            await ((Task)Task.WhenAll(running.Select(other => other.Task))).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            throw;
        }
    }

    private ValueTask<Response> CallAsync(SmbRequest request, CancellationToken cancellationToken) =>
        Connection.CallAsync(_tree.Route, request, orphaned: null, cancellationToken);

    private ValueTask ThrowAsync(NtStatus status, SmbCommand command, string verb, CancellationToken cancellationToken) =>
        _tree.ThrowAsync(status, command, verb, _path, cancellationToken);
}
