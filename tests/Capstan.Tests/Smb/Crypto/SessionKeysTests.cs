using Capstan.Smb;
using Capstan.Smb.Crypto;

namespace Capstan.Tests.Smb.Crypto;

/// <summary>Vectors: Microsoft, "SMB 2 and SMB 3 security in Windows 10: the anatomy of signing and cryptographic keys", appendix. The 256-bit ones were
/// computed by a second implementation (SP 800-108 by hand over HMAC-SHA256, in Python), since none are published.</summary>
public sealed class SessionKeysTests
{
    private const string PreauthHash = "0DD13628CC3ED218EF9DF9772D436D0887AB9814BFAE63A80AA845F36909DB7928622DDDAD522D9751640A459762C5A9D6BB084CBB3CE6BDADEF5D5BCE3C6C01";

    [Theory]
    [InlineData(SmbDialect.Smb300)]
    [InlineData(SmbDialect.Smb302)]
    public void The_published_keys_of_3_0_come_out(SmbDialect dialect)
    {
        using var keys = Derive(dialect, "7CD451825D0450D235424E44BA6E78CC", "", SmbCipher.Aes128Ccm);
        Assert.Equal("0B7E9C5CAC36C0F6EA9AB275298CEDCE", Convert.ToHexString(keys.Signing));
        Assert.Equal("FAD27796665B313EBB578F388632B4F7", Convert.ToHexString(keys.Encryption));
        Assert.Equal("B0F0427F7CEB416D1D9DCC0CD4F99447", Convert.ToHexString(keys.Decryption));
        Assert.Equal("BB23A4575AA26C721AF525AF15A87B4F", Convert.ToHexString(keys.Application));
    }

    [Fact]
    public void The_published_keys_of_3_1_1_come_out()
    {
        using var keys = Derive(SmbDialect.Smb311, "270E1BA896585EEB7AF3472D3B4C75A7", PreauthHash, SmbCipher.Aes128Gcm);
        Assert.Equal("73FE7A9A77BEF0BDE49C650D8CCB5F76", Convert.ToHexString(keys.Signing));
        Assert.Equal("629BCBC54422A0F572B97F45989B6073", Convert.ToHexString(keys.Encryption));
        Assert.Equal("E2AF0DCEFAC68DA71A0DFBD0D1350D74", Convert.ToHexString(keys.Decryption));
        Assert.Equal("6D7AD7954E9EC61E907B4D473DC178FF", Convert.ToHexString(keys.Application));
    }

    [Fact]
    public void The_256_bit_ciphers_take_the_whole_key_and_the_others_its_first_16_bytes()
    {
        // As Kerberos with AES-256 gives it: 32 bytes.
        const string longKey = "270E1BA896585EEB7AF3472D3B4C75A7000102030405060708090A0B0C0D0E0F";
        using var keys = Derive(SmbDialect.Smb311, longKey, PreauthHash, SmbCipher.Aes256Gcm);
        Assert.Equal("73FE7A9A77BEF0BDE49C650D8CCB5F76", Convert.ToHexString(keys.Signing));
        Assert.Equal("6D7AD7954E9EC61E907B4D473DC178FF", Convert.ToHexString(keys.Application));
        Assert.Equal("D1FB4030BE3F706D5D90078476BE9D2D7ECCB818A90E6DD67ACA08F71DD8D4A5", Convert.ToHexString(keys.Encryption));
        Assert.Equal("1A76EF5E39AE3B62417C1C361E41E231D5219852757CBB7A356FDD0A4B8C8FC1", Convert.ToHexString(keys.Decryption));

        using var keys128 = Derive(SmbDialect.Smb311, longKey, PreauthHash, SmbCipher.Aes128Gcm);
        Assert.Equal("629BCBC54422A0F572B97F45989B6073", Convert.ToHexString(keys128.Encryption));
    }

    [Fact]
    public void The_16_bytes_of_NTLM_serve_a_256_bit_cipher_as_they_are()
    {
        using var keys = Derive(SmbDialect.Smb311, "270E1BA896585EEB7AF3472D3B4C75A7", PreauthHash, SmbCipher.Aes256Ccm);
        Assert.Equal("049C27FD8A340262E32C643DEA2BA507AF7A4C085FD2505AEFFCBDEAE6D6D8AB", Convert.ToHexString(keys.Encryption));
    }

    [Theory]
    [InlineData(SmbDialect.Smb202)]
    [InlineData(SmbDialect.Smb210)]
    public void Before_3_0_the_key_of_the_logon_signs(SmbDialect dialect)
    {
        using var keys = Derive(dialect, "270E1BA896585EEB7AF3472D3B4C75A7FFFF", "", SmbCipher.None);
        Assert.Equal("270E1BA896585EEB7AF3472D3B4C75A7", Convert.ToHexString(keys.Signing));
        Assert.Empty(keys.Encryption);
        Assert.Empty(keys.Decryption);
    }

    [Fact]
    public void A_short_key_is_filled_up_with_zeros()
    {
        using var keys = Derive(SmbDialect.Smb210, "0102030405060708", "", SmbCipher.None);
        Assert.Equal("01020304050607080000000000000000", Convert.ToHexString(keys.Signing));
    }

    [Fact]
    public void Without_a_cipher_there_are_no_keys_for_one()
    {
        using var keys = Derive(SmbDialect.Smb311, "270E1BA896585EEB7AF3472D3B4C75A7", PreauthHash, SmbCipher.None);
        Assert.Equal("73FE7A9A77BEF0BDE49C650D8CCB5F76", Convert.ToHexString(keys.Signing));
        Assert.Empty(keys.Encryption);
        Assert.Empty(keys.Decryption);
    }

    [Fact]
    public void What_cannot_be_derived_is_refused()
    {
        Assert.Throws<ArgumentException>(() => Derive(SmbDialect.Smb311, "", PreauthHash, SmbCipher.None));
        Assert.Throws<ArgumentException>(() => Derive(SmbDialect.Smb311, "01", "00", SmbCipher.None));
        Assert.ThrowsAny<ArgumentException>(() => Derive(SmbDialect.None, "01", "", SmbCipher.None));
    }

    private static SessionKeys Derive(SmbDialect dialect, string sessionKey, string preauthHash, SmbCipher cipher) =>
        SessionKeys.Derive(dialect, Convert.FromHexString(sessionKey), Convert.FromHexString(preauthHash), cipher);
}
