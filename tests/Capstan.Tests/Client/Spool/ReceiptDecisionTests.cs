using Capstan.Client.Spool;
using Capstan.Protocol.V1;

namespace Capstan.Tests.Client.Spool;

public sealed class ReceiptDecisionTests
{
    [Theory]
    // What was made last; what waits (a former place after '<'); the site's head; what follows, and whether it is told.
    [InlineData("0:", "", "0:", "Acknowledge")]
    [InlineData("3:c", "", "3:c", "Acknowledge")]
    [InlineData("3:c", "2:b 3:c", "2:b", "Acknowledge")] // The site has the first of two.
    [InlineData("3:c", "2:b 3:c", "1:a", "Acknowledge")] // And none: what was acknowledged before is not known any more.
    [InlineData("3:c", "1:a 2:b 3:c", "0:", "Acknowledge")]
    [InlineData("0:", "", "7:x", "Continue")] // The database was lost.
    [InlineData("1:a", "1:a", "7:x", "Fork told")] // A new record beside an old chain.
    [InlineData("3:c", "", "4:x", "Fork told")] // Set back, or another machine.
    [InlineData("3:c", "", "3:x", "Fork told")]
    [InlineData("3:c", "2:b 3:c", "2:x", "Fork told")]
    [InlineData("3:c", "3:c", "2:x", "Acknowledge")] // Nothing here says what 2 was.
    [InlineData("3:c", "3:c<2:x", "2:x", "Follow")] // It has a record as it was signed before.
    [InlineData("4:d", "3:c<2:x 4:d<3:y", "3:y", "Follow")]
    [InlineData("5:e after 2", "5:e", "3:x", "Acknowledge")]
    [InlineData("3:c after 2", "3:c", "3:x", "Fork")] // What was on its way when the state was lost.
    [InlineData("3:c after 2", "3:c", "5:x", "Fork")]
    [InlineData("3:c after 3", "3:c", "3:x", "Fork told")] // That was there already.
    [InlineData("3:c behind", "2:b 3:c", "1:a", "Follow")]
    [InlineData("3:c behind", "", "9:x", "Follow")] // Another life of the site has more of this chain.
    [InlineData("3:c behind", "3:c", "3:x", "Follow")]
    [InlineData("0: behind", "", "7:x", "Continue")]
    public void A_receipt_means_one_thing(string made, string waits, string head, string meaning)
    {
        var words = made.Split(' ');
        var (last, hash) = PlaceOf(words[0]);
        var chain = new ChainState(last, hash.Length == 0 ? null : hash, words is [_, "after", var after] ? long.Parse(after, System.Globalization.CultureInfo.InvariantCulture) : null,
            words is [_, "behind"], [.. waits.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(Waiting)]);
        var (sequence, headHash) = PlaceOf(head);
        var decision = ReceiptDecision.Of(chain, new Receipt("device", sequence, headHash, []));
        Assert.Equal(meaning, $"{decision.Action}{(decision.Fork is null ? "" : " told")}");
    }

    private static SpooledRecord Waiting(string text)
    {
        var parts = text.Split('<');
        var (sequence, hash) = PlaceOf(parts[0]);
        return new SpooledRecord(sequence, "", hash, 1, "", new HashSet<string>(), 1, null) { Former = parts[1..] };
    }

    private static (long Sequence, string Hash) PlaceOf(string text) =>
        text.Split(':') is [var sequence, var hash] ? (long.Parse(sequence, System.Globalization.CultureInfo.InvariantCulture), hash) : throw new ArgumentException("not a place", nameof(text));
}
