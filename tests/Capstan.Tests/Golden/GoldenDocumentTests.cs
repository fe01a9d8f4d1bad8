using System.Text;
using Capstan.Protocol;
using Capstan.Protocol.V1;
using Capstan.Testing;

namespace Capstan.Tests.Golden;

public sealed class GoldenDocumentTests
{
    [Fact] public void Site_description_stays() => Stays("site-description.json", Documents.SiteDescription, Examples.SiteDescription);
    [Fact] public void Cap_list_stays() => Stays("cap-list.json", Documents.CapList, Examples.CapList);
    [Fact] public void Policy_stays() => Stays("policy.json", Documents.Policy, Examples.Policy);
    [Fact] public void Policy_secrets_stay() => Stays("policy-secrets.json", Documents.PolicySecrets, Examples.PolicySecrets);
    [Fact] public void Client_builds_stay() => Stays("client-builds.json", Documents.ClientBuilds, Examples.ClientBuilds);
    [Fact] public void Package_manifest_stays() => Stays("package-manifest.json", Documents.PackageManifest, Examples.PackageManifest);
    [Fact] public void Receipts_stay() => Stays("receipts.json", Documents.Receipts, Examples.Receipts);
    [Fact] public void Enrolment_token_stays() => Stays("enrolment-token.json", Documents.EnrolmentToken, Examples.EnrolmentToken);
    [Fact] public void Configuration_request_stays() => Stays("configuration-request.json", Documents.ConfigurationRequest, Examples.ConfigurationRequest);
    [Fact] public void Heartbeat_stays() => Stays("heartbeat.json", Documents.Heartbeat, Examples.Heartbeat);
    [Fact] public void Status_message_stays() => Stays("status.json", Documents.StatusMessage, Examples.StatusMessage);
    [Fact] public void Hardware_inventory_stays() => Stays("hardware-inventory.json", Documents.HardwareInventory, Examples.HardwareInventory);
    [Fact] public void Sparse_hardware_inventory_stays() => Stays("hardware-inventory-sparse.json", Documents.HardwareInventory, Examples.SparseHardwareInventory);
    [Fact] public void Software_inventory_stays() => Stays("software-inventory.json", Documents.SoftwareInventory, Examples.SoftwareInventory);
    [Fact] public void Cap_use_stays() => Stays("cap-use.json", Documents.CapUse, Examples.CapUse);
    [Fact] public void Sealing_key_stays() => Stays("sealing-key.json", Documents.SealingKeyChange, Examples.SealingKeyChange);
    [Fact] public void Diagnosis_stays() => Stays("diagnosis.json", Documents.Diagnosis, Examples.Diagnosis);
    [Fact] public void Advertisement_stays() => Stays("advertisement.json", Documents.Advertisement, Examples.Advertisement);
    [Fact] public void Programs_report_stays() => Stays("programs.json", Documents.ProgramsReport, Examples.ProgramsReport);
    [Fact] public void Departure_stays() => Stays("departure.json", Documents.Departure, Examples.Departure);
    [Fact] public void Upload_stays() => Stays("upload.json", Documents.Upload, Examples.Upload);

    [Fact]
    public void Enrolment_token_text_stays()
    {
        var golden = GoldenFile.Read("enrolment-token.txt", () => Encoding.ASCII.GetBytes(Examples.EnrolmentToken.Encode()));
        GoldenFile.Same(golden, Encoding.ASCII.GetBytes(Examples.EnrolmentToken.Encode()), "enrolment-token.txt");
        Assert.Equal(Examples.EnrolmentToken.Secret, EnrolmentToken.Decode(Encoding.ASCII.GetString(golden)).Secret);
    }

    /// <summary>Signatures, seals and compression differ with each writing, so these files are only ever read.</summary>
    [Fact]
    public void Sealed_upload_still_opens_and_verifies()
    {
        using var device = FixedKeys.DeviceSigning.Signing();
        using var site = FixedKeys.SiteSealing.Sealing();
        var file = GoldenFile.Read("upload.jwe", () => UploadCodec.Seal(UploadCodec.Sign(Examples.Upload, device), FixedKeys.SiteSealing.Public));
        var record = UploadCodec.Open(file, site);
        GoldenFile.Same(GoldenFile.Read("upload.jws", () => Encoding.ASCII.GetBytes(record)), Encoding.ASCII.GetBytes(record), "upload.jws");
        Assert.Equal(Encoding.ASCII.GetString(GoldenFile.Read("upload.hash", () => Encoding.ASCII.GetBytes(UploadCodec.RecordHash(record)))), UploadCodec.RecordHash(record));
        var upload = UploadCodec.Verify(record, null, "ABC", FixedKeys.SiteSealing.Public.Thumbprint());
        Assert.Equal(Documents.Upload.Encode(Examples.Upload), Documents.Upload.Encode(upload));
    }

    [Fact]
    public void Signed_receipts_still_verify()
    {
        using var key = FixedKeys.SiteReceipts.Signing();
        var file = GoldenFile.Read("receipts.jws", () => ReceiptsCodec.Sign(Examples.Receipts, key));
        var receipts = ReceiptsCodec.Verify(file, FixedKeys.SiteReceipts.Public, "ABC", 1, Examples.Device.Bin);
        Assert.Equal(Documents.Receipts.Encode(Examples.Receipts), Documents.Receipts.Encode(receipts));
    }

    [Fact]
    public void Sealed_secrets_still_open()
    {
        using var key = FixedKeys.DeviceSealing.Sealing();
        var file = GoldenFile.Read("policy-secrets.jwe", () => Encoding.ASCII.GetBytes(PolicySecretsCodec.Seal(Examples.PolicySecrets, FixedKeys.DeviceSealing.Public)));
        Assert.Equal(Examples.PolicySecrets.Accounts, PolicySecretsCodec.Open(Encoding.ASCII.GetString(file), key).Accounts);
    }

    [Fact]
    public void The_device_id_of_a_key_stays()
    {
        var golden = GoldenFile.Read("device-id.txt", () => Encoding.ASCII.GetBytes(Examples.Device.Value));
        GoldenFile.Same(golden, Encoding.ASCII.GetBytes(Examples.Device.Value), "device-id.txt");
        Assert.True(DeviceId.TryParse(Encoding.ASCII.GetString(golden), out var id));
        Assert.Equal(Examples.Device, id);
    }

    private static void Stays<T>(string name, DocumentKind<T> kind, T example) where T : class
    {
        var golden = GoldenFile.Read(name, () => kind.Encode(example));
        GoldenFile.Same(golden, kind.Encode(example), $"{name}, as it is written now,");
        GoldenFile.Same(golden, kind.Encode(kind.Decode(golden)), $"{name}, read and written again,");
    }
}
