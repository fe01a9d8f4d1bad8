using System.Text;
using Capstan.Ncp.Crypto;

namespace Capstan.Tests.Ncp;

/// <summary>Values of another reading of the published rule, whose table was compared with a second publication of it (128 bytes, two values in each).</summary>
public sealed class BinderyCipherTests
{
    private static readonly byte[] Key = [1, 2, 3, 4, 5, 6, 7, 8];

    [Theory]
    [InlineData(0x0A000001u, "Pw-capa-1", "44A7A0119CB3B519D5C79628F0C0C4F0", "2949FF3F486EA99E")]
    [InlineData(0x01000001u, "a longer password than thirty-two characters", "0AE8B4DE56E4DBC4C22EAD2D6E2253F5", "3DF42F94B6AFC384")]
    [InlineData(1u, "", "4AD22A173E5984B681545A08BEE44CE3", "62158BBFD99410D5")]
    [InlineData(0xDEADBEEFu, "exactly thirty-two characters 32", "40F780D78B17766E0B701D8A9F7ECDAB", "8EF85C09305186B3")]
    public void A_password_becomes_its_hash_and_its_proof(uint objectId, string password, string hash, string proof)
    {
        var (hashed, proved) = (new byte[16], new byte[8]);
        BinderyCipher.Hash(objectId, password, hashed);
        BinderyCipher.Prove(Key, hashed, proved);
        Assert.Equal((hash, proof), (Convert.ToHexString(hashed), Convert.ToHexString(proved)));
    }

    [Fact]
    public void Signatures_follow_from_password_key_and_all_requests_before()
    {
        var signer = new PacketSigner(Convert.FromHexString("44A7A0119CB3B519D5C79628F0C0C4F0"), Key);
        var signature = new byte[8];
        string Hex(Action<byte[]> sign)
        {
            sign(signature);
            return Convert.ToHexString(signature);
        }
        var reply = Encoding.ASCII.GetBytes("reply");
        var longRequest = Enumerable.Range(0, 100).Select(number => (byte)number).ToArray();
        Assert.Equal("40BC5E351DEAF312", Hex(to => signer.Sign([0x14], [0, 0, 0, 0x1F], to)));
        Assert.Equal("47CFE0FE5636D066", Hex(to => signer.SignReply(reply, [0, 0, 0, 0x18], to)));
        Assert.True(signer.Verify(reply, [0, 0, 0, 0x18], signature));
        Assert.False(signer.Verify(reply, [0, 0, 0, 0x19], signature));
        Assert.Equal("7C68A82BF8BB3F04", Hex(to => signer.Sign(longRequest, [0, 0, 0, 0x82], to)));
        Assert.Equal("674A543CC087D4EB", Hex(to => signer.SignReply(reply, [0, 0, 0, 0x18], to)));
    }
}
