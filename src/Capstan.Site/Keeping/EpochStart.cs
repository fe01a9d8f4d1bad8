using System.Data.Common;
using System.Globalization;
using Capstan.Protocol.V1;
using Capstan.Site.Distribution.Offers;
using Capstan.Site.Publish;
using Capstan.Site.Store;
using Dapper;

namespace Capstan.Site.Keeping;

/// <summary>What a new epoch changes in the store of a site that does not know what it has done since a backup. Absent is not empty: nothing that only others know is taken back.</summary>
internal static class EpochStart
{
    /// <param name="floor">See <see cref="RestoreRules.VersionFloor"/>.</param>
    /// <param name="buildOrder">The highest order about builds that a CAP verifiably shows; 0 for none.</param>
    /// <param name="text">The status message of the site.</param>
    /// <returns>How many tokens ended that could still be used.</returns>
    public static async Task<int> ApplyAsync(DbTransaction transaction, long floor, long buildOrder, string text, DateTimeOffset now)
    {
        var connection = transaction.Connection!;
        // A token that was used up after the backup would be good once more.
        var tokens = await connection.ExecuteAsync("update token set uses_left = 0 where uses_left > 0", null, transaction);
        // Every policy is signed anew, and says nothing of accounts: clients may have newer ones than the backup.
        await connection.ExecuteAsync("update device set policy_pending = 1 where ordinal is not null", null, transaction);
        if (await SettingStore.GetAsync(transaction, SettingStore.AccountsRevision) is not null)
            await SettingStore.SetAsync(transaction, SettingStore.AccountsInDoubt, "1");
        foreach (var order in await BuildStore.OrdersAsync(transaction))
        {
            await BuildStore.RaiseOrderAsync(transaction, order.Platform, RestoreRules.Order(order.OrderNumber, buildOrder, now));
            // A newer one may have followed the order to go back, and clients with it: nobody goes back because a site was restored.
            if (order.Downgrade == 1)
                await BuildStore.EndOrderAsync(transaction, order.Platform, now);
        }
        await OfferRestore.ApplyAsync(transaction, now);
        // Who waited for an approval waits from now on; what waited in an inbox is looked at anew.
        await connection.ExecuteAsync("update device set requested_at = @now where state = 'pending'", new { now = Times.Of(now) }, transaction);
        await connection.ExecuteAsync("delete from waiting", null, transaction);
        await connection.ExecuteAsync("update cap set published_version = 0, next_try = null, drain_next_try = null", null, transaction);
        // Copies of refused uploads are not part of a backup.
        await connection.ExecuteAsync("update quarantine set kept_as = null", null, transaction);
        await SettingStore.SetAsync(transaction, SettingStore.VersionFloor, floor.ToString(CultureInfo.InvariantCulture));
        await SettingStore.RemoveAsync(transaction, SettingStore.PublishedSite);
        await SettingStore.RemoveAsync(transaction, SettingStore.RolledBackFrom);
        // A session that was ended since would be open again.
        await connection.ExecuteAsync("delete from site_session", null, transaction);
        // The last signing time may be that of a wrong clock; the versions alone go on.
        await SettingStore.RemoveAsync(transaction, SettingStore.LastSigned);
        await StatusStore.AddAsync(transaction, null,
            new StatusMessage { Severity = "warning", Code = "site_restored", Component = "keeping", Text = text, ReportedAt = Times.Of(now) }, now);
        return tokens;
    }
}
