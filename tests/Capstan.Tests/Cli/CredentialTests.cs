using System.Text;
using Capstan.Cli;
using Capstan.Testing;

namespace Capstan.Tests.Cli;

/// <summary>Where a password may come from, and what is said when it comes from nowhere.</summary>
public sealed class CredentialTests
{
    private const string Path = """MSWNET:\\fs1\cap\""";

    [Fact]
    public async Task A_file_gives_its_first_line_and_the_account_is_named_in_the_trace()
    {
        using var run = new CliRun { Width = 10_000 };
        await File.WriteAllTextAsync(System.IO.Path.Combine(run.Directory, "secret"), "pass word\r\nsecond line\n", TestContext.Current.CancellationToken);
        Assert.NotEqual(ExitCode.Usage, await run.RunAsync("nal", "explain", Path, "--account", "capsite", "--password-file", "secret", "-o", "json", "--timeout", "1s"));
        Assert.DoesNotContain("pass word", run.Out + run.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("no password for capsite", "--account", "capsite")]
    [InlineData("--password-file needs --account", "--password-file", "secret")]
    [InlineData("has no password in its first line", "--account", "capsite", "--password-file", "-")]
    [InlineData("kerberos: logs on with a ticket: leave --password-file out", "--account", "kerberos:", "--password-file", "-")]
    public async Task Without_a_password_nothing_is_tried(string said, params string[] options)
    {
        using var run = new CliRun { Input = new MemoryStream(Encoding.UTF8.GetBytes("\n")) };
        Assert.Equal(ExitCode.Usage, await run.RunAsync(["nal", "ls", Path, .. options]));
        Assert.Contains(said, run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_ticket_of_one_process_is_no_account_of_a_CAP()
    {
        await using var site = await CannedSite.StartAsync(CannedRecords.Empty, new ManualTime(CannedRecords.Noon), TestContext.Current.CancellationToken);
        using var run = new CliRun();
        run.MakeSite("srv", site.Address);
        Assert.Equal(ExitCode.Usage, await run.RunAsync("cap", "add", Path, "--account", "kerberos:", "--data", "srv"));
        Assert.Contains("a client access point needs an account with a password", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_password_file_that_is_not_there_ends_with_4()
    {
        using var run = new CliRun();
        Assert.Equal(ExitCode.NotFound, await run.RunAsync("nal", "ls", Path, "--account", "capsite", "--password-file", "missing"));
    }
}
