using Capstan.Nal;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers;
using Capstan.Protocol;
using Capstan.Site.Api;
using Capstan.Site.Store;

namespace Capstan.Site.Publish;

/// <summary>Tries on a CAP what clients may do and what they must not be able to do: on a share with the clients' account, elsewhere as this process.</summary>
/// <remarks>Makes no directories. Leaves nothing behind where deleting works; where it does not, one file of the form <c>capstan-check-…</c> in inbox/00, which
/// the loader takes to quarantine after a day.</remarks>
internal sealed class CapChecker(SiteContext site, Publisher publisher, CapStore caps, SiteAccounts accounts, CapAccess access)
{
    /// <summary>Beginning of the names of test files: the loader leaves them alone for a day.</summary>
    public const string Prefix = "capstan-check-";

    private const long FewBytes = 1L << 30;
    private const long TooFewBytes = 100L << 20;

    public async Task<CapCheck> CheckAsync(NalPath path, CancellationToken cancellationToken)
    {
        try
        {
            var given = path.Server is null ? [] : await accounts.OfClientsAsync(path.ToString(), cancellationToken);
            var row = (await caps.ListAsync(cancellationToken)).FirstOrDefault(cap => string.Equals(cap.Path, path.ToString(), StringComparison.Ordinal))?.ToRow();
            var lines = await access.UseAsync(path, "check", given, (store, used) => LinesAsync(store, new Subject(path, row?.Accounts, row?.ClientAccounts, used), cancellationToken), cancellationToken);
            return new CapCheck(path.ToString(), lines.All(line => line.State != "failed"), lines);
        }
        catch (Exception cause) when (cause is NalException or SiteException)
        {
            return new CapCheck(path.ToString(), false, [new CapCheckLine("open", "failed", cause.Message)]);
        }
    }

    private async Task<IReadOnlyList<CapCheckLine>> LinesAsync(IStore store, Subject subject, CancellationToken cancellationToken)
    {
        var lines = new List<CapCheckLine> { subject.Opened };
        if (subject.IsShared)
        {
            lines.Add(new CapCheckLine("accounts", "warning",
                $"The site and its clients share one account: {subject.Used!.Name}. Each client can delete and change what lies there (not unseen: everything is signed). Recipe: {subject.Recipe}"));
        }
        lines.Add(await MetadataAsync(store, cancellationToken));
        if (await SpaceAsync(store, cancellationToken) is { } little)
            lines.Add(little);

        foreach (var directory in (IEnumerable<string>)[Layout.InboxDirectory("00"), Layout.Metadata])
            if (await IsMissingAsync(store, StorePath.Parse(directory), cancellationToken))
                lines.Add(new CapCheckLine(directory, "failed", "The folder is not there: `capstan cap publish` makes it."));
        if (lines.Any(line => line.State == "failed"))
            return lines;

        var name = $"{Prefix}{Guid.NewGuid():n}";
        var probe = StorePath.Parse($"{Layout.InboxDirectory("00")}/{name}");
        var renamed = StorePath.Parse($"{Layout.InboxDirectory("00")}/{name}-renamed");
        lines.Add(await MustAsync("create in inbox", "Clients can drop uploads.", async () =>
        {
            if (!await store.CreateAsync(probe, new MemoryStream([1]), cancellationToken))
                throw new NalException(NalError.Conflict, "A file of a new random name was said to exist already.");
        }));
        lines.AddRange(await RightsAsync(store, probe, renamed, name, subject, cancellationToken));
        return lines;
    }

    /// <summary>What clients must not be able to do. An account that can do all of it is one that the site itself uses, and says nothing about theirs.</summary>
    private static async Task<IReadOnlyList<CapCheckLine>> RightsAsync(IStore store, StorePath probe, StorePath renamed, string name, Subject subject, CancellationToken cancellationToken)
    {
        var lines = new List<CapCheckLine>();
        lines.Add(await MustNotAsync("list inbox", subject, "to list inbox", async () =>
        {
            await foreach (var _ in store.ListAsync(probe.Parent, cancellationToken))
                return true;
            return false;
        }));
        lines.Add(await MustNotAsync("rename in inbox", subject, "to rename in inbox (delete, on the file or on its folder)", async () =>
        {
            await store.RenameAsync(probe, renamed, cancellationToken);
            return true;
        }));
        lines.Add(await MustNotAsync("delete in inbox", subject, "to delete in inbox (on the file or on its folder)", async () =>
            await store.DeleteAsync(renamed, cancellationToken) | await store.DeleteAsync(probe, cancellationToken)));
        var foreign = StorePath.Parse($"{Layout.Metadata}/{name}");
        NalException? undeleted = null;
        var write = await MustNotAsync("write metadata", subject, "to create files in metadata", async () =>
        {
            if (!await store.CreateAsync(foreign, new MemoryStream([1]), cancellationToken))
                return false;
            try
            {
                await store.DeleteAsync(foreign, cancellationToken);
            }
            catch (NalException cause)
            {
                // It was written all the same: that it stays is another matter.
                undeleted = cause;
            }
            return true;
        });
        lines.Add(undeleted is null ? write : write with { Detail = $"{write.Detail} The test file {foreign} could not be deleted ({undeleted.Message}): delete it by hand." });
        if (subject.IsClientsOwn || undeleted is not null || lines.Any(line => line.State != "warning"))
            return lines;
        // On a share the warning about the one account says what clients can do.
        return [new CapCheckLine("rights", "information", subject.IsShared
            ? $"{subject.Used!.Name} can list, rename and delete in inbox and write metadata, as the site must."
            : $"This is the site's own account: it can list, rename and delete in inbox and write metadata, as it must. Clients that run as another user must not: {subject.Recipe}")];
    }

    /// <summary>Whoever may not look cannot tell: creating a file there is the proof.</summary>
    private static async Task<bool> IsMissingAsync(IStore store, StorePath directory, CancellationToken cancellationToken)
    {
        try
        {
            return await store.StatAsync(directory, cancellationToken) is not { IsDirectory: true };
        }
        catch (NalException cause) when (cause.Error == NalError.AccessDenied)
        {
            return false;
        }
    }

    private async Task<CapCheckLine> MetadataAsync(IStore store, CancellationToken cancellationToken)
    {
        try
        {
            var root = await publisher.RootAsync(cancellationToken);
            var version = await CapTrust.VersionAsync(store, root.Hash, root.Version, site.Time, cancellationToken);
            return new CapCheckLine("metadata", "ok", $"Metadata verifies; version {version}.");
        }
        catch (ProtocolException cause)
        {
            return new CapCheckLine("metadata", "failed", $"{cause.Message} Publish again with `capstan cap publish`.");
        }
    }

    /// <summary>Null when there is enough, or the storage does not tell.</summary>
    private static async Task<CapCheckLine?> SpaceAsync(IStore store, CancellationToken cancellationToken)
    {
        try
        {
            return await store.GetSpaceAsync(cancellationToken) is { FreeBytes: < FewBytes } space
                ? new CapCheckLine("free space", space.FreeBytes < TooFewBytes ? "failed" : "warning", string.Create(System.Globalization.CultureInfo.InvariantCulture,
                    $"{space.FreeBytes / (1 << 20)} MiB of {space.TotalBytes / (1 << 20)} MiB are free; below {FewBytes >> 20} MiB is little, and below {TooFewBytes >> 20} MiB uploads will soon fail. Free some space there."))
                : null;
        }
        catch (NalException cause)
        {
            return new CapCheckLine("free space", "warning", $"The storage does not tell its space: {cause.Message}");
        }
    }

    private static async Task<CapCheckLine> MustAsync(string name, string good, Func<Task> attempt)
    {
        try
        {
            await attempt();
            return new CapCheckLine(name, "ok", good);
        }
        catch (NalException cause)
        {
            return new CapCheckLine(name, "failed", cause.Message);
        }
    }

    private static async Task<CapCheckLine> MustNotAsync(string name, Subject subject, string right, Func<Task<bool>> attempt)
    {
        try
        {
            return await attempt()
                ? subject.IsClientsOwn
                    ? new CapCheckLine(name, "failed", $"The right of {subject.Used!.Name} {right} is too wide: it worked. Recipe: {subject.Recipe}")
                    : new CapCheckLine(name, "warning", $"This account can do it; an account of clients must not. Recipe: {subject.Recipe}")
                : new CapCheckLine(name, "ok", "Had no effect.");
        }
        catch (NalException cause) when (cause.Error == NalError.AccessDenied)
        {
            return new CapCheckLine(name, "ok", "Refused, as it must be.");
        }
        catch (NalException cause)
        {
            return new CapCheckLine(name, "failed", cause.Message);
        }
    }

    /// <param name="Accounts">The site's accounts; null where there are none.</param>
    /// <param name="Used">Null where the storage takes no account.</param>
    private sealed record Subject(NalPath Path, IReadOnlyList<string>? Accounts, IReadOnlyList<string>? ClientAccounts, AccountUse? Used)
    {
        /// <summary>The clients have an account that the site does not use: what it can do is what every client can do.</summary>
        public bool IsClientsOwn => Used is not null && !IsShared;

        public bool IsShared => Used is { Name: var name } && Accounts?.Contains(name, StringComparer.OrdinalIgnoreCase) == true;

        public string Recipe => string.Join(" ; ", CapText.Recipe(Path, Accounts, Used is null ? ClientAccounts : [Used.Name]));

        public CapCheckLine Opened => Used switch
        {
            null => new CapCheckLine("open", "ok", "The storage can be reached."),
            { Refused: [] } => new CapCheckLine("open", "ok", $"The storage can be reached as {Used.Name}."),
            _ => new CapCheckLine("open", "warning", $"The storage can be reached as {Used.Name}; {string.Join(", ", Used.Refused)}, tried first, {(Used.Refused.Count == 1 ? "was" : "were")} refused: mend that at the server, or take it away with `capstan cap account remove`."),
        };
    }
}
