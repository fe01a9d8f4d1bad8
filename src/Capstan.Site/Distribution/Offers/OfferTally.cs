using System.Runtime.InteropServices;
using Capstan.Protocol.V1;

namespace Capstan.Site.Distribution.Offers;

/// <summary>What devices add to the figures of an advertisement. Pure.</summary>
/// <param name="EndedSince">Of which the site has heard an end since the advertisement counts, and <paramref name="FailedSince"/>, those that did not end well.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct OfferTally(int Reported, int HasContent, int Ran, int Succeeded, int Failed, int Running, int Waiting, int EndedSince, int FailedSince)
{
    /// <summary>What one member adds.</summary>
    /// <param name="row">Null for one that has reported nothing.</param>
    /// <param name="countsFrom">See <see cref="AdvertisementRow.CountsFrom"/>.</param>
    public static OfferTally Of(StateRow? row, long countsFrom)
    {
        if (row is null)
            return default;
        var hasFailed = row.State is ProgramState.Failed or ProgramState.Unknown;
        var counts = row.HeardEnd >= countsFrom;
        return new(1, One(row.AtContent is not null), One(row.AtRun is not null), One(row.State is ProgramState.Succeeded or ProgramState.PendingReboot), One(hasFailed), One(row.State == ProgramState.Running),
            One(row.State is ProgramState.Received or ProgramState.Waiting or ProgramState.Downloading or ProgramState.Ready), One(counts), One(counts && hasFailed));

        static int One(bool isSo) => isSo ? 1 : 0;
    }

    public static OfferTally operator +(OfferTally one, OfferTally other) => new(one.Reported + other.Reported, one.HasContent + other.HasContent, one.Ran + other.Ran, one.Succeeded + other.Succeeded,
        one.Failed + other.Failed, one.Running + other.Running, one.Waiting + other.Waiting, one.EndedSince + other.EndedSince, one.FailedSince + other.FailedSince);

    public static OfferTally operator -(OfferTally one) => new(-one.Reported, -one.HasContent, -one.Ran, -one.Succeeded, -one.Failed, -one.Running, -one.Waiting, -one.EndedSince, -one.FailedSince);

    public static OfferTally operator -(OfferTally one, OfferTally other) => one + -other;
}
