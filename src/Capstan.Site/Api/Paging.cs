using System.Globalization;

namespace Capstan.Site.Api;

/// <summary>Cursors and limits of lists. A cursor is opaque to callers.</summary>
internal static class Paging
{
    public const int DefaultLimit = 100;
    public const int MaxLimit = 1_000;

    /// <summary>Null when limit or cursor is not one of ours.</summary>
    public static (int Limit, long? Cursor)? Read(int? limit, string? cursor)
    {
        if (limit is < 1 or > MaxLimit)
            return null;
        if (string.IsNullOrEmpty(cursor))
            return (limit ?? DefaultLimit, null);
        return long.TryParse(cursor, NumberStyles.None, CultureInfo.InvariantCulture, out var value) ? (limit ?? DefaultLimit, value) : null;
    }

    public static Microsoft.AspNetCore.Http.IResult Refuse() =>
        Problems.Invalid($"limit must be 1 to {MaxLimit}, and cursor the value of 'next' of the page before.");

    /// <summary>A page out of one row more than was asked for.</summary>
    public static Page<T> Of<T>(IReadOnlyList<T> rows, int limit, Func<T, long> cursor) =>
        rows.Count > limit ? new Page<T>([.. rows.Take(limit)], cursor(rows[limit - 1]).ToString(CultureInfo.InvariantCulture)) : new Page<T>(rows, null);
}
