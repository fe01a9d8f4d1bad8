using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;
using Capstan.Smb.Crypto;

namespace Capstan.Smb.Authentication;

/// <summary>The computations of NTLMv2 ([MS-NLMP] 3.3.2), without state.</summary>
internal static class NtlmV2
{
    public const int KeyBytes = 16;
    public const int ClientChallengeBytes = 8;

    /// <summary>The NT hash: MD4 of the password in UTF-16. As good as the password itself: a secret.</summary>
    public static byte[] NtHash(string password)
    {
        var text = Encoding.Unicode.GetBytes(password);
        var hash = new byte[Md4.HashBytes];
        Md4.HashData(text, hash);
        CryptographicOperations.ZeroMemory(text);
        return hash;
    }

    /// <summary>NTOWFv2: the user name counts in capitals, the domain as it is written.</summary>
    public static byte[] ResponseKey(ReadOnlySpan<byte> ntHash, string user, string domain) =>
        HmacMd5(ntHash, Encoding.Unicode.GetBytes(user.ToUpperInvariant() + domain));

    /// <summary>NTLMv2_CLIENT_CHALLENGE (2.2.2.7), which the specification calls <c>temp</c>.</summary>
    /// <param name="time">FILETIME.</param>
    public static byte[] ClientChallenge(ulong time, ReadOnlySpan<byte> clientChallenge, ReadOnlySpan<byte> targetInfo)
    {
        var temp = new byte[28 + targetInfo.Length + 4];
        temp[0] = 1; // Responserversion
        temp[1] = 1; // HiResponserversion
        BinaryPrimitives.WriteUInt64LittleEndian(temp.AsSpan(8), time);
        clientChallenge.CopyTo(temp.AsSpan(16));
        targetInfo.CopyTo(temp.AsSpan(28));
        return temp;
    }

    /// <summary>NTProofStr.</summary>
    public static byte[] Proof(ReadOnlySpan<byte> responseKey, ReadOnlySpan<byte> serverChallenge, ReadOnlySpan<byte> temp) =>
        HmacMd5(responseKey, [.. serverChallenge, .. temp]);

    /// <summary>SessionBaseKey, which for NTLMv2 is the key exchange key, too (3.4.5.1).</summary>
    public static byte[] SessionBaseKey(ReadOnlySpan<byte> responseKey, ReadOnlySpan<byte> proof) => HmacMd5(responseKey, proof);

    /// <summary>The MIC over the three messages, that of the AUTHENTICATE_MESSAGE zero (3.1.5.1.2).</summary>
    public static byte[] Mic(ReadOnlySpan<byte> exportedSessionKey, ReadOnlySpan<byte> negotiate, ReadOnlySpan<byte> challenge, ReadOnlySpan<byte> authenticate) =>
        HmacMd5(exportedSessionKey, [.. negotiate, .. challenge, .. authenticate]);

    [SuppressMessage("Security", "CA5351", Justification = "[MS-NLMP] 3.3.2 says HMAC-MD5")]
    public static byte[] HmacMd5(ReadOnlySpan<byte> key, ReadOnlySpan<byte> message) => HMACMD5.HashData(key, message);
}
