using System.Text;
using Capstan.Smb.Authentication;
using Capstan.Smb.Crypto;

namespace Capstan.Tests.Smb.Authentication;

/// <summary>[MS-NLMP] 4.2.4: user <c>User</c>, domain <c>Domain</c>, password <c>Password</c>.</summary>
public sealed class NtlmV2Tests
{
    private const string TargetInfo = "02000c0044006f006d00610069006e0001000c005300650072007600650072000000" + "0000";

    private static readonly byte[] ResponseKey = NtlmV2.ResponseKey(NtlmV2.NtHash("Password"), "User", "Domain");
    private static readonly byte[] ServerChallenge = Convert.FromHexString("0123456789abcdef");
    private static readonly byte[] SessionKey = [.. Enumerable.Repeat((byte)0x55, 16)];

    private static byte[] Temp => NtlmV2.ClientChallenge(0, Convert.FromHexString("aaaaaaaaaaaaaaaa"), Convert.FromHexString(TargetInfo));

    [Fact]
    public void The_response_key_is_that_of_4_2_4_1_1() =>
        Assert.Equal("0c868a403bfd7a93a3001ef22ef02e3f", Convert.ToHexStringLower(ResponseKey));

    [Fact]
    public void The_client_challenge_is_that_of_4_2_4_1_3() =>
        Assert.Equal("01010000000000000000000000000000aaaaaaaaaaaaaaaa00000000" + TargetInfo + "00000000", Convert.ToHexStringLower(Temp));

    [Fact]
    public void The_proof_is_that_of_4_2_4_2_2() =>
        Assert.Equal("68cd0ab851e51c96aabc927bebef6a1c", Convert.ToHexStringLower(NtlmV2.Proof(ResponseKey, ServerChallenge, Temp)));

    [Fact]
    public void The_session_base_key_is_that_of_4_2_4_1_2() =>
        Assert.Equal("8de40ccadbc14a82f15cb0ad0de95ca3", Convert.ToHexStringLower(BaseKey()));

    [Fact]
    public void The_encrypted_session_key_is_that_of_4_2_4_2_3() =>
        Assert.Equal("c5dad2544fc9799094ce1ce90bc9d03e", Convert.ToHexStringLower(Rc4.Once(BaseKey(), SessionKey)));

    [Fact]
    public void The_challenge_message_of_4_2_4_3_is_read()
    {
        var challenge = NtlmChallenge.Read(Convert.FromHexString(
            "4e544c4d53535000020000000c000c003800000033828ae20123456789abcdef00000000000000002400240044000000060070170000000f"
            + "530065007200760065007200" + TargetInfo));
        Assert.Equal(ServerChallenge, challenge.ServerChallenge);
        Assert.Equal(TargetInfo, Convert.ToHexStringLower(challenge.TargetInfo));
        Assert.Equal(0xE28A8233, (uint)challenge.Flags);
        var info = NtlmTargetInfo.Read(challenge.TargetInfo);
        Assert.Equal("Server", info.ComputerName);
        Assert.Null(info.Timestamp);
    }

    [Fact]
    public void The_sealed_message_and_its_signature_are_those_of_4_2_4_4()
    {
        var plain = Encoding.Unicode.GetBytes("Plaintext");
        using var signature = NtlmSignature.OfClient(SessionKey);
        byte[] message = [.. plain];
        signature.Seal(message);
        Assert.Equal("54e50165bf1936dc996020c1811b0f06fb5f", Convert.ToHexStringLower(message));
        Assert.Equal("010000007fb38ec5c55d497600000000", Convert.ToHexStringLower(signature.Next(plain)));
    }

    [Fact]
    public void The_user_counts_in_capitals_and_the_domain_as_written()
    {
        var hash = NtlmV2.NtHash("Password");
        Assert.Equal(ResponseKey, NtlmV2.ResponseKey(hash, "uSER", "Domain"));
        Assert.NotEqual(ResponseKey, NtlmV2.ResponseKey(hash, "User", "DOMAIN"));
        Assert.Equal(NtlmV2.ResponseKey(hash, "ÄÖÉ", ""), NtlmV2.ResponseKey(hash, "äöé", ""));
    }

    private static byte[] BaseKey() => NtlmV2.SessionBaseKey(ResponseKey, NtlmV2.Proof(ResponseKey, ServerChallenge, Temp));
}
