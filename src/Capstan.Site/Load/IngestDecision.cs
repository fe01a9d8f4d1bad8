using Capstan.Site.Store;

namespace Capstan.Site.Load;

/// <summary>What the ledger knows about a device and about the place that a record claims.</summary>
/// <param name="State">One of <see cref="DeviceState"/>; null for a device that is not registered.</param>
/// <param name="KnownHash">Hash of the record that has this place already; null for none.</param>
/// <param name="KnownRefused">The record at this place went to quarantine.</param>
internal sealed record ChainFacts(string? State, long HeadSequence, string HeadHash, string? KnownHash, bool KnownRefused);

/// <summary>What a verified record says of its place.</summary>
/// <param name="IsRequest">It holds a configuration request.</param>
/// <param name="Waited">Since its file was first seen.</param>
/// <param name="IsNewcomer">It is of a machine that was told to make an identity of its own.</param>
internal sealed record RecordFacts(long Sequence, string Hash, string Previous, bool IsRequest, TimeSpan Waited, bool IsNewcomer = false);

internal enum IngestAction
{
    Apply = 1,
    /// <summary>Taken in before: the file is deleted without a word.</summary>
    Duplicate = 2,
    /// <summary>Stays in the inbox.</summary>
    Wait = 3,
    /// <summary>The records before it are given up: it is applied, and the client is asked for everything anew.</summary>
    ApplyAfterGap = 4,
    Quarantine = 5,
}

/// <summary>What is to be done with one verified record. Pure.</summary>
/// <param name="Reason">For quarantine and waiting: a stable code. Null otherwise.</param>
internal readonly record struct IngestDecision(IngestAction Action, string? Reason = null)
{
    /// <summary>How long a record waits for those before it, or for its device's approval.</summary>
    public static readonly TimeSpan GapLimit = TimeSpan.FromDays(7);

    /// <summary>How long a file may stay unfinished.</summary>
    public static readonly TimeSpan ShortLimit = TimeSpan.FromHours(24);

    public const string Fork = "fork";
    public const string UnknownDevice = "unknown_device";
    public const string OtherMachine = "other_machine";

    public static IngestDecision Of(ChainFacts chain, RecordFacts record)
    {
        if (record.Sequence <= chain.HeadSequence)
            return chain.KnownHash switch
            {
                null => new(IngestAction.Quarantine, "replayed"),
                var known when string.Equals(known, record.Hash, StringComparison.Ordinal) =>
                    chain.KnownRefused ? new(IngestAction.Quarantine, "refused_before") : new(IngestAction.Duplicate),
                _ => new(IngestAction.Quarantine, Fork),
            };
        if (record.IsNewcomer)
            return new(IngestAction.Quarantine, OtherMachine);
        switch (chain.State)
        {
            case null:
                // A device that was forgotten while it waited asks again with its next record: what came before is not needed for that.
                return record.IsRequest ? new(IngestAction.Apply) : new(IngestAction.Quarantine, UnknownDevice);
            case DeviceState.Retired:
                return new(IngestAction.Quarantine, "device_retired");
            case DeviceState.Pending when !record.IsRequest:
                return record.Waited >= GapLimit ? new(IngestAction.Quarantine, "not_approved") : new(IngestAction.Wait, "not_approved");
        }
        if (record.Sequence == chain.HeadSequence + 1)
            return string.Equals(record.Previous, chain.HeadHash, StringComparison.Ordinal) ? new(IngestAction.Apply) : new(IngestAction.Quarantine, Fork);
        return record.Waited >= GapLimit ? new(IngestAction.ApplyAfterGap) : new(IngestAction.Wait, "gap");
    }
}
