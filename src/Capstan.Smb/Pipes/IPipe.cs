namespace Capstan.Smb.Pipes;

/// <summary>An open named pipe: what DCE/RPC needs of SMB.</summary>
internal interface IPipe : IAsyncDisposable
{
    /// <summary>Writes one message and reads the answer to it in one round trip (FSCTL_PIPE_TRANSCEIVE).</summary>
    /// <returns>At most <paramref name="maxAnswerBytes"/>; when the server has more, the rest comes by <see cref="ReadAsync"/>.</returns>
    ValueTask<byte[]> TransceiveAsync(ReadOnlyMemory<byte> message, int maxAnswerBytes, CancellationToken cancellationToken);

    ValueTask<byte[]> ReadAsync(int maxBytes, CancellationToken cancellationToken);

    ValueTask WriteAsync(ReadOnlyMemory<byte> message, CancellationToken cancellationToken);
}
