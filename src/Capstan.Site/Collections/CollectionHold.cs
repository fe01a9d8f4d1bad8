namespace Capstan.Site.Collections;

/// <summary>When nobody asked for a change and it is too big to happen by itself: the members of a collection to which something is offered then stay until an administrator confirms. Pure.</summary>
/// <param name="Coming">Clients that would come by the query, and <paramref name="Removals"/>, those that would leave and take away what was installed.</param>
internal sealed record CollectionHold(int Coming, int Removals)
{
    /// <summary>Within which clients that come one by one count together.</summary>
    public static readonly TimeSpan Window = TimeSpan.FromDays(1);

    /// <summary>Fewer removals are asked about by nobody, whatever their share.</summary>
    public const int LeastRemovals = 20;

    /// <summary>Whether so many may be too many: above the limit, or most of what is there. What a small site has is not less dear to it.</summary>
    /// <param name="members">How many there are.</param>
    public static bool IsMuch(int removals, int members, int limit) => removals > limit || (removals >= LeastRemovals && removals * 2L > members);

    /// <param name="coming">Without those that became clients within <see cref="Window"/>: that was confirmed when they were approved.</param>
    /// <param name="cameBefore">That came within <see cref="Window"/> already.</param>
    /// <param name="members">Of the collection, before.</param>
    /// <param name="limit">See <see cref="Api.AdvertisementCreate.Unasked"/>.</param>
    /// <returns>Null when it may happen.</returns>
    public static CollectionHold? Of(int coming, long cameBefore, int removals, int members, int limit) =>
        (coming > 0 && coming + cameBefore > limit) || IsMuch(removals, members, limit) ? new(coming, removals) : null;
}
