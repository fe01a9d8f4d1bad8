using System.Data.Common;
using Capstan.Protocol.V1;
using Dapper;

namespace Capstan.Site.Store;

/// <summary>The latest message of one code about a device.</summary>
/// <param name="RepeatCount">How often since it was first said in these words, without a pause of two days.</param>
internal sealed record ConditionRow(long DeviceNumber, string Code, string Severity, string Component, string Text, long ReportedAt, long ReceivedAt, long RepeatCount);

/// <summary>What each device said last, by code: a row of <see cref="StatusStore"/> that later messages do not push away.</summary>
internal sealed class ConditionStore(SiteDatabase database)
{
    private const string Columns = "device_number, code, severity, component, text, reported_at, received_at, repeat_count";

    /// <summary>Codes that are kept of one device; the oldest go.</summary>
    public const int MaxCodes = 64;

    /// <summary>What is said again after a longer pause, or in other words, is counted anew. A full server is one condition, whichever server it is.</summary>
    private static readonly TimeSpan Pause = TimeSpan.FromDays(2);

    public static async Task SaveAsync(DbTransaction transaction, long deviceNumber, StatusMessage message, DateTimeOffset now)
    {
        await transaction.Connection!.ExecuteAsync(
        $"""
        insert into device_condition ({Columns}) values (@deviceNumber, @Code, @Severity, @Component, @Text, @ReportedAt, @Now, @Count)
        on conflict (device_number, code) do update set severity = excluded.severity, component = excluded.component, text = excluded.text, reported_at = excluded.reported_at,
            received_at = excluded.received_at,
            repeat_count = case when device_condition.received_at >= @Since and (device_condition.text = excluded.text or excluded.code = 'cap_full')
                then device_condition.repeat_count else 0 end + excluded.repeat_count
        """,
        new { deviceNumber, message.Code, message.Severity, message.Component, message.Text, message.ReportedAt, Now = Times.Of(now), Since = Times.Of(now - Pause), Count = Math.Max(1, message.Count) }, transaction);
        await transaction.Connection!.ExecuteAsync(
            """
            delete from device_condition where device_number = @deviceNumber and code in (
                select code from device_condition where device_number = @deviceNumber order by received_at desc, code limit 1000000 offset @MaxCodes)
            """, new { deviceNumber, MaxCodes }, transaction);
    }

    /// <summary>Forgets what was said last before a time.</summary>
    public static Task PruneAsync(DbTransaction transaction, DateTimeOffset before) => transaction.Connection!.ExecuteAsync(
        "delete from device_condition where received_at < @before", new { before = Times.Of(before) }, transaction);

    /// <param name="deviceNumber">Null for all devices.</param>
    /// <param name="since">Only what came after.</param>
    public Task<IReadOnlyList<ConditionRow>> ListAsync(long? deviceNumber, DateTimeOffset since, CancellationToken cancellationToken) => database.ReadAsync<IReadOnlyList<ConditionRow>>(
        async connection => [.. await connection.QueryAsync<ConditionRow>(
            $"select {Columns} from device_condition where (@deviceNumber is null or device_number = @deviceNumber) and received_at >= @since order by received_at desc, code",
            new { deviceNumber, since = Times.Of(since) })], cancellationToken);
}
