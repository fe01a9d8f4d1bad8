using System.Globalization;
using Capstan.Protocol;
using Capstan.Site.Api;
using Capstan.Site.Store;

namespace Capstan.Site.Publish;

/// <summary>An account that was taken away, and what follows for clients. Pure.</summary>
/// <param name="Remaining">Of the same CAP and role, in the order in which they are tried; at least one.</param>
/// <param name="Elsewhere">Accounts of the same name for the same server.</param>
/// <param name="IsUsedByClients">It is theirs, or the site's where they have none of their own.</param>
internal sealed record AccountRemoval(AccountRow Row, IReadOnlyList<AccountRow> Remaining, IReadOnlyList<AccountRow> Elsewhere, bool IsUsedByClients)
{
    /// <summary>How many clients are named that may know the removed account alone.</summary>
    public const int MostNames = 5;

    /// <summary>Those of <see cref="Remaining"/> that clients have been given: the others cannot be opened, or were left out.</summary>
    public required IReadOnlyList<AccountRow> Given { get; init; }

    /// <summary>Whoever has confirmed this revision, or a later one, knows an account that remains.</summary>
    public long KnownRevision => Given.Count == 0 ? long.MaxValue : Given.Min(row => row.Revision);

    /// <summary>Nobody who was silent since then can know one.</summary>
    public DateTimeOffset KnownSince => Given.Count == 0 ? DateTimeOffset.MaxValue : Times.At(Given.Min(row => row.AddedAt));

    /// <param name="clients">Null when no client used the account.</param>
    public CapAccountRemoved Tell(UnconfirmedDevices? clients)
    {
        var names = string.Join(", ", Remaining.Select(row => row.Name));
        var notes = new List<string>();
        if (clients is not null)
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
        return new CapAccountRemoved(Row.Cap, Row.Role, Row.Name, [.. Remaining.Select(row => row.Name)], clients?.Unconfirmed, notes);
    }

    private string Of(UnconfirmedDevices clients, string names)
    {
        var came = Given.Count == 0 ? "which no client has been given yet" : string.Create(CultureInfo.InvariantCulture, $"which came {KnownSince:yyyy-MM-dd HH:mm} UTC");
        if (clients.All == 0)
            return "There are no clients yet.";
        if (clients.Unconfirmed == 0)
            return $"All {clients.All} clients have confirmed that they have another account than {Row.Name}.";
        var who = string.Join(", ", clients.Named.Select(device => $"{device.HostName} ({(DeviceId.TryParse(device.DeviceId, out var id) ? id.Fingerprint : device.DeviceId)})"));
        return $"{clients.Unconfirmed} of {clients.All} clients have not confirmed {names}, {came}, so they may know {Row.Name} alone: {who}{(clients.Unconfirmed > clients.Named.Count ? ", …" : "")}. "
            + $"They come back by {Row.Name} and then get {names}; once the server refuses {Row.Name}, each of them needs `capstan-client install --token-file FILE` with a new token.";
    }
}
