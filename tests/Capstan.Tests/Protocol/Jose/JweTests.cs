using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using Capstan.Protocol;
using Capstan.Protocol.Jose;
using Capstan.Testing;
using FsCheck;
using FsCheck.Fluent;

namespace Capstan.Tests.Protocol.Jose;

public sealed class JweTests : IDisposable
{
    private const string Type = "capstan-test";
    private static readonly string KeyId = FixedKeys.SiteSealing.Public.Thumbprint();
    private readonly ECDiffieHellman _key = FixedKeys.SiteSealing.Sealing();
    private readonly ECDiffieHellman _other = FixedKeys.DeviceSealing.Sealing();

    public void Dispose()
    {
        _key.Dispose();
        _other.Dispose();
    }

    [Fact]
    public void The_key_derivation_of_RFC_7518_appendix_C_gives_its_key()
    {
        using var alice = FixedKeys.DeviceSealing.Sealing();
        using var bob = FixedKeys.SiteSealing.Public.ToSealingKey();
        using var bobsKey = bob.PublicKey;
        var secret = alice.DeriveRawSecretAgreement(bobsKey);
        Assert.Equal(
            [158, 86, 217, 29, 129, 113, 53, 211, 114, 131, 66, 131, 191, 132, 38, 156, 251, 49, 110, 163, 218, 128, 106, 72, 246, 218, 167, 121, 140, 254, 144, 196],
            secret);
        Assert.Equal("VqqN6vgjbSBcIijNcacQGg", Base64Url.EncodeToString(Jwe.DeriveKey(secret, "A128GCM", "Alice"u8, "Bob"u8, 128)));
    }

    [Fact]
    public void A_plaintext_survives_the_round_trip() =>
        Prop.ForAll<byte[]>(plaintext =>
        {
            var compact = Jwe.Seal(plaintext, FixedKeys.SiteSealing.Public, Type);
            return Jwe.Open(compact, _key, Type).AsSpan().SequenceEqual(plaintext) && Jwe.PeekKeyId(compact) == KeyId;
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void The_same_plaintext_is_never_sealed_twice_alike()
    {
        var one = Jwe.Seal("x"u8, FixedKeys.SiteSealing.Public, Type).Split('.');
        var two = Jwe.Seal("x"u8, FixedKeys.SiteSealing.Public, Type).Split('.');
        Assert.NotEqual(one[0], two[0]);
        Assert.NotEqual(one[2], two[2]);
    }

    [Fact]
    public void Another_key_or_content_type_does_not_open_it()
    {
        var compact = Jwe.Seal("x"u8, FixedKeys.SiteSealing.Public, Type);
        Assert.Equal(ProtocolError.CannotOpen, Assert.Throws<ProtocolException>(() => Jwe.Open(compact, _other, Type)).Error);
        Assert.Equal(ProtocolError.Malformed, Assert.Throws<ProtocolException>(() => Jwe.Open(compact, _key, "capstan-record")).Error);
    }

    [Fact]
    public void Every_altered_part_is_refused()
    {
        var parts = Jwe.Seal("plain text"u8, FixedKeys.SiteSealing.Public, Type).Split('.');
        foreach (var part in (int[])[2, 3, 4])
        {
            var altered = parts.ToArray();
            altered[part] = (altered[part][0] == 'A' ? 'B' : 'A') + altered[part][1..];
            Assert.Equal(ProtocolError.CannotOpen, Assert.Throws<ProtocolException>(() => Jwe.Open(string.Join('.', altered), _key, Type)).Error);
        }
    }

    public static TheoryData<string> RefusedHeaders =>
    [
        """{"alg":"ECDH-ES+A256KW","enc":"A256GCM","cty":"capstan-test","kid":"$","epk":#}""",
        """{"alg":"dir","enc":"A256GCM","cty":"capstan-test","kid":"$","epk":#}""",
        """{"alg":"RSA-OAEP","enc":"A256GCM"}""",
        """{"alg":"ECDH-ES","enc":"A128GCM","cty":"capstan-test","kid":"$","epk":#}""",
        """{"alg":"ECDH-ES","enc":"A256CBC-HS512","cty":"capstan-test","kid":"$","epk":#}""",
        """{"alg":"ECDH-ES","cty":"capstan-test","kid":"$","epk":#}""",
        """{"alg":"ECDH-ES","enc":"A256GCM","kid":"$","epk":#}""",
        """{"alg":"ECDH-ES","enc":"A256GCM","cty":"capstan-test","epk":#}""",
        """{"alg":"ECDH-ES","enc":"A256GCM","cty":"capstan-test","kid":"$"}""",
        """{"alg":"ECDH-ES","enc":"A256GCM","cty":"capstan-test","kid":"$","epk":#,"zip":"DEF"}""",
        """{"alg":"ECDH-ES","enc":"A256GCM","cty":"capstan-test","kid":"$","epk":#,"crit":["x"],"x":1}""",
        """{"alg":"ECDH-ES","enc":"A256GCM","cty":"capstan-test","kid":"$","epk":#,"apu":"QWxpY2U"}""",
        """{"alg":"ECDH-ES","enc":"A256GCM","cty":"capstan-test","kid":"$","epk":#,"jwk":#}""",
        """{"alg":"ECDH-ES","enc":"A256GCM","cty":"capstan-test","kid":"$","epk":#,"epk":#}""",
        """{"alg":"ECDH-ES","enc":"A256GCM","cty":"capstan-test","kid":"$","epk":"x"}""",
        """{"alg":"ECDH-ES","enc":"A256GCM","cty":"capstan-test","kid":"$","epk":{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"}}""",
    ];

    [Theory]
    [MemberData(nameof(RefusedHeaders))]
    public void A_header_that_is_not_exactly_ours_is_refused_even_when_authentic(string header) =>
        Assert.Throws<ProtocolException>(() => Jwe.Open(SealUnder(header), _key, Type));

    [Fact]
    public void The_control_of_the_table_above_opens() =>
        Assert.Equal("x"u8.ToArray(), Jwe.Open(SealUnder("""{"epk":#, "kid":"$", "cty":"capstan-test","enc":"A256GCM","alg":"ECDH-ES"}"""), _key, Type));

    [Fact]
    public void An_encrypted_key_or_a_short_tag_is_refused()
    {
        var parts = Jwe.Seal("x"u8, FixedKeys.SiteSealing.Public, Type).Split('.');
        Assert.Equal(ProtocolError.Malformed, Assert.Throws<ProtocolException>(() => Jwe.Open($"{parts[0]}.AAAA.{parts[2]}.{parts[3]}.{parts[4]}", _key, Type)).Error);
        Assert.Equal(ProtocolError.Malformed, Assert.Throws<ProtocolException>(() => Jwe.Open($"{parts[0]}..{parts[2]}.{parts[3]}.{parts[4][..16]}", _key, Type)).Error);
        Assert.Equal(ProtocolError.Malformed, Assert.Throws<ProtocolException>(() => Jwe.Open($"{parts[0]}..{parts[2][..8]}.{parts[3]}.{parts[4]}", _key, Type)).Error);
    }

    [Theory]
    [InlineData("")]
    [InlineData("....")]
    [InlineData("a.b.c")]
    [InlineData("a.b.c.d.e.f")]
    public void What_is_no_compact_JWE_is_refused(string compact) =>
        Assert.Equal(ProtocolError.Malformed, Assert.Throws<ProtocolException>(() => Jwe.Open(compact, _key, Type)).Error);

    /// <summary>Everything right except the header: an opener that looked at the tag alone would accept it.</summary>
    private static string SealUnder(string header)
    {
        using var ephemeral = ECDiffieHellman.Create(ECCurve.NamedCurves.nistP256);
        using var recipient = FixedKeys.SiteSealing.Public.ToSealingKey();
        var key = Jwe.DeriveKey(ephemeral.DeriveRawSecretAgreement(recipient.PublicKey), "A256GCM", [], [], 256);
        var text = header.Replace("$", KeyId, StringComparison.Ordinal).Replace("#", Jwk.From(ephemeral).ToJson(), StringComparison.Ordinal);
        var encoded = Base64Url.EncodeToString(Encoding.UTF8.GetBytes(text));
        using var cipher = new AesGcm(key, 16);
        byte[] nonce = new byte[12], ciphertext = new byte[1], tag = new byte[16];
        cipher.Encrypt(nonce, "x"u8, ciphertext, tag, Encoding.ASCII.GetBytes(encoded));
        return $"{encoded}..{Base64Url.EncodeToString(nonce)}.{Base64Url.EncodeToString(ciphertext)}.{Base64Url.EncodeToString(tag)}";
    }
}
