using System.Data.Common;
using Capstan.Protocol.V1;
using Capstan.Site.Collections;
using Capstan.Site.Api;
using Capstan.Site.Store;

namespace Capstan.Site.Publish.Settings;

/// <summary>Sets and clears settings of clients.</summary>
internal sealed class SettingAdministration(SiteContext site, ClientSettingStore store, Publisher publisher)
{
    public async Task<SettingsDocument> ReadAsync(CancellationToken cancellationToken) => new(
        [.. SettingDefinition.All.Select(setting => new SettingDefinitionRow(setting.Name, setting.Description, setting.Range, setting.Unit, setting.Default, setting.Show(setting.Default)))],
        [.. (await store.SettingsAsync(cancellationToken)).Select(row => new SettingValueRow(row.Scope, row.Name, row.Value, SettingDefinition.Find(row.Name)?.Show(row.Value) ?? row.Value, Times.At(row.SetAt)))]);

    /// <param name="scope">See <see cref="SettingScope"/>; a collection has to be there.</param>
    /// <exception cref="SiteException"><c>setting_unknown</c>, <c>bad_setting</c>.</exception>
    public Task<SettingChanged> SetAsync(string scope, string name, string text, CancellationToken cancellationToken)
    {
        var definition = Definition(name);
        if (!definition.TryRead(text, out var value))
            throw new SiteException($"'{text}' is no value for {name}: {definition.Range}.", "bad_setting");
        return ChangeAsync(async transaction =>
        {
            // Within the transaction: one that is removed meanwhile must not leave a value behind that a later one of its name has.
            if (SettingScope.CollectionOf(scope) is { } collection && await CollectionStore.FindAsync(transaction, collection) is null)
                throw new SiteException($"There is no collection {collection}; `capstan collection list` shows all.", "collection_unknown");
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

    /// <summary>What is set for one device, with the defaults.</summary>
    public async Task<IReadOnlyList<ClientSettingRow>> OfAsync(string deviceId, long number, CancellationToken cancellationToken)
    {
        var content = await site.Database.ReadAsync(connection => PolicyContents.OfAsync(connection, number, deviceId), cancellationToken);
        var set = content.Settings.ToDictionary(setting => setting.Name, StringComparer.Ordinal);
        return [.. SettingDefinition.All.Select(definition => set.TryGetValue(definition.Name, out var setting)
            ? new ClientSettingRow(definition.Name, setting.Value, definition.Show(setting.Value), setting.From)
            : new ClientSettingRow(definition.Name, definition.Default, definition.Show(definition.Default), ClientSettingRow.Default))];
    }

    private async Task<T> ChangeAsync<T>(Func<DbTransaction, Task> change, Func<int, T> result, CancellationToken cancellationToken)
    {
        var clients = await site.Database.WriteAsync(async transaction =>
        {
            await change(transaction);
            return await PolicyContents.SettleAsync(transaction);
        }, cancellationToken);
        if (clients > 0)
            publisher.Changed(PublishUrgency.Enrolment);
        return result(clients);
    }

    private static SettingDefinition Definition(string name) => SettingDefinition.Find(name)
        ?? throw new SiteException($"There is no setting {name}. There are: {string.Join(", ", SettingDefinition.All.Select(setting => setting.Name))}.", "setting_unknown");
}
