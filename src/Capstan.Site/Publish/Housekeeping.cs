using Capstan.Site.Access;
using Capstan.Site.Fleet;
using Capstan.Site.Load;
using Capstan.Site.Status.Clients;
using Capstan.Site.Store;
using Microsoft.Extensions.Logging;

namespace Capstan.Site.Publish;

/// <summary>Keeps the store within its limits: status messages, tokens, requests that nobody approved; and looks after the limits of CAPs.</summary>
internal sealed class Housekeeping(SiteContext site, ReceiptWriter receipts, CapWatch capacity, ILogger<Housekeeping> logger)
{
    /// <summary>How long an expired token stays on the list.</summary>
    private static readonly TimeSpan TokensAfter = TimeSpan.FromDays(30);

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var forgotten = await site.Database.WriteAsync(async transaction =>
        {
            var now = site.Time.GetUtcNow();
            await StatusStore.PruneAsync(transaction);
            await AuditStore.PruneAsync(transaction, now);
            await UserStore.PruneSessionsAsync(transaction, now - Users.SessionLimit, now - Users.IdleLimit);
            await TokenStore.PruneAsync(transaction, now - TokensAfter);
            await ConditionStore.PruneAsync(transaction, now - ClientHealthReader.Remembered);
            await DeviceStore.ClampTimesAsync(transaction, now);
            return await Enrolment.ForgetAsync(transaction, now);
        }, cancellationToken);
        foreach (var device in forgotten)
            LoadLog.RequestForgotten(logger, device.HostName, device.Fingerprint);
        // Receipts that no longer list a device tell it to ask again.
        await receipts.MarkAsync(forgotten.Select(device => device.Bin).Distinct(StringComparer.Ordinal), cancellationToken);
        await capacity.RunAsync(cancellationToken);
    }
}
