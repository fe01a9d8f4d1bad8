using Capstan.Smb;

namespace Capstan.Testing.Smb;

/// <summary>A way to misbehave at one answer.</summary>
public enum SmbTrickKind
{
    /// <summary>Without a signature, and without the flag that says there is one.</summary>
    Unsigned,
    /// <summary>With one bit of the signature wrong, or of the tag when it is encrypted.</summary>
    WrongSignature,
    /// <summary>Not encrypted, although the request was; signed.</summary>
    InClear,
    /// <summary>For a message that waits for none.</summary>
    WrongMessageId,
    /// <summary>As the answer to another command.</summary>
    WrongCommand,
    /// <summary>Twice.</summary>
    Twice,
    /// <summary>Instead of the answer, bytes that are no SMB.</summary>
    Garbage,
    /// <summary>Instead of the answer, a frame that announces 16 MiB.</summary>
    OverLong,
    /// <summary>Instead of the answer, one of SMB 1.</summary>
    Smb1,
    /// <summary>Not marked as a server's message.</summary>
    NotOfServer,
    /// <summary>No answer at all; it was done.</summary>
    Silence,
    /// <summary>The link is closed instead; nothing was done.</summary>
    CloseBefore,
    /// <summary>The link is closed instead; it was done.</summary>
    CloseAfter,
    /// <summary>Refused with <see cref="SmbTrick.Status"/>; nothing was done.</summary>
    Refuse,
    /// <summary>STATUS_PENDING first, then the answer.</summary>
    Interim,
    /// <summary>More bytes than a READ asked for.</summary>
    TooMuch,
    /// <summary><see cref="SmbTrick.Alter"/> changes the answer before it is signed: the server itself is odd.</summary>
    AlterBefore,
    /// <summary><see cref="SmbTrick.Alter"/> changes the answer after it was signed: somebody on the way.</summary>
    AlterAfter,
}

/// <summary>One misbehaviour, at the <paramref name="Nth"/> request of a command from now on.</summary>
/// <param name="Nth">1 for the next; 0 for every one.</param>
public sealed record SmbTrick(SmbCommand Command, SmbTrickKind Kind, int Nth = 1, NtStatus Status = default, Action<byte[]>? Alter = null)
{
    private int _seen;

    internal bool IsNow() => Nth == 0 || ++_seen == Nth;
}

/// <summary>A request that the server keeps until the test lets it go on. It is done when it goes on, not before.</summary>
public sealed class SmbHold
{
    private readonly TaskCompletionSource _reached = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _cancelled = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<bool> _goesOn = new(TaskCreationOptions.RunContinuationsAsynchronously);

    internal SmbHold(SmbCommand command, bool sendsInterim, bool obeysCancel)
    {
        Command = command;
        SendsInterim = sendsInterim;
        ObeysCancel = obeysCancel;
    }

    internal SmbCommand Command { get; }

    internal bool SendsInterim { get; }

    internal bool ObeysCancel { get; }

    internal SmbServerLink? Link { get; set; }

    internal ulong MessageId { get; set; }

    internal ulong AsyncId { get; set; }

    /// <summary>The request is at the server (and its interim answer on its way, if there is one).</summary>
    public Task Reached => _reached.Task;

    /// <summary>A CANCEL for it came.</summary>
    public Task Cancelled => _cancelled.Task;

    public void Release() => _goesOn.TrySetResult(true);

    internal void Reach() => _reached.TrySetResult();

    internal void Cancel()
    {
        if (ObeysCancel)
            _goesOn.TrySetResult(false);
        _cancelled.TrySetResult();
    }

    /// <summary>False when it was cancelled.</summary>
    internal Task<bool> GoesOn => _goesOn.Task;
}
