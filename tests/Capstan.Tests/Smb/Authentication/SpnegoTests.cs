using System.Formats.Asn1;
using Capstan.Smb;
using Capstan.Smb.Authentication;
using Capstan.Testing;

namespace Capstan.Tests.Smb.Authentication;

public sealed class SpnegoTests
{
    private const string Kerberos = "1.2.840.113554.1.2.2";
    private const string Password = "correct horse";

    private static readonly byte[] Challenge = NtlmServer.Challenge(NtlmServer.AllFlags, NtlmServer.Text(1, "FS1"));

    /// <summary>The hint of Windows: five mechanisms, and the name that asks to be ignored.</summary>
    [Fact]
    public void The_hint_of_a_real_server_is_read()
    {
        var hint = SpnegoToken.Read(Convert.FromHexString(
            "6076" + "06062b0601050502" + "a06c306a"
            + "a03c303a" + "060a2b06010401823702021e" + "06092a864882f712010202" + "06092a864886f712010202" + "060a2a864886f71201020203" + "060a2b06010401823702020a"
            + "a32a3028" + "a0261b246e6f745f646566696e65645f696e5f5246433431373840706c656173655f69676e6f7265"));
        Assert.Equal(["1.3.6.1.4.1.311.2.2.30", "1.2.840.48018.1.2.2", Kerberos, "1.2.840.113554.1.2.2.3", NtlmMechanism.MechanismOid], hint.Mechanisms);
        Assert.Empty(hint.Token);
    }

    /// <summary>The last token of Microsoft's example of 3.1.1 ("the anatomy of signing and cryptographic keys", appendix).</summary>
    [Fact]
    public void The_last_token_of_a_real_server_is_read()
    {
        var token = SpnegoToken.Read(Convert.FromHexString("A11B3019A0030A0100A3120410010000003B453CDC3524164200000000"));
        Assert.Equal(SpnegoState.AcceptCompleted, token.State);
        Assert.Null(token.Mechanism);
        Assert.Empty(token.Token);
        Assert.Equal("010000003B453CDC3524164200000000", Convert.ToHexString(token.MechListMic));
    }

    [Fact]
    public void The_first_token_offers_one_mechanism_with_its_token()
    {
        using var context = Begin();
        var first = context.Next([]);
        var read = SpnegoToken.Read(first);
        Assert.Equal([NtlmMechanism.MechanismOid], read.Mechanisms);
        Assert.True(read.Token.AsSpan().StartsWith(NtlmMessages.Signature));
    }

    [Fact]
    public void A_whole_logon_is_signed_by_both_sides()
    {
        using var context = Begin();
        var negotiate = SpnegoToken.Read(context.Next(Hint(Kerberos, NtlmMechanism.MechanismOid))).Token;
        var second = SpnegoToken.Read(context.Next(Resp(SpnegoState.AcceptIncomplete, NtlmMechanism.MechanismOid, Challenge, [])));
        var key = NtlmServer.Accept(negotiate, Challenge, second.Token, Password);
        Assert.NotNull(key);
        var list = SpnegoToken.MechTypeList(NtlmMechanism.MechanismOid);
        using (var client = NtlmSignature.OfClient(key))
            Assert.Equal(client.Next(list), second.MechListMic);
        using var server = NtlmSignature.OfServer(key);
        context.Finish(Resp(SpnegoState.AcceptCompleted, null, [], server.Next(list)));
        Assert.Equal(key, context.SessionKey.ToArray());
    }

    [Fact]
    public void A_wrong_signature_of_the_list_is_tampering()
    {
        using var context = Begin();
        context.Next([]);
        context.Next(Resp(SpnegoState.AcceptIncomplete, null, Challenge, []));
        var failure = Assert.Throws<SmbException>(() => context.Finish(Resp(SpnegoState.AcceptCompleted, null, [], new byte[16])));
        Assert.Equal(SmbFailure.Tampered, failure.Failure);
    }

    [Fact]
    public void A_server_without_SPNEGO_is_answered_in_kind()
    {
        using var context = Begin();
        var negotiate = SpnegoToken.Read(context.Next([])).Token;
        var authenticate = context.Next(Challenge);
        Assert.NotNull(NtlmServer.Accept(negotiate, Challenge, authenticate, Password));
        context.Finish([]);
    }

    [Fact]
    public void A_server_that_does_not_offer_the_mechanism_is_named_with_what_it_offers()
    {
        using var context = Begin();
        var failure = Assert.Throws<SmbException>(() => context.Next(Hint(Kerberos)));
        Assert.Equal(SmbFailure.Logon, failure.Failure);
        Assert.Equal(SmbCompletion.NotSent, failure.Completion);
        Assert.Contains("Kerberos", failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(SpnegoState.Reject, null)]
    [InlineData(SpnegoState.AcceptIncomplete, Kerberos)]
    internal void A_rejection_and_another_choice_end_the_logon(SpnegoState state, string? chosen)
    {
        using var context = Begin();
        context.Next([]);
        var failure = Assert.Throws<SmbException>(() => context.Next(Resp(state, chosen, Challenge, [])));
        Assert.Equal(SmbFailure.Logon, failure.Failure);
    }

    [Fact]
    public void Kerberos_is_known_by_both_of_its_spellings_and_nothing_else_is()
    {
        Assert.True(MechanismNames.AreSame("1.2.840.48018.1.2.2", Kerberos));
        Assert.True(MechanismNames.AreSame(Kerberos, Kerberos));
        Assert.False(MechanismNames.AreSame(NtlmMechanism.MechanismOid, Kerberos));
        Assert.Equal("Kerberos", MechanismNames.Of("1.2.840.48018.1.2.2"));
        Assert.Equal("1.2.3", MechanismNames.Of("1.2.3"));
    }

    [Fact]
    public void A_success_before_the_server_was_heard_proves_nothing()
    {
        using var context = Begin();
        context.Next([]);
        Assert.Equal(SmbFailure.Tampered, Assert.Throws<SmbException>(() => context.Finish([])).Failure);
    }

    [Theory]
    [InlineData("")]
    [InlineData("00")]
    [InlineData("60")]
    [InlineData("6084ffffffff")]
    [InlineData("a180")]
    [InlineData("a1053003a0030a0104")]
    [InlineData("a1073005a0030a0104")]
    [InlineData("a11b3019a0030a0100a3120410010000003b453cdc352416420000000000")]
    [InlineData("60070605290601050502")]
    public void What_is_no_token_is_a_protocol_error(string bytes) =>
        Assert.Throws<SmbProtocolException>(() => SpnegoToken.Read(Convert.FromHexString(bytes)));

    private static SpnegoContext Begin() =>
        new(new NtlmMechanism(NtlmIdentity.Of("capa", Password), "fs1", "WS", NtlmNonces.Random(), new ManualTime()));

    internal static byte[] Hint(params string[] mechanisms)
    {
        var list = new AsnWriter(AsnEncodingRules.DER);
        using (list.PushSequence())
            foreach (var mechanism in mechanisms)
                list.WriteObjectIdentifier(mechanism);
        return SpnegoToken.WriteInit(list.Encode(), []);
    }

    internal static byte[] Resp(SpnegoState state, string? mechanism, byte[] token, byte[] mic)
    {
        var writer = new AsnWriter(AsnEncodingRules.DER);
        using (writer.PushSequence(Context(1)))
        using (writer.PushSequence())
        {
            using (writer.PushSequence(Context(0)))
                writer.WriteEncodedValue([0x0A, 1, (byte)state]);
            if (mechanism is not null)
                using (writer.PushSequence(Context(1)))
                    writer.WriteObjectIdentifier(mechanism);
            if (token.Length > 0)
                using (writer.PushSequence(Context(2)))
                    writer.WriteOctetString(token);
            if (mic.Length > 0)
                using (writer.PushSequence(Context(3)))
                    writer.WriteOctetString(mic);
        }

        return writer.Encode();
    }

    private static Asn1Tag Context(int number) => new(TagClass.ContextSpecific, number);
}
