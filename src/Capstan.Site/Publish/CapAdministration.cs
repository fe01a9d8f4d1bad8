using Capstan.Nal;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers;
using Capstan.Site.Api;
using Capstan.Site.Store;

namespace Capstan.Site.Publish;

/// <summary>Adds client access points and their accounts to the list, and takes them off.</summary>
internal sealed class CapAdministration(SiteContext site, CapStore caps, AccountAdministration accounts, CapAccess access, CapWriter writer, Publisher publisher)
{
    /// <summary>Looks at the storage first, with each account, so that a wrong path or password is refused now and not found out by clients; then publishes there.</summary>
    /// <remarks>A path that is on the list gets what is given: accounts, which is how they are changed, since no password changes under its name, and licensing.</remarks>
    /// <exception cref="SiteException">On the list already with nothing to change, another site's, not usable, or <c>bad_licensing</c>.</exception>
    public async Task<CapAdded> AddAsync(NalPath path, CapAdd request, CancellationToken cancellationToken)
    {
        var text = path.ToString();
        var added = Accounts(request);
        var listed = await FindAsync(text, cancellationToken);
        var terms = Terms(request, listed);
        var aliases = Aliases(path, request, listed);
        List<string> changes = [.. listed is null ? [] : Licensing.Changes(terms.Before, terms.After), .. AliasChange(listed, aliases), .. added.Select(account => $"account {account.Account.Name} of the {account.Role}, tried first")];
        if (listed is not null && changes.Count == 0)
            throw Listed(text);
        await accounts.RefuseKnownAsync(path, added, cancellationToken);
        await LookAsync(path, request, listed is not null, cancellationToken);

        await site.Database.WriteAsync(async transaction =>
        {
            if (listed is not null)
                await CapStore.LicenseAsync(transaction, text, terms.After.Licensing, terms.After.Headroom);
            else if (!await CapStore.AddAsync(transaction, text, terms.After.Licensing, terms.After.Headroom, site.Time.GetUtcNow()))
                throw Listed(text);
            await CapStore.SetAliasesAsync(transaction, text, aliases);
            if (added.Count > 0)
            {
                var revision = await AccountAdministration.ChangedAsync(transaction, site.Time.GetUtcNow());
                foreach (var (role, account) in added)
                    await accounts.AddAsync(transaction, text, role, account, revision);
            }
        }, cancellationToken);
        await publisher.PublishNowAsync(text, cancellationToken);
        var row = (await FindAsync(text, cancellationToken) ?? throw new SiteException($"{text} was taken off the list meanwhile.", "cap_unknown")).ToRow();
        return new CapAdded(row, CapText.Recipe(path, row.Accounts, row.ClientAccounts), listed is null ? null : changes);
    }

    /// <summary>False when it was not on the list. What lies there is left alone.</summary>
    public async Task<bool> RemoveAsync(NalPath path, CancellationToken cancellationToken)
    {
        var removed = await site.Database.WriteAsync(async transaction =>
        {
            if (!await CapStore.RemoveAsync(transaction, path.ToString()))
                return false;
            await AccountAdministration.RemoveAllAsync(transaction, path.ToString(), site.Time.GetUtcNow());
            await BoundaryStore.RemoveCapAsync(transaction, path.ToString());
            return true;
        }, cancellationToken);
        if (removed)
            publisher.Changed(PublishUrgency.Now);
        return removed;
    }

    private async Task<CapState?> FindAsync(string path, CancellationToken cancellationToken) =>
        (await caps.ListAsync(cancellationToken)).FirstOrDefault(cap => string.Equals(cap.Path, path, StringComparison.Ordinal));

    /// <summary>What is not given stays as it is.</summary>
    private static (LicensingTerms Before, LicensingTerms After) Terms(CapAdd request, CapState? listed)
    {
        var before = listed is null ? LicensingTerms.None : new LicensingTerms(listed.Licensing, (int)listed.Headroom);
        var after = before.With(request.Licensing, request.Headroom);
        return Licensing.Fault(after) is { } fault ? throw new SiteException(fault, "bad_licensing") : (before, after);
    }

    private static IReadOnlyList<string> Aliases(NalPath path, CapAdd request, CapState? listed) =>
        request.Aliases is not { } given ? listed?.Aliases ?? []
        : ServerAliases.Fault(path, given) is { } fault ? throw new SiteException(fault, "bad_alias")
        : ServerAliases.Canonical(path, given);

    private static IEnumerable<string> AliasChange(CapState? listed, IReadOnlyList<string> aliases)
    {
        if (listed is not null && !listed.Aliases.SequenceEqual(aliases, StringComparer.Ordinal))
            yield return $"other names {(aliases.Count == 0 ? "none" : string.Join(", ", aliases))} (was {(listed.Aliases.Count == 0 ? "none" : string.Join(", ", listed.Aliases))})";
    }

    private static SiteException Listed(string path) => new($"{path} is on the list of client access points already, and nothing was given that changes it (licensing, headroom, other names of the server, another account).", "cap_exists");

    private static List<(string Role, ConnectionAccount Account)> Accounts(CapAdd request)
    {
        var list = new List<(string, ConnectionAccount)>();
        if (request.Account is { } own)
            list.Add((AccountRole.Site, new ConnectionAccount(own.Name, new Secret(own.Password))));
        if (request.ClientAccount is { } clients)
            list.Add((AccountRole.Clients, new ConnectionAccount(clients.Name, new Secret(clients.Password))));
        return list;
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
