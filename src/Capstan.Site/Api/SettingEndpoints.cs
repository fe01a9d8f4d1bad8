using Capstan.Site.Access;
using Capstan.Site.Publish.Settings;
using Capstan.Site.Store;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Capstan.Site.Api;

/// <summary><c>/api/v1/settings</c> and <c>/api/v1/groups</c>.</summary>
internal static class SettingEndpoints
{
    public static void MapSettings(this IEndpointRouteBuilder api)
    {
        api.MapGet("/settings", async (SettingAdministration settings, CancellationToken cancellationToken) =>
            Results.Json(await settings.ReadAsync(cancellationToken), ApiJson.Default.SettingsDocument)).Produces<SettingsDocument>();
        api.MapPut("/settings", SetAsync).Produces<SettingChanged>().Produces<Problem>(400).Produces<Problem>(404).WithMetadata(NeedsRole.Administrator);
        api.MapDelete("/settings", ClearAsync).Produces<SettingChanged>().Produces<Problem>(404).WithMetadata(NeedsRole.Administrator);
        api.MapGet("/groups", async (SettingAdministration settings, CancellationToken cancellationToken) =>
            Results.Json(await settings.GroupsAsync(cancellationToken), ApiJson.Default.IReadOnlyListGroupSummary)).Produces<IReadOnlyList<GroupSummary>>();
        api.MapPost("/groups", SaveGroupAsync).Produces<GroupSaved>().Produces<Problem>(400).Produces<Problem>(404).WithMetadata(NeedsRole.Administrator);
        api.MapDelete("/groups/{name}", async (SettingAdministration settings, string name, CancellationToken cancellationToken) =>
            Results.Json(await settings.RemoveGroupAsync(name, cancellationToken), ApiJson.Default.GroupSaved)).Produces<GroupSaved>().Produces<Problem>(404).WithMetadata(NeedsRole.Administrator);
        api.MapGet("/groups/{name}/members", async (SettingAdministration settings, string name, CancellationToken cancellationToken) =>
            Results.Json(await settings.MembersAsync(name, cancellationToken), ApiJson.Default.IReadOnlyListGroupMember)).Produces<IReadOnlyList<GroupMember>>().Produces<Problem>(404);
        api.MapPut("/groups/{name}/members/{id}", (SettingAdministration settings, DeviceStore devices, string name, string id, CancellationToken cancellationToken) =>
            MemberAsync(settings, devices, name, id, isMember: true, cancellationToken)).Produces<GroupSaved>().Produces<Problem>(404).WithMetadata(NeedsRole.Administrator);
        api.MapDelete("/groups/{name}/members/{id}", (SettingAdministration settings, DeviceStore devices, string name, string id, CancellationToken cancellationToken) =>
            MemberAsync(settings, devices, name, id, isMember: false, cancellationToken)).Produces<GroupSaved>().Produces<Problem>(404).WithMetadata(NeedsRole.Administrator);
    }

    private static Task<IResult> SetAsync(HttpContext http, SettingAdministration settings, DeviceStore devices, SettingChange change, CancellationToken cancellationToken)
    {
        AccessGuard.About(http, $"{change.Name}={change.Value} {change.Group ?? change.Client ?? SettingScope.Site}");
        return WithScopeAsync(devices, change.Group, change.Client, async scope =>
            Results.Json(await settings.SetAsync(scope, change.Group, change.Name, change.Value, cancellationToken), ApiJson.Default.SettingChanged), cancellationToken);
    }

    private static Task<IResult> ClearAsync(SettingAdministration settings, DeviceStore devices, string name, string? group, string? client, CancellationToken cancellationToken) =>
        WithScopeAsync(devices, group, client, async scope => Results.Json(await settings.ClearAsync(scope, name, cancellationToken), ApiJson.Default.SettingChanged), cancellationToken);

    private static async Task<IResult> SaveGroupAsync(HttpContext http, SettingAdministration settings, DeviceStore devices, GroupSave group, CancellationToken cancellationToken)
    {
        AccessGuard.About(http, $"{group.Name} {group.Rule}");
        var members = new List<string>();
        foreach (var id in group.Members ?? [])
        {
            var (deviceId, refusal) = await DeviceLookup.FindAsync(devices, id, cancellationToken);
            if (refusal is not null)
                return refusal;
            members.Add(deviceId!);
        }
        return Results.Json(await settings.SaveGroupAsync(group with { Members = members }, cancellationToken), ApiJson.Default.GroupSaved);
    }

    private static async Task<IResult> MemberAsync(SettingAdministration settings, DeviceStore devices, string name, string id, bool isMember, CancellationToken cancellationToken) =>
        await DeviceLookup.WithAsync(devices, id, async deviceId => Results.Json(await settings.MemberAsync(name, deviceId, isMember, cancellationToken), ApiJson.Default.GroupSaved), cancellationToken);

    private static Task<IResult> WithScopeAsync(DeviceStore devices, string? group, string? client, Func<string, Task<IResult>> action, CancellationToken cancellationToken) => (group, client) switch
    {
        (not null, not null) => Task.FromResult(Problems.Invalid("Give a group or a client, not both.")),
        (not null, null) => action(SettingScope.OfGroup(group)),
        (null, not null) => DeviceLookup.WithAsync(devices, client, deviceId => action(SettingScope.OfClient(deviceId)), cancellationToken),
        _ => action(SettingScope.Site),
    };
}
