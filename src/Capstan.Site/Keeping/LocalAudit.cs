using System.Data.Common;
using Capstan.Site.Store;
using Microsoft.AspNetCore.Http;

namespace Capstan.Site.Keeping;

/// <summary>Rows in the audit log for what is done in the site's directory itself, in the transaction that does it, under the system's account of whoever does it.</summary>
internal static class LocalAudit
{
    /// <summary>Before the name of the account; no user's name has a colon.</summary>
    public const string Prefix = "local:";

    public static Task AddAsync(DbTransaction transaction, string action, string subject, DateTimeOffset now) =>
        AuditStore.AddAsync(transaction, new AuditEntry(Prefix + Environment.UserName, "local", action, subject, StatusCodes.Status200OK), now);
}
