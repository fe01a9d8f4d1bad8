using Capstan.Protocol.V1;
using Capstan.Site.Api;
using Capstan.Site.Store;

namespace Capstan.Site.Fleet;

/// <summary>A CAP, what was reported of it, and what that means.</summary>
internal sealed record CapReading(CapState Cap, CapJudgement Judgement, CapLoadRow Load, IReadOnlyList<CapHour> Hours)
{
    public CapUsage ToUsage(DateTimeOffset since) => new(Cap.Path, Cap.Licensing, (int)Cap.Headroom, Load,
        [.. Hours.Where(hour => hour.Hour > since).Select(hour => new CapUsageHour(hour.Hour, Math.Round(hour.Mean, 3), hour.Peak, hour.Connections, hour.Refused))]);
}

/// <summary>Reads what <see cref="CapLoad"/> judges.</summary>
internal sealed class CapLoadReader(CapStore caps, CapUseStore use, DeviceStore devices, TimeProvider time)
{
    /// <param name="days">How far back the hours go; at least those that are judged.</param>
    public async Task<IReadOnlyList<CapReading>> ReadAsync(int days, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        var window = TimeSpan.FromDays(days) > CapLoad.PeakWindow ? TimeSpan.FromDays(days) : CapLoad.PeakWindow;
        var hours = await use.HoursAsync(now - window, cancellationToken);
        var seats = await use.DevicesAsync(now - CapLoad.SeatWindow, cancellationToken);
        var paces = await use.PacesAsync(cancellationToken);
        var clients = (await devices.CountsAsync(now, cancellationToken)).Clients;
        var refused = await use.RefusedAsync(now - CapLoad.RefusalWindow, cancellationToken);
        var list = await caps.ListAsync(cancellationToken);
        var together = CapServers.Together(list);
        var readings = new List<CapReading>();
        foreach (var cap in list)
        {
            var all = together[cap.Path];
            var seat = seats.TryGetValue(cap.Path, out var own) ? own : ((int Devices, DateTimeOffset ReportedAt)?)null;
            var served = all.Count == 1 ? seat?.Devices ?? 0 : await use.DevicesOfAsync(all, now - CapLoad.SeatWindow, cancellationToken);
            readings.Add(Read(cap, paces.GetValueOrDefault(cap.Path), seat?.ReportedAt,
                new CapLoadFacts(cap.Path, cap.Licensing, (int)cap.Headroom, Sum(all.SelectMany(path => hours[path])), served, clients, TimeSpan.Zero, now)
                {
                    RefusedDevices = all.SelectMany(path => refused[path]).Distinct().Count(),
                    Beside = [.. all.Where(path => path != cap.Path)],
                }));
        }
        return readings;
    }

    private static CapReading Read(CapState cap, CapPace? pace, DateTimeOffset? reportedAt, CapLoadFacts facts)
    {
        pace ??= FleetPace.Next(published: null, facts.Clients, cap.Licensing, FleetPace.UnmeasuredHold);
        var judgement = CapLoad.Judge(facts with { MeanHold = pace.MeanHold });
        return new CapReading(cap, judgement, new CapLoadRow(judgement.Level, judgement.Text, cap.Licensing is null ? null : LicensingMode.Limit(cap.Licensing), judgement.Peak,
            judgement.Refused, facts.Devices, pace.MeanHold.TotalSeconds, (int)pace.PollInterval.TotalSeconds, reportedAt)
        { NextStep = judgement.NextStep }, facts.Hours);
    }

    /// <summary>A server counts the connections of all its CAPs.</summary>
    private static IReadOnlyList<CapHour> Sum(IEnumerable<CapHour> hours) =>
        [.. hours.GroupBy(hour => hour.Hour).OrderBy(hour => hour.Key)
            .Select(hour => new CapHour(hour.Key, hour.Sum(one => one.Connections), hour.Sum(one => one.HeldMilliseconds), hour.Sum(one => one.Refused)))];
}
