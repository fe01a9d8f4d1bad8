using Capstan.Site.Load;

namespace Capstan.Tests.Site;

public sealed class CloneRuleTests
{
    [Theory]
    // Who spoke, one after the other, as nonce and instance; A is the nonce that was registered. Who is told to make an identity of its own.
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
    public void Who_speaks_again_after_another_lives_beside_it(string speakers, string newcomers)
    {
        IReadOnlyList<Speaker> history = [];
        var told = new List<string>();
        foreach (var text in speakers.Split(' '))
        {
            (history, var names) = CloneRule.Heard(history, new Speaker(text[..1], text.Length > 1 ? text[1..] : null), registered: "A");
            told.AddRange(names);
        }
        Assert.Equal(newcomers, string.Join(',', told));
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
}
