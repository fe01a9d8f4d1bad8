using Capstan.Site.Load;

namespace Capstan.Tests.Site;

public sealed class CloneRuleTests
{
    [Theory]
    // Who spoke, one after the other, as nonce and instance, and where it goes on from; A is the nonce that was registered. Who is told to make an identity of its own.
    [InlineData("A1", "")]
    [InlineData("A1 A1 A1", "")]
    [InlineData("A1 A2 A3", "")] // Restarts.
    [InlineData("A1 B1", "")] // Moved to other hardware, or set up again.
    [InlineData("A1 B1 B2 C1", "")] // Moved again and again.
    [InlineData("A1 B1 A1", "B")] // The original beside its copy.
    [InlineData("A1 B1 A2", "B")] // Whatever was restarted meanwhile.
    [InlineData("A1 B1 B2 A2", "B")]
    [InlineData("A1 B1 C1 A1", "B,C")] // Two copies.
    [InlineData("B1 A1 B1", "B")] // The copy was heard first.
    [InlineData("B1 C1 B1", "C")] // The registered one is long gone: who spoke first stays.
    [InlineData("A1 A2 A1", "2")] // Copies that the hardware does not tell apart.
    [InlineData("A1 A2 A3 A1", "2,3")]
    [InlineData("A A A", "")] // Clients that tell no instance: nothing can be said.
    [InlineData("A B A", "B")]
    [InlineData("A1 A2<1 A3<2 A4<3", "")] // Restarts that remember one another.
    [InlineData("A1 A2<1 A3<1 A4<1 A5<1", "")] // Set back to one snapshot again and again.
    [InlineData("A1 A2<1 A3<2 A4<1 A5<4 A6<1 A7<6", "")]
    [InlineData("A1 A2<1 A3<1 A4<2", "3")] // Two that are never on together: one by day, one by night.
    [InlineData("A1 A3<1 A2<1 A4<3", "2")] // Who spoke first after they parted stays: nothing tells which disk was the copy.
    [InlineData("A1 A2<1 A3<1 A4<3 A5<2", "3,4")] // Several nights, then a day.
    [InlineData("A1 A2<0 A3<1", "2")] // Copied before the original's last start.
    [InlineData("A1 A2 A3<1", "")] // An older build ran in between, which tells nothing.
    [InlineData("A1 A3<2 A4<3", "")] // What it goes on from was never heard.
    [InlineData("A1 B2<1 B3<2 A4<1", "B")] // The hardware tells more than starts do.
    [InlineData("A1 B2<1 A3<1 C4<2 D5<3", "B,4")] // Original and copy move to ever new hardware.
    [InlineData("B1 B2<1 A3<1 C4<2", "4")] // The registered one never goes.
    public void Who_speaks_again_after_another_lives_beside_it(string speakers, string newcomers)
    {
        IReadOnlyList<Speaker> history = [];
        var told = new List<string>();
        foreach (var text in speakers.Split(' '))
        {
            (history, var names) = CloneRule.Heard(history, Named(text), registered: "A");
            told.AddRange(names);
        }
        Assert.Equal(newcomers, string.Join(',', told));
    }

    [Theory]
    // A machine that was registered as A and moved to hardware B, its copy on hardware C, which is restarted more often than the history is long.
    [InlineData("B0", "C0", "B", "C")]
    // The same without evidence: the copy's starts go on from one another.
    [InlineData("A1", "A100<1", "A2<1", "100")]
    public void Whoever_was_there_first_is_not_forgotten_while_a_copy_is_restarted(string first, string copy, string again, string told)
    {
        IReadOnlyList<Speaker> history = [];
        foreach (var speaker in new[] { Named("A0"), Named(first) with { Previous = "0" } })
            history = CloneRule.Heard(history, speaker, "A").History;
        if (again.Contains('<', StringComparison.Ordinal))
            history = CloneRule.Heard(history, Named(again), "A").History;
        var last = Named(copy);
        for (var start = 0; start < 30; start++)
        {
            (history, var none) = CloneRule.Heard(history, last, "A");
            Assert.Empty(none);
            last = last with { Instance = $"1{start:00}", Previous = last.Instance };
        }
        var back = again.Contains('<', StringComparison.Ordinal) ? new Speaker("A", "3") { Previous = "2" } : Named(again);
        var names = CloneRule.Heard(history, back, "A").Newcomers;
        Assert.NotEmpty(names);
        Assert.DoesNotContain(names, name => name == back.Nonce && told != name);
        Assert.True(CloneRule.IsNewcomer(names, last), string.Join(',', names));
    }

    [Fact]
    public void Once_told_a_copy_is_forgotten_and_the_original_goes_on_in_peace()
    {
        var (history, _) = CloneRule.Heard([new("A", "1"), new("B", "1")], new Speaker("A", "1"), "A");
        Assert.Equal([new Speaker("A", "1")], history);
        Assert.Same(history, CloneRule.Heard(history, new Speaker("A", "1"), "A").History);
        Assert.True(CloneRule.IsNewcomer(["B"], new Speaker("B", "7")));
        Assert.True(CloneRule.IsNewcomer(["7"], new Speaker("A", "7")));
        Assert.False(CloneRule.IsNewcomer(["B", "7"], new Speaker("A", null)));
    }

    [Fact]
    public void A_copy_that_is_restarted_before_it_hears_of_it_is_told_all_the_same()
    {
        Assert.True(CloneRule.IsNewcomer(["2"], new Speaker("A", "3") { Previous = "2" }));
        Assert.False(CloneRule.IsNewcomer(["2"], new Speaker("A", "3") { Previous = "1" }));
    }

    [Fact]
    public void A_client_that_restarts_every_hour_for_years_leaves_a_short_history()
    {
        IReadOnlyList<Speaker> history = [];
        for (var start = 0; start < 10_000; start++)
        {
            (history, var told) = CloneRule.Heard(history, new Speaker("A", $"{start}"), "A");
            Assert.Empty(told);
        }
        Assert.Equal(CloneRule.MaxHistory, history.Count);
    }

    private static Speaker Named(string text)
    {
        var parts = text.Split('<');
        return new Speaker(parts[0][..1], parts[0].Length > 1 ? parts[0][1..] : null) { Previous = parts.Length > 1 ? parts[1] : null };
    }
}
