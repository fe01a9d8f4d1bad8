using System.Data.Common;
using System.Text;
using Capstan.Protocol.V1;
using Dapper;

namespace Capstan.Site.Store;

/// <summary>What a device said of itself when it was asked last.</summary>
internal sealed class ReportStore(SiteDatabase database)
{
    public static Task SaveAsync(DbTransaction transaction, long deviceNumber, string document, DateTimeOffset now) => transaction.Connection!.ExecuteAsync(
        """
        insert into device_report (device_number, document, received_at) values (@deviceNumber, @document, @now)
        on conflict (device_number) do update set document = excluded.document, received_at = excluded.received_at
        """, new { deviceNumber, document, now = Times.Of(now) }, transaction);

    /// <summary>Null before the first.</summary>
    public Task<(Diagnosis Report, DateTimeOffset At)?> FindAsync(long deviceNumber, CancellationToken cancellationToken) => database.ReadAsync(
        async connection => await connection.QuerySingleOrDefaultAsync<(string Document, long At)?>("select document, received_at from device_report where device_number = @deviceNumber", new { deviceNumber }) is { } row
            ? (Documents.Diagnosis.Decode(Encoding.UTF8.GetBytes(row.Document)), Times.At(row.At))
            : default((Diagnosis, DateTimeOffset)?), cancellationToken);
}
