using Capstan.Site.Api;

namespace Capstan.Cli.Verbs;

/// <summary>Walks the pages of a list.</summary>
internal static class Pages
{
    /// <param name="page">Reads the page at a cursor; null is the first.</param>
    /// <param name="limit">At most so many items; at least 1.</param>
    public static async Task<IReadOnlyList<T>> AllAsync<T>(Func<string?, Task<Page<T>>> page, int limit)
    {
        var items = new List<T>();
        string? cursor = null;
        do
        {
            var next = await page(cursor);
            items.AddRange(next.Items.Take(limit - items.Count));
            cursor = next.Next;
        }
        while (cursor is not null && items.Count < limit);
        return items;
    }
}
