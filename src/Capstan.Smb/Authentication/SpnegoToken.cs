using System.Formats.Asn1;

namespace Capstan.Smb.Authentication;

/// <summary>How far the acceptor is (RFC 4178 4.2.2).</summary>
internal enum SpnegoState
{
    /// <summary>Not said.</summary>
    None = -1,
    AcceptCompleted = 0,
    AcceptIncomplete = 1,
    Reject = 2,
    RequestMic = 3,
}

/// <summary>A NegotiationToken (RFC 4178 4.2, [MS-SPNG] 2.2.1), read from a server or written by this client. Immutable.</summary>
internal sealed class SpnegoToken
{
    private const string SpnegoOid = "1.3.6.1.5.5.2";

    private static readonly Asn1Tag InitialContextToken = new(TagClass.Application, 0);
    private static readonly Asn1Tag NegTokenInit = Context(0);
    private static readonly Asn1Tag NegTokenResp = Context(1);

    private SpnegoToken()
    {
    }

    /// <summary>Of a negTokenInit: what the server offers, by preference. Empty for a negTokenResp.</summary>
    public IReadOnlyList<string> Mechanisms { get; private init; } = [];

    public SpnegoState State { get; private init; } = SpnegoState.None;

    /// <summary>Of a negTokenResp: what the server chose; null when it does not say.</summary>
    public string? Mechanism { get; private init; }

    /// <summary>mechToken or responseToken.</summary>
    public byte[] Token { get; private init; } = [];

    public byte[] MechListMic { get; private init; } = [];

    /// <summary>Reads a token of the server: its hint (negTokenInit2 in an InitialContextToken) or its answer (negTokenResp).</summary>
    /// <exception cref="SmbProtocolException">The bytes are none.</exception>
    public static SpnegoToken Read(ReadOnlyMemory<byte> bytes)
    {
        try
        {
            var reader = new AsnReader(bytes, AsnEncodingRules.DER);
            var token = reader.PeekTag().HasSameClassAndValue(InitialContextToken) ? ReadInit(reader) : ReadResp(reader);
            reader.ThrowIfNotEmpty();
            return token;
        }
        catch (AsnContentException e)
        {
            throw new SmbProtocolException($"SPNEGO: {e.Message}");
        }
    }

    /// <summary>NegTokenInit in its InitialContextToken (RFC 2743 3.1), with one mechanism.</summary>
    public static byte[] WriteInit(ReadOnlySpan<byte> mechTypeList, ReadOnlySpan<byte> mechToken)
    {
        var writer = new AsnWriter(AsnEncodingRules.DER);
        using (writer.PushSequence(InitialContextToken))
        {
            writer.WriteObjectIdentifier(SpnegoOid);
            using (writer.PushSequence(NegTokenInit))
            using (writer.PushSequence())
            {
                using (writer.PushSequence(Context(0)))
                    writer.WriteEncodedValue(mechTypeList);
                Field(writer, 2, mechToken);
            }
        }

        return writer.Encode();
    }

    /// <summary>NegTokenResp; a field that is empty is left out.</summary>
    public static byte[] WriteResp(ReadOnlySpan<byte> responseToken, ReadOnlySpan<byte> mechListMic)
    {
        var writer = new AsnWriter(AsnEncodingRules.DER);
        using (writer.PushSequence(NegTokenResp))
        using (writer.PushSequence())
        {
            Field(writer, 2, responseToken);
            Field(writer, 3, mechListMic);
        }

        return writer.Encode();
    }

    /// <summary>MechTypeList of one: in the negTokenInit, and what mechListMIC signs (RFC 4178 5).</summary>
    public static byte[] MechTypeList(string mechanism)
    {
        var writer = new AsnWriter(AsnEncodingRules.DER);
        using (writer.PushSequence())
            writer.WriteObjectIdentifier(mechanism);
        return writer.Encode();
    }

    private static SpnegoToken ReadInit(AsnReader outer)
    {
        var token = outer.ReadSequence(InitialContextToken);
        var mechanism = token.ReadObjectIdentifier();
        if (mechanism != SpnegoOid)
            throw new SmbProtocolException($"SPNEGO: the token is of mechanism {mechanism}");
        var choice = token.ReadSequence(NegTokenInit);
        token.ThrowIfNotEmpty();
        var init = choice.ReadSequence();
        choice.ThrowIfNotEmpty();

        List<string> mechanisms = [];
        if (Optional(init, 0) is { } types)
        {
            var list = types.ReadSequence();
            types.ThrowIfNotEmpty();
            while (list.HasData)
                mechanisms.Add(list.ReadObjectIdentifier());
        }

        Optional(init, 1); // reqFlags, which RFC 4178 tells to ignore
        var mechToken = OctetString(init, 2);
        // [MS-SPNG] 2.2.1 puts negHints here; "not_defined_in_RFC4178@please_ignore". RFC 4178 has mechListMIC in its place. A first token has neither to say.
        Optional(init, 3);
        Optional(init, 4);
        init.ThrowIfNotEmpty();
        return new SpnegoToken { Mechanisms = mechanisms, Token = mechToken };
    }

    private static SpnegoToken ReadResp(AsnReader outer)
    {
        var choice = outer.ReadSequence(NegTokenResp);
        var resp = choice.ReadSequence();
        choice.ThrowIfNotEmpty();

        var state = SpnegoState.None;
        if (Optional(resp, 0) is { } negState)
        {
            var value = negState.ReadEnumeratedBytes().Span;
            negState.ThrowIfNotEmpty();
            state = value is [var one and <= (byte)SpnegoState.RequestMic] ? (SpnegoState)one : throw new SmbProtocolException("SPNEGO: negState is none of its values");
        }

        string? mechanism = null;
        if (Optional(resp, 1) is { } supported)
        {
            mechanism = supported.ReadObjectIdentifier();
            supported.ThrowIfNotEmpty();
        }

        var token = OctetString(resp, 2);
        var mic = OctetString(resp, 3);
        resp.ThrowIfNotEmpty();
        return new SpnegoToken { State = state, Mechanism = mechanism, Token = token, MechListMic = mic };
    }

    private static byte[] OctetString(AsnReader reader, int number)
    {
        if (Optional(reader, number) is not { } field)
            return [];
        var value = field.ReadOctetString();
        field.ThrowIfNotEmpty();
        return value;
    }

    private static AsnReader? Optional(AsnReader reader, int number) =>
        reader.HasData && reader.PeekTag().HasSameClassAndValue(Context(number)) ? reader.ReadSequence(Context(number)) : null;

    private static void Field(AsnWriter writer, int number, ReadOnlySpan<byte> value)
    {
        if (value.IsEmpty)
            return;
        using (writer.PushSequence(Context(number)))
            writer.WriteOctetString(value);
    }

    private static Asn1Tag Context(int number) => new(TagClass.ContextSpecific, number);
}
