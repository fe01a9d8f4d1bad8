using Capstan.Nal.Providers;
using Capstan.Protocol.V1;
using Capstan.Site.Publish;
using Capstan.Site.Store;
using FsCheck;
using FsCheck.Fluent;

namespace Capstan.Tests.Site;

/// <summary>Which accounts clients are given, decided from rows alone.</summary>
public sealed class AccountHandoutTests
{
    [Fact]
    public void Whatever_is_stored_a_token_and_a_policy_can_hold_what_is_given()
    {
        var account = from cap in Gen.Choose(0, 80)
                      from name in Gen.Choose(0, 200)
                      from length in Gen.Elements(1, 20, 1024)
                      from letter in Gen.Elements('a', '"', 'ü', '\u0001')
                      from role in Gen.Elements(AccountRole.Site, AccountRole.Clients)
                      from isReadable in Gen.Frequency((9, Gen.Constant(true)), (1, Gen.Constant(false)))
                      select Account($@"MSWNET:\\fs{cap}\cap\", role, $"account-{name}", isReadable ? new string(letter, length) : null);
        Prop.ForAll(Gen.ListOf(account).ToArbitrary(), accounts =>
        {
            var stored = accounts.DistinctBy(each => (each.Row.Cap, each.Row.Role, each.Row.Name)).OrderBy(each => each.Row.Cap, StringComparer.Ordinal).ToArray();
            var handout = AccountHandout.Of(stored);
            var secrets = new PolicySecrets { Accounts = handout.Accounts };
            Assert.Equal(handout.Accounts, Documents.PolicySecrets.Decode(Documents.PolicySecrets.Encode(secrets)).Accounts);
            var token = new EnrolmentToken
            {
                SiteCode = "ABC",
                RootHash = new string('0', 64),
                RootVersion = 1,
                Caps = [@"MSWNET:\\fs1\cap\"],
                Accounts = handout.Accounts,
                TokenId = "t",
                Secret = System.Buffers.Text.Base64Url.EncodeToString(new byte[32]),
            };
            Assert.Equal(handout.Accounts, EnrolmentToken.Decode(token.Encode()).Accounts);
            // Nothing disappears without being told.
            foreach (var cap in stored.GroupBy(each => each.Row.Cap).Where(cap => !handout.Silenced.Contains(cap.Key) && handout.LeftOut.Count == 0))
                Assert.Contains(handout.Accounts, given => cap.Any(each => each.Row.Name == given.Name));
        }).QuickCheckThrowOnFailure();
    }

    [Fact]
    public void A_password_too_long_to_fit_gives_way_to_the_ones_that_do()
    {
        var handout = AccountHandout.Of([.. Enumerable.Range(0, 30).Select(number => Account($@"MSWNET:\\fs{number}\cap\", AccountRole.Clients, "a", new string('\u0001', number == 29 ? 10 : 1024)))]);
        Assert.Equal("fs29:445", handout.Accounts[^1].Server);
        Assert.Equal(30, handout.Accounts.Count + handout.LeftOut.Count);
        Assert.NotEmpty(handout.LeftOut);
    }

    [Fact]
    public void Clients_never_get_the_sites_account_in_place_of_one_that_cannot_be_opened()
    {
        const string Cap = @"MSWNET:\\fs1\cap\";
        var handout = AccountHandout.Of([Account(Cap, AccountRole.Clients, "theirs", null), Account(Cap, AccountRole.Site, "own", "pw")]);
        Assert.Empty(handout.Accounts);
        Assert.Equal([Cap], handout.Silenced);
        Assert.Equal("theirs", Assert.Single(handout.Unreadable).Name);
    }

    private static OpenedAccount Account(string cap, string role, string name, string? password) =>
        new(new AccountRow(cap, role, name, "", 0), password is null ? null : new ConnectionAccount(name, new Secret(password)));
}
