using Capstan.Protocol;
using Capstan.Protocol.Tuf;

namespace Capstan.Testing.Fuzz;

/// <summary>Any bytes as metadata of each role and as a repository's saved state: accepted, or refused by a <see cref="ProtocolException"/> that says why.</summary>
public static class TufMetadataFuzz
{
    public static void Fuzz(ReadOnlySpan<byte> data)
    {
        var bytes = data.ToArray();
        Try(() => RootMetadata.Parse(MetadataFile.Parse(bytes, TufLimits.RootBytes, "fuzz")));
        Try(() => TimestampMetadata.Parse(MetadataFile.Parse(bytes, TufLimits.TimestampBytes, "fuzz")));
        Try(() => SnapshotMetadata.Parse(MetadataFile.Parse(bytes, TufLimits.SnapshotBytes, "fuzz")));
        Try(() =>
        {
            var role = TargetsMetadata.Parse(MetadataFile.Parse(bytes, TufLimits.TargetsBytes, "fuzz"));
            foreach (var path in role.Targets.Keys.Append("policy/any.json"))
                _ = role.Delegations?.For(path).Select(child => role.Delegations.KeysOf(child.Role)).Count();
        });
        // A root must also verify itself: signatures and keys of any form.
        Try(() => TrustedMetadata.Begin(bytes, "fuzz"));
        Try(() => TufRepository.Load(bytes));
    }

    private static void Try(Action decode)
    {
        try
        {
            decode();
        }
        catch (ProtocolException refused)
        {
            FuzzOutcome.Refused(refused);
        }
    }
}

/// <summary>What a refusal must look like.</summary>
internal static class FuzzOutcome
{
    /// <exception cref="InvalidOperationException">The refusal does not say which document, or says too much of it.</exception>
    public static void Refused(ProtocolException refused)
    {
        if (refused.Document is null || refused.Message.Length is 0 or > 2000)
            throw new InvalidOperationException("A refusal must name its document in a short message.", refused);
    }
}
