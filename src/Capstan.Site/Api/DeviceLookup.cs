using Capstan.Site.Store;
using Microsoft.AspNetCore.Http;

namespace Capstan.Site.Api;

/// <summary>Finds the one device whose id begins with what a caller gave; a fingerprint's hyphen does not count.</summary>
internal static class DeviceLookup
{
    public static async Task<IResult> WithAsync(DeviceStore devices, string id, Func<string, Task<IResult>> action, CancellationToken cancellationToken)
    {
        var (deviceId, refusal) = await FindAsync(devices, id, cancellationToken);
        return refusal ?? await action(deviceId!);
    }

    /// <returns>The id, or why there is none.</returns>
    public static async Task<(string? DeviceId, IResult? Refusal)> FindAsync(DeviceStore devices, string id, CancellationToken cancellationToken)
    {
        var prefix = id.Replace("-", "", StringComparison.Ordinal);
        if (prefix.Length is < 4 or > 32)
            return (null, Problems.Invalid("Give a client's id, its fingerprint (abcd-efgh), or at least the first 4 characters of its id."));
        var matches = await devices.MatchIdsAsync(prefix, cancellationToken);
        return matches.Count switch
        {
            0 => (null, Problems.NotFound($"No client has an id that begins with '{prefix}'. `capstan client list` shows all.")),
            1 => (matches[0], null),
            _ => (null, Problems.Of(StatusCodes.Status409Conflict, "ambiguous_id", $"More than one client's id begins with '{prefix}': give more of it.")),
        };
    }
}
