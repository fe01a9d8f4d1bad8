using System.Net.Sockets;
using System.Text;

namespace Capstan.Smb.Connection;

/// <summary>Finds out whether a server that closes on SMB 2 speaks SMB 1, so that the person in front of it is told the one thing to change.</summary>
/// <remarks>SMB 1 itself is never spoken: one NEGOTIATE ([MS-CIFS] 2.2.4.52) is sent, and only the first four bytes of the answer are looked at.</remarks>
internal static class Smb1Probe
{
    private static readonly byte[] Negotiate =
    [
        // Length of what follows; header: FF 'SMB', command 72, no status, flags, no ids.
        0, 0, 0, 47,
        0xFF, (byte)'S', (byte)'M', (byte)'B', 0x72, 0, 0, 0, 0, 0x18, 0x01, 0x40, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0, 0, 0, 0, 0, 0,
        // No words; 12 bytes: one dialect.
        0, 12, 0, 2, .. Encoding.ASCII.GetBytes("NT LM 0.12"), 0,
    ];

    /// <summary>True only when the server answered in SMB 1. Whatever else happens says nothing.</summary>
    public static async Task<bool> AnswersAsync(SmbEndpoint endpoint, CancellationToken cancellationToken)
    {
        try
        {
            using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            await socket.ConnectAsync(endpoint.Host, endpoint.Port, cancellationToken);
            using var stream = new NetworkStream(socket, ownsSocket: false);
            await stream.WriteAsync(Negotiate, cancellationToken);
            var head = new byte[8];
            await stream.ReadExactlyAsync(head, cancellationToken);
            return head.AsSpan(4).SequenceEqual(Negotiate.AsSpan(4, 4));
        }
        catch (Exception cause) when (cause is SocketException or IOException)
        {
            return false;
        }
    }
}
