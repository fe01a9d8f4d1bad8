using Capstan.Protocol.V1;
using Capstan.Site.Access;
using Capstan.Site.Api;
using Capstan.Site.Console;
using Capstan.Site.Fleet;
using Capstan.Site.Load;
using Capstan.Site.Publish;
using Capstan.Site.Store;

namespace Capstan.Site.Status;

/// <summary>All that decides whether the site is well.</summary>
internal sealed record HealthFacts(DateTimeOffset Now, int Quarantined, long QuarantineDropped, IReadOnlyList<CapState> Caps, DateTimeOffset? TimestampExpires,
    DateTimeOffset? RootExpires, bool RootKeyPresent, DateTimeOffset? LastSigned, IReadOnlyDictionary<string, InboxFacts> Inboxes, IReadOnlyDictionary<string, CycleFailure> Cycles)
{
    public AccountHandout Accounts { get; init; } = AccountHandout.Of([]);

    /// <summary>See <see cref="SettingStore.AccountsInDoubt"/>.</summary>
    public bool AccountsInDoubt { get; init; }

    /// <summary>Null when the site is not reached by TLS.</summary>
    public TlsFacts? Tls { get; init; }

    public long Epoch { get; init; } = 1;

    /// <summary>See <see cref="SettingStore.EpochSeen"/>; 0 for none.</summary>
    public long EpochSeen { get; init; }

    /// <summary>Clients that sign for a later epoch, the latest first.</summary>
    public IReadOnlyList<EpochClaim> EpochClaims { get; init; } = [];

    /// <summary>See <see cref="SettingStore.RolledBackFrom"/>; 0 for none.</summary>
    public long RolledBackFrom { get; init; }

    /// <summary>Packs that the site's own disk lacks, their bytes, and what keeps them from coming.</summary>
    public (int Packs, long Bytes, string? Problem) LackingContent { get; init; }

    /// <summary>How near each CAP is to its limit.</summary>
    public IReadOnlyList<CapJudgement> Loads { get; init; } = [];

    /// <summary>Those whose members are not what their queries say now.</summary>
    public IReadOnlyList<CollectionSummary> Collections { get; init; } = [];
}

/// <summary>Health conditions: one cause, one line. Pure.</summary>
internal static class HealthRules
{
    public static readonly TimeSpan RootWarning = TimeSpan.FromDays(180);
    public static readonly TimeSpan CertificateWarning = TimeSpan.FromDays(30);
    public static readonly TimeSpan TimestampWarning = TimeSpan.FromDays(14);
    public static readonly TimeSpan WaitingWarning = TimeSpan.FromHours(24);
    public static readonly TimeSpan ClockTolerance = TimeSpan.FromHours(1);

    private const int ShownAccounts = 5, ShownClients = 5;

    public static IReadOnlyList<HealthCondition> Judge(HealthFacts facts)
    {
        var conditions = new List<HealthCondition>();
        Cycles(facts, conditions);
        Clock(facts, conditions);
        Expiries(facts, conditions);
        if (facts.Tls is { } tls)
            Tls(tls, facts.Now, conditions);
        if (facts.Caps.Count == 0)
            conditions.Add(new("no_cap", "warning", "The site has no client access point, so no client can reach it.", "Add one: `capstan cap add PATH`."));
        foreach (var cap in facts.Caps)
            Cap(cap, facts, conditions);
        Accounts(facts.Accounts, conditions);
        if (facts.AccountsInDoubt)
            conditions.Add(new("accounts_in_doubt", "information",
                "Since the restore, policies say nothing of connection accounts: clients keep those that they have, which may be newer than the backup's.",
                "Compare `capstan cap account list` with the accounts of your servers; what you add or remove there is handed out, and ends this."));
        Epochs(facts, conditions);
        if (facts.RolledBackFrom > 0)
            conditions.Add(new("site_rolled_back", "error",
                $"A CAP showed version {facts.RolledBackFrom} of this site, which its database does not know: site.db was put back (a snapshot, a copied directory), and clients are ahead of it.",
                "Stop this site if another one runs with its keys. Otherwise stop it, run `capstan site new-epoch --data DIR`, and start it again: clients then send what is missing."));
        foreach (var load in facts.Loads)
            if (load is { Text: { } text, NextStep: { } step })
                conditions.Add(new(CapWatch.Code(load.Level), "warning", text, step));
        foreach (var collection in facts.Collections)
            Collection(collection, conditions);
        if (facts.LackingContent is { Packs: > 0 } lacking)
            conditions.Add(new("content_incomplete", "warning",
                $"The site's own disk lacks {Display.Plural(lacking.Packs, "pack")} of packages ({Display.Bytes(lacking.Bytes)}){(lacking.Problem is { } problem ? $", and {problem}" : "")}.",
                lacking.Problem is not null ? "Make room on the disk that holds the site's directory; they then come back from a client access point by themselves."
                    : "They come back by themselves from a client access point that has them. What stays is whole nowhere: `capstan content verify` names it; publish the packages that hold it again."));
        if (facts.Quarantined > 0)
            conditions.Add(new("quarantine", "warning",
                $"{facts.Quarantined} uploads are in quarantine{(facts.QuarantineDropped > 0 ? $"; {facts.QuarantineDropped} older files were dropped for want of room" : "")}.",
                "Look at their reasons: `capstan status` or the console's Quarantine page."));
        if (facts.RootKeyPresent)
            conditions.Add(new("root_key_online", "information", "The root key lies in the site's keys directory.",
                "Move keys/root.key.pem to a safe place that is offline; only a change of keys needs it."));
        return conditions;
    }

    /// <summary>One cause stops both parts, and is one line.</summary>
    private static void Cycles(HealthFacts facts, List<HealthCondition> conditions)
    {
        foreach (var failure in facts.Cycles.OrderBy(pair => pair.Key, StringComparer.Ordinal).GroupBy(pair => pair.Value.Message, StringComparer.Ordinal))
            conditions.Add(new("site_failing", "error",
                $"The site's {string.Join(" and ", failure.Select(pair => pair.Key))} failed {failure.Max(pair => pair.Value.Failures)} times in a row: {failure.Key}",
                failure.First().Value.IsDiskFull
                    ? "Free space on the disk that holds the site's directory; the site goes on by itself, and uploads wait in the inbox."
                    : "Look at the site's log for the cause; the site tries again by itself, and uploads wait in the inbox."));
    }

    private static void Clock(HealthFacts facts, List<HealthCondition> conditions)
    {
        if (facts.LastSigned - facts.Now > ClockTolerance)
            conditions.Add(new("clock_suspicious", "error",
                $"This machine's clock says {facts.Now:u}, but the site has signed metadata at {facts.LastSigned:u}: the clock is wrong now, or was wrong then. New metadata goes on from the later time.",
                "Set the clock (timedatectl), and leave it to a time service."));
    }

    private static void Tls(TlsFacts tls, DateTimeOffset now, List<HealthCondition> conditions)
    {
        if (tls.Until - now <= CertificateWarning)
            conditions.Add(new("certificate_expiring", tls.Until <= now ? "error" : "warning",
                $"The certificate {tls.File}, which users see, {(tls.Until <= now ? "ended" : "ends")} at {tls.Until.UtcDateTime:u}.",
                "Renew it in its place: the site reads it anew within a minute, without a restart."));
        if (tls.IsKeyOpen)
            conditions.Add(new("certificate_key_open", "warning", $"Everybody on this machine can read the key of the certificate {tls.File}.",
                "Take the right to read it from others (chmod o-rwx), and have a new certificate made if others were here."));
    }

    private static void Expiries(HealthFacts facts, List<HealthCondition> conditions)
    {
        if (facts.TimestampExpires - facts.Now < TimestampWarning)
            conditions.Add(new("timestamp_expiring", facts.TimestampExpires < facts.Now ? "error" : "warning",
                $"The published metadata expires {facts.TimestampExpires:u}; it is signed again weekly, which has not worked. Clients then take no new orders.",
                "Look for the cause in the site's log, then run `capstan cap publish`."));
        if (facts.RootExpires - facts.Now < RootWarning)
            conditions.Add(new("root_expiring", facts.RootExpires < facts.Now ? "error" : "warning", $"The root metadata expires {facts.RootExpires:u}.",
                "Stop the site, run `capstan site rotate-keys --data DIR --root-key FILE` with a copy of the root key, and start it again, before then."));
    }

    private static void Cap(CapState cap, HealthFacts facts, List<HealthCondition> conditions)
    {
        if (cap.Failure is { } failure)
            conditions.Add(new("cap_failing", "error",
                $"{cap.Path}: failing since {Times.At(failure.Since):u} ({failure.Count} times): {failure.Message}", NextStep(failure.Code)));
        else if (facts.Inboxes.TryGetValue(cap.Path, out var inbox))
        {
            if (inbox.Undeletable > 0)
                conditions.Add(new("inbox_delete_failed", "warning",
                    $"{cap.Path}: {inbox.Undeletable} uploads were taken in but cannot be deleted.", "Give the site's account the right to delete in inbox: `capstan cap check` prints the recipe."));
            if (inbox.FullBins > 0)
                conditions.Add(new("receipts_full", "error",
                    $"{cap.Path}: {inbox.FullBins} of the 256 bins have more clients than their receipts can name; these clients keep their uploads.", "Make a second site for some of the clients: `capstan site init`."));
            if (inbox.Unreadable > 0)
                conditions.Add(new("inbox_unreadable", "warning",
                    $"{cap.Path}: {inbox.Unreadable} files cannot be read and are left alone.", "Give the site's account the right to read in inbox: `capstan cap check` prints the recipe."));
            if (facts.Now - inbox.OldestWaiting > WaitingWarning)
                conditions.Add(new("inbox_waiting", "warning",
                    $"{cap.Path}: an upload waits since {inbox.OldestWaiting:u} for one that came before it, or for its own end.",
                    "Nothing to do: after 7 days the site goes on without it and asks the client for everything anew."));
        }
    }

    private static void Collection(CollectionSummary collection, List<HealthCondition> conditions)
    {
        if (collection.Error is not null)
            conditions.Add(new("collection_failed", "warning", $"Collection {collection.Name}: {collection.Problem}", $"Mend the query: `capstan collection edit \"{collection.Name}\" --query QUERY`; one of a newer version of the site is read by that version."));
        else if (collection.Held is { } held)
            conditions.Add(new("collection_held", "warning", $"Collection {collection.Name}: {held.Text}",
                $"Look at them with `capstan collection preview \"{collection.Name}\"`; `capstan collection edit \"{collection.Name}\" --yes` makes it so, another query does not."));
    }

    private static void Epochs(HealthFacts facts, List<HealthCondition> conditions)
    {
        if (facts.EpochSeen > facts.Epoch)
            conditions.Add(new("epoch_behind", "error",
                $"Clients sign for epoch {facts.EpochSeen} of this site, and this is epoch {facts.Epoch}: it was restored elsewhere since, or under a clock that was wrong.{Named(facts.EpochClaims.Where(claim => claim.Epoch <= facts.EpochSeen))}",
                "Stop this site if another one runs. Otherwise stop it, run `capstan site new-epoch --data DIR`, and start it again."));
        var doubtful = facts.EpochClaims.Where(claim => claim.Epoch > Math.Max(facts.EpochSeen, facts.Epoch)).ToList();
        if (doubtful.Count > 0)
            conditions.Add(new("epoch_doubtful", "warning",
                $"Some clients sign for epoch {doubtful.Max(claim => claim.Epoch)} of this site, which is later than any clock shows and is not believed until {EpochRule.Witnesses} clients do that are no copies of one another (or all, where there are fewer).{Named(doubtful)}",
                "Look at these machines: their state is damaged, or somebody else has their keys. `capstan client retire` ends what they may do; install them anew."));

        static string Named(IEnumerable<EpochClaim> claims) => claims.ToList() is { Count: > 0 } all
            ? $" They are {string.Join(", ", all.Take(ShownClients).Select(claim => claim.HostName))}{(all.Count > ShownClients ? $" and {all.Count - ShownClients} more" : "")}."
            : "";
    }

    private static void Accounts(AccountHandout accounts, List<HealthCondition> conditions)
    {
        foreach (var cap in accounts.Unreadable.GroupBy(row => row.Cap, StringComparer.Ordinal))
            conditions.Add(new("account_unreadable", "error",
                $"{cap.Key}: the password of {string.Join(", ", cap.Select(row => $"{row.Name} (of the {row.Role})"))} cannot be opened with the site's key, so it is not used. "
                    + (accounts.Silenced.Contains(cap.Key, StringComparer.Ordinal) ? "Clients keep the accounts that they have; policies bring no changes of accounts until then." : "The other accounts are used."),
                $"Database and keys come from different backups. {SiteAccounts.Remedy}"));
        if (accounts.LeftOut.Count > 0)
            conditions.Add(new("accounts_left_out", "warning",
                $"Clients are given {accounts.Accounts.Count} connection accounts, and {accounts.LeftOut.Count} are more than fit (at most {AccountSecret.MaxAccounts}, and {AccountHandout.MaxBytes >> 10} KiB): "
                    + $"{string.Join(", ", accounts.LeftOut.Take(ShownAccounts).Select(row => $"{row.Name} for {row.Cap}"))}{(accounts.LeftOut.Count > ShownAccounts ? ", …" : "")}.",
                "Remove those that nobody needs any more: `capstan cap account list`, then `capstan cap account remove`."));
    }

    private static string NextStep(string? code) => code switch
    {
        nameof(Nal.NalError.StorageFull) => "Free space there, or raise the quota; the site goes on by itself.",
        nameof(Nal.NalError.AccessDenied) => "Give the site's account the right to write there; `capstan cap check` prints the recipe.",
        nameof(Nal.NalError.NotFound) or nameof(Nal.NalError.Resolve) => "Bring the folder or share back (mount it); if a local folder was deleted, `capstan cap publish` makes and fills it again.",
        nameof(Nal.NalError.Connect) => "Check that the server runs and can be reached.",
        nameof(Nal.NalError.ServerFull) or nameof(Nal.NalError.WaitForSlot) => "Nothing to do: the site tries again by itself.",
        nameof(Nal.NalError.Authenticate) => "Check the account and its password.",
        CapSync.Overtaken => "Stop this site. If it is this one that is to live on, stop the other, then run `capstan site new-epoch --data DIR` here and start this one again.",
        "foreign_cap" => "Choose another folder, or empty this one if the other site is gone for good.",
        _ => "Look at the message and the site's log, then run `capstan cap publish`.",
    };
}
