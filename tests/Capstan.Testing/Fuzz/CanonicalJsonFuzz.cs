using Capstan.Protocol;
using Capstan.Protocol.Tuf;

namespace Capstan.Testing.Fuzz;

/// <summary>Any bytes: refused by a <see cref="ProtocolException"/>, or a value whose canonical form is stable.</summary>
public static class CanonicalJsonFuzz
{
    /// <exception cref="InvalidOperationException">The canonical form depends on how the value was written.</exception>
    public static void Fuzz(ReadOnlySpan<byte> data)
    {
        try
        {
            using var parsed = CanonicalJson.Parse(data.ToArray(), "fuzz");
            var canonical = CanonicalJson.Encode(parsed.RootElement);
            // Raw control characters are canonical but no JSON; everything else reads back as itself.
            if (canonical.AsSpan().ContainsAnyInRange((byte)0, (byte)31))
                return;
            using var again = CanonicalJson.Parse(canonical, "canonical");
            if (!CanonicalJson.Encode(again.RootElement).AsSpan().SequenceEqual(canonical))
                throw new InvalidOperationException("The canonical form of a canonical form differs from it.");
        }
        catch (ProtocolException refused)
        {
            FuzzOutcome.Refused(refused);
        }
    }
}
