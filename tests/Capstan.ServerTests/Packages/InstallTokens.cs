using Capstan.Protocol.V1;

namespace Capstan.ServerTests.Packages;

/// <summary>Enrolment tokens of no site: good enough to install with.</summary>
internal static class InstallTokens
{
    public static string Any(string cap) => new EnrolmentToken
    {
        SiteCode = "ABC",
        RootHash = new string('a', 64),
        RootVersion = 1,
        Caps = [Nal.Paths.NalPath.FromDirectory(cap).ToString()],
        TokenId = "t1",
        Secret = new string('A', 43),
    }.Encode();
}
