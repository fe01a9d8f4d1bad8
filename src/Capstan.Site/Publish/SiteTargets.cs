using System.Security.Cryptography;
using System.Text.Json;
using Capstan.Protocol.V1;
using Capstan.Site.Store;

namespace Capstan.Site.Publish;

/// <summary>Makes the documents that the site publishes. Pure.</summary>
internal static class SiteTargets
{
    private static readonly CapEntry Defaults = new() { Path = "" };

    public static byte[] Description(SiteContext site) => Documents.SiteDescription.Encode(new SiteDescription
    {
        SiteCode = site.Site.SiteCode,
        Epoch = site.Site.Epoch,
        SealingKey = site.Keys.SealingKey,
        ReceiptsKey = site.Keys.ReceiptsKey,
    });

    public static byte[] CapList(SiteIdentity site, IReadOnlyList<CapState> caps, int clients) => Documents.CapList.Encode(new CapList
    {
        SiteCode = site.SiteCode,
        Caps = [.. caps.Select(cap => new CapEntry
        {
            Path = cap.Path,
            Licensing = cap.Licensing,
            Headroom = (int)cap.Headroom,
            PollIntervalSeconds = Licensing.PollIntervalSeconds(clients, cap.Licensing, Defaults.MeanHoldSeconds),
        })],
    });

    public static byte[] Policy(SiteIdentity site, DeviceRow device) => Documents.Policy.Encode(new Policy
    {
        SiteCode = site.SiteCode,
        DeviceId = device.DeviceId,
        State = device.State,
        Certificate = new DeviceCertificate
        {
            DeviceId = device.DeviceId,
            SigningKey = JsonSerializer.Deserialize(device.SigningKey, StoreJson.Default.Jwk)!,
            SealingKey = JsonSerializer.Deserialize(device.SealingKey, StoreJson.Default.Jwk)!,
            Ordinal = device.Ordinal!.Value,
            IssuedAt = device.ApprovedAt!.Value / 1000,
            ExpiresAt = device.CertificateUntil!.Value / 1000,
        },
    });

    public static string Sha256(params ReadOnlySpan<byte[]> documents)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var document in documents)
            hash.AppendData(SHA256.HashData(document));
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
