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
        return [.. (await caps.ListAsync(cancellationToken)).Select(cap => Read(cap, [.. hours[cap.Path]],
            seats.TryGetValue(cap.Path, out var seat) ? seat : null, paces.GetValueOrDefault(cap.Path), clients, now))];
    }

    private static CapReading Read(CapState cap, IReadOnlyList<CapHour> hours, (int Devices, DateTimeOffset ReportedAt)? seat, CapPace? pace, int clients, DateTimeOffset now)
    {
        pace ??= FleetPace.Next(published: null, clients, cap.Licensing, FleetPace.UnmeasuredHold);
        var judgement = CapLoad.Judge(new CapLoadFacts(cap.Path, cap.Licensing, (int)cap.Headroom, hours, seat?.Devices ?? 0, clients, pace.MeanHold, now));
        return new CapReading(cap, judgement, new CapLoadRow(judgement.Level, judgement.Text, cap.Licensing is null ? null : LicensingMode.Limit(cap.Licensing), judgement.Peak,
            judgement.Refused, seat?.Devices ?? 0, pace.MeanHold.TotalSeconds, (int)pace.PollInterval.TotalSeconds, seat?.ReportedAt), hours);
    }
}
