using Capstan.Nal.Paths;
using Capstan.Protocol.V1;
using Capstan.Site.Api;
using Capstan.Site.Store;

namespace Capstan.Site.Publish;

/// <summary>Keeps the boundaries that clients read in signed documents, and installations in tokens.</summary>
internal sealed class BoundaryAdministration(SiteContext site, BoundaryStore boundaries, CapStore caps, Publisher publisher)
{
    public async Task<IReadOnlyList<BoundaryRow>> ListAsync(CancellationToken cancellationToken)
    {
        var rows = await boundaries.ListAsync(cancellationToken);
        return [.. rows.Select(row => new BoundaryRow(row.Range, row.Cap.Length == 0 ? null : row.Cap, [.. rows.Where(other => other != row && Overlap(row, other)).Select(other => other.Range).Distinct(StringComparer.Ordinal)], Times.At(row.AddedAt)))];
    }

    /// <exception cref="SiteException"><c>bad_boundary</c>, <c>cap_unknown</c>.</exception>
    public async Task<BoundaryRow> AddAsync(BoundaryAdd request, CancellationToken cancellationToken)
    {
        var range = Range(request.Range);
        var cap = await CapAsync(request.Cap, cancellationToken);
        await site.Database.WriteAsync(async transaction =>
        {
            if ((await BoundaryStore.ListAsync(transaction)).Count(row => row.Cap == cap) >= Boundary.Most)
                throw new SiteException($"There are {Boundary.Most} boundaries already, which is what clients take. Join some into one range.", "bad_boundary");
            await BoundaryStore.AddAsync(transaction, cap, range, site.Time.GetUtcNow());
        }, cancellationToken);
        publisher.Changed(PublishUrgency.Now);
        return (await ListAsync(cancellationToken)).Single(row => row.Range == range && (row.Cap ?? "") == cap);
    }

    /// <exception cref="SiteException"><c>bad_boundary</c>, <c>boundary_unknown</c>, <c>cap_unknown</c>.</exception>
    public async Task RemoveAsync(string range, string? cap, CancellationToken cancellationToken)
    {
        var canonical = Range(range);
        var path = await CapAsync(cap, cancellationToken);
        await site.Database.WriteAsync(async transaction =>
        {
            if (!await BoundaryStore.RemoveAsync(transaction, path, canonical))
                throw new SiteException($"There is no boundary {canonical} {(path.Length == 0 ? "of the site" : $"of {path}")}; `capstan boundary list` shows all.", "boundary_unknown");
        }, cancellationToken);
        publisher.Changed(PublishUrgency.Now);
    }

    private async Task<string> CapAsync(string? cap, CancellationToken cancellationToken)
    {
        if (cap is null)
            return "";
        var wanted = NalPath.TryParse(cap, out var path, out _) ? path.ToString() : cap;
        return (await caps.ListAsync(cancellationToken)).Any(known => known.Path == wanted)
            ? wanted
            : throw new SiteException($"{cap} is not on the list of client access points; `capstan cap list` shows all.", "cap_unknown");
    }

    private static string Range(string text) => Boundary.TryParse(text.Trim(), out var boundary)
        ? boundary.ToString()
        : throw new SiteException($"'{text}' is no boundary: write a network (10.1.0.0/16, 2001:db8:7::/48; no bits below the mask), a range (10.1.0.10-10.1.0.99) or an address.", "bad_boundary");

    private static bool Overlap(BoundaryRecord left, BoundaryRecord right) =>
        Boundary.TryParse(left.Range, out var one) && Boundary.TryParse(right.Range, out var other) && one.Overlaps(other);
}
