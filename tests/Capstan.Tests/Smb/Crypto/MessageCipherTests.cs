using System.Security.Cryptography;
using Capstan.Smb;
using Capstan.Smb.Crypto;
using FsCheck;
using FsCheck.Fluent;

namespace Capstan.Tests.Smb.Crypto;

public sealed class MessageCipherTests
{
    public static TheoryData<SmbCipher> Ciphers => [SmbCipher.Aes128Ccm, SmbCipher.Aes128Gcm, SmbCipher.Aes256Ccm, SmbCipher.Aes256Gcm];

    [Theory]
    [MemberData(nameof(Ciphers))]
    public void What_is_encrypted_comes_back(SmbCipher which) =>
        Prop.ForAll<byte[], byte[]>((text, header) =>
        {
            using var cipher = Make(which);
            var (inPlace, nonce, tag) = Encrypt(cipher, text, header);
            cipher.Decrypt(inPlace, nonce, header, tag);
            return inPlace.AsSpan().SequenceEqual(text);
        }).QuickCheckThrowOnFailure();

    [Theory]
    [MemberData(nameof(Ciphers))]
    public void A_bit_changed_in_any_byte_is_tampering(SmbCipher which)
    {
        byte[] text = [.. Enumerable.Range(0, 40).Select(i => (byte)i)];
        byte[] header = [.. Enumerable.Range(0, 32).Select(i => (byte)i)];
        using var cipher = Make(which);
        var (encrypted, nonce, tag) = Encrypt(cipher, text, header);
        foreach (var part in (byte[][])[encrypted, nonce, header, tag])
        {
            for (var at = 0; at < part.Length; at++)
            {
                part[at] ^= (byte)(1 << (at % 8));
                var failure = Assert.Throws<SmbException>(() => cipher.Decrypt([.. encrypted], nonce, header, tag));
                Assert.Equal(SmbFailure.Tampered, failure.Failure);
                part[at] ^= (byte)(1 << (at % 8));
            }
        }

        cipher.Decrypt(encrypted, nonce, header, tag);
        Assert.Equal(text, encrypted);
    }

    /// <summary>Test case 4 of the submission of GCM to NIST. (CCM with a nonce of 11 and a tag of 16 bytes has no published vector.)</summary>
    [Fact]
    public void GCM_gives_the_published_tag()
    {
        var text = Convert.FromHexString("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39");
        var tag = new byte[16];
        using var cipher = MessageCipher.Create(SmbCipher.Aes128Gcm, Convert.FromHexString("feffe9928665731c6d6a8f9467308308"));
        cipher.Encrypt(text, Convert.FromHexString("cafebabefacedbaddecaf888"), Convert.FromHexString("feedfacedeadbeeffeedfacedeadbeefabaddad2"), tag);
        Assert.Equal("5bc94fbc3221a5db94fae95ae7121a47", Convert.ToHexStringLower(tag));
        Assert.Equal("42831ec2", Convert.ToHexStringLower(text.AsSpan(0, 4)));
    }

    [Theory]
    [InlineData(SmbCipher.Aes128Ccm, 11)]
    [InlineData(SmbCipher.Aes128Gcm, 12)]
    [InlineData(SmbCipher.Aes256Ccm, 11)]
    [InlineData(SmbCipher.Aes256Gcm, 12)]
    public void The_nonce_is_as_long_as_the_protocol_says(SmbCipher which, int bytes)
    {
        using var cipher = Make(which);
        Assert.Equal(bytes, cipher.NonceBytes);
    }

    [Theory]
    [MemberData(nameof(Ciphers))]
    public void A_key_of_another_length_is_refused(SmbCipher which) =>
        Assert.Throws<ArgumentException>(() => MessageCipher.Create(which, new byte[MessageCipher.KeyBytes(which) - 1]));

    private static MessageCipher Make(SmbCipher which) => MessageCipher.Create(which, RandomNumberGenerator.GetBytes(MessageCipher.KeyBytes(which)));

    private static (byte[] Encrypted, byte[] Nonce, byte[] Tag) Encrypt(MessageCipher cipher, byte[] text, byte[] header)
    {
        byte[] inPlace = [.. text];
        var nonce = RandomNumberGenerator.GetBytes(cipher.NonceBytes);
        var tag = new byte[MessageCipher.TagBytes];
        cipher.Encrypt(inPlace, nonce, header, tag);
        return (inPlace, nonce, tag);
    }
}
