using System.Buffers.Binary;
using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Text;
using Capstan.Smb.Authentication;
using Capstan.Smb.Crypto;

namespace Capstan.Testing.Smb;

/// <summary>Who logged on.</summary>
/// <param name="Key">ExportedSessionKey; empty for a guest and for nobody.</param>
/// <param name="Token">For the client: with the server's signature of the mechanism list, where there is a key.</param>
internal sealed record Accepted(string Account, byte[] Key, bool IsGuest, bool IsAnonymous, byte[] Token);

/// <summary>The server's half of NTLMv2 in SPNEGO, with a table of passwords: proof and MIC are really verified ([MS-NLMP] 3.2.5.1.2). One logon.</summary>
internal sealed class NtlmAcceptor(SmbServerRules rules)
{
    private const uint Flags = 0xE28A_8235;     // Unicode, target, sign, NTLM, always sign, extended session security, target info, version, 128, key exchange, 56
    private const int MicOffset = 72;

    private readonly byte[] _challenge = RandomNumberGenerator.GetBytes(8);
    private byte[] _mechanisms = [];
    private byte[] _negotiateMessage = [];
    private byte[] _challengeMessage = [];

    /// <summary>The hint in the answer to NEGOTIATE ([MS-SPNG] 2.2.1).</summary>
    public static byte[] Hint() => SpnegoToken.WriteInit(SpnegoToken.MechTypeList(NtlmMechanism.MechanismOid), []);

    /// <summary>The answer to the first token.</summary>
    public byte[] Begin(byte[] token)
    {
        var init = SpnegoToken.Read(token);
        _mechanisms = SpnegoToken.MechTypeList(NtlmMechanism.MechanismOid);
        _negotiateMessage = init.Token;
        _challengeMessage = Challenge();
        return Respond(SpnegoState.AcceptIncomplete, NtlmMechanism.MechanismOid, _challengeMessage, []);
    }

    /// <summary>Judges the second token; null for a wrong name or password.</summary>
    public Accepted? Finish(byte[] token)
    {
        var answer = SpnegoToken.Read(token);
        var message = answer.Token;
        var user = Encoding.Unicode.GetString(Field(message, 36));
        if (user.Length == 0)
            return rules.AllowsAnonymous ? new Accepted("", [], false, true, Respond(SpnegoState.AcceptCompleted, null, [], [])) : null;
        if (!rules.Accounts.TryGetValue(user, out var password))
            return rules.MapsUnknownToGuest ? new Accepted("guest", [], true, false, Respond(SpnegoState.AcceptCompleted, null, [], [])) : null;
        if (Verify(message, user, password) is not { } key)
            return null;
        using var client = NtlmSignature.OfClient(key);
        using var server = NtlmSignature.OfServer(key);
        if (answer.MechListMic.Length > 0 && !client.Next(_mechanisms).AsSpan().SequenceEqual(answer.MechListMic))
            return null;
        return new Accepted(user, key, false, false, Respond(SpnegoState.AcceptCompleted, null, [], server.Next(_mechanisms)));
    }

    private byte[]? Verify(byte[] message, string user, string password)
    {
        var response = Field(message, 20);
        if (response.Length < 16 + 28)
            return null;
        var key = NtlmV2.ResponseKey(NtlmV2.NtHash(password), user, Encoding.Unicode.GetString(Field(message, 28)));
        var proof = NtlmV2.Proof(key, _challenge, response.AsSpan(16));
        if (!proof.AsSpan().SequenceEqual(response.AsSpan(0, 16)))
            return null;
        var exported = Rc4.Once(NtlmV2.SessionBaseKey(key, proof), Field(message, 52));
        byte[] withoutMic = [.. message];
        withoutMic.AsSpan(MicOffset, 16).Clear();
        var mic = NtlmV2.Mic(exported, _negotiateMessage, _challengeMessage, withoutMic);
        return mic.AsSpan().SequenceEqual(message.AsSpan(MicOffset, 16)) ? exported : null;
    }

    private byte[] Challenge() => SmbBody.Of(writer =>
    {
        var target = SmbBody.Of(pairs =>
        {
            foreach (var id in (ReadOnlySpan<ushort>)[2, 1])        // MsvAvNbDomainName, MsvAvNbComputerName
                Pair(pairs, id, Encoding.Unicode.GetBytes("TESTSERVER"));
            Pair(pairs, 7, BitConverter.GetBytes(rules.Time.GetUtcNow().ToFileTime()));
            Pair(pairs, 0, []);
        });
        writer.Write("NTLMSSP\0"u8);
        writer.Write(2);
        writer.Write(0UL);
        writer.Write(Flags);
        writer.Write(_challenge);
        writer.Write(0UL);
        writer.Write((ushort)target.Length);
        writer.Write((ushort)target.Length);
        writer.Write(56);
        writer.Write(0UL);
        writer.Write(target);
    });

    private static void Pair(BinaryWriter writer, ushort id, byte[] value)
    {
        writer.Write(id);
        writer.Write((ushort)value.Length);
        writer.Write(value);
    }

    private static byte[] Field(byte[] message, int at) =>
        message.AsSpan(BinaryPrimitives.ReadInt32LittleEndian(message.AsSpan(at + 4)), BinaryPrimitives.ReadUInt16LittleEndian(message.AsSpan(at))).ToArray();

    /// <summary>NegTokenResp of a server (RFC 4178 4.2.2).</summary>
    private static byte[] Respond(SpnegoState state, string? mechanism, byte[] token, byte[] mic)
    {
        var writer = new AsnWriter(AsnEncodingRules.DER);
        using (writer.PushSequence(Context(1)))
        using (writer.PushSequence())
        {
            using (writer.PushSequence(Context(0)))
                writer.WriteEnumeratedValue(state);
            if (mechanism is not null)
            {
                using (writer.PushSequence(Context(1)))
                    writer.WriteObjectIdentifier(mechanism);
            }
            foreach (var (number, value) in new[] { (2, token), (3, mic) })
            {
                if (value.Length == 0)
                    continue;
                using (writer.PushSequence(Context(number)))
                    writer.WriteOctetString(value);
            }
        }
        return writer.Encode();
    }

    private static Asn1Tag Context(int number) => new(TagClass.ContextSpecific, number);
}

/// <summary>Little-endian bytes, written one after the other; on purpose not with the engine's own writer.</summary>
internal static class SmbBody
{
    public static byte[] Of(Action<BinaryWriter> fill)
    {
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        fill(writer);
        return stream.ToArray();
    }

    public static readonly byte[] Error = Of(writer =>
    {
        writer.Write((ushort)9);
        writer.Write((ushort)0);
        writer.Write(0);
        writer.Write((byte)0);
    });

    public static readonly byte[] Empty = [4, 0, 0, 0];
}
