using System.Data.Common;
using Capstan.Site.Store;
using Microsoft.Extensions.Logging;

namespace Capstan.Site.Access;

/// <summary>What comes from outside into the audit log: changes before they begin, and refusals as far as they may write. Thread-safe.</summary>
internal sealed class AuditTrail(SiteContext site, ILogger<AuditTrail> logger)
{
    /// <summary>Requests without a caller. They leave a line in the log each minute, and no row.</summary>
    public RefusalTally Nobody { get; } = new(site.Time);

    /// <summary>Attempts to sign in that failed, or were not looked at.</summary>
    public RefusalTally SignIns { get; } = new(site.Time);

    /// <summary>Changes that somebody with a name may not make.</summary>
    public RefusalTally Changes { get; } = new(site.Time);

    /// <summary>A row for a change that is about to be made. Without it, it is not made.</summary>
    /// <returns>The row's number.</returns>
    public Task<long> BeginAsync(AuditEntry change, CancellationToken cancellationToken) =>
        site.Database.WriteAsync(transaction => AuditStore.AddAsync(transaction, change with { Outcome = AuditStore.Begun }, site.Time.GetUtcNow()), cancellationToken);

    /// <summary>How a change ended. When it cannot be written, the row goes on saying that the change has begun, and the log says why.</summary>
    public Task EndAsync(long row, AuditEntry change) => TryAsync(change, transaction => AuditStore.EndAsync(transaction, row, change.Subject, change.Outcome));

    public Task RefusedAsync(AuditEntry change) => Changes.Count($"{change.Actor} {change.Action}") ? AddAsync(change) : Task.CompletedTask;

    public Task SignInFailedAsync(AuditEntry attempt) => SignIns.Count(attempt.Subject ?? "") ? AddAsync(attempt) : Task.CompletedTask;

    public void RefusedNobody(string address)
    {
        if (Nobody.Count(""))
            SiteLog.RefusedNobody(logger, Nobody.Total, address);
    }

    private Task AddAsync(AuditEntry entry) => TryAsync(entry, transaction => AuditStore.AddAsync(transaction, entry, site.Time.GetUtcNow()));

    /// <summary>Whoever asked has an answer coming, whatever the disk does; and hanging up stops no row.</summary>
    private async Task TryAsync(AuditEntry entry, Func<DbTransaction, Task> write)
    {
        try
        {
            await site.Database.WriteAsync(write, CancellationToken.None);
        }
        catch (Exception cause) when (cause is SiteException or DbException)
        {
            SiteLog.AuditFailed(logger, entry.Actor, entry.Action, entry.Outcome, cause);
        }
    }
}
