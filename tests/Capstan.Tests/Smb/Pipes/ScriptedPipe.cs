using Capstan.Smb.Pipes;

namespace Capstan.Tests.Smb.Pipes;

/// <summary>A pipe whose other end is a function from one whole request (all its fragments, as sent) to the answer's bytes, given out in portions.</summary>
internal sealed class ScriptedPipe(Func<IReadOnlyList<byte[]>, byte[]> answer, int portionBytes = int.MaxValue) : IPipe
{
    private readonly List<byte[]> _sent = [];
    private byte[] _left = [];

    public bool IsDisposed { get; private set; }

    public ValueTask WriteAsync(ReadOnlyMemory<byte> message, CancellationToken cancellationToken)
    {
        _sent.Add(message.ToArray());
        return ValueTask.CompletedTask;
    }

    public ValueTask<byte[]> TransceiveAsync(ReadOnlyMemory<byte> message, int maxAnswerBytes, CancellationToken cancellationToken)
    {
        _sent.Add(message.ToArray());
        _left = answer([.. _sent]);
        _sent.Clear();
        return ReadAsync(maxAnswerBytes, cancellationToken);
    }

    public ValueTask<byte[]> ReadAsync(int maxBytes, CancellationToken cancellationToken)
    {
        var count = Math.Min(_left.Length, Math.Min(maxBytes, portionBytes));
        var portion = _left[..count];
        _left = _left[count..];
        return ValueTask.FromResult(portion);
    }

    public ValueTask DisposeAsync()
    {
        IsDisposed = true;
        return ValueTask.CompletedTask;
    }
}
