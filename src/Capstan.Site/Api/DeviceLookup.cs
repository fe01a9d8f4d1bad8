using Capstan.Site.Store;
using Microsoft.AspNetCore.Http;

namespace Capstan.Site.Api;

/// <summary>Finds the one device that a caller means: by its host name in any case of letters, its id, its fingerprint (whose hyphen does not count), or the beginning of its id.</summary>
internal static class DeviceLookup
{
    private const int Shown = 5, WholeId = 32;

    public static async Task<IResult> WithAsync(DeviceStore devices, string id, Func<string, Task<IResult>> action, CancellationToken cancellationToken)
    {
        var (deviceId, refusal) = await FindAsync(devices, id, cancellationToken);
        return refusal ?? await action(deviceId!);
    }

    /// <summary>By its key alone: whoever asks to become a client may call itself as it likes.</summary>
    public static async Task<IResult> WithKeyAsync(DeviceStore devices, string id, Func<string, Task<IResult>> action, CancellationToken cancellationToken)
    {
        var (deviceId, refusal) = await FindAsync(devices, id, byName: false, cancellationToken);
        return refusal ?? await action(deviceId!);
    }

    /// <returns>The id, or why there is none.</returns>
    public static Task<(string? DeviceId, IResult? Refusal)> FindAsync(DeviceStore devices, string text, CancellationToken cancellationToken) => FindAsync(devices, text, byName: true, cancellationToken);

    private static async Task<(string? DeviceId, IResult? Refusal)> FindAsync(DeviceStore devices, string text, bool byName, CancellationToken cancellationToken)
    {
        var prefix = text.Replace("-", "", StringComparison.Ordinal);
        var isId = prefix.Length is >= 4 and <= WholeId;
        if (!isId && (!byName || string.IsNullOrWhiteSpace(text)))
            return (null, Problems.Invalid($"Give a client's id, its fingerprint (abcd-efgh){(byName ? ", its host name" : "")}, or at least the first 4 characters of its id."));
        // A whole id is one: whatever another client calls itself hides nobody.
        var matches = await devices.MatchAsync(isId ? prefix : null, byName && prefix.Length != WholeId ? text : null, Shown + 1, cancellationToken);
        return matches switch
        {
            [] => (null, Problems.NotFound($"No client has {(byName ? $"the name '{text}', or " : "")}an id that begins with '{prefix}'. `capstan client list` shows all.")),
            [var only] => (only.DeviceId, null),
            _ => (null, Problems.Of(StatusCodes.Status409Conflict, "ambiguous_id", $"'{text}' may be {string.Join(", ", matches.Take(Shown).Select(Named))}{(matches.Count > Shown ? ", or others" : "")}: give an id.")),
        };
    }

    private static string Named(DeviceMatch match) => $"{Console.VisibleText.Of(match.HostName, 40)} ({match.DeviceId[..4]}-{match.DeviceId[4..8]}, {match.State})";
}
