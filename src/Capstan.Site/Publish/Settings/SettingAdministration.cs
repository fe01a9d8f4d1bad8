using System.Data.Common;
using Capstan.Protocol.V1;
using Capstan.Site.Api;
using Capstan.Site.Store;

namespace Capstan.Site.Publish.Settings;

/// <summary>Sets and clears settings of clients, and keeps the groups that they are set for.</summary>
internal sealed class SettingAdministration(SiteContext site, ClientSettingStore store, Publisher publisher)
{
    /// <summary>Most groups of a site: each signing asks them all.</summary>
    public const int MaxGroups = 200;

    private const int LongestName = 40, LongestRule = 120;

    public async Task<SettingsDocument> ReadAsync(CancellationToken cancellationToken) => new(
        [.. SettingDefinition.All.Select(setting => new SettingDefinitionRow(setting.Name, setting.Description, setting.Range, setting.Unit, setting.Default, setting.Show(setting.Default)))],
        [.. (await store.SettingsAsync(cancellationToken)).Select(row => new SettingValueRow(row.Scope, row.Name, row.Value, SettingDefinition.Find(row.Name)?.Show(row.Value) ?? row.Value, Times.At(row.SetAt)))]);

    /// <param name="scope">See <see cref="SettingScope"/>; a group has to be there.</param>
    /// <exception cref="SiteException"><c>setting_unknown</c>, <c>bad_setting</c>, <c>group_unknown</c>.</exception>
    public Task<SettingChanged> SetAsync(string scope, string? group, string name, string text, CancellationToken cancellationToken)
    {
        var definition = Definition(name);
        if (!definition.TryRead(text, out var value))
            throw new SiteException($"'{text}' is no value for {name}: {definition.Range}.", "bad_setting");
        return ChangeAsync(async transaction =>
        {
            await RequireAsync(transaction, group);
            await ClientSettingStore.SetAsync(transaction, scope, name, value, site.Time.GetUtcNow());
        }, clients => new SettingChanged(scope, name, value, definition.Show(value), clients), cancellationToken);
    }

    /// <exception cref="SiteException"><c>setting_unknown</c>, <c>setting_unset</c>.</exception>
    public Task<SettingChanged> ClearAsync(string scope, string name, CancellationToken cancellationToken)
    {
        var definition = Definition(name);
        return ChangeAsync(async transaction =>
        {
            if (!await ClientSettingStore.ClearAsync(transaction, scope, name))
                throw new SiteException($"{name} is not set for {scope}; `capstan setting list` shows what is.", "setting_unset");
        }, clients => new SettingChanged(scope, name, definition.Default, definition.Show(definition.Default), clients), cancellationToken);
    }

    public async Task<IReadOnlyList<GroupSummary>> GroupsAsync(CancellationToken cancellationToken)
    {
        var book = await store.BookAsync(cancellationToken);
        var devices = await store.DevicesAsync(cancellationToken);
        return [.. (await store.GroupsAsync(cancellationToken)).Select(group => new GroupSummary(group.Name, (int)group.Priority, group.Rule, devices.Count(device => book.IsMember(group.Name, device)), Times.At(group.AddedAt)))];
    }

    /// <exception cref="SiteException"><c>group_unknown</c>.</exception>
    public async Task<IReadOnlyList<GroupMember>> MembersAsync(string name, CancellationToken cancellationToken)
    {
        if (!(await store.GroupsAsync(cancellationToken)).Any(group => group.Name == name))
            throw Unknown(name);
        var book = await store.BookAsync(cancellationToken);
        return [.. (await store.DevicesAsync(cancellationToken)).Where(device => book.IsMember(name, device))
            .Select(device => new GroupMember(device.DeviceId, device.HostName, book.IsNamed(name, device.DeviceId) ? GroupMember.Named : GroupMember.Rule))];
    }

    /// <summary>Makes a group, or gives one that is there another priority or rule.</summary>
    /// <exception cref="SiteException"><c>bad_group</c>.</exception>
    public Task<GroupSaved> SaveGroupAsync(GroupSave request, CancellationToken cancellationToken)
    {
        if (request.Name.Length is 0 or > LongestName || !request.Name.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.'))
            throw new SiteException($"'{request.Name}' is no name of a group: 1 to {LongestName} of A-Z a-z 0-9 - _ .", "bad_group");
        if (request.Rule is { } rule && (rule.Length > LongestRule || GroupRule.Parse(rule) is null))
            throw new SiteException($"'{rule}' is no rule of a group: {GroupRule.Form}, at most {LongestRule} characters.", "bad_group");
        if (request.Priority is < 0 or > 1_000)
            throw new SiteException("The priority of a group is 0 to 1,000.", "bad_group");
        return ChangeAsync(async transaction =>
        {
            var known = await ClientSettingStore.FindGroupAsync(transaction, request.Name);
            if (known is null && await ClientSettingStore.CountGroupsAsync(transaction) >= MaxGroups)
                throw new SiteException($"A site has at most {MaxGroups} groups.", "bad_group");
            await ClientSettingStore.SaveGroupAsync(transaction, request.Name, request.Priority ?? known?.Priority ?? 0, request.Rule ?? known?.Rule, site.Time.GetUtcNow());
            foreach (var member in request.Members ?? [])
                await ClientSettingStore.AddMemberAsync(transaction, request.Name, member);
        }, clients => new GroupSaved(request.Name, clients), cancellationToken);
    }

    /// <exception cref="SiteException"><c>group_unknown</c>.</exception>
    public Task<GroupSaved> RemoveGroupAsync(string name, CancellationToken cancellationToken) => ChangeAsync(async transaction =>
    {
        await RequireAsync(transaction, name);
        await ClientSettingStore.RemoveGroupAsync(transaction, name);
    }, clients => new GroupSaved(name, clients), cancellationToken);

    /// <exception cref="SiteException"><c>group_unknown</c>, <c>not_a_member</c>.</exception>
    public Task<GroupSaved> MemberAsync(string name, string deviceId, bool isMember, CancellationToken cancellationToken) => ChangeAsync(async transaction =>
    {
        await RequireAsync(transaction, name);
        if (isMember)
            await ClientSettingStore.AddMemberAsync(transaction, name, deviceId);
        else if (!await ClientSettingStore.DropMemberAsync(transaction, name, deviceId))
            throw new SiteException($"That client is not a member of {name} by name; members by the group's rule leave with the rule.", "not_a_member");
    }, clients => new GroupSaved(name, clients), cancellationToken);

    /// <summary>What is set for one device, with the defaults, and its groups.</summary>
    public async Task<(IReadOnlyList<ClientSettingRow> Settings, IReadOnlyList<string> Groups)> OfAsync(string deviceId, CancellationToken cancellationToken)
    {
        if (await store.DeviceAsync(deviceId, cancellationToken) is not { } device)
            return ([], []);
        var book = await store.BookAsync(cancellationToken);
        var set = book.Resolve(device).ToDictionary(setting => setting.Name, StringComparer.Ordinal);
        return ([.. SettingDefinition.All.Select(definition => set.TryGetValue(definition.Name, out var setting)
            ? new ClientSettingRow(definition.Name, setting.Value, definition.Show(setting.Value), setting.From)
            : new ClientSettingRow(definition.Name, definition.Default, definition.Show(definition.Default), ClientSettingRow.Default))], book.GroupsOf(device));
    }

    private async Task<T> ChangeAsync<T>(Func<DbTransaction, Task> change, Func<int, T> result, CancellationToken cancellationToken)
    {
        var clients = await site.Database.WriteAsync(async transaction =>
        {
            await change(transaction);
            return await ClientSettingStore.SettleAsync(transaction);
        }, cancellationToken);
        if (clients > 0)
            publisher.Changed(PublishUrgency.Enrolment);
        return result(clients);
    }

    private static async Task RequireAsync(DbTransaction transaction, string? group)
    {
        if (group is not null && await ClientSettingStore.FindGroupAsync(transaction, group) is null)
            throw Unknown(group);
    }

    private static SettingDefinition Definition(string name) => SettingDefinition.Find(name)
        ?? throw new SiteException($"There is no setting {name}. There are: {string.Join(", ", SettingDefinition.All.Select(setting => setting.Name))}.", "setting_unknown");

    private static SiteException Unknown(string group) => new($"There is no group {group}; `capstan group list` shows all.", "group_unknown");
}
