using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using Capstan.Protocol;
using Capstan.Protocol.Jose;
using Capstan.Testing;
using FsCheck;
using FsCheck.Fluent;

namespace Capstan.Tests.Protocol.Jose;

public sealed class JwsTests : IDisposable
{
    private const string Type = "capstan-test";
    private static readonly string KeyId = FixedKeys.DeviceSigning.Public.Thumbprint();
    private readonly ECDsa _key = FixedKeys.DeviceSigning.Signing();
    private readonly ECDsa _other = FixedKeys.SiteReceipts.Signing();

    public void Dispose()
    {
        _key.Dispose();
        _other.Dispose();
    }

    [Fact]
    public void The_example_of_RFC_7515_A_3_verifies()
    {
        const string header = "eyJhbGciOiJFUzI1NiJ9";
        const string payload = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        const string signature = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
        var dots = (header.Length, header.Length + 1 + payload.Length);
        var content = Jws.VerifySignature($"{header}.{payload}.{signature}", dots, _key);
        Assert.Equal("{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}", Encoding.UTF8.GetString(content));
        Assert.Throws<ProtocolException>(() => Jws.VerifySignature($"{header}.{payload}.{signature}", dots, _other));
    }

    [Fact]
    public void A_payload_survives_the_round_trip() =>
        Prop.ForAll<byte[], bool>((payload, embed) =>
        {
            var compact = Jws.Sign(payload, _key, Type, embed);
            return Jws.Verify(compact, _key, Type).AsSpan().SequenceEqual(payload)
                && Jws.PeekKeyId(compact) == KeyId
                && Jws.PeekEmbeddedKey(compact) == (embed ? FixedKeys.DeviceSigning.Public : null);
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void Another_key_or_content_type_is_refused()
    {
        var compact = Jws.Sign("x"u8, _key, Type);
        Assert.Equal(ProtocolError.BadSignature, Assert.Throws<ProtocolException>(() => Jws.Verify(compact, _other, Type)).Error);
        Assert.Equal(ProtocolError.Malformed, Assert.Throws<ProtocolException>(() => Jws.Verify(compact, _key, "capstan-tes")).Error);
        Assert.Equal(ProtocolError.Malformed, Assert.Throws<ProtocolException>(() => Jws.Verify(compact, _key, "CAPSTAN-TEST")).Error);
    }

    public static TheoryData<string> RefusedHeaders =>
    [
        """{"alg":"none","cty":"capstan-test","kid":"$"}""",
        """{"alg":"HS256","cty":"capstan-test","kid":"$"}""",
        """{"alg":"es256","cty":"capstan-test","kid":"$"}""",
        """{"alg":"ES384","cty":"capstan-test","kid":"$"}""",
        """{"cty":"capstan-test","kid":"$"}""",
        """{"alg":"ES256","kid":"$"}""",
        """{"alg":"ES256","cty":"capstan-test"}""",
        """{"alg":"ES256","cty":"capstan-test","kid":"x"}""",
        """{"alg":"ES256","cty":"capstan-test","kid":7}""",
        """{"alg":"ES256","cty":"capstan-test","kid":null}""",
        """{"alg":"ES256","alg":"ES256","cty":"capstan-test","kid":"$"}""",
        """{"alg":"none","\u0061lg":"ES256","cty":"capstan-test","kid":"$"}""",
        """{"alg":"ES256","cty":"capstan-test","kid":"$","crit":["exp"]}""",
        """{"alg":"ES256","cty":"capstan-test","kid":"$","b64":false}""",
        """{"alg":"ES256","cty":"capstan-test","kid":"$","zip":"DEF"}""",
        """{"alg":"ES256","cty":"capstan-test","kid":"$","jku":"https://example.com/keys"}""",
        """{"alg":"ES256","cty":"capstan-test","kid":"$","x5u":"https://example.com/certificate"}""",
        """{"alg":"ES256","cty":"capstan-test","kid":"$","enc":"A256GCM"}""",
        """{"alg":"ES256","cty":"capstan-test","kid":"$","jwk":{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}}""",
        """{"alg":"ES256","cty":"capstan-test","kid":"$","jwk":{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"}}""",
        """{"alg":"ES256","cty":"capstan-test","kid":"$","jwk":{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}}""",
        """{"alg":"ES256","cty":"capstan-test","kid":"$"} """ + "{}",
        """{"alg":"ES256","cty":"capstan-test","kid":"$",}""",
        """{"alg":"ES256","cty":"capstan-test","kid":"\ud800"}""",
        """[]""",
        "",
    ];

    [Theory]
    [MemberData(nameof(RefusedHeaders))]
    public void A_header_that_is_not_exactly_ours_is_refused_even_when_signed(string header)
    {
        var input = $"{Encode(header.Replace("$", KeyId, StringComparison.Ordinal))}.{Encode("x")}";
        var signature = _key.SignData(Encoding.ASCII.GetBytes(input), HashAlgorithmName.SHA256);
        Assert.Throws<ProtocolException>(() => Jws.Verify($"{input}.{Base64Url.EncodeToString(signature)}", _key, Type));
    }

    [Fact]
    public void The_control_of_the_table_above_verifies()
    {
        var input = $"{Encode($$"""{"kid":"{{KeyId}}", "cty":"capstan-test", "alg":"ES256" }""")}.{Encode("x")}";
        var signature = _key.SignData(Encoding.ASCII.GetBytes(input), HashAlgorithmName.SHA256);
        Assert.Equal("x"u8.ToArray(), Jws.Verify($"{input}.{Base64Url.EncodeToString(signature)}", _key, Type));
    }

    [Fact]
    public void A_signature_in_DER_is_refused()
    {
        var input = Jws.Sign("x"u8, _key, Type)[..^87];
        var signature = _key.SignData(Encoding.ASCII.GetBytes(input), HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence);
        Assert.Equal(ProtocolError.BadSignature, Assert.Throws<ProtocolException>(() => Jws.Verify($"{input}.{Base64Url.EncodeToString(signature)}", _key, Type)).Error);
    }

    [Fact]
    public void A_long_header_is_refused_before_it_is_decoded()
    {
        var refused = Assert.Throws<ProtocolException>(() => Jws.PeekKeyId($"{new string('*', 2049)}.."));
        Assert.Equal(ProtocolError.TooLarge, refused.Error);
    }

    [Theory]
    [InlineData("")]
    [InlineData(".")]
    [InlineData("...")]
    [InlineData("a.b.c.d.e")]
    public void Any_other_number_of_parts_is_refused(string compact) =>
        Assert.Equal(ProtocolError.Malformed, Assert.Throws<ProtocolException>(() => Jws.Verify(compact, _key, Type)).Error);

    private static string Encode(string text) => Base64Url.EncodeToString(Encoding.UTF8.GetBytes(text));
}
