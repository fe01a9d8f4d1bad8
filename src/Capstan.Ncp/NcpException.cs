namespace Capstan.Ncp;

/// <summary>In which way the world failed.</summary>
public enum NcpFailure
{
    /// <summary>Nothing answers at the address: refused, no route, no such name.</summary>
    Unreachable = 1,
    /// <summary>The server took the TCP connection and closed it before its first answer.</summary>
    ClosedAtOnce = 2,
    /// <summary>The server says nothing within the limit, whatever was sent again.</summary>
    Silent = 3,
    /// <summary>The link broke after the server had answered at least once, or this side closed it.</summary>
    Lost = 4,
    /// <summary>The server answered with a completion code (<see cref="NcpException.Code"/>).</summary>
    Completion = 5,
    /// <summary>The server sent bytes that the protocol does not allow. The connection is ended.</summary>
    Protocol = 6,
    /// <summary>A signature does not verify: somebody changed the traffic, or the server is broken. The connection is ended.</summary>
    Tampered = 7,
    /// <summary>The server cannot do what is required, or this side cannot say it: no packet signing, a name that the name space cannot hold, a file of 4 GiB or more.</summary>
    Unsupported = 8,
}

/// <summary>What is known of the request that failed.</summary>
public enum NcpCompletion
{
    /// <summary>No byte of it left this machine.</summary>
    NotSent = 1,
    /// <summary>The server answered, and did not do it.</summary>
    Refused = 2,
    /// <summary>Sent, at least in part, and not answered: it may have happened.</summary>
    Unknown = 3,
}

/// <summary>The one exception of this library. The message is one line for a person and holds no secret.</summary>
public class NcpException : Exception
{
    public NcpException(NcpFailure failure, string message, NcpCompletion completion, NcpCode code = default, Exception? inner = null)
        : base(message, inner)
    {
        Failure = failure;
        Completion = completion;
        Code = code;
    }

    public NcpFailure Failure { get; }

    public NcpCompletion Completion { get; }

    /// <summary>The server's completion code; 0 when there was none.</summary>
    public NcpCode Code { get; }

    /// <summary>The server answered a request with an error.</summary>
    internal static NcpException Of(NcpCode code, string what) =>
        new(NcpFailure.Completion, $"{what}: the server answered {code}", NcpCompletion.Refused, code);
}

/// <summary>The server sent bytes that the protocol does not allow. Every decoder ends in a value or in this.</summary>
public sealed class NcpProtocolException(string message) : NcpException(NcpFailure.Protocol, message, NcpCompletion.Unknown);
