using Capstan.Protocol.V1;
using Capstan.Site.Api;
using Capstan.Site.Collections;
using Capstan.Site.Distribution.Content;
using Capstan.Site.Publish;
using Capstan.Site.Store;
using Dapper;

namespace Capstan.Site.Distribution.Offers;

/// <summary>Gathers what the site knows of one client and one advertisement, for <see cref="WhyRules"/>.</summary>
internal sealed class WhyReader(SiteContext site, OfferStore store, OfferStates states, CollectionStore collections, ContentStore content)
{
    /// <param name="deviceId">Of a device that is there.</param>
    /// <param name="advertisement">Its id, or its name where only one has it.</param>
    /// <exception cref="SiteException"><c>advertisement_unknown</c>.</exception>
    public async Task<WhyDocument> ReadAsync(string deviceId, string advertisement, CancellationToken cancellationToken)
    {
        var row = await FindAsync(advertisement, cancellationToken);
        var document = row.Read();
        var device = await site.Database.ReadAsync(connection => connection.QuerySingleAsync<DeviceFactsRow>(
            "select number, host_name, state, advertisements, settings, policy_signed_version, policy_version, platform, memory_bytes, last_seen from device where device_id = @deviceId", new { deviceId }), cancellationToken);
        var collection = (await collections.ListAsync(cancellationToken)).FirstOrDefault(entry => entry.CollectionId == row.CollectionId);
        var member = collection is null ? null : (await collections.OfDeviceAsync(deviceId, cancellationToken)).Where(entry => entry.Name == collection.Name).Select(entry => (MemberWhy?)entry.Why).FirstOrDefault();
        var told = (await states.OfDeviceAsync(deviceId, cancellationToken)).FirstOrDefault(state => state.AdvertisementId == row.AdvertisementId);
        var window = PolicyContents.ReadSettings(device.Settings).FirstOrDefault(setting => setting.Name == "maintenance.window")?.Value;
        return WhyRules.Of(new WhyFacts(row.AdvertisementId, row.Name, document, OfferReader.StateOf(row, site.Time.GetUtcNow()), deviceId, device.HostName, device.State, collection?.Name ?? "(removed)", collection?.Query, member,
            PolicyContents.ReadAdvertisements(device.Advertisements).Contains(row.AdvertisementId, StringComparer.Ordinal), device.PolicySignedVersion, device.PolicyVersion, device.Platform, device.MemoryBytes, window, told, Times.At(device.LastSeen))
        { OnItsWay = await WayAsync(document, cancellationToken) },
            site.Time.GetUtcNow());
    }

    private async Task<string?> WayAsync(Advertisement document, CancellationToken cancellationToken)
    {
        var waiting = (await content.WaitingAsync(cancellationToken)).ToHashSet();
        return document.Offer.Chain().Where(step => waiting.Contains((step.PackageId, step.PackageVersion))).Select(step =>
            $"{step.PackageName} version {step.PackageVersion} is on its way: no client access point has all of it yet. `capstan package show {step.PackageId}` shows how far each is.").FirstOrDefault();
    }

    private async Task<AdvertisementRow> FindAsync(string text, CancellationToken cancellationToken)
    {
        if (await store.FindAsync(text, cancellationToken) is { } row)
            return row;
        return (await store.ListAsync(cancellationToken)).Where(known => known.Name.Equals(text, StringComparison.OrdinalIgnoreCase)).ToList() switch
        {
            [var only] => only,
            [] => throw new SiteException($"There is no advertisement {text}; `capstan advertisement list` shows all.", "advertisement_unknown"),
            var several => throw new SiteException($"{several.Count} advertisements are named {text}: give one of the ids {string.Join(", ", several.Take(5).Select(known => known.AdvertisementId))}.", "advertisement_unknown"),
        };
    }

    private sealed record DeviceFactsRow(long Number, string HostName, string State, string Advertisements, string Settings, long? PolicySignedVersion, long? PolicyVersion, string? Platform, long? MemoryBytes, long? LastSeen);
}
