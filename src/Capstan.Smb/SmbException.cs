namespace Capstan.Smb;

/// <summary>In which way the world failed.</summary>
public enum SmbFailure
{
    /// <summary>Nothing answers at the address: refused, no route, no such name.</summary>
    Unreachable = 1,
    /// <summary>The server accepted the TCP connection and closed it before its first answer: it is full, or something else listens there.</summary>
    ClosedAtOnce = 2,
    /// <summary>The link stands and the server says nothing within the limit: it hangs, is overloaded, or its host vanished.</summary>
    Silent = 3,
    /// <summary>The link broke after the server had answered at least once, or this side closed it.</summary>
    Lost = 4,
    /// <summary>The server answered with an error status (<see cref="SmbException.Status"/>).</summary>
    Status = 5,
    /// <summary>The server sent bytes that the protocol does not allow. The connection is ended: nothing after them can be trusted.</summary>
    Protocol = 6,
    /// <summary>A signature, an authentication tag or a negotiation does not verify: somebody changed the traffic, or the server is broken. The connection is ended.</summary>
    Tampered = 7,
    /// <summary>The server cannot do what is required: SMB 1 alone, no common dialect, no signing, no encryption, a DFS link.</summary>
    Unsupported = 8,
    /// <summary>The logon could not be made on this side: no Kerberos ticket, the server asks for a mechanism that is not there, guest was not asked for.</summary>
    Logon = 9,
}

/// <summary>What is known of the request that failed.</summary>
public enum SmbCompletion
{
    /// <summary>No byte of it left this machine.</summary>
    NotSent = 1,
    /// <summary>The server answered, and did not do it.</summary>
    Refused = 2,
    /// <summary>Sent, at least in part, and not answered: it may have happened.</summary>
    Unknown = 3,
}

/// <summary>The one exception of this library. The message is one line for a person and holds no secret.</summary>
public class SmbException : Exception
{
    public SmbException(SmbFailure failure, string message, SmbCompletion completion, SmbCommand? command = null, NtStatus status = default, Exception? inner = null)
        : base(message, inner)
    {
        Failure = failure;
        Completion = completion;
        Command = command;
        Status = status;
    }

    public SmbFailure Failure { get; }

    public SmbCompletion Completion { get; }

    /// <summary>The command that failed; null when it was the connection as such.</summary>
    public SmbCommand? Command { get; }

    /// <summary>The server's status; <see cref="NtStatus.Success"/> when there was none.</summary>
    public NtStatus Status { get; }

    /// <summary>For a path that is a DFS link: the target the server named; null when it named none, or the failure is another.</summary>
    public string? DfsTarget { get; init; }

    /// <summary>The server answered a request with an error.</summary>
    public static SmbException Of(NtStatus status, SmbCommand command, string what) =>
        new(SmbFailure.Status, $"{what}: the server answered {status} to {command.Name}", SmbCompletion.Refused, command, status);
}

/// <summary>The server sent bytes that the protocol does not allow. Every decoder ends in a value or in this.</summary>
public sealed class SmbProtocolException(string message) : SmbException(SmbFailure.Protocol, message, SmbCompletion.Unknown);
