using System.Text;
using System.Text.Json;
using Capstan.Protocol;
using Capstan.Protocol.V1;
using Capstan.Testing;

namespace Capstan.ServerTests.Interop;

/// <summary>npm <c>jose</c> opens what we seal and makes what we open.</summary>
public sealed class JoseInteropTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("capstan-jose-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Jose_opens_our_uploads(bool asks)
    {
        using var device = FixedKeys.DeviceSigning.Signing();
        var upload = NewUpload(asks);
        var file = UploadCodec.Seal(UploadCodec.Sign(upload, device), FixedKeys.SiteSealing.Public);
        Assert.Equal(Documents.Upload.Encode(upload), await RunAsync("open-upload", FixedKeys.DeviceSigning, FixedKeys.SiteSealing, file));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task We_open_uploads_of_jose(bool asks)
    {
        using var site = FixedKeys.SiteSealing.Sealing();
        var json = Documents.Upload.Encode(NewUpload(asks));
        var record = UploadCodec.Open(await RunAsync("make-upload", FixedKeys.DeviceSigning, FixedKeys.SiteSealing, json), site);
        var upload = UploadCodec.Verify(record, asks ? null : FixedKeys.DeviceSigning.Public, "ABC", FixedKeys.SiteSealing.Public.Thumbprint());
        Assert.Equal(json, Documents.Upload.Encode(upload));
    }

    [Fact]
    public async Task Jose_verifies_our_receipts()
    {
        using var key = FixedKeys.SiteReceipts.Signing();
        var file = ReceiptsCodec.Sign(NewReceipts(), key);
        Assert.Equal(Documents.Receipts.Encode(NewReceipts()), await RunAsync("verify-receipts", FixedKeys.DeviceSigning, FixedKeys.SiteReceipts, file));
    }

    [Fact]
    public async Task We_verify_receipts_of_jose()
    {
        var file = await RunAsync("make-receipts", FixedKeys.DeviceSigning, FixedKeys.SiteReceipts, Documents.Receipts.Encode(NewReceipts()));
        Assert.Equal(7, ReceiptsCodec.Verify(file, FixedKeys.SiteReceipts.Public, "ABC", 1, "0a").Revision);
    }

    [Fact]
    public async Task Jose_opens_our_secrets_and_we_open_its()
    {
        using var device = FixedKeys.DeviceSealing.Sealing();
        var secrets = new PolicySecrets { Accounts = [new AccountSecret("capclient-1", "made up for this test")] };
        var ours = Encoding.ASCII.GetBytes(PolicySecretsCodec.Seal(secrets, FixedKeys.DeviceSealing.Public));
        var json = await RunAsync("open-secrets", FixedKeys.DeviceSealing, FixedKeys.SiteSealing, ours);
        Assert.Equal(Documents.PolicySecrets.Encode(secrets), json);
        var its = await RunAsync("make-secrets", FixedKeys.DeviceSealing, FixedKeys.SiteSealing, json);
        Assert.Equal(secrets.Accounts, PolicySecretsCodec.Open(Encoding.ASCII.GetString(its), device).Accounts);
    }

    private async Task<byte[]> RunAsync(string verb, FixedKey device, FixedKey site, byte[] input)
    {
        string keys = Path.Combine(_folder.FullName, "keys.json"), given = Path.Combine(_folder.FullName, "input"), made = Path.Combine(_folder.FullName, "output");
        await File.WriteAllTextAsync(keys, $$"""{"device":{{Json(device)}},"site":{{Json(site)}}}""");
        await File.WriteAllBytesAsync(given, input);
        await NodeProcess.RunAsync("jose-interop.mjs", verb, keys, given, made);
        return await File.ReadAllBytesAsync(made);
    }

    private static string Json(FixedKey key) =>
        JsonSerializer.Serialize(new { kty = "EC", crv = "P-256", x = key.X, y = key.Y, d = key.D });

    private static Receipts NewReceipts() => new() { SiteCode = "ABC", Epoch = 1, Revision = 7, Bin = "0a", Devices = [] };

    private static Upload NewUpload(bool asks)
    {
        var heartbeat = Documents.Heartbeat.ToItem(new Heartbeat
        {
            HostName = "büro \"7\"",
            OperatingSystem = "Debian",
            ClientVersion = "0.1.0",
            PolicyVersion = 0,
            Addresses = ["192.0.2.71"],
            Components = [],
        });
        var request = Documents.ConfigurationRequest.ToItem(new ConfigurationRequest
        {
            TokenId = "t3st",
            TokenSecret = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
            SigningKey = FixedKeys.DeviceSigning.Public,
            SealingKey = FixedKeys.DeviceSealing.Public,
            HostName = "büro \"7\"",
            OperatingSystem = "Debian",
            ClientVersion = "0.1.0",
        });
        return new Upload
        {
            SiteCode = "ABC",
            Epoch = 1,
            Recipient = FixedKeys.SiteSealing.Public.Thumbprint(),
            DeviceId = DeviceId.FromKey(FixedKeys.DeviceSigning.Public).Value,
            Sequence = 1,
            Previous = Upload.NoPrevious,
            CreatedAt = 1_795_348_800_123,
            InstallNonce = "AAECAwQFBgcICQoLDA0ODw",
            Items = asks ? [request, heartbeat] : [heartbeat],
        };
    }
}
