using Capstan.Site.Load;

namespace Capstan.Tests.Site;

public sealed class EpochRuleTests
{
    private static readonly DateTimeOffset Now = DateTimeOffset.FromUnixTimeMilliseconds(1_800_000_000_000);
    private const long Past = 1_700_000_000_000, Soon = 1_820_000_000_000, Far = 4_000_000_000_000;

    [Theory]
    // Who signs for which epoch; how many clients there are; what is believed. The site is in epoch 5.
    [InlineData("", 9, 0)]
    [InlineData("a:5", 9, 0)]
    [InlineData("a:6", 9, 6)]
    [InlineData("a:6 b:7", 9, 7)]
    [InlineData("a:past b:soon", 9, Soon)] // A clock may be wrong by some months.
    [InlineData("a:past b:far", 9, Past)] // One alone lies, or was left behind.
    [InlineData("a:far b:far", 9, 0)]
    [InlineData("a:far b:far c:far", 9, Far)]
    [InlineData("a:far b:far c:far d:max", 9, Far)] // A liar beside a life that was restored under a wrong clock.
    [InlineData("a:far a2:far a3:far", 9, 0)] // Three names of one: copies of a.
    [InlineData("a:far", 1, Far)] // A site of one client, or two, has no third witness.
    [InlineData("a:far b:far", 2, Far)]
    [InlineData("a:far", 2, 0)]
    [InlineData("a:max b:max c:max", 9, 0)] // Nothing could go above that.
    public void One_client_alone_moves_no_epoch_out_of_reach(string claims, int clients, long believed) =>
        Assert.Equal(believed, EpochRule.Believed([.. claims.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(Claim)], epoch: 5, clients, Now));

    private static EpochClaim Claim(string text)
    {
        var parts = text.Split(':');
        return new EpochClaim(parts[0], parts[0], parts[0][..1], parts[1] switch
        {
            "past" => Past,
            "soon" => Soon,
            "far" => Far,
            "max" => long.MaxValue,
            var number => long.Parse(number, System.Globalization.CultureInfo.InvariantCulture),
        });
    }
}
