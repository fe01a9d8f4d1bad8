using Capstan.Client.State;
using Capstan.Nal.Providers;
using Capstan.Protocol;
using Capstan.Protocol.V1;

namespace Capstan.Client.Spool;

/// <summary>Reads what the site has acknowledged. Missing, unreadable, older or foreign receipts change nothing.</summary>
internal sealed class ReceiptReader(ClientCore core, IStore store)
{
    /// <summary>Whether valid receipts were read.</summary>
    public bool IsRead { get; private set; }

    /// <summary>One line when receipts were refused; null when all went well or there were none.</summary>
    public string? Problem { get; private set; }

    /// <exception cref="Nal.NalException">The CAP could not be read.</exception>
    public async Task ReadAsync(SiteDescription site, CancellationToken cancellationToken)
    {
        var path = Layout.ReceiptsFile(core.Keys.Id.Bin);
        try
        {
            if (await new Configuration.CapSource(store).ReadAsync(path, ReceiptsCodec.MaxBytes, cancellationToken) is not { } file)
                return;
            var receipts = ReceiptsCodec.Verify(file, site.ReceiptsKey, core.SiteCode, site.Epoch, core.Keys.Id.Bin);
            RefuseRollback(receipts);
            IsRead = true;
            if (receipts.Devices.FirstOrDefault(r => r.DeviceId == core.Keys.Id.Value) is { } mine)
                Take(receipts, mine);
            core.Spool.Over(ClientCore.Component, StatusCode.ReceiptsInvalid);
        }
        catch (ProtocolException e)
        {
            Problem = $"{path}: {e.Message}; records stay in the spool until the site shows valid receipts";
            ClientLog.ReceiptsRefused(core.Log, path, e.Message);
            core.Report("warning", StatusCode.ReceiptsInvalid, Problem);
        }
    }

    private void RefuseRollback(Receipts receipts)
    {
        var seen = core.State.GetNumber(StateKey.ReceiptsRevision);
        if (receipts.Epoch == core.State.GetNumber(StateKey.ReceiptsEpoch) && receipts.Revision < seen)
            throw new ProtocolException(ProtocolError.Rollback, $"revision {receipts.Revision} is below {seen}, which this client has seen");
    }

    private void Take(Receipts receipts, Receipt mine)
    {
        var records = core.Spool.Records();
        if (core.State.GetNumber(StateKey.Sequence) == 0 && records.Count == 0 && mine.Sequence > 0)
            // The keys are old and the state is new: its database was lost. A record 1 made now would be a fork.
            core.Spool.Continue(mine);
        if (Fork(records, mine) is { } fork)
        {
            Problem = fork;
            ClientLog.ChainForked(core.Log, fork);
            core.Report("error", StatusCode.ChainForked, fork);
            return;
        }
        // Revisions begin anew with an epoch: what was taken before says nothing about these wishes.
        var taken = receipts.Epoch == core.State.GetNumber(StateKey.ReceiptsEpoch) ? core.State.GetNumber(StateKey.ResyncRevision) : 0;
        var isNews = mine.Resync.Count > 0 && receipts.Revision > taken;
        var onTheWay = records.Where(record => record.Sequence > mine.Sequence).SelectMany(record => record.Kinds).ToHashSet(StringComparer.Ordinal);
        var again = isNews ? mine.Resync.Where(kind => !onTheWay.Contains(kind)).ToList() : [];
        var forgotten = core.Spool.Acknowledge(receipts, mine.Sequence, again, isNews ? receipts.Revision : taken);
        if (forgotten > 0)
            ClientLog.RecordsAcknowledged(core.Log, forgotten, mine.Sequence);
        if (again.Count > 0)
            ClientLog.ResyncWanted(core.Log, string.Join(", ", again));
    }

    /// <summary>Whether the site holds a record under one of our numbers that is not ours: another machine with our key, or our directory from a backup.</summary>
    private string? Fork(IReadOnlyList<SpooledRecord> records, Receipt mine)
    {
        var last = core.State.GetNumber(StateKey.Sequence);
        if (mine.Sequence > last)
            return $"the site has record {mine.Sequence} of this device, and this machine has made {last}: another machine uses this identity, "
                + "or this directory came from a backup; uninstall and install this client again";
        var known = records.FirstOrDefault(record => record.Sequence == mine.Sequence)?.Hash
            ?? (mine.Sequence == last ? core.State.Get(StateKey.LastHash) : null);
        return mine.Sequence == 0 || known is null || known == mine.RecordHash
            ? null
            : $"record {mine.Sequence} at the site is not the one that this machine made: another machine uses this identity; uninstall and install one of the two again";
    }
}
