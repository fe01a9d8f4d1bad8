using System.Data.Common;
using System.Globalization;
using System.Text.Json;
using Capstan.Protocol;
using Capstan.Protocol.V1;
using Capstan.Site.Distribution.Offers;
using Capstan.Site.Store;

namespace Capstan.Site.Load;

/// <summary>What became of one file.</summary>
internal enum Disposition
{
    /// <summary>Done with: delete it.</summary>
    Delete = 1,
    /// <summary>Leave it.</summary>
    Wait = 2,
    /// <summary>Keep a copy in quarantine, then delete it.</summary>
    Quarantine = 3,
}

/// <param name="Reason">Stable code; null for <see cref="Disposition.Delete"/>.</param>
/// <param name="Applied">The device whose record was stored; null for none.</param>
internal sealed record IngestResult(Candidate Candidate, Disposition Disposition, string? Reason = null, string Detail = "", DeviceId? Applied = null, bool PolicyChanged = false);

/// <summary>Stores verified records: one transaction for many, each in its own savepoint, so that a bad one blocks no other.</summary>
internal sealed class IngestWriter(SiteContext site, UploadReader reader, InventoryStore inventory, PackageCatalog packages)
{
    private const string Undo = "rollback to savepoint record";
    private static readonly IReadOnlyList<string> Everything = [ItemKind.Heartbeat, ItemKind.HardwareInventory, ItemKind.SoftwareInventory];

    /// <param name="waited">Since when a file has been seen, by its name.</param>
    public Task<IReadOnlyList<IngestResult>> CommitAsync(IEnumerable<Candidate> candidates, Func<string, TimeSpan> waited, CancellationToken cancellationToken)
    {
        var now = site.Time.GetUtcNow();
        return site.Database.WriteAsync<IReadOnlyList<IngestResult>>(async transaction =>
        {
            var results = new List<IngestResult>();
            foreach (var candidate in candidates)
                results.Add(await OneAsync(transaction, candidate, waited(candidate.File.FileName), now));
            return results;
        }, undone: packages.Forget, cancellationToken);
    }

    private async Task<IngestResult> OneAsync(DbTransaction transaction, Candidate candidate, TimeSpan waited, DateTimeOffset now)
    {
        switch (candidate)
        {
            case Candidate.Gone:
                return new(candidate, Disposition.Delete);
            case Candidate.Refused refused:
                return new(candidate, Disposition.Quarantine, refused.Reason, refused.Detail);
            case Candidate.Unreadable unreadable:
                return new(candidate, Disposition.Wait, "unreadable", unreadable.Detail);
            case Candidate.NotYet notYet:
                return waited >= IngestDecision.ShortLimit
                    ? new(candidate, Disposition.Quarantine, "unfinished", notYet.Detail)
                    : new(candidate, Disposition.Wait, "unfinished", notYet.Detail);
        }
        try
        {
            return candidate is Candidate.UnknownSigner unknown
                ? await UnknownAsync(transaction, unknown, waited, now)
                : await RecordAsync(transaction, (Candidate.Verified)candidate, waited, now);
        }
        catch (ProtocolException cause)
        {
            return new(candidate, Disposition.Quarantine, UploadReader.Reason(cause.Error), cause.Message);
        }
    }

    private async Task<IngestResult> UnknownAsync(DbTransaction transaction, Candidate.UnknownSigner unknown, TimeSpan waited, DateTimeOffset now)
    {
        if (await DeviceStore.FindByKeyAsync(transaction, Protocol.Jose.Jws.PeekKeyId(unknown.Record)) is not { } device)
            return new(unknown, Disposition.Quarantine, IngestDecision.UnknownDevice, "no device with this key has asked to become a client");
        return await RecordAsync(transaction, reader.Verify(unknown, device.SigningKey), waited, now);
    }

    private async Task<IngestResult> RecordAsync(DbTransaction transaction, Candidate.Verified record, TimeSpan waited, DateTimeOffset now)
    {
        var upload = record.Upload;
        // Of a later epoch: this site was restored elsewhere, and that one takes it in.
        if (upload.Epoch > site.Site.Epoch && waited < IngestDecision.GapLimit)
        {
            await SeenEpochAsync(transaction, upload, now);
            return new(record, Disposition.Wait, "later_epoch", $"signed for epoch {upload.Epoch}; the site is in epoch {site.Site.Epoch}");
        }
        if (upload.Epoch != site.Site.Epoch)
            return new(record, Disposition.Quarantine, "wrong_epoch", $"signed for epoch {upload.Epoch}; the site is in epoch {site.Site.Epoch}");
        var device = await DeviceStore.FindAsync(transaction, upload.DeviceId);
        var known = device is not null && upload.Sequence <= device.Sequence ? await LedgerStore.FindAsync(transaction, device.Number, upload.Sequence) : null;
        var decision = IngestDecision.Of(
            new ChainFacts(device?.State, device?.Sequence ?? 0, device?.RecordHash ?? Upload.NoPrevious, known?.RecordHash,
                string.Equals(known?.Outcome, LedgerStore.Refused, StringComparison.Ordinal)),
            new RecordFacts(upload.Sequence, record.RecordHash, upload.Previous, record.Documents.Request is not null, waited,
                device is not null && Identities.IsNewcomer(device, upload)));
        var place = $"sequence {upload.Sequence} of {upload.DeviceId}, whose last one is {device?.Sequence ?? 0}";
        switch (decision.Action)
        {
            case IngestAction.Duplicate:
                // A receipt may have been lost: it is written again.
                return new(record, Disposition.Delete, Applied: Id(upload));
            case IngestAction.Wait:
                return new(record, Disposition.Wait, decision.Reason, place);
            case IngestAction.Quarantine:
                return new(record, Disposition.Quarantine, decision.Reason, place);
        }

        await transaction.RunAsync("savepoint record");
        try
        {
            if (!await ApplyAsync(transaction, record, device, decision.Action == IngestAction.ApplyAfterGap, now))
            {
                await transaction.RunAsync(Undo);
                return new(record, Disposition.Wait, "too_many_pending", $"{Enrolment.MaxPending} devices, or {Enrolment.MaxPendingOfBin} of its bin, wait for approval already");
            }
            var copied = device is not null && await Identities.HeardAsync(transaction, device, upload, now);
            await transaction.RunAsync("release savepoint record");
            return new(record, Disposition.Delete, Applied: Id(upload), PolicyChanged: copied || record.Documents.Request is not null || record.Documents.Items.Any(item => item.Document is SealingKeyChange));
        }
        catch (Exception cause) when (cause is ProtocolException || (cause is DbException data && Dialect.IsBadData(data)))
        {
            await transaction.RunAsync(Undo);
            packages.Forget();
            if (device is not null)
            {
                // Its place in the chain is taken, so that the records after it do not wait for it.
                await LedgerStore.InsertAsync(transaction, device.Number, upload.Sequence, record.RecordHash, LedgerStore.Refused, now);
                await DeviceStore.AdvanceAsync(transaction, device.Number, upload.Sequence, record.RecordHash, Text(Everything), movedTo: null, now);
            }
            return new(record, Disposition.Quarantine, cause is ProtocolException protocol ? UploadReader.Reason(protocol.Error) : "bad_data", cause.Message, Id(upload));
        }
    }

    /// <summary>Notes who signs for which epoch, and what is believed of it: that raises the epoch that an administrator may ask for.</summary>
    private async Task SeenEpochAsync(DbTransaction transaction, Upload upload, DateTimeOffset now)
    {
        if (!await DeviceStore.SignsForAsync(transaction, upload.DeviceId, upload.Epoch))
            return;
        var claims = await DeviceStore.EpochClaimsAsync(transaction.Connection!, transaction, site.Site.Epoch);
        var believed = EpochRule.Believed(claims, site.Site.Epoch, await DeviceStore.CountApprovedAsync(transaction), now);
        if (believed > (await SettingStore.GetAsync(transaction, SettingStore.EpochSeen) is { } known ? long.Parse(known, NumberStyles.None, CultureInfo.InvariantCulture) : 0))
            await SettingStore.SetAsync(transaction, SettingStore.EpochSeen, believed.ToString(CultureInfo.InvariantCulture));
    }

    private async Task<bool> ApplyAsync(DbTransaction transaction, Candidate.Verified record, DeviceRow? device, bool afterGap, DateTimeOffset now)
    {
        var upload = record.Upload;
        if (record.Documents.Fault is { } fault)
            throw fault;
        if (record.Documents.Request is { } request)
        {
            if (!await Enrolment.RequestAsync(transaction, site.Site.SiteCode, Id(upload), upload.InstallNonce, request, now))
                return false;
            device = await DeviceStore.FindAsync(transaction, upload.DeviceId);
        }
        if (device is null)
            throw new ProtocolException(ProtocolError.WrongBinding, "the record is of a device that is not registered");
        await LedgerStore.InsertAsync(transaction, device.Number, upload.Sequence, record.RecordHash, LedgerStore.Applied, now);
        if (device.State != DeviceState.Approved)
        {
            // Nothing of a device that nobody approved is kept but its request: it is asked for the rest.
            await DeviceStore.AdvanceAsync(transaction, device.Number, upload.Sequence, record.RecordHash, Text(Everything), movedTo: null, now);
            return true;
        }
        foreach (var (item, document) in record.Documents.Items)
            await ItemAsync(transaction, device.Number, upload.CreatedAt, item, document, now);

        var wishes = afterGap ? Everything : device.Resync == "[]" ? [] : JsonSerializer.Deserialize(device.Resync, StoreJson.Default.IReadOnlyListString) ?? [];
        var open = wishes.Where(kind => !upload.Items.Any(item => string.Equals(item.Kind, kind, StringComparison.Ordinal))).ToList();
        await DeviceStore.AdvanceAsync(transaction, device.Number, upload.Sequence, record.RecordHash, Text(open), record.Documents.Departure?.SiteCode, now);
        return true;
    }

    private async Task ItemAsync(DbTransaction transaction, long number, long madeAt, UploadItem item, object? document, DateTimeOffset now)
    {
        switch (document)
        {
            case ConfigurationRequest:
                break;
            case Heartbeat heartbeat:
                await DeviceStore.ApplyHeartbeatAsync(transaction, number, heartbeat, Text(heartbeat.Addresses),
                    JsonSerializer.Serialize(heartbeat.Components, StoreJson.Default.IReadOnlyListComponentState), madeAt, now);
                break;
            case HardwareInventory hardware:
                await InventoryStore.SaveHardwareAsync(transaction, number, hardware, item.Body.GetRawText(), now);
                break;
            case SoftwareInventory software:
                await inventory.SaveSoftwareAsync(transaction, number, software, now);
                break;
            case CapUse use:
                await CapUseStore.AddAsync(transaction, number, use, now);
                break;
            case SealingKeyChange change:
                if (await DeviceStore.RekeyAsync(transaction, number, change.SealingKey, now))
                    await StatusStore.AddAsync(transaction, number, new StatusMessage
                    {
                        Severity = "information",
                        Code = "client_rekeyed",
                        Component = "loader",
                        Text = $"The client's sealing key is {change.SealingKey.Thumbprint()} from now on: what its policies hold in secret is sealed to it.",
                        ReportedAt = Times.Of(now),
                    }, now);
                break;
            case Departure departure:
                await StatusStore.AddAsync(transaction, number, new StatusMessage
                {
                    Severity = "information",
                    Code = "client_moved",
                    Component = "loader",
                    Text = $"The client has said its last word: it moves to site {departure.SiteCode}. Retire it here, or leave it: its next record would take that back.",
                    ReportedAt = Times.Of(now),
                }, now);
                break;
            case Diagnosis:
                await ReportStore.SaveAsync(transaction, number, item.Body.GetRawText(), now);
                break;
            case ProgramsReport report:
                await OfferIntake.SaveAsync(transaction, number, report, now);
                break;
            case StatusMessage message:
                await StatusStore.AddAsync(transaction, number, message, now);
                break;
            default:
                await StatusStore.AddAsync(transaction, number, new StatusMessage
                {
                    Severity = "warning",
                    Code = "unknown_item_kind",
                    Component = "loader",
                    Text = $"The client sent an item of kind '{item.Kind}', which this site does not know and left out: upgrade the site.",
                    ReportedAt = Times.Of(now),
                }, now);
                break;
        }
    }

    private static string Text(IReadOnlyList<string> list) => JsonSerializer.Serialize(list, StoreJson.Default.IReadOnlyListString);

    private static DeviceId Id(Upload upload) => DeviceId.TryParse(upload.DeviceId, out var id)
        ? id
        : throw new ProtocolException(ProtocolError.Malformed, "the device id is not one");
}
