using System.Security.Cryptography;
using Capstan.Smb;
using Capstan.Smb.Crypto;

namespace Capstan.Tests.Smb.Crypto;

public sealed class MessageSignerTests
{
    private static readonly byte[] Key = [.. Enumerable.Range(0, 16).Select(i => (byte)i)];

    [Fact]
    public void The_signature_of_SMB_2_is_the_front_of_an_HMAC_SHA256()
    {
        byte[] message = [.. "a message"u8];
        using var signer = MessageSigner.Create(SmbSigning.HmacSha256, Key);
        Assert.Equal(HMACSHA256.HashData(Key, message)[..16], Sign(signer, message, 7));
        Assert.Equal(HMACSHA256.HashData(Key, message)[..16], Sign(signer, message, 8));
    }

    /// <summary>The final SESSION_SETUP response in Microsoft's example of 3.1.1 ("the anatomy of signing and cryptographic keys", appendix), under the signing key given there.</summary>
    [Fact]
    public void The_published_example_of_a_signed_response_verifies()
    {
        var message = Convert.FromHexString(
            "FE534D4240000100000000000100800009000000000000000300000000000000FFFE0000000000001900000000100000"
            + "EBE146DA120BA25FC3376A49DFE31BC1"
            + "0900000048001D00A11B3019A0030A0100A3120410010000003B453CDC3524164200000000");
        var signature = message[48..64];
        message.AsSpan(48, 16).Clear();
        using var signer = MessageSigner.Create(SmbSigning.AesCmac, Convert.FromHexString("73FE7A9A77BEF0BDE49C650D8CCB5F76"));
        Assert.Equal(signature, Sign(signer, message, 3, isServer: true));
    }

    /// <summary>[MS-SMB2] 3.1.4.1: eight bytes of MessageId, then the bits of the role and of CANCEL.</summary>
    [Theory]
    [InlineData(0UL, false, false, "000000000000000000000000")]
    [InlineData(0x0807060504030201UL, false, false, "010203040506070800000000")]
    [InlineData(0x0807060504030201UL, true, false, "010203040506070801000000")]
    [InlineData(0x0807060504030201UL, false, true, "010203040506070802000000")]
    public void AES_GMAC_makes_its_nonce_of_message_role_and_cancel(ulong messageId, bool isServer, bool isCancel, string nonce)
    {
        byte[] message = [.. "The quick brown fox jumps over the lazy dog"u8];
        var expected = new byte[16];
        using var gcm = new AesGcm(Key, 16);
        gcm.Encrypt(Convert.FromHexString(nonce), ReadOnlySpan<byte>.Empty, [], expected, message);
        using var signer = MessageSigner.Create(SmbSigning.AesGmac, Key);
        Assert.Equal(expected, Sign(signer, message, messageId, isServer, isCancel));
    }

    [Theory]
    [InlineData(SmbSigning.HmacSha256)]
    [InlineData(SmbSigning.AesCmac)]
    [InlineData(SmbSigning.AesGmac)]
    public void A_message_changed_in_any_bit_has_another_signature(SmbSigning algorithm)
    {
        var message = new byte[97];
        new Random(1).NextBytes(message);
        using var signer = MessageSigner.Create(algorithm, Key);
        var signature = Sign(signer, message, 1);
        for (var bit = 0; bit < message.Length * 8; bit++)
        {
            message[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.NotEqual(signature, Sign(signer, message, 1));
            message[bit / 8] ^= (byte)(1 << (bit % 8));
        }

        Assert.Equal(signature, Sign(signer, message, 1));
    }

    [Theory]
    [InlineData(SmbSigning.HmacSha256)]
    [InlineData(SmbSigning.AesCmac)]
    [InlineData(SmbSigning.AesGmac)]
    public void Signing_allocates_nothing(SmbSigning algorithm)
    {
        var message = new byte[20_000];
        var signature = new byte[16];
        using var signer = MessageSigner.Create(algorithm, Key);
        signer.Sign(message, 1, false, false, signature);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 100; i++)
            signer.Sign(message, 2, false, false, signature);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 100);
    }

    private static byte[] Sign(MessageSigner signer, byte[] message, ulong messageId, bool isServer = false, bool isCancel = false)
    {
        var signature = new byte[16];
        signer.Sign(message, messageId, isServer, isCancel, signature);
        return signature;
    }
}
