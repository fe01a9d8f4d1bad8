using System.Security.Cryptography;
using System.Text;
using Capstan.Protocol.Jose;

namespace Capstan.Protocol.V1;

/// <summary><see cref="Receipts"/> ⇄ the bytes of <c>receipts/&lt;bin&gt;</c>: a JWS by the site's receipts key. Pure; thread-safe.</summary>
public static class ReceiptsCodec
{
    /// <summary>Longest file: 256 KiB, about 900 devices of one bin.</summary>
    public const int MaxBytes = 256 << 10;

    private const string ContentType = "capstan-receipts";

    /// <exception cref="ProtocolException">Nobody would accept these receipts: all problems in one message.</exception>
    public static byte[] Sign(Receipts receipts, ECDsa receiptsKey)
    {
        ArgumentNullException.ThrowIfNull(receiptsKey);
        var file = Encoding.ASCII.GetBytes(Jws.Sign(Documents.Receipts.Encode(receipts), receiptsKey, ContentType));
        return file.Length <= MaxBytes ? file : throw TooLarge(file.Length, receipts.Bin);
    }

    /// <summary>Verifies signature, site, epoch and bin. That <see cref="Receipts.Revision"/> rises is the caller's to check: the caller has the last one.</summary>
    /// <param name="file">The whole file.</param>
    /// <param name="receiptsKey">From the site description.</param>
    /// <param name="siteCode">From the site description.</param>
    /// <param name="epoch">From the site description.</param>
    /// <param name="bin">Of the file that was read.</param>
    /// <exception cref="ProtocolException"/>
    public static Receipts Verify(ReadOnlySpan<byte> file, Jwk receiptsKey, string siteCode, long epoch, string bin)
    {
        var receipts = Verify(file, receiptsKey, siteCode, bin);
        return receipts.Epoch == epoch ? receipts : throw WrongBinding(receipts, $"site {siteCode}, epoch {epoch}, bin {bin}", bin);
    }

    /// <summary>As the other form, of whatever epoch: around a restore, receipts and metadata of a CAP may be of two.</summary>
    /// <exception cref="ProtocolException"/>
    public static Receipts Verify(ReadOnlySpan<byte> file, Jwk receiptsKey, string siteCode, string bin)
    {
        ArgumentNullException.ThrowIfNull(receiptsKey);
        if (file.Length > MaxBytes)
            throw TooLarge(file.Length, bin);
        using var key = receiptsKey.ToSigningKey();
        var receipts = Documents.Receipts.Decode(Jws.Verify(Encoding.ASCII.GetString(file), key, ContentType), Layout.ReceiptsFile(bin));
        return receipts.SiteCode == siteCode && receipts.Bin == bin ? receipts : throw WrongBinding(receipts, $"site {siteCode}, bin {bin}", bin);
    }

    private static ProtocolException WrongBinding(Receipts receipts, string expected, string bin) => new(ProtocolError.WrongBinding,
        $"the receipts are for site {receipts.SiteCode}, epoch {receipts.Epoch}, bin {receipts.Bin}; expected were {expected}", Layout.ReceiptsFile(bin));

    private static ProtocolException TooLarge(int length, string bin) =>
        new(ProtocolError.TooLarge, $"the receipts have {length} bytes; the limit is {MaxBytes}", Layout.ReceiptsFile(bin));
}
