using Capstan.Site.Fleet;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Capstan.Site.Api;

/// <summary>How much of their servers' limits the clients of each CAP use.</summary>
internal static class CapUsageEndpoints
{
    private const int DefaultDays = 7;
    private const int MostDays = 35;

    public static void MapCapUsage(this IEndpointRouteBuilder api) => api.MapGet("/caps/usage", async (CapLoadReader loads, TimeProvider time, string? path, int? days, CancellationToken cancellationToken) =>
    {
        var back = days ?? DefaultDays;
        if (back is < 1 or > MostDays)
            return Problems.Invalid($"days must be 1 to {MostDays}.");
        var since = time.GetUtcNow().AddDays(-back);
        return Results.Json([.. (await loads.ReadAsync(back, cancellationToken))
            .Where(reading => path is null || string.Equals(reading.Cap.Path, path, StringComparison.Ordinal))
            .Select(reading => reading.ToUsage(since))], ApiJson.Default.IReadOnlyListCapUsage);
    }).Produces<IReadOnlyList<CapUsage>>().Produces<Problem>(400);

    /// <summary>Rows of the list with what clients use of each.</summary>
    public static async Task<IReadOnlyList<CapRow>> WithLoadsAsync(CapLoadReader loads, IEnumerable<CapRow> rows, CancellationToken cancellationToken)
    {
        var byPath = (await loads.ReadAsync(DefaultDays, cancellationToken)).ToDictionary(reading => reading.Cap.Path, reading => reading.Load, StringComparer.Ordinal);
        return [.. rows.Select(row => row with { Load = byPath.GetValueOrDefault(row.Path) })];
    }
}
