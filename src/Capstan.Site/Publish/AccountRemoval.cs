using System.Globalization;
using Capstan.Site.Api;
using Capstan.Site.Store;

namespace Capstan.Site.Publish;

/// <summary>An account that was taken away, and what follows for clients. Pure.</summary>
/// <param name="Remaining">Of the same CAP and role, in the order in which they are tried; at least one.</param>
/// <param name="Elsewhere">Accounts of the same name for the same server.</param>
/// <param name="IsUsedByClients">It is theirs, or the site's where they have none of their own.</param>
internal sealed record AccountRemoval(AccountRow Row, IReadOnlyList<AccountRow> Remaining, IReadOnlyList<AccountRow> Elsewhere, bool IsUsedByClients)
{
    /// <summary>Whoever was heard from since then can know an account that remains.</summary>
    public DateTimeOffset KnownSince => Times.At(Remaining.Min(row => row.AddedAt));

    /// <param name="clients">Approved ones, and how many of them were not heard from since <see cref="KnownSince"/>.</param>
    public CapAccountRemoved Tell((long All, long Unheard) clients)
    {
        var names = string.Join(", ", Remaining.Select(row => row.Name));
        var notes = new List<string>();
        if (IsUsedByClients)
        {
            notes.Add($"Clients get {names} alone with their next policy. Until then they go on with what they have, as long as the server accepts it.");
            notes.Add(Of(clients, names));
            notes.Add("Enrolment tokens that were made before still bring it.");
        }
        else
            notes.Add($"The site goes on with {names}. Clients have accounts of their own, which stay as they are.");
        foreach (var other in Elsewhere)
            notes.Add($"The same account stays for {other.Cap} (of the {other.Role}), on the same server: there it is still used.");
        notes.Add("At the server the account is as it was: disable it there when nobody needs it any more.");
        return new CapAccountRemoved(Row.Cap, Row.Role, Row.Name, [.. Remaining.Select(row => row.Name)], IsUsedByClients ? (int)clients.Unheard : null, notes);
    }

    private string Of((long All, long Unheard) clients, string names)
    {
        var since = KnownSince.ToString("yyyy-MM-dd HH:mm 'UTC'", CultureInfo.InvariantCulture);
        return clients switch
        {
            (0, _) => "There are no clients yet.",
            (var all, 0) => $"All {all} clients were heard from since {since}, when there was another account than {Row.Name}.",
            var (all, unheard) => $"{unheard} of {all} clients were not heard from since {since}, so they may know {Row.Name} alone. They come back by it and then get {names}; "
                + $"once the server refuses {Row.Name}, each of them needs `capstan-client install --token-file FILE` with a new token. `capstan client list --sort seen` shows them first.",
        };
    }
}
