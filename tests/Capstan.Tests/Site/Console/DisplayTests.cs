using Capstan.Site.Console;
using Capstan.Testing;
using FsCheck;
using FsCheck.Fluent;

namespace Capstan.Tests.Site.Console;

public sealed class DisplayTests
{
    private static readonly DateTimeOffset Now = CannedRecords.Noon;

    [Theory]
    [InlineData(null, "–")]
    [InlineData(0L, "0 B")]
    [InlineData(999L, "999 B")]
    [InlineData(1000L, "0.98 KiB")]
    [InlineData(1536L, "1.50 KiB")]
    [InlineData(16_640_000_000L, "15.5 GiB")]
    [InlineData(512_110_190_592L, "477 GiB")]
    [InlineData(long.MaxValue, "8192 PiB")]
    public void Sizes_have_three_figures_in_binary_units(long? bytes, string text) => Assert.Equal(text, Display.Bytes(bytes));

    [Theory]
    [InlineData(0, "now")]
    [InlineData(-45, "45 s ago")]
    [InlineData(-61, "1 min ago")]
    [InlineData(-3 * 3600, "3 h ago")]
    [InlineData(-3 * 86_400, "3 days ago")]
    [InlineData(600, "in 10 min")]
    [InlineData(-20 * 365 * 86_400, "19 years ago")]
    public void Times_are_shown_as_their_distance(int seconds, string text) => Assert.Equal(text, Display.Relative(Now.AddSeconds(seconds), Now));

    [Theory]
    [InlineData(long.MinValue)]
    [InlineData(long.MaxValue)]
    [InlineData(null)]
    public void A_time_beyond_the_calendar_is_none(long? seconds) => Assert.Null(Display.FromUnixSeconds(seconds));

    [Fact]
    public void Visible_text_holds_no_control_and_no_format_character() => Prop.ForAll(ArbMap.Default.ArbFor<string>(), text =>
        VisibleText.Of(text).EnumerateRunes().All(rune => !System.Text.Rune.IsControl(rune)
            && System.Text.Rune.GetUnicodeCategory(rune) is not (System.Globalization.UnicodeCategory.Format or System.Globalization.UnicodeCategory.LineSeparator)))
        .QuickCheckThrowOnFailure();

    [Theory]
    [InlineData("grün-日本 \"x\"", "grün-日本 \"x\"")]
    [InlineData("a\u001b[2Jb", "a\\u{1B}[2Jb")]
    [InlineData("a\r\nb\tc", "a\\u{0D}\\u{0A}b\\u{09}c")]
    [InlineData("x\u202Egnp.exe", "x\\u{202E}gnp.exe")]
    [InlineData(null, "")]
    public void What_cannot_be_seen_is_written_out(string? text, string visible) => Assert.Equal(visible, VisibleText.Of(text));

    [Fact]
    public void Half_a_character_is_written_out() => Assert.Equal("a\\u{D800}b", VisibleText.Of("a\ud800b"));

    [Fact]
    public void A_cut_never_splits_a_character()
    {
        var text = string.Concat(Enumerable.Repeat("\U0001F600", 10));
        Assert.All(Enumerable.Range(2, 20), length => Assert.Equal(VisibleText.Of(text, length), VisibleText.Of(VisibleText.Of(text, length))));
    }

    [Theory]
    [InlineData("plain", "plain")]
    [InlineData("a,b", "\"a,b\"")]
    [InlineData("a\"b", "\"a\"\"b\"")]
    [InlineData("a\nb", "\"a\nb\"")]
    [InlineData("=1+1", "'=1+1")]
    [InlineData("-x", "'-x")]
    [InlineData("@x", "'@x")]
    [InlineData("\u001b[31mred\u202e\tend", "\\u{1B}[31mred\\u{202E}\tend")]
    public void Cells_are_quoted_and_defused(string cell, string written) => Assert.Equal($"{written},\r\n", Csv.Line([cell, null]));

    [Fact]
    public void Numbers_and_times_are_not_defused() =>
        Assert.Equal("-5,2026-11-22T12:00:00Z\r\n", Csv.Line([-5L, CannedRecords.Noon]));
}
