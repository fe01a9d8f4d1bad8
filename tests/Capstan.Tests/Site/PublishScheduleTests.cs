using Capstan.Site.Publish;

namespace Capstan.Tests.Site;

public class PublishScheduleTests
{
    private static readonly PublishSchedule Idle = new(null, null);

    [Fact]
    public void The_first_change_is_published_at_once()
    {
        Assert.Null(Idle.Due);
        Assert.Equal(TimeSpan.Zero, Idle.Changed(PublishUrgency.Ordinary).Due);
    }

    [Fact]
    public void Publications_are_two_seconds_apart_while_devices_enrol_and_sixty_otherwise()
    {
        var published = PublishSchedule.Published(TimeSpan.FromSeconds(100));
        Assert.Null(published.Due);
        Assert.Equal(TimeSpan.FromSeconds(102), published.Changed(PublishUrgency.Enrolment).Due);
        Assert.Equal(TimeSpan.FromSeconds(160), published.Changed(PublishUrgency.Ordinary).Due);
        Assert.Equal(TimeSpan.Zero, published.Changed(PublishUrgency.Now).Due);
    }

    [Fact]
    public void The_more_urgent_reason_counts_in_either_order()
    {
        var published = PublishSchedule.Published(TimeSpan.FromSeconds(100));
        Assert.Equal(TimeSpan.FromSeconds(102), published.Changed(PublishUrgency.Enrolment).Changed(PublishUrgency.Ordinary).Due);
        Assert.Equal(TimeSpan.FromSeconds(102), published.Changed(PublishUrgency.Ordinary).Changed(PublishUrgency.Enrolment).Due);
    }

    [Theory]
    [InlineData("per-server:10", 0, true)]
    [InlineData("per-seat:1", 0, true)]
    [InlineData(null, 0, true)]
    [InlineData("per-server:10", 10, false)]
    [InlineData("per-server:0", 0, false)]
    [InlineData("per-server:+5", 0, false)]
    [InlineData("per-server:007", 0, false)] // no client would read the list
    [InlineData("per-server:99999999", 99_999_998, true)]
    [InlineData("per-server:100000000", 0, false)]
    [InlineData("unlimited", 0, false)] // a word of the request, not of the list
    [InlineData(null, -1, false)]
    [InlineData(null, 1, false)]
    public void Licensing_is_checked_when_it_is_given(string? licensing, int headroom, bool good) =>
        Assert.Equal(good, Licensing.Fault(new LicensingTerms(licensing, headroom)) is null);
}
