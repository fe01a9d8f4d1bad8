using System.Globalization;
using Capstan.Site.Access;
using Capstan.Site.Distribution.Offers;
using Capstan.Site.Store;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Capstan.Site.Api;

/// <summary><c>/api/v1/programs</c>, <c>/api/v1/advertisements</c> and <c>/api/v1/why</c>.</summary>
internal static class OfferEndpoints
{
    public static IServiceCollection AddOffers(this IServiceCollection services) => services
        .AddSingleton<OfferStore>().AddSingleton<OfferStates>().AddSingleton<OfferCounts>().AddSingleton<OfferReader>().AddSingleton<OfferKeeper>().AddSingleton<WhyReader>()
        .AddSingleton<ProgramAdministration>().AddSingleton<AdvertisementAdministration>();

    public static void MapOffers(this IEndpointRouteBuilder api)
    {
        api.MapGet("/programs", async (ProgramAdministration programs, CancellationToken cancellationToken) =>
            Results.Json(await programs.ListAsync(cancellationToken), ApiJson.Default.IReadOnlyListProgramSummary)).Produces<IReadOnlyList<ProgramSummary>>();
        api.MapPost("/programs", CreateProgramAsync).Produces<ProgramSummary>(201).Produces<Problem>(400).Produces<Problem>(404).Produces<Problem>(409).WithMetadata(NeedsRole.Administrator);
        api.MapDelete("/programs", async (ProgramAdministration programs, string program, CancellationToken cancellationToken) =>
        {
            await programs.RemoveAsync(program, cancellationToken);
            return Results.NoContent();
        }).Produces(204).Produces<Problem>(404).Produces<Problem>(409).WithMetadata(NeedsRole.Administrator);
        api.MapGet("/advertisements", async (OfferReader offers, CancellationToken cancellationToken) =>
            Results.Json(await offers.ListAsync(cancellationToken), ApiJson.Default.IReadOnlyListAdvertisementSummary)).Produces<IReadOnlyList<AdvertisementSummary>>();
        api.MapPost("/advertisements", CreateAsync).Produces<AdvertisementSaved>(201).Produces<Problem>(400).Produces<Problem>(404).Produces<Problem>(409).WithMetadata(NeedsRole.Administrator);
        api.MapGet("/advertisements/{id}", async (OfferReader offers, string id, CancellationToken cancellationToken) =>
            Results.Json(await offers.ShowAsync(id, cancellationToken), ApiJson.Default.AdvertisementDetail)).Produces<AdvertisementDetail>().Produces<Problem>(404);
        api.MapPut("/advertisements/{id}", EditAsync).Produces<AdvertisementSaved>().Produces<Problem>(400).Produces<Problem>(404).Produces<Problem>(409).WithMetadata(NeedsRole.Administrator);
        api.MapDelete("/advertisements/{id}", RemoveAsync).Produces<AdvertisementSaved>().Produces<Problem>(404).Produces<Problem>(409).WithMetadata(NeedsRole.Administrator);
        // To stop something is an operator's right: it takes nothing away, and an administrator may be asleep.
        api.MapPost("/advertisements/{id}/halt", async (AdvertisementAdministration advertisements, string id, AdvertisementHalt halt, CancellationToken cancellationToken) =>
            Results.Json(await advertisements.HaltAsync(id, halt.Because, cancellationToken), ApiJson.Default.AdvertisementSaved)).Produces<AdvertisementSaved>().Produces<Problem>(404).Produces<Problem>(409);
        api.MapPost("/advertisements/{id}/resume", async (AdvertisementAdministration advertisements, string id, CancellationToken cancellationToken) =>
            Results.Json(await advertisements.ResumeAsync(id, cancellationToken), ApiJson.Default.AdvertisementSaved)).Produces<AdvertisementSaved>().Produces<Problem>(404).Produces<Problem>(409).WithMetadata(NeedsRole.Administrator);
        api.MapGet("/advertisements/{id}/clients", ClientsAsync).Produces<Page<AdvertisementClient>>().Produces<Problem>(400).Produces<Problem>(404);
        api.MapGet("/clients/{id}/advertisements", (OfferStates states, DeviceStore devices, string id, CancellationToken cancellationToken) => DeviceLookup.WithAsync(devices, id, async deviceId =>
            Results.Json(await states.OfDeviceAsync(deviceId, cancellationToken), ApiJson.Default.IReadOnlyListAdvertisementClient), cancellationToken)).Produces<IReadOnlyList<AdvertisementClient>>().Produces<Problem>(404);
        api.MapGet("/why", (WhyReader why, DeviceStore devices, string client, string advertisement, CancellationToken cancellationToken) => DeviceLookup.WithAsync(devices, client, async deviceId =>
            Results.Json(await why.ReadAsync(deviceId, advertisement, cancellationToken), ApiJson.Default.WhyDocument), cancellationToken)).Produces<WhyDocument>().Produces<Problem>(404);
    }

    private static async Task<IResult> CreateProgramAsync(HttpContext http, ProgramAdministration programs, ProgramCreate program, CancellationToken cancellationToken)
    {
        if (string.IsNullOrEmpty(program.Package))
            return Problems.Invalid("package is required.");
        AccessGuard.About(http, $"{program.Package}/{program.Rules?.Name ?? program.Name}");
        return Results.Json(await programs.CreateAsync(program, cancellationToken), ApiJson.Default.ProgramSummary, statusCode: StatusCodes.Status201Created);
    }

    private static async Task<IResult> CreateAsync(HttpContext http, AdvertisementAdministration advertisements, AdvertisementCreate advertisement, CancellationToken cancellationToken)
    {
        if (string.IsNullOrEmpty(advertisement.Program) || string.IsNullOrEmpty(advertisement.Collection))
            return Problems.Invalid("program and collection are required.");
        AccessGuard.About(http, $"{advertisement.Program} to {advertisement.Collection}{(advertisement.DryRun ? " (dry run)" : "")}");
        return Results.Json(await advertisements.CreateAsync(advertisement, cancellationToken), ApiJson.Default.AdvertisementSaved, statusCode: advertisement.DryRun ? StatusCodes.Status200OK : StatusCodes.Status201Created);
    }

    private static async Task<IResult> EditAsync(HttpContext http, AdvertisementAdministration advertisements, string id, AdvertisementEdit edit, CancellationToken cancellationToken)
    {
        var to = edit.Collection is null ? "" : $" to {edit.Collection}";
        var version = edit.PackageVersion is { } given ? string.Create(CultureInfo.InvariantCulture, $" package version {(given == 0 ? "newest" : given)}") : "";
        AccessGuard.About(http, $"{id}{to}{version}{(edit.Rules is null ? "" : " rules")}{(edit.DryRun ? " (dry run)" : "")}");
        return Results.Json(await advertisements.EditAsync(id, edit, cancellationToken), ApiJson.Default.AdvertisementSaved);
    }

    private static async Task<IResult> RemoveAsync(HttpContext http, AdvertisementAdministration advertisements, string id, bool? keep, bool? confirmed, bool? dryRun, CancellationToken cancellationToken)
    {
        AccessGuard.About(http, $"{id}{(keep == true ? " (kept)" : "")}{(dryRun == true ? " (dry run)" : "")}");
        return Results.Json(await advertisements.RemoveAsync(id, new AdvertisementRemoval(keep == true, confirmed == true, dryRun == true), cancellationToken), ApiJson.Default.AdvertisementSaved);
    }

    private static async Task<IResult> ClientsAsync(OfferReader offers, string id, string? state, string? cursor, int? limit, CancellationToken cancellationToken)
    {
        if (Paging.Read(limit, cursor) is not { } page)
            return Paging.Refuse();
        // A mistyped one would be answered with nobody: "none has failed".
        if (!string.IsNullOrEmpty(state) && !AdvertisementClient.States.Contains(state, StringComparer.Ordinal))
            return Problems.Invalid($"state is one of {string.Join(", ", AdvertisementClient.States)}.");
        var offset = (int)Math.Min(page.Cursor ?? 0, int.MaxValue - Paging.MaxLimit - 1);
        var rows = await offers.ClientsAsync(id, string.IsNullOrEmpty(state) ? null : state, offset, page.Limit + 1, cancellationToken);
        return Results.Json(rows.Count > page.Limit
            ? new Page<AdvertisementClient>([.. rows.Take(page.Limit)], (offset + page.Limit).ToString(CultureInfo.InvariantCulture))
            : new Page<AdvertisementClient>(rows, null), ApiJson.Default.PageAdvertisementClient);
    }
}
