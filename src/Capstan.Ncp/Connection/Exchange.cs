using Capstan.Ncp.Wire;

namespace Capstan.Ncp.Connection;

/// <summary>A request that waits for its answer.</summary>
internal sealed class Exchange(PacketType type, byte sequence, long sent)
{
    private readonly TaskCompletionSource<(NcpCode Code, byte[] Data)> _answer = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long _busyAt;

    public PacketType Type => type;

    public byte Sequence => sequence;

    /// <summary>After it nobody is left who would sign its answer.</summary>
    public bool MayBeUnsigned { get; init; }

    public Task<(NcpCode Code, byte[] Data)> Answer => _answer.Task;

    /// <summary>When it was sent first.</summary>
    public long Sent => sent;

    /// <summary>When it was sent first, or the server said that it is busy with it.</summary>
    public long LastHeard => Math.Max(sent, Volatile.Read(ref _busyAt));

    public void Busy(long now) => Volatile.Write(ref _busyAt, now);

    public void Complete(NcpCode code, byte[] data) => _answer.TrySetResult((code, data));

    public void Fail(NcpException cause) => _answer.TrySetException(new NcpException(cause.Failure, cause.Message, NcpCompletion.Unknown, cause.Code, cause.InnerException));
}

/// <summary>A request's function and everything behind it.</summary>
internal readonly struct NcpRequest
{
    private NcpRequest(ReadOnlyMemory<byte> body) => Body = body;

    public ReadOnlyMemory<byte> Body { get; }

    /// <summary>A function without subfunctions, or one whose subfunction is the first byte of its fields (0x57).</summary>
    public static NcpRequest Of(int function, NcpWriter fields) => new(new NcpWriter(1 + fields.Written.Length).Byte(function).Bytes(fields.Written.Span).Written);

    /// <summary>Writes the fields straight behind the function: for large ones.</summary>
    public static NcpRequest Of(NcpWriter functionAndFields) => new(functionAndFields.Written);

    /// <summary>A function whose fields begin with their length and the subfunction (0x15, 0x16, 0x17).</summary>
    public static NcpRequest Of(int function, int subfunction, NcpWriter fields) =>
        new(new NcpWriter(4 + fields.Written.Length).Byte(function).UInt16Big(1 + fields.Written.Length).Byte(subfunction).Bytes(fields.Written.Span).Written);
}
