using Capstan.Client.State;
using Capstan.Protocol;
using Capstan.Protocol.Jose;
using Capstan.Protocol.V1;

namespace Capstan.Client.Spool;

/// <summary>Signs records with the device's key, and signs unacknowledged ones again when the site or the chain before them has changed.</summary>
internal sealed class RecordSigner(ClientCore core)
{
    public SpooledRecord Sign(Upload upload)
    {
        core.NoteStart();
        var jws = UploadCodec.Sign(upload, core.Keys.Signing);
        return new SpooledRecord(upload.Sequence, jws, UploadCodec.RecordHash(jws), upload.Epoch, upload.Recipient,
            upload.Items.Select(item => item.Kind).ToHashSet(StringComparer.Ordinal), 0, null);
    }

    /// <summary>Records with the same items for the site as it is now, as one chain.</summary>
    /// <param name="records">One after the other.</param>
    /// <param name="after">What the first of them follows now; null for what it followed before.</param>
    public IReadOnlyList<SpooledRecord> SignAgain(IEnumerable<SpooledRecord> records, SiteDescription site, Receipt? after)
    {
        var renewed = new List<SpooledRecord>();
        foreach (var record in records)
        {
            var upload = UploadCodec.Verify(record.Jws, core.Keys.SigningJwk, core.SiteCode, record.Recipient);
            var (sequence, previous) = renewed.Count > 0 ? (renewed[^1].Sequence + 1, renewed[^1].Hash)
                : after is not null ? (after.Sequence + 1, after.RecordHash)
                : (upload.Sequence, upload.Previous);
            renewed.Add(Sign(upload with
            {
                Epoch = site.Epoch,
                Recipient = site.SealingKey.Thumbprint(),
                Sequence = sequence,
                Previous = previous,
                InstallNonce = core.State.Get(StateKey.InstallNonce)!,
                Instance = core.Instance,
                PreviousInstance = core.PreviousInstance,
            }) with
            {
                // What nobody was given, nobody has.
                Former = record.Attempts == 0 ? record.Former : [.. record.Former, SpooledRecord.Place(record.Sequence, record.Hash)],
            });
        }
        return renewed;
    }

    /// <summary>A record in the place of the first that waits, and those that wait behind it: a site that does not know this device takes nothing before its request.</summary>
    /// <param name="upload">Its place is given here.</param>
    /// <param name="waiting">At least one.</param>
    public (SpooledRecord Record, IReadOnlyList<SpooledRecord> Behind) SignInFront(Upload upload, IReadOnlyList<SpooledRecord> waiting, SiteDescription site)
    {
        var first = UploadCodec.Verify(waiting[0].Jws, core.Keys.SigningJwk, core.SiteCode, waiting[0].Recipient);
        var record = Sign(upload with { Sequence = first.Sequence, Previous = first.Previous });
        return (record, SignAgain(waiting, site, new Receipt(upload.DeviceId, record.Sequence, record.Hash, [])));
    }
}
