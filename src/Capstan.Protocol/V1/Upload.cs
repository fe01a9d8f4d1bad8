using System.Text.Json;
using Capstan.Protocol.Jose;

namespace Capstan.Protocol.V1;

/// <summary>One record of a device: everything of one cycle. Signed by the device (JWS), then sealed to the site (JWE).</summary>
public sealed record Upload
{
    public int Version { get; init; } = 1;
    public required string SiteCode { get; init; }
    public required long Epoch { get; init; }
    /// <summary>RFC 7638 thumbprint of the sealing key that this is meant for.</summary>
    public required string Recipient { get; init; }
    public required string DeviceId { get; init; }
    /// <summary>From 1, without gaps.</summary>
    public required long Sequence { get; init; }
    /// <summary>Hash of the previous record's JWS, lower-case hexadecimal; 64 zeros before the first.</summary>
    public required string Previous { get; init; }
    /// <summary>Unix milliseconds by the device's clock: shown, never used to decide.</summary>
    public required long CreatedAt { get; init; }
    /// <summary>Random, made at installation, and anew when the directory is found on other hardware: tells a clone from the original.</summary>
    public required string InstallNonce { get; init; }
    /// <summary>Random, made at each start of the client: two machines that speak in turn under one identity are told from one that was restarted. Null from a client that tells none.</summary>
    public string? Instance { get; init; }
    /// <summary>The <see cref="Instance"/> of the start before under which this device made records, as its disk remembers it: two machines that are never on together are told from one that is set back. Null for none, and from a client that tells none.</summary>
    public string? PreviousInstance { get; init; }
    public required IReadOnlyList<UploadItem> Items { get; init; }

    public const string NoPrevious = "0000000000000000000000000000000000000000000000000000000000000000";

    /// <summary>Most items of one upload.</summary>
    public const int MaxItems = 256;

    internal void Check(Problems problems)
    {
        problems.Version(Version);
        problems.Site(SiteCode);
        problems.Range("epoch", Epoch, 1, long.MaxValue);
        problems.Require(Recipient.Length == 43, "recipient", "must be the RFC 7638 thumbprint of the site's sealing key");
        problems.Device("deviceId", DeviceId);
        problems.Range("sequence", Sequence, 1, long.MaxValue);
        problems.Hash("previous", Previous);
        problems.Milliseconds("createdAt", CreatedAt);
        problems.Line("installNonce", InstallNonce, 128);
        if (Instance is not null)
            problems.Line("instance", Instance, 128);
        if (PreviousInstance is not null)
            problems.Line("previousInstance", PreviousInstance, 128);
        problems.Require(Items.Count > 0, "items", "must not be empty");
        problems.Each("items", Items, static (problems, item) => item.Check(problems), MaxItems);
    }
}

/// <param name="Kind">One of <see cref="ItemKind"/>.</param>
/// <param name="Body">The document of that kind.</param>
public sealed record UploadItem(string Kind, JsonElement Body)
{
    internal void Check(Problems problems)
    {
        problems.Word("kind", Kind);
        problems.Require(Body.ValueKind == JsonValueKind.Object, "body", "must be a JSON object");
    }
}

public static class ItemKind
{
    public const string ConfigurationRequest = "configuration-request";
    public const string Heartbeat = "heartbeat";
    public const string HardwareInventory = "hardware-inventory";
    public const string SoftwareInventory = "software-inventory";
    public const string Status = "status";
    public const string CapUse = "cap-use";
    public const string SealingKey = "sealing-key";
    public const string Diagnosis = "diagnosis";
    public const string Programs = "programs";
    public const string Departure = "departure";
}

/// <summary>Asks the site to make this machine its client (CCR).</summary>
public sealed record ConfigurationRequest
{
    /// <summary>Stands for a token that is not there any more: <see cref="Former"/> speaks for this machine, or, when its site has forgotten it, a person.</summary>
    public const string NoToken = "none";

    public int Version { get; init; } = 1;
    public required string TokenId { get; init; }
    public required string TokenSecret { get; init; }
    public required Jwk SigningKey { get; init; }
    public required Jwk SealingKey { get; init; }
    /// <summary>Self-reported: shown, never used to decide.</summary>
    public required string HostName { get; init; }
    public required string OperatingSystem { get; init; }
    public required string ClientVersion { get; init; }
    /// <summary>For a machine that was told to give up an identity which another machine has, too; null otherwise.</summary>
    public FormerIdentity? Former { get; init; }

    /// <summary>Without the secret.</summary>
    public override string ToString() => $"{nameof(ConfigurationRequest)} {{ TokenId = {TokenId}, TokenSecret = (hidden), HostName = {HostName} }}";

    internal void Check(Problems problems)
    {
        problems.Version(Version);
        problems.Word("tokenId", TokenId);
        problems.Name("tokenSecret", TokenSecret, 128);
        problems.Key("signingKey", SigningKey);
        problems.Key("sealingKey", SealingKey);
        problems.Text("hostName", HostName);
        problems.Text("operatingSystem", OperatingSystem);
        problems.Text("clientVersion", ClientVersion);
        if (Former is not null)
            problems.Part("former", Former, static (problems, part) => part.Check(problems));
    }
}

/// <summary>Discovery data record (DDR).</summary>
public sealed record Heartbeat
{
    public int Version { get; init; } = 1;
    public required string HostName { get; init; }
    public required string OperatingSystem { get; init; }
    public required string ClientVersion { get; init; }
    /// <summary>Version of the policy target in force; 0 for none.</summary>
    public required long PolicyVersion { get; init; }
    public required IReadOnlyList<string> Addresses { get; init; }
    public required IReadOnlyList<ComponentState> Components { get; init; }
    /// <summary>Revision of the connection accounts that this device has opened and stored: the site may take older ones away. Null: none with a revision.</summary>
    public long? AccountsRevision { get; init; }
    /// <summary>What its agent was built for, for example <c>linux-x64</c>; null from an agent that does not tell.</summary>
    public string? Platform { get; init; }

    internal void Check(Problems problems)
    {
        problems.Version(Version);
        problems.Text("hostName", HostName);
        problems.Text("operatingSystem", OperatingSystem);
        problems.Text("clientVersion", ClientVersion);
        if (Platform is not null)
            problems.Word("platform", Platform);
        problems.Range("policyVersion", PolicyVersion, 0, long.MaxValue);
        problems.Each("addresses", Addresses, static (problems, address) => problems.Text("", address), 1_000);
        problems.Each("components", Components, static (problems, component) => component.Check(problems), 1_000);
        problems.Require(AccountsRevision is null or >= 1, "accountsRevision", "must be at least 1");
    }
}

/// <param name="Name">For example <c>hardware-inventory</c>.</param>
/// <param name="State"><c>ok</c>, <c>failed</c>, <c>not-implemented</c>.</param>
/// <param name="Detail">One line; null when ok.</param>
public sealed record ComponentState(string Name, string State, string? Detail)
{
    internal void Check(Problems problems)
    {
        problems.Word("name", Name);
        problems.Word("state", State);
        problems.Text("detail", Detail);
    }
}

/// <summary>A status message. Codes and their meaning: docs/events.md.</summary>
public sealed record StatusMessage
{
    public int Version { get; init; } = 1;
    /// <summary><c>error</c>, <c>warning</c> or <c>information</c>.</summary>
    public required string Severity { get; init; }
    /// <summary>For example <c>policy_invalid</c>.</summary>
    public required string Code { get; init; }
    public required string Component { get; init; }
    /// <summary>One line: cause, limit, reading, next step.</summary>
    public required string Text { get; init; }
    /// <summary>Unix milliseconds by the device's clock.</summary>
    public required long ReportedAt { get; init; }
    /// <summary>How often it happened since it was last reported; at least 1.</summary>
    public int Count { get; init; } = 1;

    internal void Check(Problems problems)
    {
        problems.Version(Version);
        problems.OneOf("severity", Severity, "error", "warning", "information");
        problems.Word("code", Code);
        problems.Word("component", Component);
        problems.Text("text", Text);
        problems.Milliseconds("reportedAt", ReportedAt);
        problems.Range("count", Count, 1, int.MaxValue);
    }
}
