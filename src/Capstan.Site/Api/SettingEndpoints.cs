using Capstan.Site.Access;
using Capstan.Site.Collections;
using Capstan.Site.Publish.Settings;
using Capstan.Site.Store;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Capstan.Site.Api;

/// <summary><c>/api/v1/settings</c>.</summary>
internal static class SettingEndpoints
{
    public static void MapSettings(this IEndpointRouteBuilder api)
    {
        api.MapGet("/settings", async (SettingAdministration settings, CancellationToken cancellationToken) =>
            Results.Json(await settings.ReadAsync(cancellationToken), ApiJson.Default.SettingsDocument)).Produces<SettingsDocument>();
        api.MapPut("/settings", SetAsync).Produces<SettingChanged>().Produces<Problem>(400).Produces<Problem>(404).WithMetadata(NeedsRole.Administrator);
        api.MapDelete("/settings", ClearAsync).Produces<SettingChanged>().Produces<Problem>(404).WithMetadata(NeedsRole.Administrator);
    }

    private static Task<IResult> SetAsync(HttpContext http, SettingAdministration settings, CollectionAdministration collections, DeviceStore devices, SettingChange change, CancellationToken cancellationToken)
    {
        AccessGuard.About(http, $"{change.Name}={change.Value} {change.Collection ?? change.Client ?? SettingScope.Site}");
        return WithScopeAsync(collections, devices, change.Collection, change.Client, async scope =>
            Results.Json(await settings.SetAsync(scope, change.Name, change.Value, cancellationToken), ApiJson.Default.SettingChanged), cancellationToken);
    }

    private static Task<IResult> ClearAsync(SettingAdministration settings, CollectionAdministration collections, DeviceStore devices, string name, string? collection, string? client, CancellationToken cancellationToken) =>
        WithScopeAsync(collections, devices, collection, client, async scope => Results.Json(await settings.ClearAsync(scope, name, cancellationToken), ApiJson.Default.SettingChanged), cancellationToken);

    private static async Task<IResult> WithScopeAsync(CollectionAdministration collections, DeviceStore devices, string? collection, string? client, Func<string, Task<IResult>> action, CancellationToken cancellationToken) => (collection, client) switch
    {
        (not null, not null) => Problems.Invalid("Give a collection or a client, not both."),
        // Its name as it was made, in whatever case it was given.
        (not null, null) => await action(SettingScope.OfCollection((await collections.ShowAsync(collection, cancellationToken)).Name)),
        (null, not null) => await DeviceLookup.WithAsync(devices, client, deviceId => action(SettingScope.OfClient(deviceId)), cancellationToken),
        _ => await action(SettingScope.Site),
    };
}
