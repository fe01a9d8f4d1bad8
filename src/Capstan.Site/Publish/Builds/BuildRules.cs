using Capstan.Protocol.V1;

namespace Capstan.Site.Publish.Builds;

/// <summary>What an order about builds says. Pure.</summary>
internal static class BuildRules
{
    /// <summary>How fast a fleet may fetch a build, all clients together, when nobody says otherwise: 10 MB a second.</summary>
    public const long FleetBytesPerSecond = 10_000_000;

    /// <summary>What an agent can call its platform; fewer than one document may name.</summary>
    public static IReadOnlyList<string> Platforms { get; } =
    [
        "linux-x64", "linux-arm64", "linux-arm", "linux-armv6", "linux-loongarch64", "linux-ppc64le", "linux-riscv64", "linux-s390x",
        "osx-arm64", "osx-x64", "win-arm64", "win-x64", "win-x86",
    ];

    private static readonly TimeSpan Shortest = TimeSpan.FromMinutes(1), Longest = TimeSpan.FromDays(7);

    /// <summary>Over how long the clients begin: so that together they take what a small server gives. Nothing for what is done within a minute.</summary>
    public static TimeSpan Spread(long clients, long packedBytes)
    {
        var seconds = clients * (double)packedBytes / FleetBytesPerSecond;
        return seconds < Shortest.TotalSeconds ? TimeSpan.Zero : TimeSpan.FromSeconds(Math.Min(Math.Ceiling(seconds), Longest.TotalSeconds));
    }

    /// <summary>Rises, also after a restore from an old backup.</summary>
    public static long Number(long? before, DateTimeOffset now) => Math.Max((before ?? 0) + 1, now.ToUnixTimeSeconds());

    /// <summary>Whether a client that has what was ordered before would go back.</summary>
    public static bool IsDowngrade(string version, string? highest) =>
        version == ClientBuild.OfPackage || Parsed(version) is { } wanted && Parsed(highest) is { } known && wanted.CompareRank(known) < 0;

    /// <summary>The newest version that was ever ordered.</summary>
    public static string Highest(string version, string? highest) =>
        Parsed(version) is not { } ordered ? highest ?? "" : Parsed(highest) is { } known && known.CompareRank(ordered) > 0 ? known.ToString() : version;

    private static BuildVersion? Parsed(string? version) => BuildVersion.TryParse(version, out var parsed) ? parsed : null;
}
