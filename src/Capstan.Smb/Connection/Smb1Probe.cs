using System.Net.Sockets;
using System.Text;

namespace Capstan.Smb.Connection;

/// <summary>Finds out whether a server that closes on SMB 2 speaks SMB 1, so that the person in front of it is told the one thing to change.</summary>
/// <remarks>SMB 1 itself is never spoken: one NEGOTIATE ([MS-CIFS] 2.2.4.52) is sent, which offers SMB 2 as well ([MS-SMB2] 3.2.4.2.2.1), and only what the server
/// chose is looked at.</remarks>
internal static class Smb1Probe
{
    private const int PrefixBytes = 4;
    private const int HeaderBytes = 32;
    /// <summary>Up to the index of the dialect that the server chose, behind the count of words.</summary>
    private const int AnswerBytes = PrefixBytes + HeaderBytes + 3;

    private static readonly byte[] Dialects = Encoding.ASCII.GetBytes("\x02NT LM 0.12\0\x02SMB 2.002\0\x02SMB 2.???\0");

    private static readonly byte[] Negotiate =
    [
        0, 0, 0, (byte)(HeaderBytes + 3 + Dialects.Length),
        // FF 'SMB', command 72, no status, flags, no ids.
        0xFF, (byte)'S', (byte)'M', (byte)'B', 0x72, 0, 0, 0, 0, 0x18, 0x01, 0x40, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0, 0, 0, 0, 0, 0,
        0, (byte)Dialects.Length, 0, .. Dialects,
    ];

    /// <summary>True only when the server, offered SMB 1 and SMB 2, chose SMB 1. Whatever else happens says nothing.</summary>
    public static async Task<bool> AnswersAsync(SmbEndpoint endpoint, CancellationToken cancellationToken)
    {
        try
        {
            using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            await socket.ConnectAsync(endpoint.Host, endpoint.Port, cancellationToken);
            using var stream = new NetworkStream(socket, ownsSocket: false);
            await stream.WriteAsync(Negotiate, cancellationToken);
            var answer = new byte[AnswerBytes];
            await stream.ReadExactlyAsync(answer, cancellationToken);
            return answer.AsSpan(PrefixBytes, 4).SequenceEqual(Negotiate.AsSpan(PrefixBytes, 4)) && answer[^2] == 0 && answer[^1] == 0;
        }
        catch (Exception cause) when (cause is SocketException or IOException)
        {
            return false;
        }
    }
}
