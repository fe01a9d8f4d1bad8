using System.Text;
using Capstan.Smb.Wire;

namespace Capstan.Smb.Authentication;

/// <summary>What the client sends in NTLM ([MS-NLMP] 2.2.1.1, 2.2.1.3).</summary>
internal static class NtlmMessages
{
    public const uint ChallengeType = 2;
    public const int MicOffset = 72;
    public const int MicBytes = 16;

    private const uint NegotiateType = 1;
    private const uint AuthenticateType = 3;
    private const int NegotiateBytes = 40;
    private const int AuthenticateHeaderBytes = MicOffset + MicBytes;

    public static ReadOnlySpan<byte> Signature => "NTLMSSP\0"u8;

    /// <summary>VERSION (2.2.2.10), which nobody decides by: 10.0, no build, NTLM revision 15.</summary>
    private static ReadOnlySpan<byte> Version => [10, 0, 0, 0, 0, 0, 0, 15];

    /// <summary>NEGOTIATE_MESSAGE without domain and workstation.</summary>
    public static byte[] Negotiate(NtlmFlags flags)
    {
        var bytes = new byte[NegotiateBytes];
        var writer = new WireWriter(bytes);
        writer.Bytes(Signature);
        writer.UInt32(NegotiateType);
        writer.UInt32((uint)flags);
        writer.Zero(16); // DomainNameFields, WorkstationFields
        writer.Bytes(Version);
        return bytes;
    }

    /// <summary>AUTHENTICATE_MESSAGE, its MIC still zero.</summary>
    public static byte[] Authenticate(NtlmFlags flags, string domain, string user, string workstation,
        byte[] lmResponse, byte[] ntResponse, byte[] encryptedSessionKey)
    {
        // In the order in which their fields stand in the header; the session key is last there, too.
        byte[][] payload =
        [
            lmResponse, ntResponse,
            Encoding.Unicode.GetBytes(domain), Encoding.Unicode.GetBytes(user), Encoding.Unicode.GetBytes(workstation),
            encryptedSessionKey,
        ];
        var bytes = new byte[AuthenticateHeaderBytes + payload.Sum(p => p.Length)];
        var writer = new WireWriter(bytes);
        writer.Bytes(Signature);
        writer.UInt32(AuthenticateType);
        var offset = AuthenticateHeaderBytes;
        foreach (var part in payload)
        {
            writer.UInt16(part.Length);
            writer.UInt16(part.Length);
            writer.UInt32((uint)offset);
            offset += part.Length;
        }

        writer.UInt32((uint)flags);
        writer.Bytes(Version);
        writer.Zero(MicBytes);
        foreach (var part in payload)
            writer.Bytes(part);
        return bytes;
    }
}
