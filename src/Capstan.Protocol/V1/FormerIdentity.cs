using System.Security.Cryptography;
using System.Text;
using Capstan.Protocol.Jose;

namespace Capstan.Protocol.V1;

/// <summary>What a machine that was told to make its own identity says of the one that it gave up.</summary>
/// <param name="DeviceId">The identity that it shared with another machine.</param>
/// <param name="Speaker">Under which name it was told: the element of <see cref="Policy.NewIdentity"/> that it found to be its own.</param>
/// <param name="Proof">A JWS by the former signing key over site, new device id and <paramref name="Speaker"/>: who makes it held the former key.</param>
public sealed record FormerIdentity(string DeviceId, string Speaker, string Proof)
{
    private const string ContentType = "capstan-former";

    /// <param name="next">The identity that takes its place.</param>
    public static FormerIdentity Of(ECDsa former, string siteCode, DeviceId next, string speaker)
    {
        ArgumentNullException.ThrowIfNull(former);
        var id = Protocol.DeviceId.FromPublicKey(former.ExportSubjectPublicKeyInfo());
        return new FormerIdentity(id.Value, speaker, Jws.Sign(Payload(siteCode, next, speaker), former, ContentType));
    }

    /// <summary>Whether who holds <paramref name="former"/> said this for <paramref name="next"/>, and for nobody else.</summary>
    public bool IsProven(VerifyingKey former, string siteCode, DeviceId next)
    {
        try
        {
            return Jws.Verify(Proof, former, ContentType).AsSpan().SequenceEqual(Payload(siteCode, next, Speaker));
        }
        catch (ProtocolException)
        {
            return false;
        }
    }

    internal void Check(Problems problems)
    {
        problems.Device("deviceId", DeviceId);
        problems.Line("speaker", Speaker, 128);
        problems.Name("proof", Proof);
    }

    private static byte[] Payload(string siteCode, DeviceId next, string speaker) => Encoding.UTF8.GetBytes($"{siteCode} {next.Value} {speaker}");
}
