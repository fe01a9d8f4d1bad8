using Capstan.Client.Configuration;
using Capstan.Client.State;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers;
using Capstan.Protocol;
using Capstan.Protocol.V1;

namespace Capstan.Client.Spool;

/// <summary>Reads what the site has acknowledged. Missing, unreadable, older or foreign receipts change nothing.</summary>
/// <param name="cap">Where <paramref name="store"/> is.</param>
internal sealed class ReceiptReader(ClientCore core, IStore store, NalPath cap)
{
    /// <summary>Whether valid receipts were read that are not older than those taken before.</summary>
    public bool IsRead { get; private set; }

    /// <summary>One line when receipts were refused; null when all went well or there were none.</summary>
    public string? Problem { get; private set; }

    /// <exception cref="Nal.NalException">The CAP could not be read.</exception>
    public async Task ReadAsync(SiteDescription site, CancellationToken cancellationToken)
    {
        var path = Layout.ReceiptsFile(core.Keys.Id.Bin);
        try
        {
            if (await new CapSource(store).ReadAsync(path, ReceiptsCodec.MaxBytes, cancellationToken) is not { } file)
                return;
            var receipts = ReceiptsCodec.Verify(file, site.ReceiptsKey, core.SiteCode, core.Keys.Id.Bin);
            // Around a restore a CAP shows metadata and receipts of two epochs for a while: those say nothing of this one.
            if (receipts.Epoch != site.Epoch || IsOld(path, receipts, TimeSpan.FromSeconds(site.CycleSeconds)))
                return;
            IsRead = true;
            if (receipts.Devices.FirstOrDefault(r => r.DeviceId == core.Keys.Id.Value) is { } mine)
                Take(site, receipts, mine);
            else
                AskAgain(receipts);
            core.Spool.Over(ClientCore.Component, StatusCode.ReceiptsInvalid);
        }
        catch (ProtocolException e)
        {
            Refuse(path, e.Message, isNews: true);
        }
    }

    /// <summary>An older copy is never taken. It is reported, once for each CAP, when it cannot be one that only lags.</summary>
    private bool IsOld(string path, Receipts receipts, TimeSpan cycle)
    {
        var key = StateKey.ReceiptsShown(cap.ToString());
        var before = ShownReceipts.Parse(core.State.Get(key));
        var newest = receipts.Epoch == core.State.GetNumber(StateKey.ReceiptsEpoch) ? core.State.GetNumber(StateKey.ReceiptsRevision) : 0;
        var (age, shown) = ShownReceipts.Judge(before, newest, receipts, core.Clock.Wall, cycle);
        var cause = age switch
        {
            ReceiptsAge.RolledBack => $"the copy on {cap} is older than the one that it has shown before",
            ReceiptsAge.Withheld => $"the copy on {cap} is older than one that this client has seen elsewhere, and has not changed for a whole cycle",
            _ => null,
        };
        if (cause is not null)
        {
            Refuse(path, cause, isNews: !shown.IsReported);
            shown = shown with { IsReported = true };
        }
        if (shown != before)
            core.State.Set((key, shown.ToText()));
        return age != ReceiptsAge.Current;
    }

    private void Refuse(string path, string cause, bool isNews)
    {
        Problem = $"{path}: {cause}; records stay in the spool until the site shows valid receipts";
        ClientLog.ReceiptsRefused(core.Log, path, cause);
        if (isNews)
            core.Report("warning", StatusCode.ReceiptsInvalid, Problem);
    }

    private void Take(SiteDescription site, Receipts receipts, Receipt mine)
    {
        var records = core.Spool.Records();
        var decision = ReceiptDecision.Of(new ChainState(core.State.GetNumber(StateKey.Sequence), core.State.Get(StateKey.LastHash),
            core.State.Get(StateKey.ContinuedAfter) is null ? null : core.State.GetNumber(StateKey.ContinuedAfter), core.Spool.IsBehind(receipts.Epoch), records), mine);
        if (decision.Fork is { } fork)
        {
            ClientLog.ChainForked(core.Log, fork);
            core.Report("warning", StatusCode.ChainForked, fork);
            // What the site has in place of this machine's facts may be another machine's, or older.
            core.State.ForgetReported();
        }
        records = decision.Action switch
        {
            ReceiptAction.Continue or ReceiptAction.Fork => Continue(site, mine, records),
            ReceiptAction.Follow => Follow(site, mine, records),
            _ => records,
        };
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

    /// <summary>Goes on with the chain that the site has. What waits is signed again behind it.</summary>
    private IReadOnlyList<SpooledRecord> Continue(SiteDescription site, Receipt head, IReadOnlyList<SpooledRecord> waiting)
    {
        var renewed = new RecordSigner(core).SignAgain(waiting, site, head);
        core.Spool.Continue(head, renewed, mayBeOnTheWay: true);
        ClientLog.ChainContinued(core.Log, head.Sequence, renewed.Count);
        return renewed;
    }

    /// <summary>Goes on behind the head of a site that was restored, wherever that is: what it has of the spool goes, the rest is signed again behind it.</summary>
    /// <remarks>What was written for the epoch before is refused there, so nothing is still on its way.</remarks>
    private IReadOnlyList<SpooledRecord> Follow(SiteDescription site, Receipt head, IReadOnlyList<SpooledRecord> waiting)
    {
        // The order of the spool is kept by every signing: whoever has a record has those before it.
        var known = waiting.ToList().FindLastIndex(record => record.Is(head.Sequence, head.RecordHash)) + 1;
        var renewed = new RecordSigner(core).SignAgain(waiting.Skip(known), site, head);
        core.Spool.Continue(head, renewed, mayBeOnTheWay: false);
        ClientLog.EpochFollowed(core.Log, site.Epoch, head.Sequence, renewed.Count);
        return renewed;
    }

    /// <summary>A site that does not list a client that it had listed, or whose epoch is new to this client, has forgotten it: nobody approved it in time, or
    /// the site was restored from a backup that was made before. It asks again, and sends nothing else until it is approved.</summary>
    private void AskAgain(Receipts receipts)
    {
        var wasListed = core.State.GetNumber(StateKey.ReceiptsEpoch) == receipts.Epoch || core.Spool.IsBehind(receipts.Epoch);
        if (!wasListed || core.State.GetNumber(StateKey.Sequence) == 0 || core.Lifecycle == ClientLifecycle.Retired
            || core.State.Get(StateKey.RequestWanted) is not null || core.Spool.HasRequest())
            return;
        core.State.Set((StateKey.Lifecycle, "installed"), (StateKey.RequestWanted, "again"));
        ClientLog.RequestForgotten(core.Log, core.SiteCode);
    }
}
