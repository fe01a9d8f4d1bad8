using System.Globalization;
using Capstan.Site.Status.Clients;
using Capstan.Site.Store;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Capstan.Site.Api;

/// <summary><c>/api/v1/client-health</c>.</summary>
internal static class ClientHealthEndpoints
{
    public static void MapClientHealth(this IEndpointRouteBuilder api) => api.MapGet("/client-health", ListAsync).Produces<ClientHealthPage>();

    private static async Task<IResult> ListAsync(ClientHealthReader health, string? severity, string? filter, string? cursor, int? limit, CancellationToken cancellationToken)
    {
        if (severity is not (null or "" or "error" or "warning" or "information"))
            return Problems.Invalid("severity must be error, warning or information.");
        if (Paging.Read(limit, cursor) is not { } page)
            return Paging.Refuse();
        var all = await health.ReadAsync(deviceId: null, cancellationToken);
        var unwell = ClientHealthReader.Unwell(all);
        var wanted = filter?.Trim() ?? "";
        var rows = unwell.Select(ClientHealthReader.ToRow)
            .Where(row => (string.IsNullOrEmpty(severity) || row.Severity == severity) && Matches(row, wanted));
        var offset = (int)Math.Min(page.Cursor ?? 0, int.MaxValue);
        var some = rows.Skip(offset).Take(page.Limit + 1).ToList();
        var approved = all.Where(client => client.Row.State == DeviceState.Approved).ToList();
        return Results.Json(new ClientHealthPage([.. some.Take(page.Limit)], some.Count > page.Limit ? (offset + page.Limit).ToString(CultureInfo.InvariantCulture) : null,
            approved.Count, Count(ClientHealthRules.Error), Count(ClientHealthRules.Warning), Count(ClientHealthRules.Information),
            Times.At(approved.Min(client => client.Row.HeartbeatAt))), ApiJson.Default.ClientHealthPage);

        int Count(string of) => unwell.Count(client => client.Causes[0].Severity == of);
    }

    private static bool Matches(ClientHealthRow row, string filter) => filter.Length == 0
        || row.HostName.Contains(filter, StringComparison.OrdinalIgnoreCase) || row.DeviceId.StartsWith(filter.Replace("-", "", StringComparison.Ordinal), StringComparison.Ordinal)
        || row.Cause.Contains(filter, StringComparison.OrdinalIgnoreCase) || row.Text.Contains(filter, StringComparison.OrdinalIgnoreCase);
}
