using Capstan.Smb.Wire;

namespace Capstan.Smb.Authentication;

/// <summary>CHALLENGE_MESSAGE ([MS-NLMP] 2.2.1.2). Immutable.</summary>
internal sealed class NtlmChallenge
{
    public const int ServerChallengeBytes = 8;

    private NtlmChallenge(NtlmFlags flags, byte[] serverChallenge, byte[] targetInfo)
    {
        Flags = flags;
        ServerChallenge = serverChallenge;
        TargetInfo = targetInfo;
    }

    public NtlmFlags Flags { get; }

    public byte[] ServerChallenge { get; }

    /// <summary>TargetInfo as it came; empty when there is none.</summary>
    public byte[] TargetInfo { get; }

    public static NtlmChallenge Read(ReadOnlySpan<byte> bytes)
    {
        var reader = new WireReader(bytes, "NTLM CHALLENGE_MESSAGE");
        if (!reader.Take(NtlmMessages.Signature.Length).SequenceEqual(NtlmMessages.Signature))
            throw reader.Malformed("it does not begin with NTLMSSP");
        var type = reader.UInt32();
        if (type != NtlmMessages.ChallengeType)
            throw reader.Malformed($"MessageType is {type} and must be {NtlmMessages.ChallengeType}");
        reader.Skip(8); // TargetNameFields: the name is among the AV_PAIRs, too.
        var flags = (NtlmFlags)reader.UInt32();
        var serverChallenge = reader.Take(ServerChallengeBytes).ToArray();
        reader.Skip(8); // Reserved
        var length = reader.UInt16();
        reader.Skip(2); // TargetInfoMaxLen
        var offset = reader.UInt32();
        return new NtlmChallenge(flags, serverChallenge, flags.HasFlag(NtlmFlags.TargetInfo) ? reader.At(offset, length).ToArray() : []);
    }
}
