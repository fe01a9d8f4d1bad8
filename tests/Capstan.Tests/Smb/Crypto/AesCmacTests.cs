using System.Security.Cryptography;
using Capstan.Smb.Crypto;

namespace Capstan.Tests.Smb.Crypto;

public sealed class AesCmacTests
{
    // RFC 4493 section 4
    private const string Key = "2b7e151628aed2a6abf7158809cf4f3c";
    private const string Message = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710";

    [Theory]
    [InlineData(0, "bb1d6929e95937287fa37d129b756746")]
    [InlineData(16, "070a16b46b4d4144f79bdd9dd04a287c")]
    [InlineData(40, "dfa66747de9ae63030ca32611497c827")]
    [InlineData(64, "51f0bebf7e3b9d92fc49741779363cfe")]
    public void The_codes_of_RFC_4493_come_out(int length, string code)
    {
        using var cmac = new AesCmac(Convert.FromHexString(Key));
        Assert.Equal(code, Compute(cmac, Convert.FromHexString(Message).AsSpan(0, length)));
    }

    [Fact]
    public void No_message_leaves_a_trace_in_the_next()
    {
        using var cmac = new AesCmac(Convert.FromHexString(Key));
        int[] lengths = [64, 0, 40, 16, 64, 64, 1, 0];
        foreach (var length in lengths)
        {
            using var fresh = new AesCmac(Convert.FromHexString(Key));
            var message = Convert.FromHexString(Message).AsSpan(0, length);
            Assert.Equal(Compute(fresh, message), Compute(cmac, message));
        }
    }

    [Theory]
    // Around a block, around the 8 KiB that are encrypted at once, and around twice that.
    [InlineData(1)]
    [InlineData(15)]
    [InlineData(17)]
    [InlineData(8191)]
    [InlineData(8192)]
    [InlineData(8193)]
    [InlineData(8208)]
    [InlineData(16383)]
    [InlineData(16384)]
    [InlineData(16385)]
    [InlineData(100_003)]
    public void Messages_of_any_length_have_the_code_that_the_definition_gives(int length)
    {
        var key = Convert.FromHexString(Key);
        var message = new byte[length];
        new Random(length).NextBytes(message);
        using var cmac = new AesCmac(key);
        Assert.Equal(Convert.ToHexStringLower(ByDefinition(key, message)), Compute(cmac, message));
    }

    private static string Compute(AesCmac cmac, ReadOnlySpan<byte> message)
    {
        var mac = new byte[AesCmac.MacBytes];
        cmac.Compute(message, mac);
        return Convert.ToHexStringLower(mac);
    }

    /// <summary>RFC 4493 2.4 block by block, with the subkeys of its section 4.</summary>
    private static byte[] ByDefinition(byte[] key, byte[] message)
    {
        using var aes = Aes.Create();
        aes.Key = key;
        var isWhole = message.Length > 0 && message.Length % 16 == 0;
        var subkey = Convert.FromHexString(isWhole ? "fbeed618357133667c85e08f7236a8de" : "f7ddac306ae266ccf90bc11ee46d513b");
        byte[] padded = isWhole ? [.. message] : [.. message, 0x80, .. new byte[15 - (message.Length % 16)]];
        for (var i = 0; i < 16; i++)
            padded[^(16 - i)] ^= subkey[i];
        var x = new byte[16];
        for (var at = 0; at < padded.Length; at += 16)
        {
            for (var i = 0; i < 16; i++)
                x[i] ^= padded[at + i];
            x = aes.EncryptEcb(x, PaddingMode.None);
        }

        return x;
    }
}
