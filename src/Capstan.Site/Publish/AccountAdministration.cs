using System.Data.Common;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers;
using Capstan.Protocol.V1;
using Capstan.Site.Api;
using Capstan.Site.Store;

namespace Capstan.Site.Publish;

/// <summary>Adds connection accounts to CAPs and takes them away. Every change is written down as a status message of the site.</summary>
internal sealed class AccountAdministration(SiteContext site, SiteAccounts accounts, DeviceStore devices, Publisher publisher)
{
    /// <summary>All of them, of each CAP and role in the order in which they are tried.</summary>
    public async Task<IReadOnlyList<CapAccountRow>> ListAsync(CancellationToken cancellationToken)
    {
        var all = await accounts.ListAsync(cancellationToken);
        var leftOut = AccountHandout.Of(all).LeftOut;
        var known = await devices.AccountRevisionsAsync(cancellationToken);
        var ownOfClients = all.Where(account => account.Row.Role == AccountRole.Clients).Select(account => account.Row.Cap).ToHashSet(StringComparer.Ordinal);
        return [.. all.Select(account => Row(account, leftOut.Contains(account.Row), account.Row.Role == AccountRole.Clients || !ownOfClients.Contains(account.Row.Cap), known))];
    }

    private static CapAccountRow Row(OpenedAccount account, bool isLeftOut, bool isUsedByClients, IReadOnlyList<(long Revision, int Devices)> known)
    {
        var (row, state) = (account.Row, account.Account is null ? CapAccountRow.Unreadable : isLeftOut ? CapAccountRow.LeftOut : CapAccountRow.Ok);
        var told = new CapAccountRow(row.Cap, row.Role, row.Name, state, Times.At(row.AddedAt));
        return !isUsedByClients || row.Revision == 0 || state != CapAccountRow.Ok ? told
            : told with { Confirmed = known.Where(group => group.Revision >= row.Revision).Sum(group => group.Devices), Clients = known.Sum(group => group.Devices) };
    }

    /// <summary>Refuses an account whose name the server of the CAP has with another password, or the CAP has already. One that cannot be opened is in nobody's way.</summary>
    /// <exception cref="SiteException"><c>account_exists</c>.</exception>
    public async Task RefuseKnownAsync(NalPath path, IReadOnlyList<(string Role, ConnectionAccount Account)> added, CancellationToken cancellationToken)
    {
        if (added.Count == 0)
            return;
        foreach (var (row, known) in await accounts.ListAsync(cancellationToken))
        {
            if (known is null)
                continue;
            var named = added.Where(account => IsNamed(row, account.Account.Name)).ToArray();
            if (string.Equals(NalPath.Parse(row.Cap).Server, path.Server, StringComparison.Ordinal)
                && named.Any(account => !string.Equals(account.Account.Password.Reveal(), known.Password.Reveal(), StringComparison.Ordinal)))
            {
                throw new SiteException($"The account {row.Name} is known for {path.Server} (of {row.Cap}) with another password. A password is never changed under its name, since whoever still has the old one would lock it: give the same one, or make another account at the server, and add that.",
                    "account_exists");
            }
            if (string.Equals(row.Cap, path.ToString(), StringComparison.Ordinal) && named.Any(account => account.Role == row.Role))
            {
                throw new SiteException($"{path} has the account {row.Name} already. A password is never changed under its name, since clients that still have the old one would lock it: make another account at the server, and add that.",
                    "account_exists");
            }
        }
    }

    /// <summary>One of the same name that cannot be opened gives way.</summary>
    /// <param name="revision">Of <see cref="ChangedAsync"/>, in the same transaction.</param>
    public async Task AddAsync(DbTransaction transaction, string cap, string role, ConnectionAccount account, long revision)
    {
        foreach (var row in await AccountStore.ListAsync(transaction))
        {
            if (IsOf(row, cap, role) && IsNamed(row, account.Name))
                await AccountStore.RemoveAsync(transaction, row);
        }
        await AccountStore.AddAsync(transaction, accounts.Seal(cap, role, account) with { Revision = revision });
        await WriteDownAsync(transaction, "account_added", $"Account {account.Name} of {Whose(role)} was added to {cap}.");
    }

    /// <summary>As <see cref="RemoveAsync"/> for all accounts of a CAP that goes off the list.</summary>
    public static async Task RemoveAllAsync(DbTransaction transaction, string cap, DateTimeOffset now)
    {
        if (await AccountStore.RemoveAllAsync(transaction, cap) > 0)
            await ChangedAsync(transaction, now);
    }

    /// <summary>Takes an account away from what the site uses, or gives to clients. At the server nothing changes.</summary>
    /// <param name="role">Null where the name alone says which one is meant.</param>
    /// <exception cref="SiteException"><c>account_unknown</c>, <c>account_ambiguous</c>, or <c>account_last</c>: without it the site, or its clients, would be without one of their own.</exception>
    public async Task<CapAccountRemoved> RemoveAsync(NalPath path, string name, string? role, CancellationToken cancellationToken)
    {
        var cap = path.ToString();
        var all = await accounts.ListAsync(cancellationToken);
        var readable = all.Where(account => account.Account is not null).Select(account => account.Row).ToHashSet();
        var leftOut = AccountHandout.Of(all).LeftOut;
        var removed = await site.Database.WriteAsync(async transaction =>
        {
            var rows = await AccountStore.ListAsync(transaction);
            var row = Find(rows, cap, name, role);
            var remaining = rows.Where(other => IsOf(other, cap, row.Role) && other != row).ToArray();
            if (remaining.Length == 0 || (readable.Contains(row) && !remaining.Any(readable.Contains)))
                throw Last(row);
            await AccountStore.RemoveAsync(transaction, row);
            await ChangedAsync(transaction, site.Time.GetUtcNow());
            await WriteDownAsync(transaction, "account_removed", $"Account {row.Name} of {Whose(row.Role)} was removed from {cap}.");
            var removal = new AccountRemoval(row, remaining, [.. rows.Where(other => other != row && IsNamed(other, row.Name) && SameServer(other.Cap, path))],
                IsUsedByClients: row.Role == AccountRole.Clients || !rows.Any(other => IsOf(other, cap, AccountRole.Clients)))
            {
                Given = [.. remaining.Where(other => readable.Contains(other) && !leftOut.Contains(other))],
            };
            return removal.Tell(removal.IsUsedByClients ? await DeviceStore.UnconfirmedAsync(transaction, removal.KnownRevision, removal.KnownSince, AccountRemoval.MostNames) : null);
        }, cancellationToken);
        publisher.Changed(PublishUrgency.Now);
        return removed;
    }

    /// <summary>Clients get other accounts with their next policy.</summary>
    /// <returns>The revision that those policies will have: like all versions not below the Unix time, so that a site that was restored from a backup takes no confirmation
    /// of what it has forgotten for one of what came since.</returns>
    public static async Task<long> ChangedAsync(DbTransaction transaction, DateTimeOffset now)
    {
        await SettingStore.RemoveAsync(transaction, SettingStore.AccountsInDoubt);
        await DeviceStore.PoliciesChangedAsync(transaction);
        return await SettingStore.RaiseAsync(transaction, SettingStore.AccountsRevision, Math.Max(1, now.ToUnixTimeSeconds()));
    }

    private static AccountRow Find(IReadOnlyList<AccountRow> rows, string cap, string name, string? role) =>
        rows.Where(row => (role is null ? string.Equals(row.Cap, cap, StringComparison.Ordinal) : IsOf(row, cap, role)) && IsNamed(row, name)).ToArray() switch
        {
            [var row] => row,
            [] => throw new SiteException($"{cap} has no account {name}{(role is null ? "" : $" of {Whose(role)}")}: `capstan cap account list` shows all.", "account_unknown"),
            _ => throw new SiteException($"{cap} has an account {name} of the site and one of the clients: say which with --role site or --role clients.", "account_ambiguous"),
        };

    private static SiteException Last(AccountRow row) => new(row.Role == AccountRole.Site
        ? $"{row.Name} is the last account with which the site opens {row.Cap}. Add another first: capstan cap add '{row.Cap}' --account NAME --password-file FILE"
        : $"{row.Name} is the last account of their own that clients have for {row.Cap}; without it they would get the site's, with all its rights. Add another first: capstan cap add '{row.Cap}' --client-account NAME --client-password-file FILE",
        "account_last");

    private async Task WriteDownAsync(DbTransaction transaction, string code, string text)
    {
        var now = site.Time.GetUtcNow();
        await StatusStore.AddAsync(transaction, null, new StatusMessage { Severity = "information", Code = code, Component = "caps", Text = text, ReportedAt = Times.Of(now) }, now);
    }

    private static string Whose(string role) => role == AccountRole.Site ? "the site" : "the clients";

    private static bool IsOf(AccountRow row, string cap, string role) =>
        string.Equals(row.Cap, cap, StringComparison.Ordinal) && string.Equals(row.Role, role, StringComparison.Ordinal);

    private static bool IsNamed(AccountRow row, string name) => row.Name.Equals(name, StringComparison.OrdinalIgnoreCase);

    private static bool SameServer(string cap, NalPath path) => string.Equals(NalPath.Parse(cap).Server, path.Server, StringComparison.Ordinal);
}
