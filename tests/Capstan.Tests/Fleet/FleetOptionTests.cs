using Capstan.Fleet;
using Capstan.Nal.Paths;
using Capstan.Protocol.V1;
using Capstan.Testing;

namespace Capstan.Tests.Fleet;

/// <summary>What the command line of <c>capstan-fleet</c> takes, and how it says no.</summary>
public sealed class FleetOptionTests
{
    [Theory]
    [InlineData("0", 0, 0)]
    [InlineData("6", 6, 6)]
    [InlineData("2..10", 2, 10)]
    [InlineData("0.5..1.25", 0.5, 1.25)]
    [InlineData("3600", 3600, 3600)]
    public void A_hold_is_a_number_of_seconds_or_a_range(string text, double least, double most)
    {
        Assert.True(HoldRange.TryParse(text, out var range, out _));
        Assert.Equal((least, most), (range.Least.TotalSeconds, range.Most.TotalSeconds));
        Assert.Equal(text, range.ToString());
    }

    [Theory]
    [InlineData("")]
    [InlineData("-1")]
    [InlineData("2..")]
    [InlineData("..2")]
    [InlineData("2,5")]
    [InlineData("1e3")]
    [InlineData("NaN")]
    [InlineData("10..2")]
    [InlineData("3600.1")]
    [InlineData("2..10..12")]
    public void Another_hold_is_refused_by_name(string text)
    {
        Assert.False(HoldRange.TryParse(text, out _, out var fault));
        Assert.Contains($"'{text}'", fault, StringComparison.Ordinal);
    }

    [Fact]
    public void A_hold_is_drawn_evenly_between_its_ends()
    {
        Assert.True(HoldRange.TryParse("2..10", out var range, out _));
        Assert.Equal([2, 4, 6, 8], new[] { 0, 0.25, 0.5, 0.75 }.Select(draw => range.At(draw).TotalSeconds));
        Assert.Equal(TimeSpan.FromSeconds(6), range.Mean);
    }

    [Fact]
    public void At_once_the_first_cycle_is_due_and_the_next_follows_it()
    {
        Assert.True(FleetStart.TryParse("at-once", out var start, out _));
        Assert.Equal((TimeSpan.Zero, (TimeSpan?)null), (start.DueAt(0, ordinal: 5), start.DueAt(1, ordinal: 5)));
        Assert.Equal("at-once", start.ToString());
    }

    [Fact]
    public void Planned_cycles_lie_in_each_window_at_the_phase_of_the_ordinal()
    {
        Assert.True(FleetStart.TryParse("planned:80", out var start, out _));
        Assert.Equal([0, 40, 20, 60, 10], Enumerable.Range(0, 5).Select(ordinal => start.DueAt(0, ordinal)!.Value.TotalSeconds));
        Assert.Equal(80 * 3 + 40, start.DueAt(3, ordinal: 1)!.Value.TotalSeconds);
        Assert.Equal("planned:80", start.ToString());
    }

    [Theory]
    [InlineData("")]
    [InlineData("planned")]
    [InlineData("planned:")]
    [InlineData("planned:0")]
    [InlineData("planned:-5")]
    [InlineData("planned:86401")]
    [InlineData("AT-ONCE")]
    public void Another_start_is_refused_by_name(string text)
    {
        Assert.False(FleetStart.TryParse(text, out _, out var fault));
        Assert.Contains($"'{text}'", fault, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--clients", "--cap", "/cap")]
    [InlineData("--clients is 0", "--cap", "/cap", "--clients", "0")]
    [InlineData("--clients is 10001", "--cap", "/cap", "--clients", "10001")]
    [InlineData("--cycles is -1", "--cap", "/cap", "--clients", "2", "--cycles", "-1")]
    [InlineData("--timeout is 0", "--cap", "/cap", "--clients", "2", "--timeout", "0")]
    [InlineData("--cap: column", "--cap", "nonsense", "--clients", "2")]
    [InlineData("--hold: 'x'", "--cap", "/cap", "--clients", "2", "--hold", "x")]
    [InlineData("--start: 'x'", "--cap", "/cap", "--clients", "2", "--start", "x")]
    [InlineData("--password-file needs --account", "--cap", "/cap", "--clients", "2", "--token", "@", "--password-file", "f")]
    [InlineData("token", "--cap", "/cap", "--clients", "2", "--token", "capstan1.broken")]
    public async Task A_wrong_call_ends_with_2_and_names_what_is_wrong(string expected, params string[] args)
    {
        var (code, output, errors) = await RunAsync([.. args.Select(argument => argument == "@" ? Token().Encode() : argument)]);
        Assert.Equal((2, ""), (code, output));
        Assert.StartsWith("capstan-fleet: ", errors, StringComparison.Ordinal);
        Assert.Contains(expected, errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_token_file_that_is_not_there_ends_with_4()
    {
        var (code, _, errors) = await RunAsync("--cap", "/cap", "--clients", "1", "--token-file", "/nonexistent/token");
        Assert.Equal(4, code);
        Assert.Contains("/nonexistent/token", errors, StringComparison.Ordinal);
    }

    [Fact]
    public void The_cap_is_named_as_the_token_names_it_so_that_a_client_takes_both_for_one()
    {
        Assert.Equal(@"MSWNET:[""SMS_SITE=ABC""]\\fs1\cap\", Options("smb://FS1/cap/").CapText);
        Assert.Equal(@"MSWNET:\\fs2\cap\", Options("smb://fs2/cap/").CapText);
    }

    [Fact]
    public void An_account_stands_in_place_of_those_of_the_token()
    {
        var fleet = Options("smb://fs1/cap/") with { Account = new AccountSecret("other", "secret") };
        Assert.Equal(["other"], EnrolmentToken.Decode(fleet.TokenText).Accounts!.Select(account => account.Name));
        Assert.Equal(["capclient"], EnrolmentToken.Decode(Options("smb://fs1/cap/").TokenText).Accounts!.Select(account => account.Name));
    }

    [Fact]
    public void Chance_is_the_same_for_the_same_seed_and_another_for_each_client()
    {
        var fleet = Options("smb://fs1/cap/");
        Assert.Equal(fleet.RandomOf(3).Next(), fleet.RandomOf(3).Next());
        Assert.Equal(100, Enumerable.Range(0, 100).Select(client => fleet.RandomOf(client).Next()).Distinct().Count());
    }

    [Theory]
    [InlineData("Limit  Soft Limit  Hard Limit  Units\nMax open files            20000                20000                files     \n", 20000L)]
    [InlineData("Max open files            unlimited            unlimited            files", null)]
    [InlineData("", null)]
    public void The_limit_of_open_files_is_read(string limits, long? expected) => Assert.Equal(expected, OpenFiles.Limit(limits));

    private static FleetOptions Options(string cap) => new() { Cap = NalPath.Parse(cap), Token = Token(), Clients = 1 };

    private static EnrolmentToken Token() => new()
    {
        SiteCode = "ABC",
        RootHash = new string('0', 64),
        RootVersion = 1,
        Caps = [@"MSWNET:[""SMS_SITE=ABC""]\\fs1\cap\"],
        Accounts = [new AccountSecret("capclient", "secret")],
        TokenId = "t1",
        Secret = Convert.ToBase64String(new byte[32]).TrimEnd('=').Replace('+', '-').Replace('/', '_'),
    };

    private static async Task<(int Code, string Output, string Errors)> RunAsync(params string[] args)
    {
        using var output = new StringWriter();
        using var errors = new StringWriter();
        var code = await FleetProgram.RunAsync(args, TextReader.Null, output, errors, new ManualTime(), CancellationToken.None);
        return (code, output.ToString(), errors.ToString());
    }
}
