using System.Runtime.InteropServices;
using Capstan.Smb.Wire;

namespace Capstan.Smb.Connection;

/// <summary>Under which session and tree a request goes, and how it is protected.</summary>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct Route(ulong SessionId = 0, uint TreeId = 0, MessageSecurity? Security = null, bool Encrypt = false, bool IsDfs = false);

/// <summary>One request on its way, until its answer came or nobody wants it any more. Guarded by the connection's lock.</summary>
/// <param name="deadline">On the connection's clock.</param>
/// <remarks>It is its own completion source: three of them are made for each small file that is read.</remarks>
internal sealed class Exchange(SmbRequest request, Route route, int charge, long deadline)
    : TaskCompletionSource<Response>(TaskCreationOptions.RunContinuationsAsynchronously)
{
    public SmbRequest Request => request;

    public SmbCommand Command => request.Command;

    public Route Route => route;

    public int Charge => charge;

    public long Deadline => deadline;

    public ulong MessageId { get; set; }

    /// <summary>Set by an interim answer; 0 before.</summary>
    public ulong AsyncId { get; set; }

    /// <summary>Whether a byte of it may have left this machine.</summary>
    public bool IsSent { get; set; }

    /// <summary>Nobody waits any more; the answer is still expected, and then cleaned up after.</summary>
    public bool IsAbandoned { get; set; }

    /// <summary>The message as it was sent; only for the hash over a logon.</summary>
    public byte[]? Sent { get; set; }

    /// <summary>Undoes a success that came too late; null where there is nothing to undo. The callee owns the answer.</summary>
    public Action<Response>? Orphaned { get; init; }

    public Task<Response> Answer => Task;
}
