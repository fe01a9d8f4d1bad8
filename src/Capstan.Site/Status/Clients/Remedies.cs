namespace Capstan.Site.Status.Clients;

/// <summary>What an administrator does about what a client reported, by code. Pure; docs/events.md says what each means.</summary>
internal static class Remedies
{
    private static readonly Dictionary<string, string> s_byCode = new(StringComparer.Ordinal)
    {
        ["policy_invalid"] = "Publish again (`capstan cap publish`). If it returns, somebody alters that CAP: `capstan cap check PATH`.",
        ["policy_expired"] = "Let the site run so that it signs again, and look at the client's clock.",
        ["policy_missing"] = "Publish again (`capstan cap publish`).",
        ["secrets_invalid"] = "`capstan client rekey` gives it a new sealing key; if that does not help, install it again with a token.",
        ["receipts_invalid"] = "Let the site write to that CAP again (`capstan cap list`). If it returns, somebody alters it.",
        ["cap_path_invalid"] = "Correct the path on the list (`capstan cap list`), or update the client.",
        ["cap_full"] = "Nothing, if it is rare: it gets its turn. Otherwise raise the server's limit, or add a CAP on another server.",
        ["component_failed"] = "Read the cause; `capstan client diagnose` fetches its log.",
        ["item_too_large"] = "Report it: the limits are 8 MiB sealed and 32 MiB of JSON.",
        ["build_failed"] = "Find out why (`capstan client diagnose`), then order another build: `capstan client build use`.",
        ["build_damaged"] = "Look at that machine's disk; find out who writes below the client's directory.",
        ["build_invalid"] = "Publish again (`capstan cap publish`). If it returns, somebody alters that CAP.",
        ["build_waits"] = "Make room on its disk, or order another build.",
        ["setting_ignored"] = "Update the client, or change the setting: `capstan setting list --client ID`.",
    };

    /// <summary>Codes that tell of something which is over when it is told, and those of the site itself.</summary>
    private static readonly HashSet<string> s_notes = new(StringComparer.Ordinal)
    {
        // The first is told when a CAP could be reached again; while none can, the client is silent.
        "cap_unreachable", "chain_forked", "component_not_implemented", "retirement_forgotten", "machine_changed", "build_changed", "client_approved", "client_pending", "client_retired", "client_resync",
        "client_rekeyed", "client_moved", "client_diagnosed", "identity_shared", "unknown_item_kind",
    };

    /// <summary>Errors of any code, and the warnings that have a remedy here.</summary>
    public static bool IsCause(string code, string severity) =>
        !s_notes.Contains(code) && (severity == ClientHealthRules.Error || (severity == ClientHealthRules.Warning && s_byCode.ContainsKey(code)));

    public static string Of(string code) => s_byCode.GetValueOrDefault(code, "Read the message (`capstan status --client ID`); docs/events.md says what its code means.");
}
