using System.Collections.Concurrent;
using System.Data.Common;
using System.Globalization;
using Capstan.Nal.Providers;
using Capstan.Protocol;
using Capstan.Protocol.V1;
using Capstan.Site.Store;
using Microsoft.Extensions.Logging;

namespace Capstan.Site.Publish;

/// <summary>The connection accounts of the CAPs: sealed at rest, opened for the site's own way and for its clients. Thread-safe.</summary>
/// <remarks>One that cannot be opened is left out, logged once, and shown by health and <c>cap list</c>: it stops neither publishing nor enrolment.</remarks>
internal sealed class SiteAccounts(SiteContext site, AccountStore accounts, ILogger<SiteAccounts> logger)
{
    /// <summary>What to do about an account that cannot be opened.</summary>
    public const string Remedy = "Restore both from one backup, or give the account again with `capstan cap add PATH --account NAME` (of the clients: --client-account), or add another and remove this one with `capstan cap account remove`.";

    private readonly ConcurrentDictionary<(string Cap, string Role, string Name), bool> _told = new();

    /// <summary>What the site uses on one CAP, in the order in which it is tried. Empty where the storage needs none.</summary>
    /// <exception cref="SiteException"><c>account_unreadable</c>: there are some, and none can be opened.</exception>
    public async Task<IReadOnlyList<ConnectionAccount>> OfSiteAsync(string cap, CancellationToken cancellationToken) =>
        Of(await accounts.ListAsync(cancellationToken), cap, AccountRole.Site);

    /// <summary>What clients use on one CAP: their own accounts, or the site's when they have none.</summary>
    /// <exception cref="SiteException"><c>account_unreadable</c>: there are some, and none can be opened.</exception>
    public async Task<IReadOnlyList<ConnectionAccount>> OfClientsAsync(string cap, CancellationToken cancellationToken)
    {
        var rows = await accounts.ListAsync(cancellationToken);
        return Of(rows, cap, AccountRole.Clients) is { Count: > 0 } own ? own : Of(rows, cap, AccountRole.Site);
    }

    /// <summary>What policies bring for all CAPs, each account with its server. Null while there was never an account, and while those of a CAP cannot be opened
    /// (<see cref="AccountHandout.Silenced"/>): a policy without secrets says nothing, and clients keep what they have.</summary>
    public async Task<PolicySecrets?> ForPoliciesAsync(DbTransaction transaction)
    {
        if (await SettingStore.GetAsync(transaction, SettingStore.AccountsRevision) is not { } revision || await SettingStore.GetAsync(transaction, SettingStore.AccountsInDoubt) is not null)
            return null;
        var handout = Handout(await AccountStore.ListAsync(transaction));
        if (handout.Silenced.Count == 0)
            return new PolicySecrets { Accounts = handout.Accounts, Revision = long.Parse(revision, CultureInfo.InvariantCulture) };
        await SettingStore.SetAsync(transaction, SettingStore.AccountsWithheld, "1");
        return null;
    }

    /// <summary>Puts all policies on the list to publish once more when they were signed without accounts that can be told again: the right key is back, for example.</summary>
    public async Task ResumeAsync(DbTransaction transaction)
    {
        if (await SettingStore.GetAsync(transaction, SettingStore.AccountsWithheld) is null || Handout(await AccountStore.ListAsync(transaction)).Silenced.Count > 0)
            return;
        await SettingStore.RemoveAsync(transaction, SettingStore.AccountsWithheld);
        await DeviceStore.PoliciesChangedAsync(transaction);
    }

    /// <summary>What a token brings for all CAPs; null for none.</summary>
    public async Task<IReadOnlyList<AccountSecret>?> ForTokensAsync(CancellationToken cancellationToken) =>
        (await HandoutAsync(cancellationToken)).Accounts is { Count: > 0 } list ? list : null;

    /// <summary>What clients are given, and what not.</summary>
    public async Task<AccountHandout> HandoutAsync(CancellationToken cancellationToken) => Handout(await accounts.ListAsync(cancellationToken));

    /// <summary>Of all CAPs, in the order of the store.</summary>
    public async Task<IReadOnlyList<OpenedAccount>> ListAsync(CancellationToken cancellationToken) => Opened(await accounts.ListAsync(cancellationToken));

    /// <summary>A row for the store, added now.</summary>
    public AccountRow Seal(string cap, string role, ConnectionAccount account) => new(cap, role, account.Name,
        PolicySecretsCodec.Seal(new PolicySecrets { Accounts = [new AccountSecret(account.Name, account.Password.Reveal())] }, site.Keys.SealingKey), site.NowMilliseconds);

    private AccountHandout Handout(IReadOnlyList<AccountRow> rows) => AccountHandout.Of(Opened(rows));

    private OpenedAccount[] Opened(IReadOnlyList<AccountRow> rows) => [.. rows.Select(row => new OpenedAccount(row, Open(row)))];

    private List<ConnectionAccount> Of(IReadOnlyList<AccountRow> rows, string cap, string role)
    {
        var there = rows.Where(row => string.Equals(row.Cap, cap, StringComparison.Ordinal) && string.Equals(row.Role, role, StringComparison.Ordinal)).ToArray();
        var usable = there.Select(Open).OfType<ConnectionAccount>().ToList();
        return usable.Count > 0 || there.Length == 0
            ? usable
            : throw new SiteException($"The password of account {there[0].Name} for {cap} cannot be opened with {site.Directory.Keys}/sealing.key.pem: database and keys come from different backups. {Remedy}",
                "account_unreadable");
    }

    /// <summary>As it lies in the store; null when it cannot be opened.</summary>
    public ConnectionAccount? Open(AccountRow row)
    {
        try
        {
            return PolicySecretsCodec.Open(row.Secret, site.Keys.Sealing).Accounts is [var account] ? new ConnectionAccount(account.Name, new Secret(account.Password)) : null;
        }
        catch (ProtocolException cause)
        {
            if (_told.TryAdd((row.Cap, row.Role, row.Name), true))
                SiteLog.AccountUnreadable(logger, row.Name, row.Cap, row.Role, cause.Message);
            return null;
        }
    }
}
