using System.Globalization;

namespace Capstan.Protocol.V1;

/// <summary>The text of <see cref="CapEntry.Licensing"/>: <c>per-server:N</c> or <c>per-seat:N</c>. Pure.</summary>
public static class LicensingMode
{
    /// <summary>The highest N.</summary>
    public const int MaxLimit = 99_999_999;

    /// <summary>The N, from 1 to <see cref="MaxLimit"/> and without leading zeros; null for any other text.</summary>
    public static int? Limit(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return text.Split(':') is ["per-server" or "per-seat", var number] && !number.StartsWith('0')
            && int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var limit) && limit <= MaxLimit
            ? limit
            : null;
    }
}
