using System.Globalization;
using System.Text;
using System.Text.Json;
using Capstan.Protocol.V1;
using Capstan.Site.Collections;
using Capstan.Site.Load;
using Capstan.Site.Publish.Settings;
using Capstan.Site.Status.Clients;
using Capstan.Site.Store;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Capstan.Site.Api;

/// <summary><c>/api/v1/clients</c>.</summary>
internal static class ClientEndpoints
{
    public static void MapClients(this IEndpointRouteBuilder api)
    {
        api.MapGet("/clients", ListAsync).Produces<Page<ClientSummary>>();
        api.MapGet("/clients/{id}", DetailAsync).Produces<ClientDetail>().Produces<Problem>(404);
        api.MapPost("/clients/{id}/approve", ApproveAsync).Produces<ClientSummary>().Produces<Problem>(404).Produces<Problem>(409);
        foreach (var (name, order) in new[] { ("resync", DeviceOrder.Resync), ("rekey", DeviceOrder.Rekey), ("diagnose", DeviceOrder.Diagnose) })
        {
            api.MapPost($"/clients/{{id}}/{name}", (DeviceStore devices, Enrolment enrolment, string id, CancellationToken cancellationToken) => OrderAsync(devices, enrolment, order, id, cancellationToken))
                .Produces<ClientSummary>().Produces<Problem>(404).Produces<Problem>(409);
        }
        api.MapGet("/clients/{id}/diagnosis", DiagnosisAsync).Produces<ClientDiagnosis>().Produces<Problem>(404);
        api.MapPost("/clients/{id}/retire", RetireAsync).Produces<ClientSummary>().Produces<Problem>(404).Produces<Problem>(409);
    }

    private static async Task<IResult> ListAsync(DeviceStore devices, string? state, string? filter, string? sort, string? cursor, int? limit, CancellationToken cancellationToken)
    {
        if (state is not (null or "" or DeviceState.Pending or DeviceState.Approved or DeviceState.Retired))
            return Problems.Invalid("state must be pending, approved or retired.");
        if (sort?.TrimStart('-') is not (null or "" or "host" or "id" or "seen" or "state" or "os" or "model" or "memory" or "packages"))
            return Problems.Invalid("sort must be host, id, seen, state, os, model, memory or packages, with a leading '-' to turn it round.");
        if (Paging.Read(limit, cursor) is not { } page)
            return Paging.Refuse();
        var offset = (int)Math.Min(page.Cursor ?? 0, int.MaxValue - Paging.MaxLimit - 1);
        var rows = await devices.ListAsync(string.IsNullOrEmpty(state) ? null : state, filter, sort, offset, page.Limit + 1, cancellationToken);
        return Results.Json(rows.Count > page.Limit
            ? new Page<ClientSummary>([.. rows.Take(page.Limit)], (offset + page.Limit).ToString(CultureInfo.InvariantCulture))
            : new Page<ClientSummary>(rows, null), ApiJson.Default.PageClientSummary);
    }

    private static Task<IResult> DetailAsync(DeviceStore devices, InventoryStore inventory, SettingAdministration settings, CollectionAdministration collections, string id, CancellationToken cancellationToken) =>
        DeviceLookup.WithAsync(devices, id, async deviceId =>
        {
            var (summary, row) = (await devices.DetailAsync(deviceId, cancellationToken))!.Value;
            var hardware = await inventory.HardwareAsync(row.Number, cancellationToken);
            var software = await inventory.SoftwareAsync(row.Number, cancellationToken);
            return Results.Json(new ClientDetail(summary, row.TokenLabel,
                JsonSerializer.Deserialize(row.Addresses, StoreJson.Default.IReadOnlyListString) ?? [],
                JsonSerializer.Deserialize(row.Components, StoreJson.Default.IReadOnlyListComponentState) ?? [],
                hardware is { } h ? Documents.HardwareInventory.Decode(Encoding.UTF8.GetBytes(h.Document)) : null, Times.At(hardware?.ReceivedAt),
                software?.Software, software?.At)
            {
                Settings = row.State == DeviceState.Approved ? await settings.OfAsync(deviceId, row.Number, cancellationToken) : [],
                Collections = await collections.OfAsync(deviceId, cancellationToken),
            }, ApiJson.Default.ClientDetail);
        }, cancellationToken);

    private static Task<IResult> ApproveAsync(DeviceStore devices, Enrolment enrolment, string id, CancellationToken cancellationToken) =>
        DeviceLookup.WithKeyAsync(devices, id, async deviceId =>
        {
            if (!await enrolment.ApproveAsync(deviceId, cancellationToken))
                return Problems.Of(StatusCodes.Status409Conflict, "not_pending", "The client is approved or retired already; only a pending one can be approved.");
            return Results.Json((await devices.DetailAsync(deviceId, cancellationToken))!.Value.Summary, ApiJson.Default.ClientSummary);
        }, cancellationToken);

    private static Task<IResult> OrderAsync(DeviceStore devices, Enrolment enrolment, DeviceOrder order, string id, CancellationToken cancellationToken) =>
        DeviceLookup.WithAsync(devices, id, async deviceId =>
        {
            if (!await enrolment.OrderAsync(order, deviceId, cancellationToken))
                return Problems.Of(StatusCodes.Status409Conflict, "not_approved", "The client is pending or retired; only an approved one follows orders.");
            return Results.Json((await devices.DetailAsync(deviceId, cancellationToken))!.Value.Summary, ApiJson.Default.ClientSummary);
        }, cancellationToken);

    private static Task<IResult> DiagnosisAsync(DeviceStore devices, DiagnosisReader diagnosis, string id, CancellationToken cancellationToken) =>
        DeviceLookup.WithAsync(devices, id, async deviceId => Results.Json(await diagnosis.ReadAsync(deviceId, cancellationToken), ApiJson.Default.ClientDiagnosis), cancellationToken);

    private static Task<IResult> RetireAsync(DeviceStore devices, Enrolment enrolment, string id, CancellationToken cancellationToken) =>
        DeviceLookup.WithAsync(devices, id, async deviceId =>
        {
            if (!await enrolment.RetireAsync(deviceId, cancellationToken))
                return Problems.Of(StatusCodes.Status409Conflict, "already_retired", "The client is retired already.");
            return Results.Json((await devices.DetailAsync(deviceId, cancellationToken))!.Value.Summary, ApiJson.Default.ClientSummary);
        }, cancellationToken);
}
