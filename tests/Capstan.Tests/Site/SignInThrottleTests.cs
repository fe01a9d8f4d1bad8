using Capstan.Site.Access;

namespace Capstan.Tests.Site;

public sealed class SignInThrottleTests
{
    private static readonly DateTimeOffset Start = new(2026, 11, 22, 8, 0, 0, TimeSpan.Zero);
    private readonly SignInThrottle _throttle = new();

    [Theory]
    [InlineData(0, 0)]
    [InlineData(5, 0)]
    [InlineData(6, 1)]
    [InlineData(7, 2)]
    [InlineData(10, 16)]
    [InlineData(30, 900)]
    [InlineData(200, 900)]
    public void Each_failure_beyond_five_doubles_the_wait_to_a_quarter_of_an_hour(int failures, int seconds)
    {
        var now = Start;
        for (var i = 0; i < failures; i++)
            now = Fail("anna", $"192.0.2.{i % 200}", now);
        Assert.Equal(TimeSpan.FromSeconds(seconds), Wait("anna", "198.51.100.1", now));
        Assert.Equal(TimeSpan.Zero, Wait("anna", "198.51.100.1", now.AddSeconds(seconds)));
    }

    [Fact]
    public void Who_tries_many_names_from_one_place_waits_as_well_and_others_do_not()
    {
        var now = Start;
        for (var i = 0; i < 8; i++)
            now = Fail($"user{i}", "192.0.2.1", now);
        Assert.Equal(TimeSpan.FromSeconds(4), Wait("somebody", "192.0.2.1", now));
        Assert.Equal(TimeSpan.Zero, Wait("user1", "192.0.2.2", now));
    }

    [Fact]
    public void Attempts_at_one_time_count_before_anybody_knows_how_they_end()
    {
        var begun = Enumerable.Range(0, 100).Select(i => _throttle.Begin("anna", SignInThrottle.PlaceOf($"192.0.2.{i}"), isKnown: false, Start, out _)).OfType<SignInAttempt>().ToList();
        Assert.Equal(SignInThrottle.Free + 1, begun.Count);
        // Those that succeed after all were none.
        foreach (var attempt in begun)
            _throttle.Succeeded(attempt);
        Assert.Equal(TimeSpan.Zero, Wait("anna", "192.0.2.200", Start));
    }

    [Fact]
    public void Who_guesses_elsewhere_keeps_nobody_waiting_at_their_usual_place()
    {
        var now = Start;
        for (var i = 0; i < 30; i++)
            now = Fail("anna", $"192.0.2.{i}", now);
        Assert.NotEqual(TimeSpan.Zero, Wait("anna", "198.51.100.1", now));
        Assert.Equal(TimeSpan.Zero, Wait("anna", "198.51.100.1", now, isKnown: true));
        // Failures there are counted there, until a success.
        for (var i = 0; i < 8; i++)
            now = Fail("anna", "198.51.100.1", now, isKnown: true);
        Assert.Equal(TimeSpan.FromSeconds(4), Wait("anna", "198.51.100.1", now, isKnown: true));
        Assert.Equal(TimeSpan.Zero, Wait("ben", "198.51.100.1", now, isKnown: true));
        now += TimeSpan.FromSeconds(4);
        _throttle.Succeeded(_throttle.Begin("anna", "198.51.100.1", isKnown: true, now, out _)!);
        Assert.Equal(TimeSpan.Zero, Wait("anna", "198.51.100.1", Fail("anna", "198.51.100.1", now, isKnown: true), isKnown: true));
    }

    [Fact]
    public void Whose_address_has_neighbours_has_them_all()
    {
        var now = Start;
        for (var i = 0; i < 8; i++)
            now = Fail($"user{i}", $"2001:db8:1:2::{i + 1:x}", now);
        Assert.NotEqual(TimeSpan.Zero, Wait("somebody", "2001:db8:1:2:ffff::1", now));
        Assert.Equal(TimeSpan.Zero, Wait("somebody", "2001:db8:1:3::1", now));
    }

    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("::1")]
    public void Users_of_this_machine_do_not_keep_each_other_waiting(string address)
    {
        var now = Start;
        for (var i = 0; i < 8; i++)
            now = Fail("anna", address, now);
        Assert.NotEqual(TimeSpan.Zero, Wait("anna", address, now));
        Assert.Equal(TimeSpan.Zero, Wait("ben", address, now));
    }

    [Fact]
    public void An_hour_forgets_and_a_clock_that_was_set_back_keeps_nobody_out_for_a_year()
    {
        var now = Start;
        for (var i = 0; i < 30; i++)
            now = Fail("ben", "192.0.2.1", now);
        Assert.NotEqual(TimeSpan.Zero, Wait("ben", "192.0.2.1", now));
        Assert.Equal(TimeSpan.Zero, Wait("ben", "192.0.2.1", now.AddHours(2)));
        Assert.Equal(TimeSpan.Zero, Wait("ben", "192.0.2.1", now.AddYears(-1)));
    }

    [Fact]
    public void What_is_remembered_is_bounded_and_who_guesses_much_is_not_pushed_out()
    {
        var now = Start;
        for (var i = 0; i < 10; i++)
            now = Fail("anna", $"192.0.2.{i}", now);
        Assert.True(Wait("anna", "198.51.100.1", now) > TimeSpan.FromSeconds(10));
        for (var i = 0; i < SignInThrottle.MaxEntries * 2; i++)
            Fail($"user{i}", $"2001:db8:{i / 5:x}::1", now.AddMilliseconds(i / 10));
        Assert.True(Wait("anna", "198.51.100.1", now.AddSeconds(2)) > TimeSpan.FromSeconds(10));
    }

    /// <summary>An attempt that fails, as soon as it may be made.</summary>
    /// <returns>When that was.</returns>
    private DateTimeOffset Fail(string user, string address, DateTimeOffset now, bool isKnown = false)
    {
        now += Wait(user, address, now, isKnown);
        Assert.NotNull(_throttle.Begin(user, SignInThrottle.PlaceOf(address), isKnown, now, out _));
        return now;
    }

    private TimeSpan Wait(string user, string address, DateTimeOffset now, bool isKnown = false)
    {
        if (_throttle.Begin(user, SignInThrottle.PlaceOf(address), isKnown, now, out var wait) is { } attempt)
            _throttle.TakeBack(attempt);
        return wait;
    }
}

public sealed class BoundedTurnsTests
{
    [Fact]
    public async Task So_many_are_in_so_many_wait_and_the_others_are_sent_away()
    {
        using var turns = new BoundedTurns(2, mostWaiting: 1);
        Assert.True(await turns.EnterAsync(always: false, CancellationToken.None));
        Assert.True(await turns.EnterAsync(always: false, CancellationToken.None));
        var waiting = turns.EnterAsync(always: false, CancellationToken.None);
        Assert.False(await turns.EnterAsync(always: false, CancellationToken.None));
        var always = turns.EnterAsync(always: true, CancellationToken.None);
        Assert.False(waiting.IsCompleted || always.IsCompleted);
        turns.Leave();
        turns.Leave();
        Assert.True(await waiting && await always);
        // Who gives up waiting makes room.
        using var gone = new CancellationTokenSource();
        var given = turns.EnterAsync(always: false, gone.Token);
        await gone.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => given);
        var next = turns.EnterAsync(always: false, CancellationToken.None);
        turns.Leave();
        Assert.True(await next);
    }
}
