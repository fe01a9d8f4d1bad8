using System.Text.Json;
using Capstan.Nal.Logs;
using Capstan.Testing;
using Microsoft.Extensions.Logging;

namespace Capstan.Tests.Nal.Logs;

public sealed class SmsLogTests : IDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("capstan-log-");
    private readonly ManualTime _time = new(new DateTimeOffset(2000, 1, 4, 15, 19, 28, 663, TimeSpan.Zero));

    private string File => Path.Combine(_directory.FullName, "logs", "Ccim32.log");

    public void Dispose() => _directory.Delete(recursive: true);

    [Fact]
    public void A_line_has_the_form_that_viewers_of_the_family_read()
    {
        var line = new LogLine("Retry in 60 minutes", "CCIM32", LogLevel.Information, null, default, _time.GetUtcNow(), 112, null);
        Assert.Equal("Retry in 60 minutes $$<CCIM32><Tue Jan 04 15:19:28.663 2000><thread=112 (0x70)>", line.ToSms());
    }

    [Theory]
    [InlineData("one\r\ntwo\nthree", "one~two~three")]
    [InlineData("a $$<FAKE><date><thread=1 (0x1)>", "a $$ <FAKE><date><thread=1 (0x1)>")]
    [InlineData("bell\u0007tab\t", "bell tab ")]
    public void Text_cannot_forge_a_line(string text, string escaped) =>
        Assert.StartsWith(escaped + " $$<C><", new LogLine(text, "C", LogLevel.Error, null, default, _time.GetUtcNow(), 1, null).ToSms(), StringComparison.Ordinal);

    [Theory]
    [InlineData(LogLevel.Error, 1)]
    [InlineData(LogLevel.Warning, 2)]
    [InlineData(LogLevel.Information, 4)]
    [InlineData(LogLevel.Debug, 32)]
    [InlineData(LogLevel.Trace, 64)]
    public void Lines_of_the_layer_carry_their_verbosity_bit(LogLevel level, int bit)
    {
        var lines = Write(new SmsLogOptions { Verbosity = (NalVerbosity)127 }, "Capstan.Nal.Arbiter.ConnectionArbiter", logger => Say(logger, level, "x"));
        Assert.StartsWith($"NAL[{bit}] - x $$<CCIM>", Assert.Single(lines), StringComparison.Ordinal);
    }

    [Fact]
    public void Verbosity_and_level_decide_what_is_kept()
    {
        var options = new SmsLogOptions { Verbosity = NalVerbosity.Errors };
        Assert.Empty(Write(options, "Capstan.Nal.X", logger => Say(logger, LogLevel.Information, "x")));
        Assert.Empty(Write(options, "Capstan.Client.X", logger => Say(logger, LogLevel.Debug, "x")));
        Assert.Single(Write(options, "Capstan.Client.X", logger => Say(logger, LogLevel.Information, "x")));
    }

    [Fact]
    public void A_full_file_becomes_the_old_one()
    {
        Write(new SmsLogOptions { MaxBytes = 4_096 }, "Capstan.Client.X", logger =>
        {
            for (var line = 0; line < 60; line++)
                Say(logger, LogLevel.Information, new string('x', 100));
        });
        Assert.InRange(new FileInfo(File).Length, 1, 4_096);
        Assert.InRange(new FileInfo(Path.ChangeExtension(File, ".lo_")).Length, 3_000, 4_096);
    }

    [Fact]
    public void Lines_that_the_disk_did_not_take_are_counted_in_the_next_one()
    {
        Directory.CreateDirectory(File);
        using var provider = new SmsLogProvider(File, "CCIM", new SmsLogOptions(), _time);
        var logger = provider.CreateLogger("Capstan.Client.X");
        Say(logger, LogLevel.Information, "lost");
        Assert.True(SpinWait.SpinUntil(() => provider.Dropped == 1, TimeSpan.FromSeconds(30)));
        Directory.Delete(File);
        Say(logger, LogLevel.Information, "kept");
        provider.Dispose();
        var lines = System.IO.File.ReadAllLines(File);
        Assert.StartsWith("1 lines before this one were dropped", lines[0], StringComparison.Ordinal);
        Assert.StartsWith("kept $$<", lines[1], StringComparison.Ordinal);
    }

    [Fact]
    public void Json_lines_are_objects()
    {
        var line = Assert.Single(Write(new SmsLogOptions { Json = true }, "Capstan.Client.X", logger =>
            Say(logger, LogLevel.Warning, "a \"b\"\n5")));
        using var json = JsonDocument.Parse(line);
        Assert.Equal("a \"b\"\n5", json.RootElement.GetProperty("message").GetString());
        Assert.Equal(3001, json.RootElement.GetProperty("eventId").GetInt32());
        Assert.Equal("Warning", json.RootElement.GetProperty("level").GetString());
        Assert.Equal("2000-01-04T15:19:28.663Z", json.RootElement.GetProperty("time").GetString());
    }

    private static void Say(ILogger logger, LogLevel level, string text) =>
        logger.Log(level, new EventId(3001, "Said"), text, exception: null, static (text, _) => text);

    private string[] Write(SmsLogOptions options, string category, Action<ILogger> log)
    {
        using (var provider = new SmsLogProvider(File, "CCIM", options, _time))
            log(provider.CreateLogger(category));
        return System.IO.File.Exists(File) ? System.IO.File.ReadAllLines(File) : [];
    }
}
