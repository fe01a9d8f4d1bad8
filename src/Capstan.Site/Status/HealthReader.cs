using System.Globalization;
using System.Text.Json;
using Capstan.Site.Access;
using Capstan.Site.Api;
using Capstan.Site.Collections;
using Capstan.Site.Distribution.Content;
using Capstan.Site.Fleet;
using Capstan.Site.Load;
using Capstan.Site.Publish;
using Capstan.Site.Store;

namespace Capstan.Site.Status;

/// <summary>Reads the facts that <see cref="HealthRules"/> judges.</summary>
internal sealed class HealthReader(SiteContext site, DeviceStore devices, QuarantineStore quarantine, CapStore caps, PublishStore published, SettingStore settings, Publisher publisher, InboxHealth inboxes, CycleHealth cycles, SiteAccounts accounts, CapLoadReader loads, CollectionAdministration collections, HomePacks content, ServedTls tls)
{
    public async Task<IReadOnlyList<HealthCondition>> ReadAsync(CancellationToken cancellationToken) => HealthRules.Judge(new HealthFacts(
        site.Time.GetUtcNow(),
        await quarantine.CountAsync(cancellationToken),
        await NumberAsync(SettingStore.QuarantineDropped, cancellationToken) ?? 0,
        await caps.ListAsync(cancellationToken),
        await TimestampExpiresAsync(cancellationToken),
        publisher.RootExpires,
        site.Keys.RootPresent,
        await NumberAsync(SettingStore.LastSigned, cancellationToken) is { } signed ? Times.At(signed) : null,
        inboxes.Read(),
        cycles.Read())
    {
        Tls = tls.Listener?.Facts(),
        AccountsInDoubt = await settings.GetAsync(SettingStore.AccountsInDoubt, cancellationToken) is not null,
        LackingContent = (content.Amount.Packs, content.Amount.Bytes, content.Problem),
        Epoch = site.Site.Epoch,
        EpochSeen = await NumberAsync(SettingStore.EpochSeen, cancellationToken) ?? 0,
        EpochClaims = await devices.EpochClaimsAsync(site.Site.Epoch, cancellationToken),
        RolledBackFrom = await NumberAsync(SettingStore.RolledBackFrom, cancellationToken) ?? 0,
        Accounts = await accounts.HandoutAsync(cancellationToken),
        Collections = [.. (await collections.ListAsync(cancellationToken)).Where(collection => collection.Problem is not null)],
        Loads = [.. (await loads.ReadAsync(days: 7, cancellationToken)).Select(reading => reading.Judgement)],
    });

    private async Task<long?> NumberAsync(string setting, CancellationToken cancellationToken) =>
        long.TryParse(await settings.GetAsync(setting, cancellationToken), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;

    private async Task<DateTimeOffset?> TimestampExpiresAsync(CancellationToken cancellationToken)
    {
        if (await published.ContentAsync(CapWriter.Pointer, cancellationToken) is not { } content)
            return null;
        using var document = JsonDocument.Parse(content);
        return document.RootElement.GetProperty("signed").GetProperty("expires").GetDateTimeOffset();
    }
}
