using Capstan.Smb.Connection;
using Capstan.Smb.Pipes;
using Capstan.Smb.Wire;

namespace Capstan.Smb.Files;

/// <summary>An open named pipe of <c>IPC$</c>. One conversation at a time.</summary>
internal sealed class SmbPipe(SmbTree tree, string name, FileId id) : IPipe
{
    private bool _isClosed;

    public async ValueTask<byte[]> TransceiveAsync(ReadOnlyMemory<byte> message, int maxAnswerBytes, CancellationToken cancellationToken)
    {
        using var answer = await CallAsync(new IoctlRequest(IoctlRequest.PipeTransceive, id, message, maxAnswerBytes), cancellationToken);
        Throw(answer.Status, SmbCommand.Ioctl);
        return IoctlResponse.Output(answer.Message, maxAnswerBytes).ToArray();
    }

    public async ValueTask<byte[]> ReadAsync(int maxBytes, CancellationToken cancellationToken)
    {
        using var answer = await CallAsync(new ReadRequest(id, 0, maxBytes), cancellationToken);
        Throw(answer.Status, SmbCommand.Read);
        return ReadResponse.Data(answer.Message, maxBytes).ToArray();
    }

    public async ValueTask WriteAsync(ReadOnlyMemory<byte> message, CancellationToken cancellationToken)
    {
        using var answer = await CallAsync(new WriteRequest(id, 0, message), cancellationToken);
        Throw(answer.Status, SmbCommand.Write);
        if (WriteResponse.Count(answer.Message, message.Length) < message.Length)
            throw new SmbProtocolException($"the pipe {name} took part of a message, which pipes of messages do not");
    }

    public async ValueTask DisposeAsync()
    {
        if (_isClosed || tree.Connection.EndCause is not null)
            return;
        _isClosed = true;
        try
        {
            using var answer = await CallAsync(new CloseRequest(id), CancellationToken.None);
        }
        catch (SmbException)
        {
            // The link ended: the server has closed the pipe, or will.
        }
    }

    private ValueTask<Response> CallAsync(SmbRequest request, CancellationToken cancellationToken) =>
        tree.Connection.CallAsync(tree.Route, request, orphaned: null, cancellationToken);

    // More data than was asked for is a warning, not an error: the rest comes with the next read ([MS-SMB2] 3.3.5.12).
    private void Throw(NtStatus status, SmbCommand command)
    {
        if (status.IsError)
            throw SmbException.Of(status, command, $"talking to the pipe {name} of {tree.Connection.Endpoint}");
    }
}
