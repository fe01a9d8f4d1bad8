using Capstan.Site.Access;
using Capstan.Testing;

namespace Capstan.Tests.Site;

/// <summary>Sessions on a clock that the test moves.</summary>
public sealed class SessionTests
{
    [Fact]
    public async Task Sessions_end_by_themselves()
    {
        var time = new ManualTime();
        await using var site = await SiteHarness.CreateAsync(time);
        var (users, signIns) = (site.Get<Users>(), site.Get<SignIns>());
        await users.AddAsync("anna", Role.Reader, "correct horse battery", CancellationToken.None);
        var idle = (await signIns.SignInAsync("anna", "correct horse battery", "192.0.2.1", CancellationToken.None)).Token!;
        var busy = (await signIns.SignInAsync("anna", "correct horse battery", "192.0.2.1", CancellationToken.None)).Token!;
        for (var passed = TimeSpan.Zero; passed < Users.SessionLimit - TimeSpan.FromHours(1); passed += TimeSpan.FromHours(1))
        {
            Assert.Equal("anna", (await users.FindAsync(busy, CancellationToken.None))?.Name);
            time.Advance(TimeSpan.FromHours(1));
        }
        Assert.Null(await users.FindAsync(idle, CancellationToken.None));
        Assert.NotNull(await users.FindAsync(busy, CancellationToken.None));
        time.Advance(TimeSpan.FromHours(1));
        Assert.Null(await users.FindAsync(busy, CancellationToken.None));
        Assert.Null(await users.FindAsync("never given", CancellationToken.None));
    }
}
