using Capstan.Protocol.V1;

namespace Capstan.Site.Fleet;

/// <summary>What was counted of the latest hour of which one device told of one CAP.</summary>
/// <param name="Hour">Unix seconds, by the device's clock.</param>
/// <param name="RefusedHour">The latest one with a refusal; null for none.</param>
internal sealed record CapTold(long Hour, long Connections, long HeldMs, long Refused, long? RefusedHour)
{
    /// <summary>Of one device and hour. A client makes a contact every 5 s at most.</summary>
    public const int MostTimes = 1_000;

    /// <summary>Of one device and hour: it has one connection to a server.</summary>
    public const long MostMilliseconds = 3_600_000;

    /// <summary>What of a report counts. Whatever a device says, each hour of it counts once, and for no more than one machine can do in it: so one that lies changes
    /// the estimate by one connection at most.</summary>
    /// <remarks>Reports of a device go forward in time, as its records do; an hour before the latest that it told of was told.</remarks>
    /// <param name="before">Null for a device that never told of this CAP.</param>
    /// <param name="rows">Of one CAP; several of one hour are added up.</param>
    /// <returns>What to add to each hour, in order, and what is told now: null when nothing is.</returns>
    public static (IReadOnlyList<CapUseHour> Count, CapTold? Told) Accept(CapTold? before, IEnumerable<CapUseHour> rows)
    {
        var (count, told) = (new List<CapUseHour>(), before);
        foreach (var hour in rows.GroupBy(row => row.Hour).Where(hour => before is null || hour.Key >= before.Hour).OrderBy(hour => hour.Key))
        {
            var so = told is { } known && known.Hour == hour.Key ? known : new CapTold(hour.Key, 0, 0, 0, told?.RefusedHour);
            var refused = Math.Min(MostTimes, so.Refused + hour.Sum(row => (long)row.Refused));
            told = new CapTold(hour.Key, Math.Min(MostTimes, so.Connections + hour.Sum(row => (long)row.Connections)),
                Math.Min(MostMilliseconds, so.HeldMs + hour.Sum(row => row.HeldMilliseconds)), refused, refused > 0 ? hour.Key : so.RefusedHour);
            count.Add(new CapUseHour(hour.First().Path, hour.Key, (int)(told.Connections - so.Connections), told.HeldMs - so.HeldMs, (int)(told.Refused - so.Refused)));
        }
        return (count, told == before ? null : told);
    }
}
