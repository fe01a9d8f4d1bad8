namespace Capstan.Client;

/// <summary>Codes of the status messages that a client sends. Stable: docs/events.md says what each means.</summary>
internal static class StatusCode
{
    public const string PolicyInvalid = "policy_invalid";
    public const string PolicyExpired = "policy_expired";
    public const string PolicyMissing = "policy_missing";
    public const string CapPathInvalid = "cap_path_invalid";
    public const string ReceiptsInvalid = "receipts_invalid";
    public const string ChainForked = "chain_forked";
    public const string ComponentFailed = "component_failed";
    public const string ComponentNotImplemented = "component_not_implemented";
    public const string ItemTooLarge = "item_too_large";
    public const string SecretsInvalid = "secrets_invalid";
    public const string RetirementForgotten = "retirement_forgotten";
    public const string CapUnreachable = "cap_unreachable";
    public const string CapFull = "cap_full";
    public const string MachineChanged = "machine_changed";
    public const string BuildChanged = "build_changed";
    public const string BuildFailed = "build_failed";
    public const string BuildDamaged = "build_damaged";
    public const string BuildInvalid = "build_invalid";
    public const string BuildWaits = "build_waits";
    public const string SettingIgnored = "setting_ignored";
    public const string AdvertisementInvalid = "advertisement_invalid";
    public const string ProgramStarted = "program_started";
    public const string ProgramSucceeded = "program_succeeded";
    public const string ProgramFailed = "program_failed";
    public const string ProgramUnknown = "program_unknown";
    public const string ContentSourceBad = "content_source_bad";
}

/// <summary>Names of the times that survive a restart as hints.</summary>
internal static class MomentName
{
    public const string Poll = "poll";
    public const string Complete = "complete";
    public const string Heartbeat = "heartbeat";
    public const string Inventory = "inventory";
}
