using System.Data.Common;
using Capstan.Protocol.V1;
using Capstan.Site.Api;
using Dapper;

namespace Capstan.Site.Store;

/// <summary>Status messages, of clients and of the site itself (no device). A repeat of the last message of its sender is counted, not added.</summary>
internal sealed class StatusStore(SiteDatabase database)
{
    /// <summary>Rows kept; the oldest go first. By number, not by age: a clock that is years ahead for an hour takes nothing away.</summary>
    public const int MaxRows = 500_000;

    public static async Task AddAsync(DbTransaction transaction, long? deviceNumber, StatusMessage message, DateTimeOffset now)
    {
        var row = new
        {
            deviceNumber,
            message.Severity,
            message.Code,
            message.Component,
            message.Text,
            message.ReportedAt,
            Now = Times.Of(now),
            Count = Math.Max(1, message.Count),
        };
        var repeated = await transaction.Connection!.ExecuteAsync(
            """
            update status set repeat_count = repeat_count + @Count, reported_at = @ReportedAt, received_at = @Now
            where id = (select max(id) from status where device_number is not distinct from @deviceNumber)
              and severity = @Severity and code = @Code and component = @Component and text = @Text
            """, row, transaction);
        if (repeated == 0)
            await transaction.Connection!.ExecuteAsync(
                """
                insert into status (id, device_number, severity, code, component, text, reported_at, received_at, repeat_count)
                select coalesce(max(id), 0) + 1, @deviceNumber, @Severity, @Code, @Component, @Text, @ReportedAt, @Now, @Count from status
                """, row, transaction);
        if (deviceNumber is { } number)
            await ConditionStore.SaveAsync(transaction, number, message, now);
    }

    /// <summary>By number, so that the index of one device's messages serves.</summary>
    private const string OfDevice = "s.device_number in (select number from device where substr(device_id, 1, length(@deviceId)) = @deviceId) and";

    /// <summary>Newest first.</summary>
    /// <param name="before">Only rows with a smaller id; null for the newest.</param>
    public Task<IReadOnlyList<StatusRow>> ListAsync(string? deviceId, string? severity, long? before, int limit, CancellationToken cancellationToken) =>
        database.ReadAsync<IReadOnlyList<StatusRow>>(async connection => [.. (await connection.QueryAsync<Row>(
            $"""
            select s.id, d.device_id, d.host_name, s.severity, s.code, s.component, s.text, s.reported_at, s.received_at, s.repeat_count
            from status s left join device d on d.number = s.device_number
            where {(deviceId is null ? "" : OfDevice)} (@severity is null or s.severity = @severity) and (@before is null or s.id < @before)
            order by s.id desc limit @limit
            """, new { deviceId, severity, before, limit })).Select(row => row.ToStatus())], cancellationToken);

    /// <summary>Removes what is beyond <paramref name="keep"/> rows.</summary>
    public static Task<int> PruneAsync(DbTransaction transaction, int keep = MaxRows) => transaction.Connection!.ExecuteAsync(
        "delete from status where id <= (select coalesce(max(id), 0) - @keep from status)", new { keep }, transaction);

    private sealed record Row(long Id, string? DeviceId, string? HostName, string Severity, string Code, string Component, string Text,
        long ReportedAt, long ReceivedAt, long RepeatCount)
    {
        public StatusRow ToStatus() => new(Id, DeviceId, HostName, Severity, Code, Component, Text, Times.At(ReportedAt), Times.At(ReceivedAt), (int)RepeatCount);
    }
}
