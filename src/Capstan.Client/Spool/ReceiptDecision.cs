using Capstan.Protocol.V1;

namespace Capstan.Client.Spool;

/// <summary>How far this device's chain is, as this machine knows it.</summary>
/// <param name="Sequence">Last record made; 0 for none.</param>
/// <param name="LastHash">Hash of that record; null for none.</param>
/// <param name="ContinuedAfter">Last record of the chain that was gone on with after the state was lost, until the site has a later one; null otherwise.</param>
/// <param name="IsBehind">The chain was last brought up to another epoch of the site.</param>
/// <param name="Waiting">Records that the site has not acknowledged, in order.</param>
internal sealed record ChainState(long Sequence, string? LastHash, long? ContinuedAfter, bool IsBehind, IReadOnlyList<SpooledRecord> Waiting);

internal enum ReceiptAction
{
    /// <summary>The site has this chain, as far as it goes: what it has leaves the spool.</summary>
    Acknowledge = 1,
    /// <summary>The keys are old and the state is new: a record 1 made now would be a fork. Goes on behind the site's head.</summary>
    Continue = 2,
    /// <summary>The site was restored, or has a record as it was signed before: goes on behind its head, wherever that is, with what it does not have.</summary>
    Follow = 3,
    /// <summary>The site has a record that is not this machine's: goes on behind it, with all that waits.</summary>
    Fork = 4,
}

/// <summary>What a receipt means for this device's chain. Pure.</summary>
/// <param name="Fork">What is to be reported of a fork; null when what this machine wrote before its state was lost explains it.</param>
internal readonly record struct ReceiptDecision(ReceiptAction Action, string? Fork = null)
{
    /// <param name="head">The last record of this device that the site has; sequence 0 for none.</param>
    public static ReceiptDecision Of(ChainState chain, Receipt head)
    {
        if (chain.Sequence == 0 && chain.Waiting.Count == 0 && head.Sequence > 0)
            return new(ReceiptAction.Continue);
        var place = SpooledRecord.Place(head.Sequence, head.RecordHash);
        if (chain.IsBehind || chain.Waiting.Any(record => record.Former.Contains(place, StringComparer.Ordinal)))
            return new(ReceiptAction.Follow);
        if (ForkOf(chain, head) is not { } fork)
            return new(ReceiptAction.Acknowledge);
        // What this machine wrote before its state was lost may still have been on its way, and was taken in first.
        return new(ReceiptAction.Fork, chain.ContinuedAfter is { } after && head.Sequence > after ? null : fork);
    }

    /// <summary>Whether the site holds a record under one of our numbers that is not ours: another machine with our key, or our directory from a backup.</summary>
    private static string? ForkOf(ChainState chain, Receipt head)
    {
        if (head.Sequence > chain.Sequence)
            return $"the site has record {head.Sequence} of this device, and this machine has made {chain.Sequence}: this directory came from a backup or a snapshot, "
                + "or another machine uses this identity; this one goes on behind the site's record and reports everything anew";
        var known = chain.Waiting.FirstOrDefault(record => record.Sequence == head.Sequence)?.Hash ?? (head.Sequence == chain.Sequence ? chain.LastHash : null);
        return head.Sequence == 0 || known is null || known == head.RecordHash
            ? null
            : $"record {head.Sequence} at the site is not the one that this machine made: another machine uses this identity, or this directory came from a backup; "
                + "this one goes on behind the site's record and reports everything anew";
    }
}
