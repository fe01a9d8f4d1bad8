using Capstan.Smb;
using Capstan.Smb.Connection;
using FsCheck;
using FsCheck.Fluent;

namespace Capstan.Tests.Smb.Connection;

public sealed class CreditWindowTests
{
    private const long Never = long.MaxValue;

    [Fact]
    public void Grants_without_end_overflow_nothing()
    {
        var window = new CreditWindow();
        for (var i = 0; i < 40_000; i++)
            window.Settle(0, ushort.MaxValue);
        Assert.InRange(window.Available, 1, 65536);
        Assert.Null(window.Take(1, deadline: 0));
    }

    [Fact]
    public void A_client_begins_with_one_credit()
    {
        var window = new CreditWindow();
        Assert.Null(window.Take(1, Never));
        Assert.NotNull(window.Take(1, Never));
        Assert.Equal((0, 1, 1), (window.Available, window.Total, window.Waiting));
    }

    [Fact]
    public void A_large_request_is_not_overtaken_by_small_ones()
    {
        var window = With(4);
        Assert.Null(window.Take(3, Never));
        var large = window.Take(4, Never)!;
        var small = window.Take(1, Never)!;
        Assert.False(small.Granted.Task.IsCompleted);
        window.Settle(3, 3);
        Assert.True(large.Granted.Task.IsCompletedSuccessfully);
        Assert.False(small.Granted.Task.IsCompleted);
        window.Settle(4, 4);
        Assert.True(small.Granted.Task.IsCompletedSuccessfully);
    }

    [Fact]
    public void Who_leaves_lets_those_behind_go()
    {
        var window = With(3);
        Assert.Null(window.Take(1, Never));
        var large = window.Take(9, Never)!;
        var small = window.Take(2, Never)!;
        window.Leave(large);
        Assert.True(small.Granted.Task.IsCompletedSuccessfully);
        window.Leave(small);
        Assert.Equal((0, 3, 0), (window.Available, window.Total, window.Waiting));
    }

    [Fact]
    public void What_no_answer_can_pay_for_any_more_fails_and_those_behind_it_go()
    {
        var window = With(9);
        Assert.Null(window.Take(9, Never));
        var large = window.Take(4, Never)!;
        var small = window.Take(2, Never)!;
        window.Settle(9, 2); // the server took seven back
        Assert.Equal(SmbCompletion.NotSent, Assert.IsType<SmbException>(large.Granted.Task.Exception!.InnerException).Completion);
        Assert.True(small.Granted.Task.IsCompletedSuccessfully);
    }

    private static CreditWindow With(int credits)
    {
        var window = new CreditWindow();
        Assert.Null(window.Take(1, Never));
        window.Settle(1, credits);
        return window;
    }

    /// <summary>Any order of taking, settling and leaving: credits are neither lost nor made, waiters are served in the order of asking, and nobody waits who could go.</summary>
    [Fact]
    public void Credits_are_conserved_and_nobody_is_lost()
    {
        var act = Gen.OneOf(
            Gen.Choose(1, 9).Select(charge => ("take", charge)),
            Gen.Choose(0, 5).Select(which => ("settle", which)),
            Gen.Choose(0, 5).Select(which => ("leave", which)),
            Gen.Choose(0, 5).Select(which => ("interim", which)));
        Prop.ForAll(act.ArrayOf().ToArbitrary(), acts => Run(acts)).QuickCheckThrowOnFailure();
    }

    private static void Run((string What, int Number)[] acts)
    {
        var window = new CreditWindow();
        var granted = 1;
        var spent = 0;
        List<int> flying = [];
        List<CreditWindow.Waiter> waiting = [];
        foreach (var (what, number) in acts)
        {
            switch (what)
            {
                case "take" when window.Take(number, Never) is { } waiter:
                    waiting.Add(waiter); // served, failed or queued: seen below
                    break;
                case "take":
                    Assert.Empty(waiting);
                    flying.Add(number);
                    break;
                case "settle" when flying.Count > 0:
                    var charge = flying[number % flying.Count];
                    flying.Remove(charge);
                    spent += charge;
                    granted += charge + number;
                    window.Settle(charge, charge + number);
                    break;
                case "interim":
                    granted += number;
                    window.Settle(0, number);
                    break;
                case "leave" when waiting.Count > 0:
                    var leaving = waiting[number % waiting.Count];
                    waiting.Remove(leaving);
                    window.Leave(leaving);
                    break;
            }
            // Those served are the first of the queue.
            while (waiting.Count > 0 && waiting[0].Granted.Task.IsCompleted)
            {
                if (waiting[0].Granted.Task.IsCompletedSuccessfully)
                    flying.Add(waiting[0].Charge);
                else
                    Assert.True(waiting[0].Charge > granted - spent - flying.Sum());
                waiting.RemoveAt(0);
            }
            Assert.True(waiting.Count == 0 || flying.Count > 0, "who waits for no answer would wait for ever");
            Assert.DoesNotContain(waiting, waiter => waiter.Granted.Task.IsCompleted);
            Assert.Equal(waiting.Count, window.Waiting);
            Assert.Equal(granted - spent - flying.Sum(), window.Available);
            Assert.Equal(granted - spent, window.Total);
            Assert.True(window.Available >= 0);
            Assert.True(waiting.Count == 0 || waiting[0].Charge > window.Available);
        }
    }
}
