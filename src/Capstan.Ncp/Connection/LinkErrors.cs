using System.Net.Sockets;

namespace Capstan.Ncp.Connection;

/// <summary>What the sockets of this machine say, in the words of this library.</summary>
internal static class LinkErrors
{
    public static NcpException Connecting(SocketException cause, NcpEndpoint endpoint)
    {
        if (cause.SocketErrorCode is SocketError.ConnectionReset or SocketError.ConnectionAborted)
            return AtOnce(endpoint, cause);
        var why = cause.SocketErrorCode switch
        {
            SocketError.ConnectionRefused => "nothing listens there (connection refused)",
            SocketError.HostNotFound or SocketError.NoData or SocketError.TryAgain => "the name cannot be resolved",
            SocketError.HostUnreachable or SocketError.NetworkUnreachable => "there is no route to it",
            SocketError.TimedOut => "it does not answer",
            _ => cause.Message,
        };
        return new NcpException(NcpFailure.Unreachable, $"{endpoint} cannot be reached: {why}", NcpCompletion.NotSent, inner: cause);
    }

    public static NcpException AtOnce(NcpEndpoint endpoint, Exception? cause) =>
        new(NcpFailure.ClosedAtOnce, $"{endpoint} took the connection and closed it before its first answer: it is full, or something else listens there", NcpCompletion.Refused, inner: cause);
}
