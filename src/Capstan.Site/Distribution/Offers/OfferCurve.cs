using Capstan.Protocol.V1;
using Capstan.Site.Api;

namespace Capstan.Site.Distribution.Offers;

/// <summary>The S-curve of an advertisement: how many had come how far, at evenly spaced times from its beginning until now. Pure.</summary>
internal static class OfferCurve
{
    public const int Points = 60;

    /// <param name="from">Unix milliseconds; what lies before counts from the first point on.</param>
    public static IReadOnlyList<CurvePoint> Of(IReadOnlyList<CurveRow> rows, int targeted, long from, long until)
    {
        if (until <= from)
            until = from + 1_000;
        var received = Sorted(rows.Select(row => (long?)row.AtReceived));
        var content = Sorted(rows.Select(row => row.AtContent));
        var ran = Sorted(rows.Select(row => row.AtRun));
        var succeeded = Sorted(rows.Where(row => row.State is ProgramState.Succeeded or ProgramState.PendingReboot).Select(row => row.AtEnd));
        var failed = Sorted(rows.Where(row => row.State is ProgramState.Failed or ProgramState.Unknown).Select(row => row.AtEnd));
        var points = new List<CurvePoint>(Points);
        for (var n = 1; n <= Points; n++)
        {
            var at = from + (long)((until - from) * (double)n / Points);
            points.Add(new CurvePoint(at / 1000, targeted, Until(received, at), Until(content, at), Until(ran, at), Until(succeeded, at), Until(failed, at)));
        }
        return points;
    }

    private static List<long> Sorted(IEnumerable<long?> times) => [.. times.OfType<long>().Order()];

    /// <summary>How many are not after a time.</summary>
    private static int Until(List<long> sorted, long at)
    {
        var (low, high) = (0, sorted.Count);
        while (low < high)
        {
            var middle = (low + high) / 2;
            if (sorted[middle] <= at)
                low = middle + 1;
            else
                high = middle;
        }
        return low;
    }
}
