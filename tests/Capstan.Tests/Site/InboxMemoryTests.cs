using Capstan.Nal.Providers;
using Capstan.Site.Load;

namespace Capstan.Tests.Site;

public class InboxMemoryTests
{
    private static readonly DateTimeOffset Now = new(2026, 11, 22, 12, 0, 0, TimeSpan.Zero);

    private static InboxFile File(long length = 10) => new(StorePath.Parse("inbox/aa/file"), length, null);

    [Fact]
    public void An_unfinished_file_is_looked_at_less_and_less_often()
    {
        var memory = new InboxMemory([]);
        var elapsed = TimeSpan.FromHours(1);
        foreach (var seconds in new[] { 1, 2, 4, 8, 16, 32, 60, 60 })
        {
            Assert.True(memory.IsDue(File(), elapsed));
            memory.Wait(File(), null, false, Now, elapsed);
            elapsed += TimeSpan.FromSeconds(seconds);
            Assert.False(memory.IsDue(File(), elapsed - TimeSpan.FromMilliseconds(1)));
        }
    }

    [Fact]
    public void An_unfinished_file_that_grew_is_looked_at_at_once()
    {
        var memory = new InboxMemory([]);
        memory.Wait(File(10), null, false, Now, TimeSpan.Zero);
        Assert.False(memory.IsDue(File(10), TimeSpan.Zero));
        Assert.True(memory.IsDue(File(11), TimeSpan.Zero));
    }

    [Fact]
    public void A_file_that_was_first_seen_by_a_clock_years_ahead_waits_since_now()
    {
        var memory = new InboxMemory([("file", Now.AddYears(9))]);
        Assert.True(memory.Clamp(Now));
        Assert.Equal(TimeSpan.FromDays(7), memory.Waited("file", Now.AddDays(7)));
        Assert.False(memory.Clamp(Now));
    }

    [Fact]
    public void Deleting_is_tried_again_later_and_the_file_is_not_read_meanwhile()
    {
        var memory = new InboxMemory([]);
        memory.CannotDelete(File(), TimeSpan.Zero);
        Assert.False(memory.IsDue(File(), TimeSpan.FromDays(1)));
        Assert.False(memory.IsDeletionDue(File(), TimeSpan.FromSeconds(4)));
        Assert.True(memory.IsDeletionDue(File(), TimeSpan.FromSeconds(5)));
        memory.CannotDelete(File(), TimeSpan.FromSeconds(5));
        Assert.False(memory.IsDeletionDue(File(), TimeSpan.FromSeconds(14)));
        Assert.True(memory.IsDeletionDue(File(), TimeSpan.FromSeconds(15)));
        Assert.False(memory.IsDeletionDue(File(11), TimeSpan.FromSeconds(15)));
        Assert.True(memory.IsDue(File(11), TimeSpan.FromSeconds(15)));
    }

    [Fact]
    public void What_is_gone_waits_no_more()
    {
        var memory = new InboxMemory([("file", Now), ("other", Now)]);
        Assert.Equal(["file"], memory.Keep(new HashSet<string> { "other" }));
        Assert.Equal(1, memory.WaitingCount);
    }
}
