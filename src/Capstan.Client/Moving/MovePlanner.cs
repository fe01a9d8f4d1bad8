using Capstan.Client.Configuration;

namespace Capstan.Client.Moving;

/// <summary>All that decides what a move does next. Two that are equal say that nothing moved between them.</summary>
internal sealed record MoveFacts
{
    /// <summary>The state names the site to which the client is to go.</summary>
    public bool IsThere { get; init; }

    /// <summary>At the site that it leaves.</summary>
    public required ClientLifecycle Lifecycle { get; init; }

    /// <summary>In this call the metadata of the new site was verified from the token's root.</summary>
    public bool IsTargetSeen { get; init; }

    /// <summary>In this call a CAP of the site that it leaves has served a contact to its end.</summary>
    public bool IsContacted { get; init; }

    /// <summary>Items that are in no record and must be told: all before the last word, news alone after it.</summary>
    public int Items { get; init; }

    /// <summary>Records that were never written to a CAP.</summary>
    public int Unwritten { get; init; }

    /// <summary>Records that the site has not acknowledged, the unwritten included; a request to become a client does not count.</summary>
    public int Unacknowledged { get; init; }

    /// <summary>The newest record that was made is the last word, or it waits to become one.</summary>
    public bool IsWordGiven { get; init; }

    /// <summary>The last contact with the site that it leaves moved nothing, and the time that a person gave it is over.</summary>
    public bool IsPatienceOver { get; init; }

    /// <summary>A person has said that what the site has not acknowledged may stay behind.</summary>
    public bool LeavesBehind { get; init; }
}

internal enum MoveStep
{
    /// <summary>Verify the new site: nothing is left for something that is not there.</summary>
    Look = 1,
    /// <summary>A contact that writes all that waits, as a complete cycle does, without collecting anything.</summary>
    Deliver = 2,
    /// <summary>Put the last word into the spool.</summary>
    Depart = 3,
    /// <summary>A contact that reads receipts.</summary>
    Await = 4,
    /// <summary>The transaction that makes this machine a client of the new site.</summary>
    Leave = 5,
    /// <summary>Nothing was left; the same call goes on from here.</summary>
    GiveUp = 6,
    Done = 7,
}

/// <summary>Decides how a client moves from site to site. Pure. Each step may be repeated after a crash; only <see cref="MoveStep.Leave"/> changes where it belongs.</summary>
internal static class MovePlanner
{
    public static MoveStep Plan(MoveFacts facts)
    {
        if (facts.IsThere)
            return MoveStep.Done;
        if (!facts.IsTargetSeen)
            return MoveStep.Look;
        return facts.Lifecycle switch
        {
            // Its site takes nothing of it any more.
            ClientLifecycle.Retired => MoveStep.Leave,
            // One that is not known there has nobody to say a word to. Records that it made in an approved life before stay a person's to decide.
            ClientLifecycle.Installed => facts.Unacknowledged == 0 || facts.LeavesBehind ? MoveStep.Leave : MoveStep.GiveUp,
            _ when facts.IsPatienceOver => facts.LeavesBehind ? MoveStep.Leave : MoveStep.GiveUp,
            _ when !facts.IsContacted || facts.Items > 0 || facts.Unwritten > 0 => MoveStep.Deliver,
            _ when !facts.IsWordGiven => MoveStep.Depart,
            _ when facts.Unacknowledged > 0 => MoveStep.Await,
            _ => MoveStep.Leave,
        };
    }
}
