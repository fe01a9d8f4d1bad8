using System.Security.Cryptography;
using System.Text;

namespace Capstan.Protocol.V1;

/// <summary>Target <c>client/builds.json</c>: which build of the agent each platform is to run. The only source of orders about builds.</summary>
/// <remarks>A platform that is not named has no order: its clients keep the build that they have.</remarks>
public sealed record ClientBuilds
{
    internal const int MaxBuilds = 16;

    public int Version { get; init; } = 1;
    public required string SiteCode { get; init; }
    /// <summary>At most one for a platform.</summary>
    public required IReadOnlyList<ClientBuild> Builds { get; init; }

    /// <summary>The order for a platform; null for none.</summary>
    public ClientBuild? For(string platform) => Builds.FirstOrDefault(build => build.Platform == platform);

    internal void Check(Problems problems)
    {
        problems.Version(Version);
        problems.Site(SiteCode);
        problems.Each("builds", Builds, static (problems, build) => build.Check(problems), MaxBuilds);
        problems.Require(Builds.DistinctBy(build => build?.Platform, StringComparer.Ordinal).Count() == Builds.Count, "builds", "must name each platform once");
    }
}

/// <summary>The order for one platform.</summary>
public sealed record ClientBuild
{
    /// <summary>In place of a version: the build that the machine's own package installed. Such an order has no files.</summary>
    public const string OfPackage = "package";

    internal const int MaxFiles = 64;

    /// <summary>For example <c>linux-x64</c>.</summary>
    public required string Platform { get; init; }
    /// <summary>As <see cref="BuildVersion"/> reads it, or <see cref="OfPackage"/>.</summary>
    public required string Version { get; init; }
    /// <summary>Rises with each order of the platform; a build that failed is tried again only under a higher one.</summary>
    public required long Order { get; init; }
    /// <summary>An older version than the one that runs is wanted on purpose. Without it nobody goes back.</summary>
    public required bool Downgrade { get; init; }
    /// <summary>Over how long the clients begin, each at its own place in it; 0 for at once, at most 31 days.</summary>
    public required int SpreadSeconds { get; init; }
    public required IReadOnlyList<BuildFile> Files { get; init; }

    /// <summary>Length of all files, unpacked.</summary>
    public long LengthBytes() => Files.Sum(file => file.LengthBytes);

    /// <summary>Version and the beginning of a digest of the files: one name for one content, fit to be a directory's. <see cref="OfPackage"/> for that.</summary>
    public string Id() => Version == OfPackage ? OfPackage : $"{Version}-{Digest()[..12]}";

    /// <summary>SHA-256 over name, right to run, and hash of each file, in the order of names.</summary>
    private string Digest()
    {
        var text = new StringBuilder();
        foreach (var file in Files.OrderBy(file => file.Name, StringComparer.Ordinal))
            text.Append(file.Name).Append(file.IsExecutable ? " x " : " - ").Append(file.Sha256).Append('\n');
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.ASCII.GetBytes(text.ToString())));
    }

    internal void Check(Problems problems)
    {
        problems.Word("platform", Platform);
        problems.Range("order", Order, 1, long.MaxValue);
        problems.Range("spreadSeconds", SpreadSeconds, 0, 31 * 86_400);
        if (Version == OfPackage)
        {
            problems.Require(Files.Count == 0, "files", "must be empty: the package has its own");
            return;
        }
        problems.Require(BuildVersion.TryParse(Version, out _), "version", "must be N.N.N with an optional -WORD, or package");
        problems.Each("files", Files, static (problems, file) => file.Check(problems), MaxFiles);
        problems.Require(Files.DistinctBy(file => file?.Name, StringComparer.Ordinal).Count() == Files.Count, "files", "must name each file once");
        problems.Require(Files.Any(file => file is { Name: BuildFile.Program, IsExecutable: true }), "files", $"must hold the program {BuildFile.Program}");
    }
}

/// <summary>One file of a build.</summary>
/// <param name="Name">A plain name: no folder.</param>
/// <param name="IsExecutable">Mode 0755 instead of 0644.</param>
/// <param name="LengthBytes">Unpacked; unpacking stops there.</param>
/// <param name="Sha256">Of the unpacked content.</param>
/// <param name="Target">The target that holds it, packed by Brotli (RFC 7932): its own length and hash stand in the metadata of role <c>client</c>.</param>
public sealed record BuildFile(string Name, bool IsExecutable, long LengthBytes, string Sha256, string Target)
{
    /// <summary>What is started.</summary>
    public const string Program = "capstan-client";

    /// <summary>256 MiB.</summary>
    public const long MaxBytes = 256L << 20;

    /// <summary>A name that a client may give a file of a build.</summary>
    public static bool IsName(string name) =>
        name.Length is > 0 and <= 64 && name[0] is not ('.' or '-') && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.');

    internal void Check(Problems problems)
    {
        problems.Require(IsName(Name), "name", "must be 1 to 64 of A-Z a-z 0-9 - _ . and begin with neither . nor -");
        problems.Range("lengthBytes", LengthBytes, 0, MaxBytes);
        problems.Hash("sha256", Sha256);
        problems.Require(Sha256.Length != 64 || Target == Layout.BuildFileTarget(Sha256), "target", "must be client/<sha256>.br");
    }
}
