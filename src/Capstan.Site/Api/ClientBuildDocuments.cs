namespace Capstan.Site.Api;

/// <summary>GET /api/v1/client-builds: builds of the agent that the site has.</summary>
/// <param name="Id">Version and digest: as clients name it in their status.</param>
/// <param name="LengthBytes">All of its files, unpacked.</param>
/// <param name="PackedBytes">The same as they lie on a CAP.</param>
/// <param name="IsOrdered">Clients of this platform are to run it.</param>
/// <param name="OrderedAt">Since when; null when it is not ordered.</param>
public sealed record ClientBuildRow(string Platform, string Version, string Id, int Files, long LengthBytes, long PackedBytes, DateTimeOffset AddedAt, bool IsOrdered, DateTimeOffset? OrderedAt);

/// <summary>POST /api/v1/client-builds, after each file was sent by PUT /api/v1/client-builds/files/{sha256}.</summary>
public sealed record ClientBuildAdd(string Platform, string Version, IReadOnlyList<ClientBuildFile> Files);

/// <param name="Sha256">Of the content, 64 lower-case hexadecimal digits.</param>
public sealed record ClientBuildFile(string Name, bool IsExecutable, string Sha256);

/// <summary>POST /api/v1/client-builds/use: what the clients of a platform are to run from now on.</summary>
/// <param name="Version">One of the list, or <c>package</c>: what each machine's own package has.</param>
/// <param name="SpreadSeconds">Over how long the clients begin; 0 to <see cref="LongestSpreadSeconds"/>, null for what their number asks for.</param>
/// <param name="Downgrade">True: also clients that have a newer version. An older version than was ever ordered is such an order in any case.</param>
public sealed record ClientBuildUse(string Platform, string Version, int? SpreadSeconds = null, bool? Downgrade = null)
{
    /// <summary>31 days.</summary>
    public const int LongestSpreadSeconds = 31 * 86_400;
}

/// <summary>The answer to POST /api/v1/client-builds/use.</summary>
/// <param name="Order">Number of the order; it rises.</param>
/// <param name="PackedBytes">What a client fetches at most.</param>
/// <param name="Clients">Approved clients of the site.</param>
public sealed record ClientBuildOrdered(string Platform, string Version, long Order, bool Downgrade, int SpreadSeconds, long PackedBytes, int Clients);
