using System.Text.Json;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers;
using Capstan.Protocol.V1;
using Capstan.Site.Store;

namespace Capstan.Site.Publish;

/// <summary>An account of the store, opened.</summary>
/// <param name="Account">Null when its secret cannot be opened with the site's key.</param>
internal sealed record OpenedAccount(AccountRow Row, ConnectionAccount? Account);

/// <summary>Which connection accounts clients are given. What cannot be opened, or is beyond the limits, is left out and told: it stops nothing. Pure.</summary>
/// <param name="Accounts">At most <see cref="AccountSecret.MaxAccounts"/> and <see cref="MaxBytes"/>, each CAP's newest first.</param>
/// <param name="Unreadable">Rows that cannot be opened, of the site's own, too.</param>
/// <param name="LeftOut">Meant for clients, and beyond the limits.</param>
/// <param name="Silenced">CAPs whose accounts for clients cannot be opened, none of them. A list without them would take them away from the clients that have them,
/// so policies say nothing of accounts meanwhile.</param>
internal sealed record AccountHandout(IReadOnlyList<AccountSecret> Accounts, IReadOnlyList<AccountRow> Unreadable, IReadOnlyList<AccountRow> LeftOut, IReadOnlyList<string> Silenced)
{
    /// <summary>Of all accounts as JSON: with the CAPs they fit into an enrolment token and into a policy.</summary>
    public const int MaxBytes = 24 << 10;

    private const int BytesBesideTexts = 64;

    /// <param name="all">In the order of the store: by CAP, and of each CAP and role the newest first.</param>
    public static AccountHandout Of(IReadOnlyList<OpenedAccount> all)
    {
        var meant = all.GroupBy(account => account.Row.Cap, StringComparer.Ordinal)
            .Select(cap => (Cap: cap.Key, Accounts: cap.Any(IsClients) ? cap.Where(IsClients) : cap)).ToArray();
        var offers = meant.SelectMany(cap => cap.Accounts.Where(account => account.Account is not null)
                .Select((account, rank) => new Offer(account.Row, new AccountSecret(account.Account!.Name, account.Account.Password.Reveal(), NalPath.Parse(cap.Cap).Server), rank)))
            .DistinctBy(offer => (offer.Secret.Name.ToUpperInvariant(), offer.Secret.Server)).ToArray();
        var kept = Fitting(offers);
        return new AccountHandout(
            [.. offers.Where(kept.Contains).Select(offer => offer.Secret)],
            [.. all.Where(account => account.Account is null).Select(account => account.Row)],
            [.. offers.Where(offer => !kept.Contains(offer)).Select(offer => offer.Row)],
            [.. meant.Where(cap => cap.Accounts.All(account => account.Account is null)).Select(cap => cap.Cap)]);
    }

    /// <summary>The newest of every CAP before the second newest of any.</summary>
    private static HashSet<Offer> Fitting(IReadOnlyList<Offer> offers)
    {
        var kept = new HashSet<Offer>(ReferenceEqualityComparer.Instance);
        var bytes = 0;
        foreach (var offer in offers.OrderBy(offer => offer.Rank))
        {
            if (kept.Count == AccountSecret.MaxAccounts)
                break;
            var size = BytesOf(offer.Secret);
            if (bytes + size > MaxBytes)
                continue;
            bytes += size;
            kept.Add(offer);
        }
        return kept;
    }

    private static int BytesOf(AccountSecret account) => BytesBesideTexts + BytesOf(account.Name) + BytesOf(account.Password) + BytesOf(account.Server ?? "");

    private static int BytesOf(string text) => JsonEncodedText.Encode(text).EncodedUtf8Bytes.Length;

    private static bool IsClients(OpenedAccount account) => string.Equals(account.Row.Role, AccountRole.Clients, StringComparison.Ordinal);

    /// <param name="Rank">From 0, among the accounts of its CAP.</param>
    private sealed record Offer(AccountRow Row, AccountSecret Secret, int Rank);
}
