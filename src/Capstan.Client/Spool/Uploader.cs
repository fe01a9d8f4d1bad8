using System.Text;
using System.Text.Json;
using Capstan.Client.Configuration;
using Capstan.Client.State;
using Capstan.Nal;
using Capstan.Nal.Providers;
using Capstan.Protocol;
using Capstan.Protocol.Jose;
using Capstan.Protocol.V1;

namespace Capstan.Client.Spool;

/// <summary>Makes records of what waits and writes them to a CAP, oldest first.</summary>
internal sealed class Uploader(ClientCore core, IStore store, bool localStorage)
{
    private readonly RecordSigner _signer = new(core);

    /// <param name="flush">Also send items that are quiet.</param>
    /// <returns>Records written.</returns>
    /// <exception cref="NalException">The CAP did not take a record: it and those after it stay, and nothing is lost.</exception>
    public async Task<int> UploadAsync(SiteDescription site, bool flush, CancellationToken cancellationToken)
    {
        SignForNewRecipient(site);
        MakeRecords(site, flush);
        var written = 0;
        // A site that has not approved takes requests only: what else waits comes after its answer.
        var approved = core.Lifecycle == ClientLifecycle.Approved;
        foreach (var record in core.Spool.Records().Where(record => (approved || record.IsRequest) && IsDue(record)).ToList())
        {
            await WriteAsync(record, site.SealingKeyFor(record.Recipient)!, cancellationToken);
            written++;
        }
        return written;
    }

    private bool IsDue(SpooledRecord record)
    {
        if (record.Attempts == 0)
            return true;
        var pause = Backoff.Resend(record.Attempts, localStorage);
        return core.Clock.Remembered(record.WrittenAt, pause) is not { } written || written + pause <= core.Clock.Now;
    }

    private async Task WriteAsync(SpooledRecord record, Jwk recipient, CancellationToken cancellationToken)
    {
        // Sealed anew for each attempt, so that what a torn attempt left under its name is never in the way.
        var file = UploadCodec.Seal(record.Jws, recipient);
        var path = Layout.Upload(core.Keys.Id, record.Sequence, file);
        using var content = new MemoryStream(file, writable: false);
        if (!await store.CreateAsync(StorePath.Parse(path), content, cancellationToken))
            throw new NalException(NalError.Conflict, $"the name {path} is taken on the CAP although it was drawn at random; the record is sealed again at the next try", path, isTransient: true);
        core.Spool.MarkWritten(record.Sequence, core.Clock.Wall);
        ClientLog.RecordUploaded(core.Log, record.Sequence, string.Join(", ", record.Kinds.Order(StringComparer.Ordinal)), file.Length, record.Attempts + 1);
    }

    private void MakeRecords(SiteDescription site, bool flush)
    {
        var approved = core.Lifecycle == ClientLifecycle.Approved;
        // A request needs no room: it comes before what fills the spool.
        if (approved && (!core.Spool.HasRoom(core.Settings.SpoolBytes) || !flush && !core.Spool.HasNews()))
            return;
        var items = core.Spool.Items().Where(item => item.Kind == ItemKind.ConfigurationRequest != approved).ToList();
        while (items.Count > 0 && (!approved || core.Spool.HasRoom(core.Settings.SpoolBytes)))
            items = MakeRecord(site, items);
    }

    /// <summary>Makes one record of as much as fits into one.</summary>
    /// <returns>What is left for the next.</returns>
    private List<SpooledItem> MakeRecord(SiteDescription site, List<SpooledItem> items)
    {
        var left = new List<SpooledItem>();
        while (true)
        {
            try
            {
                Sign(site, items);
                return left;
            }
            catch (ProtocolException e) when (e.Error == ProtocolError.TooLarge)
            {
                var largest = items.MaxBy(item => item.Body.Length)!;
                if (items.Count > 1)
                {
                    items.Remove(largest);
                    left.Add(largest);
                    continue;
                }
                // Too large even alone: it must not hold back the others.
                core.Spool.Drop(largest);
                ClientLog.ItemTooLarge(core.Log, largest.Kind, e.Message);
                core.Report("error", StatusCode.ItemTooLarge, $"{largest.Kind} was not sent: {e.Message}", largest.Kind);
                return left;
            }
        }
    }

    private void Sign(SiteDescription site, IReadOnlyList<SpooledItem> items)
    {
        var upload = new Upload
        {
            SiteCode = core.SiteCode,
            Epoch = site.Epoch,
            Recipient = site.SealingKey.Thumbprint(),
            DeviceId = core.Keys.Id.Value,
            Sequence = core.State.GetNumber(StateKey.Sequence) + 1,
            Previous = core.State.Get(StateKey.LastHash) ?? Upload.NoPrevious,
            CreatedAt = core.Clock.Wall.ToUnixTimeMilliseconds(),
            InstallNonce = core.State.Get(StateKey.InstallNonce)!,
            Instance = core.Instance,
            PreviousInstance = core.PreviousInstance,
            Items = [.. items.Select(Item)],
        };
        var isRequest = items.Any(item => item.Kind == ItemKind.ConfigurationRequest);
        if (isRequest && core.Spool.Records() is { Count: > 0 } waiting && !waiting.Any(record => record.IsRequest))
        {
            var (request, behind) = _signer.SignInFront(upload, waiting, site);
            core.Spool.StoreInFront(request, behind, items);
            return;
        }
        var record = _signer.Sign(upload);
        // A record that cannot be sealed must not get into the queue: it would block those behind it.
        _ = UploadCodec.Seal(record.Jws, site.SealingKey);
        core.Spool.Store(record, items);
    }

    /// <summary>Signs what the site has not acknowledged again when the key that it is for opens nothing any more, or the epoch is another, with sequence and items as they were.</summary>
    /// <remarks>Receipts were read before: a site that had such a record would see two of one sequence, a fork.</remarks>
    private void SignForNewRecipient(SiteDescription site)
    {
        var waiting = core.Spool.Records();
        var first = waiting.ToList().FindIndex(record => record.Epoch != site.Epoch || site.SealingKeyFor(record.Recipient) is null);
        if (first < 0)
            return;
        var renewed = _signer.SignAgain(waiting.Skip(first), site, after: null);
        core.Spool.Replace(renewed);
        ClientLog.RecordsSignedAgain(core.Log, renewed.Count, site.Epoch);
    }

    private static UploadItem Item(SpooledItem item)
    {
        if (item.Kind == ItemKind.Status)
            return Documents.StatusMessage.ToItem(Documents.StatusMessage.Decode(Encoding.UTF8.GetBytes(item.Body)) with { Count = item.Count });
        using var body = JsonDocument.Parse(item.Body);
        return new UploadItem(item.Kind, body.RootElement.Clone());
    }
}
