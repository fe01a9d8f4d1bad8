using Capstan.Protocol.Jose;

namespace Capstan.Protocol.V1;

/// <summary>Target <c>site/site.json</c>: what a client must know of its site.</summary>
public sealed record SiteDescription
{
    public int Version { get; init; } = 1;
    /// <summary>Three characters A–Z 0–9.</summary>
    public required string SiteCode { get; init; }
    /// <summary>Starts at 1; a restored site raises it.</summary>
    public required long Epoch { get; init; }
    /// <summary>Uploads are sealed to this key.</summary>
    public required Jwk SealingKey { get; init; }
    /// <summary>Receipts are signed by this key.</summary>
    public required Jwk ReceiptsKey { get; init; }
    /// <summary>How often a client does a whole verification cycle. Default 23 h.</summary>
    public int CycleSeconds { get; init; } = 82_800;
    /// <summary>How often a client sends a heartbeat. Default 7 days.</summary>
    public int HeartbeatSeconds { get; init; } = 604_800;
    /// <summary>How often inventory is collected; it is uploaded only when it changed. Default 1 day.</summary>
    public int InventorySeconds { get; init; } = 86_400;
}

/// <summary>Target <c>site/cap-list.json</c>: the abstract export <c>CAP List for site …</c> with what a polite client must know of each server.</summary>
public sealed record CapList
{
    public int Version { get; init; } = 1;
    public required string SiteCode { get; init; }
    public required IReadOnlyList<CapEntry> Caps { get; init; }
}

public sealed record CapEntry
{
    /// <summary>NAL path in classic form.</summary>
    public required string Path { get; init; }
    /// <summary><c>per-server:N</c>, <c>per-seat:N</c> or null for unlimited.</summary>
    public string? Licensing { get; init; }
    /// <summary>Connections left to others, below the limit.</summary>
    public int Headroom { get; init; }
    /// <summary>Other names of the same server.</summary>
    public IReadOnlyList<string> Aliases { get; init; } = [];
    /// <summary>How long a client holds a connection, for retry after a refusal. Default 2 s.</summary>
    public double MeanHoldSeconds { get; init; } = 2;
    /// <summary>How often a client looks at the pointer. Default 300 s.</summary>
    public int PollIntervalSeconds { get; init; } = 300;
}

/// <summary>Target <c>policy/&lt;device&gt;.json</c>: all that the site tells one device. Readable by every client, except <see cref="Secrets"/>.</summary>
public sealed record Policy
{
    public int Version { get; init; } = 1;
    public required string SiteCode { get; init; }
    public required string DeviceId { get; init; }
    /// <summary><c>approved</c> or <c>retired</c>.</summary>
    public required string State { get; init; }
    public required DeviceCertificate Certificate { get; init; }
    /// <summary>Ids of advertisements; shared targets of their own.</summary>
    public IReadOnlyList<string> Advertisements { get; init; } = [];
    /// <summary>JWE to the device's sealing key holding <see cref="PolicySecrets"/>; null when there are none.</summary>
    public string? Secrets { get; init; }
}

/// <summary>Says that two keys are one device of this site. Authentic because the policy that holds it is.</summary>
public sealed record DeviceCertificate
{
    public required string DeviceId { get; init; }
    public required Jwk SigningKey { get; init; }
    public required Jwk SealingKey { get; init; }
    /// <summary>Enrolment ordinal from 0: the device's place in evenly spread work.</summary>
    public required long Ordinal { get; init; }
    /// <summary>Unix seconds.</summary>
    public required long IssuedAt { get; init; }
    /// <summary>Unix seconds. Expiry never blocks uploads: the key is the identity.</summary>
    public required long ExpiresAt { get; init; }
}

/// <summary>What is sealed to one device.</summary>
public sealed record PolicySecrets
{
    public IReadOnlyList<AccountSecret> Accounts { get; init; } = [];
}

public sealed record AccountSecret(string Name, string Password);

/// <summary><c>receipts/&lt;bin&gt;</c>: a JWS by the site's receipts key over this.</summary>
public sealed record Receipts
{
    public int Version { get; init; } = 1;
    public required string SiteCode { get; init; }
    public required long Epoch { get; init; }
    /// <summary>Rises with each writing of this bin; a lower one is a roll-back and is ignored.</summary>
    public required long Revision { get; init; }
    public required string Bin { get; init; }
    public required IReadOnlyList<Receipt> Devices { get; init; }
}

/// <param name="DeviceId">Whose.</param>
/// <param name="Sequence">Last sequence ingested, 0 for none.</param>
/// <param name="RecordHash">Hash of that record's JWS, lower-case hexadecimal.</param>
/// <param name="Resync">Kinds that the site wants in full; empty normally.</param>
public sealed record Receipt(string DeviceId, long Sequence, string RecordHash, IReadOnlyList<string> Resync);
