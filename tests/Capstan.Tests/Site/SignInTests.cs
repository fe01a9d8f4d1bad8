using Capstan.Site.Access;
using Capstan.Site.Store;
using Capstan.Testing;
using Dapper;
using Microsoft.AspNetCore.Identity;

namespace Capstan.Tests.Site;

/// <summary>Names and passwords, on a clock that the test moves.</summary>
public sealed class SignInTests : IAsyncLifetime
{
    private const string Right = "correct horse battery";

    private readonly ManualTime _time = new();
    private SiteHarness _site = null!;

    private Users Users => _site.Get<Users>();

    private SignIns SignIns => _site.Get<SignIns>();

    public async ValueTask InitializeAsync()
    {
        _site = await SiteHarness.CreateAsync(_time);
        await Users.AddAsync("anna", Role.Administrator, Right, CancellationToken.None);
    }

    public ValueTask DisposeAsync() => _site.DisposeAsync();

    [Fact]
    public async Task Guessing_slows_down_and_a_right_password_from_a_new_place_is_not_looked_at_meanwhile()
    {
        for (var i = 0; i <= SignInThrottle.Free; i++)
            Assert.True((await SignInAsync("guess", "192.0.2.1")) is { Token: null, IsLookedAt: true });
        Assert.True((await SignInAsync(Right, "192.0.2.9")) is { Token: null, Wait.TotalSeconds: > 0, IsLookedAt: false });
        _time.Advance(TimeSpan.FromSeconds(2));
        Assert.NotNull((await SignInAsync(Right, "192.0.2.9")).Token);
    }

    [Fact]
    public async Task Guesses_at_one_time_are_no_more_than_guesses_one_after_the_other()
    {
        var done = await Task.WhenAll(Enumerable.Range(0, 40).Select(i => Task.Run(() => SignInAsync("guess", $"192.0.2.{i}"))));
        Assert.Equal(SignInThrottle.Free + 1, done.Count(attempt => attempt.IsLookedAt));
    }

    [Fact]
    public async Task Who_guesses_elsewhere_keeps_nobody_out_at_the_usual_place()
    {
        Assert.NotNull((await SignInAsync(Right, "198.51.100.7")).Token);
        for (var i = 0; i < 2 * SignInThrottle.Free; i++)
            await SignInAsync("guess", $"192.0.2.{i}");
        Assert.Null((await SignInAsync(Right, "203.0.113.1")).Token);
        Assert.NotNull((await SignInAsync(Right, "198.51.100.7")).Token);
    }

    [Fact]
    public async Task Of_each_user_the_latest_places_are_known()
    {
        for (var i = 0; i <= SignIns.MostPlaces; i++)
        {
            Assert.NotNull((await SignInAsync(Right, $"198.51.100.{i}")).Token);
            _time.Advance(TimeSpan.FromMinutes(1));
        }
        var store = _site.Get<UserStore>();
        Assert.False((await store.FindAsync("anna", "198.51.100.0", CancellationToken.None)).IsPlaceKnown);
        Assert.True((await store.FindAsync("anna", "198.51.100.1", CancellationToken.None)).IsPlaceKnown);
    }

    [Fact]
    public async Task What_no_user_can_have_is_not_looked_at_and_leaves_nothing()
    {
        Assert.False((await SignIns.SignInAsync(new string('a', Users.MostNameChars + 1), Right, "192.0.2.1", CancellationToken.None)).IsLookedAt);
        Assert.False((await SignIns.SignInAsync("a b", Right, "192.0.2.1", CancellationToken.None)).IsLookedAt);
        Assert.False((await SignInAsync(new string('x', Users.MostPasswordChars + 1), "192.0.2.1")).IsLookedAt);
        Assert.Empty(await _site.Get<AuditStore>().ListAsync(null, 10, CancellationToken.None));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_password_that_was_changed_or_a_user_that_was_removed_meanwhile_begins_no_session(bool isRemoved)
    {
        var verified = (await _site.Get<UserStore>().FindAsync("anna", CancellationToken.None))!;
        if (isRemoved)
            await Users.RemoveAsync("anna", CancellationToken.None);
        else
            await Users.ChangeAsync("anna", null, "another long password", CancellationToken.None);

        Assert.Null(await SignIns.BeginSessionAsync(verified, new PasswordHasher<string>().HashPassword("anna", Right), "192.0.2.1", CancellationToken.None));

        Assert.Equal(0, await CountAsync("site_session"));
        Assert.Equal(isRemoved ? 0 : 1, (await Users.ListAsync(CancellationToken.None)).Count);
        Assert.Equal(!isRemoved, (await SignIns.SignInAsync("anna", "another long password", "192.0.2.1", CancellationToken.None)).Token is not null);
    }

    [Fact]
    public async Task A_hash_of_less_strength_is_renewed()
    {
        var weak = new PasswordHasher<string>(Microsoft.Extensions.Options.Options.Create(new PasswordHasherOptions { IterationCount = 1_000 })).HashPassword("anna", Right);
        await _site.Context.Database.WriteAsync(transaction => UserStore.SaveAsync(transaction, "anna", null, weak, _time.GetUtcNow()), CancellationToken.None);
        Assert.NotNull((await SignInAsync(Right, "192.0.2.1")).Token);
        Assert.NotEqual(weak, (await _site.Get<UserStore>().FindAsync("anna", CancellationToken.None))!.PasswordHash);
        Assert.NotNull((await SignInAsync(Right, "192.0.2.1")).Token);
    }

    [Fact]
    public async Task Without_its_row_in_the_audit_log_no_session_begins()
    {
        await _site.Context.Database.WriteAsync(transaction => transaction.Connection!.ExecuteAsync("alter table audit rename to gone", null, transaction), CancellationToken.None);
        await Assert.ThrowsAnyAsync<System.Data.Common.DbException>(() => SignInAsync(Right, "192.0.2.1"));
        Assert.Equal(0, await CountAsync("site_session"));
        // A guess is answered, row or not.
        Assert.Null((await SignInAsync("guess", "192.0.2.1")).Token);
    }

    private Task<SignIn> SignInAsync(string password, string address) => SignIns.SignInAsync("anna", password, address, CancellationToken.None);

    private Task<int> CountAsync(string table) => _site.Context.Database.ReadAsync(connection => connection.ExecuteScalarAsync<int>($"select count(*) from {table}"), CancellationToken.None);
}
