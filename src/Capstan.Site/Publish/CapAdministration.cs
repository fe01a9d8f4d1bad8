using Capstan.Nal;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers;
using Capstan.Site.Api;
using Capstan.Site.Store;

namespace Capstan.Site.Publish;

/// <summary>Adds client access points and their accounts to the list, and takes them off.</summary>
internal sealed class CapAdministration(SiteContext site, CapStore caps, AccountStore known, SiteAccounts accounts, CapAccess access, CapWriter writer, Publisher publisher)
{
    /// <summary>Looks at the storage first, with each account, so that a wrong path or password is refused now and not found out by clients; then publishes there.</summary>
    /// <remarks>A path that is on the list gets the accounts alone: how accounts are changed, since no password changes under its name.</remarks>
    /// <exception cref="SiteException">On the list already with nothing to add, another site's, or not usable.</exception>
    public async Task<CapAdded> AddAsync(NalPath path, CapAdd request, CancellationToken cancellationToken)
    {
        var text = path.ToString();
        var added = Accounts(request);
        var isListed = (await caps.ListAsync(cancellationToken)).Any(cap => string.Equals(cap.Path, text, StringComparison.Ordinal));
        if (isListed && added.Count == 0)
            throw Listed(text);
        await RefuseKnownNamesAsync(text, added, cancellationToken);
        await LookAsync(path, request, isListed, cancellationToken);

        await site.Database.WriteAsync(async transaction =>
        {
            var now = site.Time.GetUtcNow();
            if (!isListed && !await CapStore.AddAsync(transaction, text, request.Licensing, request.Headroom, now))
                throw Listed(text);
            foreach (var (role, account) in added)
                await AccountStore.AddAsync(transaction, accounts.Seal(text, role, account), now);
            if (added.Count > 0)
                await ChangedAsync(transaction);
        }, cancellationToken);
        await publisher.PublishNowAsync(text, cancellationToken);
        var row = (await caps.ListAsync(cancellationToken)).First(cap => string.Equals(cap.Path, text, StringComparison.Ordinal)).ToRow();
        return new CapAdded(row, CapText.Recipe(path, row.Accounts, row.ClientAccounts));
    }

    /// <summary>False when it was not on the list. What lies there is left alone.</summary>
    public async Task<bool> RemoveAsync(NalPath path, CancellationToken cancellationToken)
    {
        var removed = await site.Database.WriteAsync(async transaction =>
        {
            if (!await CapStore.RemoveAsync(transaction, path.ToString()))
                return false;
            if (await AccountStore.RemoveAsync(transaction, path.ToString()) > 0)
                await ChangedAsync(transaction);
            return true;
        }, cancellationToken);
        if (removed)
            publisher.Changed(PublishUrgency.Now);
        return removed;
    }

    private static SiteException Listed(string path) => new($"{path} is on the list of client access points already.", "cap_exists");

    private static async Task ChangedAsync(System.Data.Common.DbTransaction transaction)
    {
        await SettingStore.AddAsync(transaction, SettingStore.AccountsRevision, 1);
        await DeviceStore.PoliciesChangedAsync(transaction);
    }

    private static List<(string Role, ConnectionAccount Account)> Accounts(CapAdd request)
    {
        var list = new List<(string, ConnectionAccount)>();
        if (request.Account is { } own)
            list.Add((AccountRole.Site, new ConnectionAccount(own.Name, new Secret(own.Password))));
        if (request.ClientAccount is { } clients)
            list.Add((AccountRole.Clients, new ConnectionAccount(clients.Name, new Secret(clients.Password))));
        return list;
    }

    private async Task RefuseKnownNamesAsync(string path, List<(string Role, ConnectionAccount Account)> added, CancellationToken cancellationToken)
    {
        if (added.Count == 0)
            return;
        var server = NalPath.Parse(path).Server;
        foreach (var row in await known.ListAsync(cancellationToken))
        {
            if (string.Equals(NalPath.Parse(row.Cap).Server, server, StringComparison.Ordinal)
                && added.Exists(account => account.Account.Name.Equals(row.Name, StringComparison.OrdinalIgnoreCase) && !string.Equals(account.Account.Password.Reveal(), accounts.Open(row).Password.Reveal(), StringComparison.Ordinal)))
            {
                throw new SiteException($"The account {row.Name} is known for {server} (of {row.Cap}) with another password. A password is never changed under its name, since whoever still has the old one would lock it: give the same one, or make another account at the server, and add that.",
                    "account_exists");
            }
            if (string.Equals(row.Cap, path, StringComparison.Ordinal)
                && added.Exists(account => account.Role == row.Role && account.Account.Name.Equals(row.Name, StringComparison.OrdinalIgnoreCase)))
            {
                throw new SiteException($"{path} has the account {row.Name} already. A password is never changed under its name, since clients that still have the old one would lock it: make another account at the server, and add that.",
                    "account_exists");
            }
        }
    }

    private async Task LookAsync(NalPath path, CapAdd request, bool isListed, CancellationToken cancellationToken)
    {
        try
        {
            if (request.Account is not null || !isListed)
            {
                IReadOnlyList<ConnectionAccount> own = request.Account is { } account ? [new ConnectionAccount(account.Name, new Secret(account.Password))] : [];
                await access.UseOrMakeAsync(path, "Publisher", own, async store =>
                {
                    await writer.RefuseForeignAsync(store, path.ToString(), cancellationToken);
                    return true;
                }, static () => { }, asked: true, cancellationToken);
            }
            // A logon and the root are all that can be tried: what clients may read is not there yet.
            if (request.ClientAccount is { } clients)
                await access.UseAsync(path, "Publisher", [new ConnectionAccount(clients.Name, new Secret(clients.Password))], static _ => Task.FromResult(true), cancellationToken);
        }
        catch (NalException cause)
        {
            throw new SiteException($"{path} cannot be used as a client access point: {cause.Message}", "cap_unusable", cause);
        }
    }
}
