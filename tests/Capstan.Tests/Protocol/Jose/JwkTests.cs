using System.Security.Cryptography;
using Capstan.Protocol;
using Capstan.Protocol.Jose;
using Capstan.Testing;

namespace Capstan.Tests.Protocol.Jose;

public sealed class JwkTests
{
    [Fact]
    public void Thumbprint_is_that_of_RFC_9449_section_6_1()
    {
        // RFC 7638 has an RSA example only; RFC 9449 prints one for P-256.
        var key = new Jwk("EC", "P-256", "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs", "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA");
        Assert.Equal("0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I", key.Thumbprint());
    }

    [Fact]
    public void A_key_survives_the_round_trip_without_its_private_part()
    {
        using var signing = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var sealing = ECDiffieHellman.Create(ECCurve.NamedCurves.nistP256);
        using var signingBack = Jwk.From(signing).ToSigningKey();
        using var sealingBack = Jwk.From(sealing).ToSealingKey();
        Assert.Equal(signing.ExportSubjectPublicKeyInfo(), signingBack.ExportSubjectPublicKeyInfo());
        Assert.Equal(signing.ExportSubjectPublicKeyInfo(), Jwk.From(signing).ToSubjectPublicKeyInfo());
        Assert.Equal(sealing.ExportSubjectPublicKeyInfo(), sealingBack.ExportSubjectPublicKeyInfo());
        Assert.Null(signingBack.ExportParameters(false).D);
        Assert.ThrowsAny<CryptographicException>(() => signingBack.ExportParameters(includePrivateParameters: true));
    }

    public static TheoryData<string, string, string, string> Refused => new()
    {
        { "RSA", "P-256", FixedKeys.DeviceSigning.X, FixedKeys.DeviceSigning.Y },
        { "EC", "P-384", FixedKeys.DeviceSigning.X, FixedKeys.DeviceSigning.Y },
        { "EC", "p-256", FixedKeys.DeviceSigning.X, FixedKeys.DeviceSigning.Y },
        { "EC", "P-256", FixedKeys.DeviceSigning.X, FixedKeys.DeviceSigning.X },
        { "EC", "P-256", FixedKeys.DeviceSigning.X, FixedKeys.SiteSealing.Y },
        { "EC", "P-256", FixedKeys.DeviceSigning.X + "=", FixedKeys.DeviceSigning.Y },
        { "EC", "P-256", FixedKeys.DeviceSigning.X[..42], FixedKeys.DeviceSigning.Y },
        { "EC", "P-256", "", "" },
        // (0, 0): what a point at infinity is often written as.
        { "EC", "P-256", new string('A', 43), new string('A', 43) },
        // x = p, which is 0 modulo p, with the y of x = 0: on the curve only if the range is not checked.
        { "EC", "P-256", "_____wAAAAEAAAAAAAAAAAAAAAD_______________8", "ZkhceA4vg9ckM71dhKBrtlQcKvMdrocXKL-FahdPk_Q" },
    };

    [Theory]
    [MemberData(nameof(Refused))]
    public void A_key_that_is_not_a_point_on_the_curve_is_refused(string kty, string crv, string x, string y)
    {
        var key = new Jwk(kty, crv, x, y);
        Assert.Equal(ProtocolError.Malformed, Assert.Throws<ProtocolException>(key.ToSigningKey).Error);
        Assert.Equal(ProtocolError.Malformed, Assert.Throws<ProtocolException>(key.ToSealingKey).Error);
        Assert.Equal(ProtocolError.Malformed, Assert.Throws<ProtocolException>(key.Thumbprint).Error);
    }
}
