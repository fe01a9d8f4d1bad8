using Capstan.Testing;

namespace Capstan.Tests.Site.Keeping;

/// <summary>For any life of a site and its clients, restores included, the site ends with exactly the truth of each client's last state, and has applied nothing twice.</summary>
public class RestoredLivesTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task After_any_restore_the_site_and_its_clients_say_the_same(int seed)
    {
        await using var world = new LivesWorld(seed);
        await world.LiveAsync(steps: 30);
    }

    [Fact]
    public async Task After_long_lives_too()
    {
        LongRun.SkipUnlessAsked();
        for (var seed = 100; seed < 130; seed++)
        {
            await using var world = new LivesWorld(seed);
            await world.LiveAsync(steps: 60);
        }
    }
}
