using System.Data.Common;
using Capstan.Protocol.V1;
using Capstan.Site.Fleet;
using Dapper;

namespace Capstan.Site.Store;

/// <summary>What clients reported of their connections to the CAPs, by CAP and hour, and what is published of it.</summary>
internal sealed class CapUseStore(SiteDatabase database)
{
    /// <summary>Hours that are kept. What a device tells of a time outside of it (its clock is wrong) is counted as a device, and in no hour.</summary>
    public static readonly TimeSpan Kept = TimeSpan.FromDays(35);

    private static readonly TimeSpan ClockTolerance = TimeSpan.FromHours(1);

    /// <summary>Adds one device's report: what <see cref="CapTold"/> lets count. CAPs that are not on the site's list are left out: anybody could name any number of them.</summary>
    public static async Task AddAsync(DbTransaction transaction, long deviceNumber, CapUse use, DateTimeOffset now)
    {
        foreach (var cap in use.Hours.GroupBy(hour => hour.Path, StringComparer.Ordinal))
        {
            if (await transaction.Connection!.QuerySingleOrDefaultAsync<string>("select path from cap where path = @path", new { path = cap.Key }, transaction) is null)
                continue;
            await AddHoursAsync(transaction, deviceNumber, cap.Key, cap.Where(hour => hour.Hour <= (now + ClockTolerance).ToUnixTimeSeconds() && hour.Hour >= (now - Kept).ToUnixTimeSeconds()));
            if (cap.Any(hour => hour.Connections > 0))
                await transaction.RunAsync(
                    """
                    insert into cap_device (cap, device_number, reported_at) values (@path, @device, @now)
                    on conflict (cap, device_number) do update set reported_at = excluded.reported_at
                    """, ("@path", cap.Key), ("@device", deviceNumber), ("@now", Times.Of(now)));
        }
    }

    private static async Task AddHoursAsync(DbTransaction transaction, long deviceNumber, string path, IEnumerable<CapUseHour> hours)
    {
        var before = await transaction.FirstAsync<CapTold>("select hour, connections, held_ms, refused, refused_hour from cap_told where cap = @path and device_number = @device",
            ("@path", path), ("@device", deviceNumber));
        var (count, told) = CapTold.Accept(before, hours);
        if (told is null)
            return;
        foreach (var hour in count)
            await transaction.RunAsync(
                """
                insert into cap_hour (cap, hour, connections, held_ms, refused) values (@path, @hour, @connections, @held, @refused)
                on conflict (cap, hour) do update set connections = cap_hour.connections + excluded.connections,
                    held_ms = cap_hour.held_ms + excluded.held_ms, refused = cap_hour.refused + excluded.refused
                """, ("@path", path), ("@hour", hour.Hour), ("@connections", hour.Connections), ("@held", hour.HeldMilliseconds), ("@refused", hour.Refused));
        await transaction.RunAsync(
            """
            insert into cap_told (cap, device_number, hour, connections, held_ms, refused, refused_hour) values (@path, @device, @hour, @connections, @held, @refused, @refusedHour)
            on conflict (cap, device_number) do update set hour = excluded.hour, connections = excluded.connections, held_ms = excluded.held_ms,
                refused = excluded.refused, refused_hour = excluded.refused_hour
            """, ("@path", path), ("@device", deviceNumber), ("@hour", told.Hour), ("@connections", told.Connections), ("@held", told.HeldMs), ("@refused", told.Refused), ("@refusedHour", told.RefusedHour));
    }

    /// <summary>Hours that began after <paramref name="since"/>, by CAP, each list in order.</summary>
    public Task<ILookup<string, CapHour>> HoursAsync(DateTimeOffset since, CancellationToken cancellationToken) => database.ReadAsync(async connection =>
        (await connection.QueryAsync<(string Cap, long Hour, long Connections, long HeldMs, long Refused)>(
            "select cap, hour, connections, held_ms, refused from cap_hour where hour > @since order by cap, hour", new { since = since.ToUnixTimeSeconds() }))
        .ToLookup(row => row.Cap, row => new CapHour(DateTimeOffset.FromUnixTimeSeconds(row.Hour), row.Connections, row.HeldMs, row.Refused), StringComparer.Ordinal), cancellationToken);

    /// <summary>Per CAP: distinct devices that were served since, and when the last report came.</summary>
    public Task<IReadOnlyDictionary<string, (int Devices, DateTimeOffset ReportedAt)>> DevicesAsync(DateTimeOffset since, CancellationToken cancellationToken) =>
        database.ReadAsync<IReadOnlyDictionary<string, (int, DateTimeOffset)>>(async connection =>
            (await connection.QueryAsync<(string Cap, long Devices, long ReportedAt)>(
                "select cap, count(*), max(reported_at) from cap_device where reported_at > @since group by cap", new { since = Times.Of(since) }))
            .ToDictionary(row => row.Cap, row => ((int)row.Devices, Times.At(row.ReportedAt)), StringComparer.Ordinal), cancellationToken);

    /// <summary>Distinct devices that were served by any of these CAPs since.</summary>
    public Task<int> DevicesOfAsync(IReadOnlyList<string> caps, DateTimeOffset since, CancellationToken cancellationToken) => database.ReadAsync(
        connection => connection.ExecuteScalarAsync<int>("select count(distinct device_number) from cap_device where cap in @caps and reported_at > @since", new { caps, since = Times.Of(since) }), cancellationToken);

    /// <summary>Which devices were refused since, by CAP.</summary>
    public Task<ILookup<string, long>> RefusedAsync(DateTimeOffset since, CancellationToken cancellationToken) => database.ReadAsync(async connection =>
        (await connection.QueryAsync<(string Cap, long Device)>("select cap, device_number from cap_told where refused_hour > @since", new { since = since.ToUnixTimeSeconds() }))
        .ToLookup(row => row.Cap, row => row.Device, StringComparer.Ordinal), cancellationToken);

    /// <summary>What is published of each CAP's pace.</summary>
    public Task<IReadOnlyDictionary<string, CapPace>> PacesAsync(CancellationToken cancellationToken) => database.ReadAsync(connection => PacesAsync(connection, null), cancellationToken);

    /// <summary>The pace to publish for each of these CAPs; remembered where it is another than before.</summary>
    /// <param name="clients">All approved ones.</param>
    public static async Task<IReadOnlyDictionary<string, CapPace>> SettlePacesAsync(DbTransaction transaction, IEnumerable<CapState> caps, int clients, DateTimeOffset now)
    {
        var published = await PacesAsync(transaction.Connection!, transaction);
        var measured = (await transaction.Connection!.QueryAsync<(string Cap, long Connections, long HeldMs)>(
            "select cap, sum(connections), sum(held_ms) from cap_hour where hour > @since group by cap", new { since = (now - CapLoad.PeakWindow).ToUnixTimeSeconds() }, transaction))
            .ToDictionary(row => row.Cap, StringComparer.Ordinal);
        var paces = new Dictionary<string, CapPace>(StringComparer.Ordinal);
        foreach (var cap in caps)
        {
            var (_, connections, held) = measured.GetValueOrDefault(cap.Path);
            var before = published.GetValueOrDefault(cap.Path);
            var pace = FleetPace.Next(before, clients, cap.Licensing, FleetPace.MeanHold(connections, held));
            paces.Add(cap.Path, pace);
            if (pace != before)
                await transaction.Connection!.ExecuteAsync(
                    """
                    insert into cap_pace (cap, mean_hold_ms, poll_seconds) values (@Path, @hold, @poll)
                    on conflict (cap) do update set mean_hold_ms = excluded.mean_hold_ms, poll_seconds = excluded.poll_seconds
                    """, new { cap.Path, hold = (long)pace.MeanHold.TotalMilliseconds, poll = (long)pace.PollInterval.TotalSeconds }, transaction);
        }
        return paces;
    }

    /// <summary>What was said last about a CAP's limit; <see cref="CapLoad.Ok"/> when nothing was.</summary>
    public static async Task<string> LevelAsync(DbTransaction transaction, string cap) => await transaction.Connection!.QuerySingleOrDefaultAsync<string>(
        "select level from cap_pace where cap = @cap", new { cap }, transaction) ?? CapLoad.Ok;

    public static Task SetLevelAsync(DbTransaction transaction, string cap, string level) => transaction.Connection!.ExecuteAsync(
        "update cap_pace set level = @level where cap = @cap", new { cap, level }, transaction);

    /// <summary>Forgets hours and devices that nobody counts any more. A CAP that was taken off the list keeps its own until then: it may come back.</summary>
    public static async Task PruneAsync(DbTransaction transaction, DateTimeOffset now)
    {
        await transaction.Connection!.ExecuteAsync("delete from cap_hour where hour < @before", new { before = (now - Kept).ToUnixTimeSeconds() }, transaction);
        await transaction.Connection!.ExecuteAsync("delete from cap_told where hour < @before", new { before = (now - Kept).ToUnixTimeSeconds() }, transaction);
        await transaction.Connection!.ExecuteAsync("delete from cap_device where reported_at < @before", new { before = Times.Of(now - CapLoad.SeatWindow) }, transaction);
    }

    private static async Task<IReadOnlyDictionary<string, CapPace>> PacesAsync(DbConnection connection, DbTransaction? transaction) =>
        (await connection.QueryAsync<(string Cap, long MeanHoldMs, long PollSeconds)>("select cap, mean_hold_ms, poll_seconds from cap_pace", null, transaction))
        .ToDictionary(row => row.Cap, row => new CapPace(TimeSpan.FromMilliseconds(row.MeanHoldMs), TimeSpan.FromSeconds(row.PollSeconds)), StringComparer.Ordinal);
}
