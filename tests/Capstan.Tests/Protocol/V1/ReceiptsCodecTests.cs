using System.Security.Cryptography;
using Capstan.Protocol;
using Capstan.Protocol.V1;
using Capstan.Testing;
using Capstan.Tests.Golden;

namespace Capstan.Tests.Protocol.V1;

public sealed class ReceiptsCodecTests : IDisposable
{
    private static readonly string Bin = Examples.Device.Bin;
    private readonly ECDsa _key = FixedKeys.SiteReceipts.Signing();

    public void Dispose() => _key.Dispose();

    [Fact]
    public void Receipts_survive_the_round_trip()
    {
        var back = ReceiptsCodec.Verify(ReceiptsCodec.Sign(Examples.Receipts, _key), FixedKeys.SiteReceipts.Public, "ABC", 1, Bin);
        Assert.Equal(Documents.Receipts.Encode(Examples.Receipts), Documents.Receipts.Encode(back));
    }

    [Fact]
    public void Receipts_of_another_site_epoch_bin_or_key_are_refused()
    {
        var file = ReceiptsCodec.Sign(Examples.Receipts, _key);
        Assert.Equal(ProtocolError.WrongBinding, Assert.Throws<ProtocolException>(() => ReceiptsCodec.Verify(file, FixedKeys.SiteReceipts.Public, "XYZ", 1, Bin)).Error);
        Assert.Equal(ProtocolError.WrongBinding, Assert.Throws<ProtocolException>(() => ReceiptsCodec.Verify(file, FixedKeys.SiteReceipts.Public, "ABC", 2, Bin)).Error);
        Assert.Equal(ProtocolError.WrongBinding, Assert.Throws<ProtocolException>(() => ReceiptsCodec.Verify(file, FixedKeys.SiteReceipts.Public, "ABC", 1, "zz")).Error);
        Assert.Equal(ProtocolError.BadSignature, Assert.Throws<ProtocolException>(() => ReceiptsCodec.Verify(file, FixedKeys.DeviceSigning.Public, "ABC", 1, Bin)).Error);
    }

    [Fact]
    public void Every_prefix_and_every_flipped_bit_is_refused()
    {
        var file = ReceiptsCodec.Sign(Examples.Receipts, _key);
        Parallel.For(0, file.Length, length => Refused(file[..length]));
        Parallel.For(0, file.Length * 8, bit =>
        {
            var flipped = file.ToArray();
            flipped[bit / 8] ^= (byte)(1 << bit % 8);
            Refused(flipped);
        });

        static void Refused(byte[] damaged) =>
            Assert.Throws<ProtocolException>(() => ReceiptsCodec.Verify(damaged, FixedKeys.SiteReceipts.Public, "ABC", 1, Bin));
    }

    [Fact]
    public void A_device_stands_once_and_in_its_own_bin()
    {
        var receipt = Examples.Receipts.Devices[0];
        Assert.Throws<ProtocolException>(() => ReceiptsCodec.Sign(Examples.Receipts with { Devices = [receipt, receipt] }, _key));
        Assert.Throws<ProtocolException>(() => ReceiptsCodec.Sign(Examples.Receipts with { Bin = Bin == "00" ? "01" : "00" }, _key));
    }

    [Fact]
    public void A_file_beyond_its_limit_is_refused_unread() =>
        Assert.Equal(ProtocolError.TooLarge,
            Assert.Throws<ProtocolException>(() => ReceiptsCodec.Verify(new byte[ReceiptsCodec.MaxBytes + 1], FixedKeys.SiteReceipts.Public, "ABC", 1, Bin)).Error);
}
