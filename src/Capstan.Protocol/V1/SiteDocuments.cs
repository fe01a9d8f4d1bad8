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
    /// <summary>Sealing keys that were replaced and still open what was signed for them; at most 16. Null for none.</summary>
    public IReadOnlyList<Jwk>? FormerSealingKeys { get; init; }
    /// <summary>How often a client does a whole verification cycle. Default 23 h.</summary>
    public int CycleSeconds { get; init; } = 82_800;
    /// <summary>How often a client sends a heartbeat. Default 7 days.</summary>
    public int HeartbeatSeconds { get; init; } = 604_800;
    /// <summary>How often inventory is collected; it is uploaded only when it changed. Default 1 day.</summary>
    public int InventorySeconds { get; init; } = 86_400;

    /// <summary>Where the site's machines are, at most <see cref="Boundary.Most"/>. A client outside of them stays with its site. Null for none.</summary>
    public IReadOnlyList<string>? Boundaries { get; init; }

    /// <summary>Most of <see cref="FormerSealingKeys"/>.</summary>
    public const int MaxFormerKeys = 16;

    private const int MaxSeconds = 366 * 86_400;

    /// <summary>The key with this id, the present one or a former one; null when uploads are not sealed to it any more.</summary>
    public Jwk? SealingKeyFor(string keyId) => SealingKey.Thumbprint() == keyId ? SealingKey : FormerSealingKeys?.FirstOrDefault(key => key.Thumbprint() == keyId);

    internal void Check(Problems problems)
    {
        problems.Version(Version);
        problems.Site(SiteCode);
        problems.Range("epoch", Epoch, 1, long.MaxValue);
        problems.Key("sealingKey", SealingKey);
        problems.Key("receiptsKey", ReceiptsKey);
        if (FormerSealingKeys is not null)
            problems.Each("formerSealingKeys", FormerSealingKeys, static (problems, key) => problems.Key("", key), MaxFormerKeys);
        problems.Boundaries("boundaries", Boundaries);
        problems.Range("cycleSeconds", CycleSeconds, 1, MaxSeconds);
        problems.Range("heartbeatSeconds", HeartbeatSeconds, 1, MaxSeconds);
        problems.Range("inventorySeconds", InventorySeconds, 1, MaxSeconds);
    }
}

/// <summary>Target <c>site/cap-list.json</c>: the abstract export <c>CAP List for site …</c> with what a polite client must know of each server.</summary>
public sealed record CapList
{
    public int Version { get; init; } = 1;
    public required string SiteCode { get; init; }
    public required IReadOnlyList<CapEntry> Caps { get; init; }

    internal const int MaxCaps = 1_000;

    internal void Check(Problems problems)
    {
        problems.Version(Version);
        problems.Site(SiteCode);
        problems.Each("caps", Caps, static (problems, cap) => cap.Check(problems), MaxCaps);
    }
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
    /// <summary>Where this CAP is near, at most <see cref="Boundary.Most"/>: a client there tries it before others. Null for nowhere in particular.</summary>
    public IReadOnlyList<string>? Boundaries { get; init; }

    internal void Check(Problems problems)
    {
        problems.Line("path", Path);
        problems.Require(Licensing is null || LicensingMode.Limit(Licensing) is not null, "licensing", "must be per-server:N or per-seat:N");
        problems.Range("headroom", Headroom, 0, int.MaxValue);
        problems.Require(Licensing is null || LicensingMode.Limit(Licensing) is not { } limit || Headroom < limit, "headroom", "must be below the limit");
        problems.Each("aliases", Aliases, static (problems, name) => problems.Line("", name, 255), 64);
        problems.Require(MeanHoldSeconds is > 0 and <= 86_400, "meanHoldSeconds", "must be above 0, at most 86400");
        problems.Range("pollIntervalSeconds", PollIntervalSeconds, 1, 31 * 86_400);
        problems.Boundaries("boundaries", Boundaries);
    }
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
    /// <summary>Machines that use this identity beside its owner, by <see cref="Upload.InstallNonce"/> or <see cref="Upload.Instance"/>: each makes its own and asks again. Null for none.</summary>
    public IReadOnlyList<string>? NewIdentity { get; init; }

    /// <summary>Most machines that one policy names.</summary>
    public const int MaxNewIdentities = 16;
    /// <summary>Number of the last order to send everything in full: one above all that the device has followed is to be followed. Null for none ever.</summary>
    public long? Resync { get; init; }
    /// <summary>Number of the last order to make a new sealing key; rises. Null for none ever.</summary>
    public long? Rekey { get; init; }
    /// <summary>Number of the last order to report what the client knows of itself; rises. Null for none ever.</summary>
    public long? Diagnose { get; init; }
    /// <summary>What is set for this device, each name once; what is not set has its default. Null for nothing.</summary>
    public IReadOnlyList<PolicySetting>? Settings { get; init; }

    /// <summary>Most of <see cref="Settings"/>.</summary>
    public const int MaxSettings = 64;
    /// <summary>JWE to the device's sealing key holding <see cref="PolicySecrets"/>; null when there are none.</summary>
    public string? Secrets { get; init; }

    internal void Check(Problems problems)
    {
        problems.Version(Version);
        problems.Site(SiteCode);
        problems.Device("deviceId", DeviceId);
        problems.OneOf("state", State, "approved", "retired");
        problems.Part("certificate", Certificate, static (problems, part) => part.Check(problems));
        problems.Require(Certificate.DeviceId == DeviceId, "certificate.deviceId", "must be the policy's deviceId");
        problems.Each("advertisements", Advertisements, static (problems, id) => problems.Word("", id));
        if (NewIdentity is not null)
            problems.Each("newIdentity", NewIdentity, static (problems, speaker) => problems.Line("", speaker, 128), MaxNewIdentities);
        problems.Range("resync", Resync ?? 1, 1, long.MaxValue);
        problems.Range("rekey", Rekey ?? 1, 1, long.MaxValue);
        problems.Range("diagnose", Diagnose ?? 1, 1, long.MaxValue);
        if (Settings is not null)
        {
            problems.Each("settings", Settings, static (problems, setting) => setting.Check(problems), MaxSettings);
            problems.Require(Settings.DistinctBy(setting => setting?.Name, StringComparer.Ordinal).Count() == Settings.Count, "settings", "must name each setting once");
        }
        problems.Text("secrets", Secrets, 128 << 10);
    }
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

    internal void Check(Problems problems)
    {
        problems.Device("deviceId", DeviceId);
        problems.Key("signingKey", SigningKey);
        problems.Key("sealingKey", SealingKey);
        if (SigningKey.Problem() is null)
            problems.Require(Protocol.DeviceId.FromKey(SigningKey).Value == DeviceId, "deviceId", "must be the id of its signingKey");
        problems.Range("ordinal", Ordinal, 0, long.MaxValue);
        problems.Seconds("issuedAt", IssuedAt);
        problems.Seconds("expiresAt", ExpiresAt);
    }
}

/// <summary>What is sealed to one device.</summary>
public sealed record PolicySecrets
{
    internal const int MaxAccounts = 64;

    public int Version { get; init; } = 1;

    /// <summary>Connection accounts in the order in which they are tried; at most 64, each name once for one server.</summary>
    public IReadOnlyList<AccountSecret> Accounts { get; init; } = [];

    /// <summary>Rises with each change of the site's accounts; the device says in <see cref="Heartbeat.AccountsRevision"/> which it has. Null: not told.</summary>
    public long? Revision { get; init; }

    /// <summary>Names only.</summary>
    public override string ToString() => $"{nameof(PolicySecrets)} {{ Accounts = {string.Join(", ", Accounts.Select(account => account.Name))} }}";

    internal void Check(Problems problems)
    {
        problems.Version(Version);
        AccountSecret.Check(Accounts, problems);
        problems.Require(Revision is null or >= 1, "revision", "must be at least 1");
    }
}

/// <summary>A connection account: it opens storage and gives no other right.</summary>
/// <param name="Name">As the server knows it.</param>
/// <param name="Server">Canonical <c>host:port</c> of the server that knows it; null for every server of the CAP list.</param>
public sealed record AccountSecret(string Name, string Password, string? Server = null)
{
    /// <summary>Most of them in one document.</summary>
    public const int MaxAccounts = PolicySecrets.MaxAccounts;

    /// <summary>Checks the member <c>accounts</c>.</summary>
    internal static void Check(IReadOnlyList<AccountSecret> accounts, Problems problems)
    {
        problems.Each("accounts", accounts, static (problems, account) => account.Check(problems), MaxAccounts);
        problems.Require(accounts.DistinctBy(account => (account?.Name.ToUpperInvariant(), account?.Server)).Count() == accounts.Count, "accounts", "must name each account once");
    }

    /// <summary>The name only.</summary>
    public override string ToString() => $"{nameof(AccountSecret)} {{ Name = {Name}, Password = (hidden) }}";

    internal void Check(Problems problems)
    {
        problems.Line("name", Name, 256);
        problems.Text("password", Password, 1024);
        if (Server is not null)
            problems.Line("server", Server, 300);
    }
}

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

    internal void Check(Problems problems)
    {
        problems.Version(Version);
        problems.Site(SiteCode);
        problems.Range("epoch", Epoch, 1, long.MaxValue);
        problems.Range("revision", Revision, 1, long.MaxValue);
        problems.Require(Bin.Length == 2 && Bin.All(char.IsAsciiHexDigitLower), "bin", "must be two lower-case hexadecimal digits");
        problems.Each("devices", Devices, (problems, receipt) => receipt.Check(Bin, problems));
        problems.Require(Devices.DistinctBy(receipt => receipt?.DeviceId, StringComparer.Ordinal).Count() == Devices.Count, "devices", "must name each device once");
    }
}

/// <param name="DeviceId">Whose.</param>
/// <param name="Sequence">Last sequence ingested, 0 for none.</param>
/// <param name="RecordHash">Hash of that record's JWS, lower-case hexadecimal.</param>
/// <param name="Resync">Kinds that the site wants in full; empty normally.</param>
public sealed record Receipt(string DeviceId, long Sequence, string RecordHash, IReadOnlyList<string> Resync)
{
    internal void Check(string bin, Problems problems)
    {
        problems.Device("deviceId", DeviceId);
        if (Protocol.DeviceId.TryParse(DeviceId, out var id))
            problems.Require(id.Bin == bin, "deviceId", "belongs to another bin");
        problems.Range("sequence", Sequence, 0, long.MaxValue);
        problems.Hash("recordHash", RecordHash);
        problems.Each("resync", Resync, static (problems, word) => problems.Word("", word), 64);
    }
}
