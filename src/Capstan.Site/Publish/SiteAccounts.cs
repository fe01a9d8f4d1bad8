using System.Data.Common;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers;
using Capstan.Protocol;
using Capstan.Protocol.V1;
using Capstan.Site.Store;

namespace Capstan.Site.Publish;

/// <summary>The connection accounts of the CAPs: sealed at rest, opened for the site's own way and for its clients. Thread-safe.</summary>
internal sealed class SiteAccounts(SiteContext site, AccountStore accounts)
{
    /// <summary>What the site uses on one CAP, in the order in which it is tried. Empty where the storage needs none.</summary>
    /// <exception cref="SiteException"><c>account_unreadable</c>.</exception>
    public async Task<IReadOnlyList<ConnectionAccount>> OfSiteAsync(string cap, CancellationToken cancellationToken) =>
        Of(await accounts.ListAsync(cancellationToken), cap, AccountRole.Site);

    /// <summary>What clients use on one CAP: their own accounts, or the site's when they have none.</summary>
    /// <exception cref="SiteException"><c>account_unreadable</c>.</exception>
    public async Task<IReadOnlyList<ConnectionAccount>> OfClientsAsync(string cap, CancellationToken cancellationToken) =>
        Of(await accounts.ListAsync(cancellationToken), cap, AccountRole.Clients) is { Count: > 0 } own ? own : await OfSiteAsync(cap, cancellationToken);

    /// <summary>What clients get for all CAPs, each account with its server. Null while there was never an account: nothing is sealed then.</summary>
    /// <exception cref="SiteException"><c>account_unreadable</c>.</exception>
    public async Task<PolicySecrets?> ForClientsAsync(DbTransaction transaction) => await SettingStore.GetAsync(transaction, SettingStore.AccountsRevision) is null
        ? null
        : new PolicySecrets { Accounts = ForClients(await AccountStore.ListAsync(transaction)) };

    /// <summary>As <see cref="ForClientsAsync(DbTransaction)"/>, outside a transaction; null when there is none.</summary>
    /// <exception cref="SiteException"><c>account_unreadable</c>.</exception>
    public async Task<IReadOnlyList<AccountSecret>?> ForClientsAsync(CancellationToken cancellationToken) =>
        ForClients(await accounts.ListAsync(cancellationToken)) is { Count: > 0 } list ? list : null;

    /// <summary>A row for the store.</summary>
    public AccountRow Seal(string cap, string role, ConnectionAccount account) => new(cap, role, account.Name,
        PolicySecretsCodec.Seal(new PolicySecrets { Accounts = [new AccountSecret(account.Name, account.Password.Reveal())] }, site.Keys.SealingKey));

    private IReadOnlyList<AccountSecret> ForClients(IReadOnlyList<AccountRow> rows) =>
    [
        .. rows.Select(row => row.Cap).Distinct(StringComparer.Ordinal)
            .SelectMany(cap => (Of(rows, cap, AccountRole.Clients) is { Count: > 0 } own ? own : Of(rows, cap, AccountRole.Site))
                .Select(account => new AccountSecret(account.Name, account.Password.Reveal(), NalPath.Parse(cap).Server)))
            .DistinctBy(account => (account.Name.ToUpperInvariant(), account.Server)),
    ];

    private IReadOnlyList<ConnectionAccount> Of(IReadOnlyList<AccountRow> rows, string cap, string role) =>
        [.. rows.Where(row => string.Equals(row.Cap, cap, StringComparison.Ordinal) && string.Equals(row.Role, role, StringComparison.Ordinal)).Select(Open)];

    public ConnectionAccount Open(AccountRow row)
    {
        try
        {
            var account = PolicySecretsCodec.Open(row.Secret, site.Keys.Sealing).Accounts.Single();
            return new ConnectionAccount(account.Name, new Secret(account.Password));
        }
        catch (ProtocolException cause)
        {
            throw new SiteException($"The password of account {row.Name} for {row.Cap} cannot be opened with {site.Directory.Keys}/sealing.key.pem: database and keys come from different backups. Restore both from one, or add another account with `capstan cap add PATH --account NAME`.",
                "account_unreadable", cause);
        }
    }
}
