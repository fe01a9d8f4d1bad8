using System.CommandLine;
using Capstan.Cli;

namespace Capstan.Tests.Cli;

public sealed class UsageTests
{
    public static TheoryData<string, string> WrongCalls => new()
    {
        { "nonsense", "nonsense" },
        { "client", "" },
        { "client show", "" },
        { "client list -o xml", "'xml' is not an output format" },
        { "client list --state happy", "happy" },
        { "token create --uses 0", "at least 1" },
        { "token create --expires soon", "'soon' is not a time" },
        { "up --port 70000", "0 to 65535" },
        { "cap add /srv/cap --licensing per-cup:4", "per-cup:4" },
        { "cap add /srv/cap --licensing per-server:0", "N from 1 to 99,999,999" },
        { "cap add /srv/cap --licensing per-server:20 --headroom 20", "0 to 19" },
        { "cap add /srv/cap --headroom -1", "from 0 to 99,999,998" },
        { "cap add /srv/cap --headroom 99999999999", "from 0 to 99,999,998" },
        { "cap account remove smb://fs1/cap/ capclient --role both", "both" },
        { @"nal ls MSWNET:\server", "column" },
        { "nal ls smb://", "column" },
        { "nal ls /srv --timeout 3d", "is not a time" },
        { "status --severity loud", "loud" },
        { "site init ABC", "--data" },
        { "site run --tls everywhere", "'everywhere' is not an address: write https://0.0.0.0:8443" },
        { "site run --listen everywhere", "'everywhere' is not an address: write http://127.0.0.1:8750" },
        { "user add anna", "--role" },
    };

    [Theory]
    [MemberData(nameof(WrongCalls))]
    public async Task A_wrong_call_ends_with_2_and_says_what_is_wrong(string call, string said)
    {
        using var run = new CliRun();
        Assert.Equal(ExitCode.Usage, await run.RunAsync(call.Split(' ')));
        Assert.Contains(said, run.Error, StringComparison.Ordinal);
        Assert.Contains("--help", run.Error, StringComparison.Ordinal);
        Assert.Empty(run.Out);
    }

    /// <summary>A right call gets as far as the site: an option that cannot be read would end before.</summary>
    [Theory]
    [InlineData("site run --data srv --tls https://0.0.0.0:8443", ExitCode.Failed, "not a site")]
    [InlineData("site run --data srv --listen http://127.0.0.1:0", ExitCode.Failed, "not a site")]
    [InlineData("site run --data srv --certificate site.pem", ExitCode.Usage, "--certificate is for --tls")]
    [InlineData("user change anna", ExitCode.NotFound, "there is no site")]
    public async Task A_call_that_can_be_read_fails_where_it_is_done(string call, int code, string said)
    {
        using var run = new CliRun();
        Assert.Equal(code, await run.RunAsync(call.Split(' ')));
        Assert.Contains(said, run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Every_verb_has_a_help_with_an_example()
    {
        using var host = new CliRun();
        Assert.Equal(ExitCode.Done, await host.RunAsync("--help"));
        var root = CapstanCommand.Create(new CliHost
        {
            Out = TextWriter.Null,
            Error = TextWriter.Null,
            OpenOutput = () => Stream.Null,
            OpenInput = () => Stream.Null,
            Time = TimeProvider.System,
            Random = new Random(1),
            Environment = _ => null,
            WorkingDirectory = "/",
            Width = 80,
        });
        foreach (var path in Paths(root, []))
        {
            using var run = new CliRun();
            Assert.Equal(ExitCode.Done, await run.RunAsync([.. path, "--help"]));
            Assert.Contains("Examples:", run.Out, StringComparison.Ordinal);
            Assert.Contains("capstan " + path[0], run.Out[run.Out.IndexOf("Examples:", StringComparison.Ordinal)..], StringComparison.Ordinal);
            Assert.Empty(run.Error);
        }
    }

    [Theory]
    [InlineData("30", 30)]
    [InlineData("45s", 45)]
    [InlineData("5m", 300)]
    [InlineData("2h", 7200)]
    [InlineData("7d", 604_800)]
    [InlineData("0", 0)]
    public void A_duration_is_a_number_with_a_unit(string text, int seconds)
    {
        Assert.True(Arguments.TryReadDuration(text, out var duration));
        Assert.Equal(TimeSpan.FromSeconds(seconds), duration);
    }

    [Theory]
    [InlineData("")]
    [InlineData("d")]
    [InlineData("-3s")]
    [InlineData("1.5h")]
    [InlineData("99999999999999999999d")]
    [InlineData("3 s")]
    public void Other_text_is_not_a_duration(string text) => Assert.False(Arguments.TryReadDuration(text, out _));

    private static IEnumerable<string[]> Paths(Command command, string[] names)
    {
        foreach (var child in command.Subcommands)
        {
            string[] path = [.. names, child.Name];
            yield return path;
            foreach (var deeper in Paths(child, path))
                yield return deeper;
        }
    }
}
