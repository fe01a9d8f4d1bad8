using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Capstan.Protocol;
using Capstan.Protocol.Jose;
using Capstan.Protocol.V1;
using Capstan.Testing;
using Capstan.Tests.Golden;
using FsCheck;
using FsCheck.Fluent;

namespace Capstan.Tests.Protocol.V1;

public sealed class UploadCodecTests : IDisposable
{
    private static readonly string Recipient = FixedKeys.SiteSealing.Public.Thumbprint();
    private readonly ECDsa _device = FixedKeys.DeviceSigning.Signing();
    private readonly ECDiffieHellman _site = FixedKeys.SiteSealing.Sealing();

    public void Dispose()
    {
        _device.Dispose();
        _site.Dispose();
    }

    [Fact]
    public void An_upload_survives_the_round_trip() =>
        Prop.ForAll<NonNull<string>, long>((text, time) =>
        {
            var status = Examples.StatusMessage with { Text = text.Get, ReportedAt = time % 1_000_000_000_000 };
            var upload = Examples.NewUpload(Documents.StatusMessage.ToItem(status), Documents.Heartbeat.ToItem(Examples.Heartbeat));
            var record = UploadCodec.Sign(upload, _device);
            var back = UploadCodec.Verify(UploadCodec.Open(UploadCodec.Seal(record, FixedKeys.SiteSealing.Public), _site), FixedKeys.DeviceSigning.Public, "ABC", Recipient);
            return Documents.Upload.Encode(back).AsSpan().SequenceEqual(Documents.Upload.Encode(upload))
                && Documents.StatusMessage.Decode(back.Items[0]).ReportedAt == status.ReportedAt;
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void The_record_hash_is_that_of_the_signed_text()
    {
        var record = UploadCodec.Sign(Examples.Upload, _device);
        Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(Encoding.ASCII.GetBytes(record))), UploadCodec.RecordHash(record));
        Assert.Equal(record, UploadCodec.Open(UploadCodec.Seal(record, FixedKeys.SiteSealing.Public), _site));
    }

    [Fact]
    public void The_key_is_embedded_only_with_a_configuration_request()
    {
        Assert.Equal(FixedKeys.DeviceSigning.Public, Jws.PeekEmbeddedKey(UploadCodec.Sign(Examples.Upload, _device)));
        Assert.Null(Jws.PeekEmbeddedKey(UploadCodec.Sign(Heartbeat(), _device)));
    }

    [Fact]
    public void Every_prefix_and_every_flipped_bit_of_a_file_is_refused()
    {
        // What is sealed is opaque to the seal, so a short text stands for a record; the bits of a real record are flipped below.
        var file = UploadCodec.Seal("a.short.record", FixedKeys.SiteSealing.Public);
        Parallel.For(0, file.Length, length => Refused(file.AsSpan(0, length)));
        Parallel.For(0, file.Length * 8, bit =>
        {
            var flipped = file.ToArray();
            flipped[bit / 8] ^= (byte)(1 << bit % 8);
            Refused(flipped);
        });

        void Refused(ReadOnlySpan<byte> damaged)
        {
            var bytes = damaged.ToArray();
            using var key = FixedKeys.SiteSealing.Sealing();
            Assert.Throws<ProtocolException>(() => UploadCodec.Open(bytes, key));
        }
    }

    [Fact]
    public void Every_flipped_bit_of_a_record_is_refused()
    {
        var record = Encoding.ASCII.GetBytes(UploadCodec.Sign(Heartbeat(), _device));
        Parallel.For(0, record.Length * 8, bit =>
        {
            var flipped = record.ToArray();
            flipped[bit / 8] ^= (byte)(1 << bit % 8);
            Assert.Throws<ProtocolException>(() => UploadCodec.Verify(Encoding.Latin1.GetString(flipped), FixedKeys.DeviceSigning.Public, "ABC", Recipient));
        });
    }

    [Fact]
    public void A_record_for_another_site_recipient_or_device_is_refused()
    {
        var other = FixedKeys.SiteReceipts.Public;
        AssertRefused(ProtocolError.WrongBinding, Heartbeat() with { SiteCode = "XYZ" });
        AssertRefused(ProtocolError.WrongBinding, Heartbeat() with { Recipient = other.Thumbprint() });
        AssertRefused(ProtocolError.WrongBinding, Heartbeat() with { DeviceId = DeviceId.FromKey(other).Value });
        Assert.Equal(ProtocolError.BadSignature,
            Assert.Throws<ProtocolException>(() => UploadCodec.Verify(UploadCodec.Sign(Heartbeat(), _device), other, "ABC", Recipient)).Error);
    }

    [Fact]
    public void An_unknown_device_must_ask_to_become_known()
    {
        Assert.Equal(ProtocolError.BadSignature, Assert.Throws<ProtocolException>(() => UploadCodec.Verify(UploadCodec.Sign(Heartbeat(), _device), null, "ABC", Recipient)).Error);
        var payload = Gzip(Documents.Upload.Encode(Heartbeat()));
        Assert.Equal(ProtocolError.WrongBinding,
            Assert.Throws<ProtocolException>(() => UploadCodec.Verify(Jws.Sign(payload, _device, "capstan-upload+gzip", embedKey: true), null, "ABC", Recipient)).Error);
    }

    [Fact]
    public void A_configuration_request_for_another_key_is_refused()
    {
        var request = Examples.ConfigurationRequest with { SigningKey = FixedKeys.SiteReceipts.Public };
        AssertRefused(ProtocolError.WrongBinding, Examples.NewUpload(Documents.ConfigurationRequest.ToItem(request)));
    }

    [Fact]
    public void Decompression_stops_at_its_limit()
    {
        var payload = Gzip(new byte[UploadCodec.MaxJsonBytes + 1]);
        Assert.Equal(ProtocolError.TooLarge, Assert.Throws<ProtocolException>(() => { UploadCodec.Decompress(payload); }).Error);
        var bomb = Jws.Sign(payload, _device, "capstan-upload+gzip");
        Assert.True(bomb.Length < 100_000);
        Assert.Equal(ProtocolError.TooLarge, Assert.Throws<ProtocolException>(() => UploadCodec.Verify(bomb, FixedKeys.DeviceSigning.Public, "ABC", Recipient)).Error);
    }

    [Fact]
    public void A_payload_that_is_not_gzip_is_refused()
    {
        var gzip = Gzip(Documents.Upload.Encode(Heartbeat()));
        foreach (var payload in (byte[][])[[], "{}"u8.ToArray(), gzip[..(gzip.Length / 2)], [.. gzip[..^6], 0, 0, 0, 0, 0, 0]])
            Assert.Equal(ProtocolError.Malformed,
                Assert.Throws<ProtocolException>(() => UploadCodec.Verify(Jws.Sign(payload, _device, "capstan-upload+gzip"), FixedKeys.DeviceSigning.Public, "ABC", Recipient)).Error);
    }

    [Fact]
    public void A_file_beyond_its_limit_is_refused_unread()
    {
        var file = new byte[UploadCodec.MaxSealedBytes + 1];
        Assert.Equal(ProtocolError.TooLarge, Assert.Throws<ProtocolException>(() => UploadCodec.Open(file, _site)).Error);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(257)]
    public void An_upload_has_1_to_256_items(int items)
    {
        var item = Documents.Heartbeat.ToItem(Examples.Heartbeat);
        var refused = Assert.Throws<ProtocolException>(() => UploadCodec.Sign(Examples.NewUpload([.. Enumerable.Repeat(item, items)]), _device));
        Assert.Contains("items", refused.Message, StringComparison.Ordinal);
        var json = Encoding.UTF8.GetBytes($$"""{"version":1,"items":[{{string.Join(',', Enumerable.Repeat("{}", items))}}]}""");
        Assert.Throws<ProtocolException>(() => Documents.Upload.Decode(json));
    }

    [Fact]
    public void An_item_of_another_kind_is_not_decoded()
    {
        var item = Documents.Heartbeat.ToItem(Examples.Heartbeat);
        Assert.Throws<ProtocolException>(() => Documents.StatusMessage.Decode(item));
        Assert.Throws<ProtocolException>(() => Documents.StatusMessage.Decode(new UploadItem(ItemKind.Status, default)));
        Assert.Throws<ProtocolException>(() => Documents.StatusMessage.Decode(new UploadItem(ItemKind.Status, JsonElement.Parse("null"))));
    }

    private static Upload Heartbeat() => Examples.NewUpload(Documents.Heartbeat.ToItem(Examples.Heartbeat)) with { Sequence = 2 };

    private void AssertRefused(ProtocolError error, Upload upload) =>
        Assert.Equal(error, Assert.Throws<ProtocolException>(() => UploadCodec.Verify(UploadCodec.Sign(upload, _device), FixedKeys.DeviceSigning.Public, "ABC", Recipient)).Error);

    private static byte[] Gzip(byte[] content)
    {
        using var stream = new MemoryStream();
        using (var gzip = new GZipStream(stream, CompressionLevel.Optimal))
            gzip.Write(content);
        return stream.ToArray();
    }
}
