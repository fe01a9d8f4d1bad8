using Capstan.Site.Keeping;
using FsCheck;
using FsCheck.Fluent;

namespace Capstan.Tests.Site.Keeping;

/// <summary>Epochs and versions after a restore rise above all that any client can have seen.</summary>
public class RestoreRulesTests
{
    private const long Seconds = 1_795_348_800;
    /// <summary>Two years, and the seconds since 2026 began.</summary>
    private const long Leap = (2L * 365 * 86_400) + SinceBirth;
    private const long SinceBirth = 28_123_200;
    private static readonly DateTimeOffset Now = DateTimeOffset.FromUnixTimeSeconds(Seconds);

    [Theory]
    // The clock was right: the time is above all that was published since.
    [InlineData(1_795_000_000, 0, Seconds - 1)]
    [InlineData(0, 0, Seconds - 1)]
    // A CAP shows more than that: above it.
    [InlineData(1_795_000_000, Seconds + 70, Seconds + 70)]
    // The clock was behind at the backup.
    [InlineData(631_152_000, 0, Seconds - 1)]
    [InlineData(631_152_000, 1_795_000_000, Seconds - 1)]
    // It was ahead: the site may have gone on from there for as long as it lived.
    [InlineData(2_000_000_000, 0, 2_000_000_000 + Leap)]
    [InlineData(2_000_000_000, 2_000_000_900, 2_000_000_000 + Leap)]
    [InlineData(2_000_000_000, 2_400_000_000, 2_400_000_000)]
    public void All_versions_of_a_restored_site_are_above(long last, long shown, long floor) => Assert.Equal(floor, RestoreRules.VersionFloor(last, shown, Now));

    [Theory]
    [InlineData(1_795_000_000, 0, Seconds)]
    [InlineData(1_795_000_000, Seconds + 70, Seconds + 71)]
    [InlineData(2_000_000_000, 0, 2_000_000_001 + Leap)]
    public void Orders_about_builds_of_a_restored_site_are_above(long last, long shown, long number) => Assert.Equal(number, RestoreRules.Order(last, shown, Now));

    [Theory]
    [InlineData(1, 0, Seconds * 1000)]
    [InlineData(1_795_000_000_000, 0, Seconds * 1000)]
    // A CAP shows the epoch of a restore that this backup does not know, by a clock that was ahead.
    [InlineData(1, Seconds * 1001, (Seconds * 1001) + 1)]
    [InlineData(2_000_000_000_000, 0, 2_000_000_000_001 + SinceBirth)]
    public void The_epoch_of_a_restored_site(long last, long shown, long epoch) => Assert.Equal(epoch, RestoreRules.Epoch(last, shown, Now));

    /// <summary>Also when the backup is ahead of both clocks; in between nothing can be known without a CAP.</summary>
    [Fact]
    public void Of_two_restores_of_one_backup_the_later_one_is_above_all_that_the_earlier_one_has_published() => Prop.ForAll(
        Gen.Choose(0, 1_000_000).Three().ToArbitrary(), draw =>
        {
            var (age, wait, ahead) = draw;
            var first = Now.AddSeconds(wait * 7L);
            var second = first.AddSeconds(1 + (wait * 31L));
            foreach (var last in new[] { first.ToUnixTimeSeconds() - 1 - (age * 40L), second.ToUnixTimeSeconds() + 1 + (ahead * 300L) })
            {
                Assert.True(RestoreRules.Epoch(last * 1000, 0, second) > RestoreRules.Epoch(last * 1000, 0, first));
                // One version a second at most.
                Assert.True(RestoreRules.VersionFloor(last, 0, second) >= RestoreRules.VersionFloor(last, 0, first) + (long)(second - first).TotalSeconds);
            }
        }).QuickCheckThrowOnFailure();
}
