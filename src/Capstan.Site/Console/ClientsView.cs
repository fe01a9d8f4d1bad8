using System.Text;

namespace Capstan.Site.Console;

/// <summary>What the address of the list of clients says, and the addresses of its neighbours: a state of the page that can be bookmarked.</summary>
/// <param name="Filter">Null or text; longer than 200 characters is cut.</param>
/// <param name="Sort">As <c>ApiClient.ClientsAsync</c> takes it; null for the default.</param>
public sealed record ClientsView(string? Filter, string? State, string? Sort, string? Cursor)
{
    private const int MaxFilter = 200;

    public static ClientsView Of(string? filter, string? state, string? sort, string? cursor) =>
        new(Given(filter) is { Length: > MaxFilter } text ? text[..MaxFilter] : Given(filter), Given(state), Given(sort), Given(cursor));

    public bool IsFiltered => Filter is not null || State is not null || Cursor is not null;

    public string Csv => Address("/clients.csv", Sort, cursor: null);

    /// <summary>The first page; null when this is it.</summary>
    public string? First => Cursor is null ? null : Address("/clients", Sort, cursor: null);

    public string? Next(string? cursor) => cursor is null ? null : Address("/clients", Sort, cursor);

    /// <summary>The same list by that column; by the same column again, turned round.</summary>
    public string Sorted(string column) => Address("/clients", string.Equals(Sort, column, StringComparison.Ordinal) ? "-" + column : column, cursor: null);

    /// <summary>For the attribute of that name; null on other columns.</summary>
    public string? AriaSort(string column) => Direction(column) switch { 1 => "ascending", -1 => "descending", _ => null };

    public string Arrow(string column) => Direction(column) switch { 1 => " ↑", -1 => " ↓", _ => "" };

    private int Direction(string column) => (Sort ?? "host") is var sort && string.Equals(sort, column, StringComparison.Ordinal) ? 1
        : string.Equals(sort, "-" + column, StringComparison.Ordinal) ? -1 : 0;

    private string Address(string path, string? sort, string? cursor)
    {
        var text = new StringBuilder(path);
        foreach (var (name, value) in new[] { ("filter", Filter), ("state", State), ("sort", sort), ("cursor", cursor) })
        {
            if (value is not null)
                text.Append(text.Length == path.Length ? '?' : '&').Append(name).Append('=').Append(Uri.EscapeDataString(value));
        }
        return text.ToString();
    }

    private static string? Given(string? text) => string.IsNullOrWhiteSpace(text) ? null : text.Trim();
}
