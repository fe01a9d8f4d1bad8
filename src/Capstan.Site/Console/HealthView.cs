namespace Capstan.Site.Console;

/// <summary>What the address of the page of client health says, and the addresses of its neighbours.</summary>
/// <param name="Filter">Null or text; longer than 200 characters is cut.</param>
public sealed record HealthView(string? Filter, string? Severity, string? Cursor)
{
    private const int MaxFilter = 200;

    public static HealthView Of(string? filter, string? severity, string? cursor) => new(
        Given(filter) is { Length: > MaxFilter } text ? text[..MaxFilter] : Given(filter), Given(severity), Given(cursor));

    public bool IsFiltered => Filter is not null || Severity is not null || Cursor is not null;

    public string Csv => Address("/health.csv", cursor: null);

    /// <summary>The first page; null when this is it.</summary>
    public string? First => Cursor is null ? null : Address("/health", cursor: null);

    public string? Next(string? cursor) => cursor is null ? null : Address("/health", cursor);

    private string Address(string path, string? cursor)
    {
        var parameters = new[] { ("filter", Filter), ("severity", Severity), ("cursor", cursor) }
            .Where(parameter => parameter.Item2 is not null).Select(parameter => $"{parameter.Item1}={Uri.EscapeDataString(parameter.Item2!)}").ToList();
        return parameters.Count == 0 ? path : $"{path}?{string.Join('&', parameters)}";
    }

    private static string? Given(string? text) => string.IsNullOrWhiteSpace(text) ? null : text.Trim();
}
