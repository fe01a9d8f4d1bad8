namespace Capstan.Site.Collections;

/// <summary>When nobody asked for a change and it is too big to happen by itself: the members of a collection to which something is offered then stay until an administrator confirms. Pure.</summary>
/// <param name="Coming">Clients that would come by the query, and <paramref name="Removals"/>, those that would leave and take away what was installed.</param>
internal sealed record CollectionHold(int Coming, int Removals)
{
    /// <summary>Within which clients that come one by one count together.</summary>
    public static readonly TimeSpan Window = TimeSpan.FromDays(1);

    /// <param name="coming">Without those that became clients within <see cref="Window"/>: that was confirmed when they were approved.</param>
    /// <param name="cameBefore">That came within <see cref="Window"/> already.</param>
    /// <param name="limit">See <see cref="Api.AdvertisementCreate.Unasked"/>.</param>
    /// <returns>Null when it may happen.</returns>
    public static CollectionHold? Of(int coming, long cameBefore, int removals, int limit) =>
        (coming > 0 && coming + cameBefore > limit) || removals > limit ? new(coming, removals) : null;
}
