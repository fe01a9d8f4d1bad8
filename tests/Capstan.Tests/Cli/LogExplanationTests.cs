using System.Text;
using System.Text.Json;
using Capstan.Cli;
using Capstan.Cli.Doctor.Logs;

namespace Capstan.Tests.Cli;

/// <summary><c>capstan doctor --log</c>: what a log means, as a person and a script see it.</summary>
public sealed class LogExplanationTests
{
    /// <summary>What a client of the old system wrote when the server's licences had run out (facts of Q208618).</summary>
    private const string LicencesLog = """
        CCIM32 - Begin the maintenance cycle $$<CCIM32><Tue Jan 04 15:19:20.001 2000><thread=112 (0x70)>
        NAL[4] - Attempting access under the context of the current process ... $$<CCIM32><Tue Jan 04 15:19:21.100 2000><thread=112 (0x70)>
        NAL[4] - ERROR: failed to make the network connection. No more connections can be made to this remote computer at this time~ $$<CCIM32><Tue Jan 04 15:19:28.663 2000><thread=112 (0x70)>
        NAL[2] - WARNING: TryEachInList() failed.  Unspecified error $$<CCIM32><Tue Jan 04 15:19:28.700 2000><thread=112 (0x70)>
        WaitForCAPAccess - abstract export ABEXPRT:\\CAP List for site ABC not accessible $$<CCIM32><Tue Jan 04 15:19:29.001 2000><thread=112 (0x70)>
        CCIM32 - Retry in 60 minutes $$<CCIM32><Tue Jan 04 15:19:29.002 2000><thread=112 (0x70)>
        NAL[4] - ERROR: failed to make the network connection. No more connections can be made to this remote computer at this time~ $$<CCIM32><Tue Jan 04 16:19:30.005 2000><thread=112 (0x70)>
        """;

    /// <summary>A connection that one component made and another joined: the registry, the failed release, the server's list (facts of Q257223).</summary>
    private const string JoinedConnectionLog = """
        [HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\NAL\Client\Connections\SMSCCMBootAcct&\Deviceless\Resource1]
        NAL[2] - WARNING: The device is in use by an active process and cannot be disconnected. $$<SMSAPM32><Wed Feb 16 09:02:11.100 2000><thread=201 (0xC9)>
        \\WS0042             SMSCCMBootAcct&      Windows NT 1381      0 05:41:12
        """;

    [Fact]
    public async Task A_log_of_exhausted_licences_is_explained_with_its_contexts_in_one_screen()
    {
        using var run = await ExplainAsync(LicencesLog);
        Assert.Contains("connections_exhausted: the server has no connection left to give (2 lines, 2000-01-04T15:19:28 to 2000-01-04T16:19:30)", run.Out, StringComparison.Ordinal);
        Assert.Contains("connects under several accounts", Unwrapped(run.Out), StringComparison.Ordinal);
        Assert.Contains("per-server", run.Out, StringComparison.Ordinal);
        Assert.Contains("Q208618", run.Out, StringComparison.Ordinal);
        Assert.True(run.Out.Split('\n').Length <= 40, run.Out);
    }

    [Fact]
    public async Task A_CAP_that_is_not_accessible_follows_from_the_cause_in_the_same_log()
    {
        using var report = await ReportAsync(LicencesLog);
        var found = report.RootElement.GetProperty("findings").EnumerateArray().ToList();
        Assert.Equal(["connections_exhausted", "cap_not_accessible", "nal_at_work"], found.Select(finding => finding.GetProperty("id").GetString()));
        Assert.Equal("connections_exhausted", Assert.Single(found[1].GetProperty("followsFrom").EnumerateArray()).GetString());
        Assert.Equal(0, report.RootElement.GetProperty("unknown").GetProperty("lines").GetInt64());
    }

    [Fact]
    public async Task A_CAP_that_is_not_accessible_alone_is_said_to_have_many_causes()
    {
        using var run = await ExplainAsync(@"WaitForCAPAccess - abstract export ABEXPRT:\\CAP List for site ABC not accessible $$<CCIM32><Tue Jan 04 15:19:29.001 2000><thread=112 (0x70)>");
        Assert.Contains("Licences that ran out are one of many", Unwrapped(run.Out), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_joined_connection_that_stays_open_for_hours_is_explained_in_one_screen()
    {
        using var run = await ExplainAsync(JoinedConnectionLog);
        Assert.Contains("connection_not_released", run.Out, StringComparison.Ordinal);
        Assert.Contains("(3 lines", run.Out, StringComparison.Ordinal);
        Assert.Contains("SMSCCMBootAcct&", run.Out, StringComparison.Ordinal);
        Assert.Contains("dropped its counters", Unwrapped(run.Out), StringComparison.Ordinal);
        Assert.Contains("Q257223", run.Out, StringComparison.Ordinal);
        Assert.True(run.Out.Split('\n').Length <= 40, run.Out);
    }

    [Fact]
    public async Task A_line_that_a_mail_has_wrapped_is_read_as_one()
    {
        using var report = await ReportAsync("""
            > hello, this is what we see:
              NAL[4] - ERROR: failed to make the network connection. No more connections
              can be made to this remote computer at this time
            regards
            """);
        var finding = Assert.Single(report.RootElement.GetProperty("findings").EnumerateArray());
        Assert.Equal(("connections_exhausted", 1), (finding.GetProperty("id").GetString(), finding.GetProperty("lines").GetInt32()));
        Assert.Equal(0, report.RootElement.GetProperty("unknown").GetProperty("lines").GetInt64());
    }

    [Fact]
    public async Task Lines_of_our_own_in_JSON_are_read_with_their_causes_and_times()
    {
        using var report = await ReportAsync("""
            {"time":"2026-11-22T07:00:00.000Z","level":"Information","component":"CCIM","eventId":3027,"message":"waiting for a connection: FS1 20 of 20, next try 07:05:00"}
            {"time":"2026-11-22T07:05:00.000Z","level":"Warning","component":"ConnectionArbiter","eventId":1201,"message":"Connecting to fs1 failed with ServerFull after 12 ms","cause":"NalException: server fs1 is full (its limit is not told; NTSTATUS C00000D0 STATUS_REQUEST_NOT_ACCEPTED to SESSION_SETUP)"}
            {"time":"2026-11-22T07:06:00.000Z","level":"Error","component":"CCIM","eventId":3012,"message":"nobody foresaw this"}
            """);
        var finding = Assert.Single(report.RootElement.GetProperty("findings").EnumerateArray());
        Assert.Equal("server_full", finding.GetProperty("id").GetString());
        Assert.Equal(("2026-11-22T07:00:00Z", "2026-11-22T07:05:00Z"), (finding.GetProperty("firstTime").GetString(), finding.GetProperty("lastTime").GetString()));
        Assert.Equal(["FS1"], finding.GetProperty("about").EnumerateArray().Select(server => server.GetString()));
        Assert.Equal("nobody foresaw this", report.RootElement.GetProperty("unknown").GetProperty("samples")[0].GetProperty("example").GetString());
    }

    [Fact]
    public async Task What_looks_like_a_failure_and_is_not_known_is_counted_and_shown()
    {
        using var run = await ExplainAsync("all well\nfrobnicator 17 failed\nfrobnicator 18 failed\n0 errors\ngadget: fatal\n");
        Assert.Contains("Not known here (3 lines that look like failures):", run.Out, StringComparison.Ordinal);
        Assert.Contains("2 x", run.Out, StringComparison.Ordinal);
        Assert.Contains("line 2: frobnicator 17 failed", run.Out, StringComparison.Ordinal);
        Assert.Contains("standard input: 5 lines read.", run.Out, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("all is well\nnothing to see, no errors\n")]
    public async Task A_log_without_failures_says_so(string log)
    {
        using var run = await ExplainAsync(log);
        Assert.Contains("Nothing in it looks like a failure.", run.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Of_a_log_that_never_ends_only_the_next_block_is_in_memory()
    {
        var line = Encoding.UTF8.GetBytes("NAL[1] - ERROR: The network path was not found.\r\n");
        var endless = new Repeating(line, long.MaxValue / 2);
        var read = 0;
        await foreach (var text in LogLines.ReadAsync(endless, "endless", CancellationToken.None))
        {
            Assert.Equal("NAL[1] - ERROR: The network path was not found.", text);
            if (++read == 10_000)
                break;
        }
        Assert.InRange(endless.Position, 10_000L * line.Length, 10_000L * line.Length + (256 << 10));
    }

    [Fact]
    public void What_is_kept_of_a_log_is_bounded_whatever_it_holds()
    {
        var diagnosis = new LogDiagnosis(KnownConditions.Load());
        for (var i = 0; i < 1_000; i++)
        {
            diagnosis.Add($"server fs{i} is full (1 of 1) {new string('y', 2_000)}");
            diagnosis.Add($"{(char)('a' + i % 26)}{(char)('a' + i / 26 % 26)}bc failed {new string('z', 2_000)}");
        }
        var report = diagnosis.Finish("many");
        var finding = Assert.Single(report.Findings);
        Assert.Equal((1_000, 8, true, 401), (finding.Lines, finding.About.Count, finding.AboutMore, finding.Example.Length));
        Assert.Equal((1_000, 5), (report.Unknown.Lines, report.Unknown.Samples.Count));
        Assert.All(report.Unknown.Samples, sample => Assert.Equal(401, sample.Example.Length));
    }

    [Fact]
    public async Task One_line_without_an_end_is_cut()
    {
        using var run = new CliRun { Input = new Repeating(Encoding.UTF8.GetBytes("STATUS_REQUEST_NOT_ACCEPTED "), 1L << 20) };
        Assert.Equal(ExitCode.Done, await run.RunAsync("doctor", "--log", "-"));
        Assert.Contains("standard input: 1 line read.", run.Out, StringComparison.Ordinal);
        Assert.True(run.Out.Length < 10_000, $"{run.Out.Length} characters");
    }

    [Fact]
    public async Task What_is_no_text_is_refused_in_one_line()
    {
        var bytes = new byte[100_000];
        new Random(7).NextBytes(bytes);
        using var run = new CliRun { Input = new MemoryStream(bytes) };
        Assert.Equal(ExitCode.Failed, await run.RunAsync("doctor", "--log", "-"));
        Assert.Contains("standard input is no text", run.Error, StringComparison.Ordinal);
        Assert.Single(run.Error.TrimEnd().Split('\n'));
        Assert.Empty(run.Out);
    }

    [Fact]
    public async Task Zeros_that_a_crash_left_in_a_log_hide_nothing()
    {
        using var report = await ReportAsync("one\ntwo\nthree and some more words\n" + new string('\0', 9) + "\nsystem error 71 has occurred\n" + new string('.', 400));
        Assert.Equal("connections_exhausted", report.RootElement.GetProperty("findings")[0].GetProperty("id").GetString());
    }

    [Fact]
    public async Task Terminal_escapes_of_a_log_stay_letters()
    {
        using var run = await ExplainAsync("server fs1\u001b[2J is full (20 of 20)\nerror \u001b]0;owned\u0007\nserver fs1 is full (\u001b[31m)");
        Assert.DoesNotContain('\u001b', run.Out);
        Assert.Contains("\\u{1B}", run.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_log_in_UTF_16_is_read_by_its_mark()
    {
        using var run = new CliRun { Input = new MemoryStream([.. Encoding.Unicode.GetPreamble(), .. Encoding.Unicode.GetBytes("System error 71 has occurred.\r\n")]) };
        await run.RunAsync("doctor", "--log", "-");
        Assert.Contains("connections_exhausted", run.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_exit_codes_are_those_of_the_contract()
    {
        using var run = new CliRun();
        Assert.Equal(ExitCode.NotFound, await run.RunAsync("doctor", "--log", "none.log"));
        Assert.Equal(ExitCode.Usage, await run.RunAsync("doctor", "--log", "."));
        Assert.Equal(ExitCode.Usage, await run.RunAsync("doctor", "--log", "none.log", "--data", "srv"));
        await File.WriteAllTextAsync(Path.Combine(run.Directory, "a.log"), LicencesLog);
        Assert.Equal(ExitCode.Done, await run.RunAsync("doctor", "--log", "a.log"));
        Assert.Contains("a.log: 7 lines read.", run.Out, StringComparison.Ordinal);
    }

    private static async Task<CliRun> ExplainAsync(string log)
    {
        var run = new CliRun { Width = 120, Input = new MemoryStream(Encoding.UTF8.GetBytes(log)) };
        Assert.Equal(ExitCode.Done, await run.RunAsync("doctor", "--log", "-"));
        return run;
    }

    private static async Task<JsonDocument> ReportAsync(string log)
    {
        using var run = new CliRun { Input = new MemoryStream(Encoding.UTF8.GetBytes(log)) };
        Assert.Equal(ExitCode.Done, await run.RunAsync("doctor", "--log", "-", "-o", "json"));
        return JsonDocument.Parse(run.Out);
    }

    private static string Unwrapped(string text) => string.Join(' ', text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));

    /// <summary>The same bytes again and again, whole times, for as many bytes or a little more.</summary>
    private sealed class Repeating(byte[] part, long length) : Stream
    {
        private readonly long _end = (length / part.Length + 1) * part.Length;
        private long _at;

        public override bool CanRead => true;
        public override bool CanSeek => false;
        public override bool CanWrite => false;
        public override long Length => throw new NotSupportedException();
        public override long Position { get => _at; set => throw new NotSupportedException(); }

        public override int Read(byte[] buffer, int offset, int count)
        {
            var read = (int)Math.Min(count, _end - _at);
            for (var i = 0; i < read; i++)
                buffer[offset + i] = part[(_at + i) % part.Length];
            _at += read;
            return read;
        }

        public override void Flush() { }
        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
        public override void SetLength(long value) => throw new NotSupportedException();
        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
