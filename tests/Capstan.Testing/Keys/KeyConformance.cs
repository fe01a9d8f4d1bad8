using System.Security.Cryptography;
using System.Text;
using Capstan.Protocol;
using Capstan.Protocol.Jose;
using Capstan.Protocol.Tuf;
using Xunit;

namespace Capstan.Testing.Keys;

/// <summary>What Capstan asks of keys on P-256, whoever computes: the platform, or the fake of the simulations.</summary>
public abstract class KeyConformance
{
    private const string Type = "conformance";

    /// <summary>Called in the flow of each test, before its first key.</summary>
    protected abstract void Begin();

    [Fact]
    public void A_signature_holds_for_its_bytes_and_its_key_alone()
    {
        Begin();
        using var key = P256.NewSigning();
        using var other = P256.NewSigning();
        var signed = Jws.Sign("content"u8, key, Type);
        Assert.Equal("content"u8.ToArray(), Jws.Verify(signed, key, Type));
        Assert.Equal(ProtocolError.BadSignature, Assert.Throws<ProtocolException>(() => Jws.Verify(signed, other, Type)).Error);
        foreach (var format in (DSASignatureFormat[])[DSASignatureFormat.IeeeP1363FixedFieldConcatenation, DSASignatureFormat.Rfc3279DerSequence])
        {
            var signature = key.SignData("content"u8, HashAlgorithmName.SHA256, format);
            Assert.True(key.VerifyData("content"u8, signature, HashAlgorithmName.SHA256, format));
            Assert.False(key.VerifyData("Content"u8, signature, HashAlgorithmName.SHA256, format));
            Assert.False(other.VerifyData("content"u8, signature, HashAlgorithmName.SHA256, format));
        }
    }

    [Fact]
    public void Every_bit_of_what_was_signed_or_sealed_counts()
    {
        Begin();
        using var key = P256.NewSigning();
        using var recipient = P256.NewSealing();
        var signed = Jws.Sign("content"u8, key, Type);
        var sealedText = Jwe.Seal("content"u8, Jwk.From(recipient), Type);
        var random = new Random(1);
        for (var at = 0; at < signed.Length; at++)
            Assert.Throws<ProtocolException>(() => Jws.Verify(Altered(signed, at, random), key, Type));
        for (var at = 0; at < sealedText.Length; at++)
            Assert.Throws<ProtocolException>(() => Jwe.Open(Altered(sealedText, at, random), recipient, Type));
        var der = key.SignData("content"u8, HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence);
        for (var bit = 0; bit < der.Length * 8; bit++)
        {
            var altered = der.ToArray();
            altered[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.False(Holds(key, altered));
        }
    }

    [Fact]
    public void Every_prefix_is_refused()
    {
        Begin();
        using var key = P256.NewSigning();
        using var recipient = P256.NewSealing();
        var signed = Jws.Sign("content"u8, key, Type);
        var sealedText = Jwe.Seal("content"u8, Jwk.From(recipient), Type);
        for (var length = 0; length < signed.Length; length++)
            Assert.Throws<ProtocolException>(() => Jws.Verify(signed[..length], key, Type));
        for (var length = 0; length < sealedText.Length; length++)
            Assert.Throws<ProtocolException>(() => Jwe.Open(sealedText[..length], recipient, Type));
    }

    [Fact]
    public void What_is_sealed_is_opened_by_its_recipient_alone()
    {
        Begin();
        using var recipient = P256.NewSealing();
        using var other = P256.NewSealing();
        var random = new Random(2);
        for (var length = 0; length < 100; length++)
        {
            var content = new byte[length];
            random.NextBytes(content);
            var first = Jwe.Seal(content, Jwk.From(recipient), Type);
            Assert.Equal(content, Jwe.Open(first, recipient, Type));
            Assert.NotEqual(first, Jwe.Seal(content, Jwk.From(recipient), Type));
        }
        // Even when its header is made to name the other key.
        var text = Jwe.Seal("content"u8, Jwk.From(recipient), Type);
        Assert.Equal(ProtocolError.CannotOpen, Assert.Throws<ProtocolException>(() => Jwe.Open(text, other, Type)).Error);
        Assert.Equal(ProtocolError.CannotOpen, Assert.Throws<ProtocolException>(() => Jwe.Open(text, other, Jwk.From(recipient).Thumbprint(), Type)).Error);
    }

    [Fact]
    public void A_key_is_the_same_after_it_was_written_and_read()
    {
        Begin();
        using var key = P256.NewSigning();
        using var read = P256.Signing();
        read.ImportFromPem(key.ExportPkcs8PrivateKeyPem());
        Assert.Equal(256, read.KeySize);
        Assert.Equal(Jwk.From(key), Jwk.From(read));
        Assert.Equal(TufKey.IdOf(key), TufKey.IdOf(read));
        Assert.Equal("content"u8.ToArray(), Jws.Verify(Jws.Sign("content"u8, read, Type), key, Type));
        using var sealing = P256.NewSealing();
        using var readSealing = P256.Sealing();
        readSealing.ImportFromPem(sealing.ExportPkcs8PrivateKeyPem());
        Assert.Equal("content"u8.ToArray(), Jwe.Open(Jwe.Seal("content"u8, Jwk.From(sealing), Type), readSealing, Type));
    }

    [Fact]
    public void A_public_half_verifies_and_does_not_sign_or_open()
    {
        Begin();
        using var key = P256.NewSigning();
        using var half = Jwk.From(key).ToSigningKey();
        var signed = Jws.Sign("content"u8, key, Type);
        using var ready = new VerifyingKey(Jwk.From(key));
        Assert.Equal("content"u8.ToArray(), Jws.Verify(signed, ready, Type));
        Assert.ThrowsAny<CryptographicException>(() => half.SignData("content"u8, HashAlgorithmName.SHA256));
        Assert.ThrowsAny<CryptographicException>(() => half.ExportPkcs8PrivateKey());
        using var read = P256.Signing();
        read.ImportSubjectPublicKeyInfo(key.ExportSubjectPublicKeyInfo(), out var length);
        Assert.Equal(91, length);
        Assert.True(read.VerifyData("content"u8, key.SignData("content"u8, HashAlgorithmName.SHA256), HashAlgorithmName.SHA256));
    }

    [Fact]
    public void Keys_are_points_on_the_curve_and_no_two_are_one()
    {
        Begin();
        var seen = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < 100; i++)
        {
            using var signing = P256.NewSigning();
            using var sealing = P256.NewSealing();
            Assert.True(seen.Add(Jwk.From(signing).Thumbprint()));
            Assert.True(seen.Add(Jwk.From(sealing).Thumbprint()));
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("-----BEGIN PRIVATE KEY-----\nMIGH\n-----END PRIVATE KEY-----")]
    [InlineData("nothing")]
    public void What_is_no_key_is_refused(string pem)
    {
        Begin();
        using var key = P256.Signing();
        Assert.True(Record.Exception(() => key.ImportFromPem(pem)) is CryptographicException or ArgumentException);
        Assert.False(Holds(P256.NewSigning(), Encoding.ASCII.GetBytes(pem)));
    }

    private static bool Holds(ECDsa key, byte[] signature)
    {
        try
        {
            return key.VerifyData("content"u8, signature, HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence);
        }
        catch (CryptographicException)
        {
            return false;
        }
    }

    /// <summary>Another character of the alphabet in one place; where it carries unused bits only, a strict reader refuses it as well.</summary>
    private static string Altered(string text, int at, Random random)
    {
        const string Alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        char other;
        do
            other = Alphabet[random.Next(Alphabet.Length)];
        while (other == text[at]);
        return $"{text[..at]}{other}{text[(at + 1)..]}";
    }
}
