using Capstan.Nal.Paths;
using Capstan.Site.Api;
using Capstan.Site.Store;

namespace Capstan.Site.Publish;

/// <summary>Adds client access points to the list and takes them off.</summary>
internal sealed class CapAdministration(SiteContext site, CapStore caps, CapAccess access, CapWriter writer, Publisher publisher)
{
    /// <summary>Looks at the storage first, so that a wrong path is refused now and not found out by clients; then publishes there.</summary>
    /// <exception cref="SiteException">On the list already, another site's, or not usable.</exception>
    public async Task<CapAdded> AddAsync(NalPath path, CapAdd request, CancellationToken cancellationToken)
    {
        var text = path.ToString();
        try
        {
            await access.UseOrMakeAsync(path, "Publisher", async store =>
            {
                await writer.RefuseForeignAsync(store, text, cancellationToken);
                return true;
            }, static () => { }, asked: true, cancellationToken);
        }
        catch (Nal.NalException cause)
        {
            throw new SiteException($"{text} cannot be used as a client access point: {cause.Message}", "cap_unusable", cause);
        }
        if (!await caps.AddAsync(text, request.Licensing, request.Headroom, site.Time.GetUtcNow(), cancellationToken))
            throw new SiteException($"{text} is on the list of client access points already.", "cap_exists");
        await publisher.PublishNowAsync(text, cancellationToken);
        var row = (await caps.ListAsync(cancellationToken)).First(cap => string.Equals(cap.Path, text, StringComparison.Ordinal)).ToRow();
        return new CapAdded(row, CapText.Recipe(path));
    }

    /// <summary>False when it was not on the list. What lies there is left alone.</summary>
    public async Task<bool> RemoveAsync(NalPath path, CancellationToken cancellationToken)
    {
        if (!await caps.RemoveAsync(path.ToString(), cancellationToken))
            return false;
        publisher.Changed(PublishUrgency.Now);
        return true;
    }
}
