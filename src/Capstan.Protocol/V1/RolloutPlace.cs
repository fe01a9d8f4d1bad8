using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Capstan.Protocol.V1;

/// <summary>Where a device stands in a roll-out: another place for each advertisement, so that no machine is always the first. Pure.</summary>
public static class RolloutPlace
{
    /// <summary>From 0 (first) to below 100; SHA-256 of both ids with a line feed between them, its first 64 bits as a fraction.</summary>
    public static double Of(string deviceId, string advertisementId)
    {
        var hash = SHA256.HashData(Encoding.ASCII.GetBytes($"{deviceId}\n{advertisementId}"));
        // 53 bits: the most that a fraction has without being rounded up to 1.
        return (BinaryPrimitives.ReadUInt64BigEndian(hash) >> 11) * (100.0 / (1UL << 53));
    }

    /// <summary>When a device begins by the rings, in Unix seconds; null when there are none.</summary>
    public static long? Begins(Advertisement advertisement, string deviceId)
    {
        ArgumentNullException.ThrowIfNull(advertisement);
        if (advertisement.Rings is not { } rings)
            return null;
        var place = Of(deviceId, advertisement.AdvertisementId);
        return rings.First(ring => place < ring.Percent).At;
    }
}
