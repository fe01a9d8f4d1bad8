using System.Security.Cryptography;
using System.Text.Json;
using Capstan.Protocol.V1;
using Capstan.Site.Fleet;
using Capstan.Site.Store;

namespace Capstan.Site.Publish;

/// <summary>Makes the documents that the site publishes. Pure, but for the randomness of sealing.</summary>
internal static class SiteTargets
{
    /// <summary>A former sealing key leaves the description before uploads to it are refused: what clients wrote meanwhile is still on its way.</summary>
    private static readonly TimeSpan Notice = TimeSpan.FromDays(14);

    /// <param name="boundaries">Of the site and its CAPs.</param>
    public static byte[] Description(SiteContext site, IReadOnlyList<BoundaryRecord> boundaries) => Documents.SiteDescription.Encode(new SiteDescription
    {
        SiteCode = site.Site.SiteCode,
        Epoch = site.Site.Epoch,
        SealingKey = site.Keys.SealingKey,
        ReceiptsKey = site.Keys.ReceiptsKey,
        Boundaries = Of(boundaries, ""),
        FormerSealingKeys = site.Keys.Former.Where(former => former.Until - Notice > site.Time.GetUtcNow()).Take(SiteDescription.MaxFormerKeys).Select(former => former.Public).ToList() is { Count: > 0 } former ? former : null,
    });

    /// <param name="paces">One for each CAP.</param>
    public static byte[] CapList(SiteIdentity site, IReadOnlyList<CapState> caps, IReadOnlyDictionary<string, CapPace> paces, IReadOnlyList<BoundaryRecord> boundaries) => Documents.CapList.Encode(new CapList
    {
        SiteCode = site.SiteCode,
        Caps = [.. caps.Select(cap => new CapEntry
        {
            Path = cap.Path,
            Licensing = cap.Licensing,
            Headroom = (int)cap.Headroom,
            Aliases = cap.Aliases,
            MeanHoldSeconds = paces[cap.Path].MeanHold.TotalSeconds,
            PollIntervalSeconds = (int)paces[cap.Path].PollInterval.TotalSeconds,
            Boundaries = Of(boundaries, cap.Path),
        })],
    });

    /// <param name="secrets">Sealed to an approved device; a retired one gets none. Null for none.</param>
    /// <param name="content">What holds for it.</param>
    public static byte[] Policy(SiteIdentity site, DeviceRow device, PolicySecrets? secrets, PolicyContent content)
    {
        var sealing = JsonSerializer.Deserialize(device.SealingKey, StoreJson.Default.Jwk)!;
        return Documents.Policy.Encode(new Policy
        {
            SiteCode = site.SiteCode,
            DeviceId = device.DeviceId,
            State = device.State,
            Certificate = new DeviceCertificate
            {
                DeviceId = device.DeviceId,
                SigningKey = JsonSerializer.Deserialize(device.SigningKey, StoreJson.Default.Jwk)!,
                SealingKey = sealing,
                Ordinal = device.Ordinal!.Value,
                IssuedAt = device.ApprovedAt!.Value / 1000,
                ExpiresAt = device.CertificateUntil!.Value / 1000,
            },
            Resync = device.State == DeviceState.Approved ? device.ResyncOrder : null,
            Rekey = device.State == DeviceState.Approved ? device.RekeyOrder : null,
            Diagnose = device.State == DeviceState.Approved ? device.DiagnoseOrder : null,
            Advertisements = device.State == DeviceState.Approved ? content.Advertisements : [],
            Settings = content.Settings.Count == 0 ? null : content.Settings,
            NewIdentity = device.Newcomers == "[]" ? null : JsonSerializer.Deserialize(device.Newcomers, StoreJson.Default.IReadOnlyListString),
            Secrets = secrets is null || device.State != DeviceState.Approved ? null : PolicySecretsCodec.Seal(secrets, sealing),
        });
    }

    /// <summary>Null for none, so that documents without boundaries stay as they were.</summary>
    private static List<string>? Of(IReadOnlyList<BoundaryRecord> boundaries, string cap) => boundaries.Where(row => row.Cap == cap).Select(row => row.Range).ToList() is { Count: > 0 } ranges ? ranges : null;

    public static string Sha256(params ReadOnlySpan<byte[]> documents)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var document in documents)
            hash.AppendData(SHA256.HashData(document));
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
