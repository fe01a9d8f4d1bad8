using System.Globalization;

namespace Capstan.Protocol.V1;

/// <summary>What a server counts.</summary>
public enum LicensingKind
{
    /// <summary>Nothing is limited, or nobody has said so.</summary>
    None = 0,
    /// <summary>Concurrent connections: one is given back at once.</summary>
    PerServer = 1,
    /// <summary>Distinct devices: a connection costs nothing more while it stays.</summary>
    PerSeat = 2,
}

/// <summary>The text of <see cref="CapEntry.Licensing"/>: <c>per-server:N</c> or <c>per-seat:N</c>. Pure.</summary>
public static class LicensingMode
{
    /// <summary>The highest N.</summary>
    public const int MaxLimit = 99_999_999;

    /// <summary>The N, from 1 to <see cref="MaxLimit"/> and without leading zeros; null for any other text.</summary>
    public static int? Limit(string text) => Parse(text)?.Limit;

    /// <summary>What is counted; <see cref="LicensingKind.None"/> for null and for any text without a <see cref="Limit"/>.</summary>
    public static LicensingKind Kind(string? text) => text is not null && Parse(text) is { } known ? known.Kind : LicensingKind.None;

    private static (LicensingKind Kind, int Limit)? Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return text.Split(':') is [var kind and ("per-server" or "per-seat"), var number] && !number.StartsWith('0')
            && int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var limit) && limit <= MaxLimit
            ? (kind == "per-seat" ? LicensingKind.PerSeat : LicensingKind.PerServer, limit)
            : null;
    }
}
