using System.Globalization;
using System.Text.Json;
using Capstan.Cli;
using Capstan.Protocol.V1;
using Capstan.Site.Api;
using Capstan.Tests.Site;

namespace Capstan.Tests.Cli;

/// <summary><c>capstan program</c>, <c>advertise</c> and <c>advertisement</c> against a real site.</summary>
public sealed class OfferVerbTests : ServedSiteTests
{
    private async Task<string> RunAsync(int expected, params string[] arguments)
    {
        using var cli = new CliRun();
        var code = await cli.RunAsync([.. arguments, "--data", SiteDirectory]);
        Assert.True(code == expected, $"{string.Join(' ', arguments)} ended with {code}: {cli.Out}{cli.Error}");
        return cli.Out + cli.Error;
    }

    private async Task<string> AdvertiseAsync(params string[] options)
    {
        var source = Path.Combine(Folder, "setup.sh");
        await File.WriteAllTextAsync(source, "exit 0", TestContext.Current.CancellationToken);
        await RunAsync(ExitCode.Done, "package", "create", source, "--name", "Test");
        await RunAsync(ExitCode.Done, "program", "create", "Test", "--run", "setup.sh");
        using var made = JsonDocument.Parse(await RunAsync(ExitCode.Done, ["advertise", "Test", "--to", "All Systems", "-o", "json", .. options]));
        return made.RootElement.GetProperty("advertisementId").GetString()!;
    }

    [Fact]
    public async Task Rings_of_an_edit_count_from_the_start_that_is_still_to_come()
    {
        var start = TimeProvider.System.GetUtcNow().AddDays(7).Date;
        var id = await AdvertiseAsync("--at", start.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture));
        await RunAsync(ExitCode.Done, "advertisement", "edit", id, "--rings", "5%,100%@+3d");
        var document = (await Api.AdvertisementAsync(id, CancellationToken.None)).Document;
        var at = new DateTimeOffset(start, TimeSpan.Zero).ToUnixTimeSeconds();
        Assert.Equal([at, at + 259_200], document.Rings!.Select(ring => ring.At));
    }

    [Fact]
    public async Task A_state_that_is_none_is_refused_and_not_answered_with_nobody()
    {
        var id = await AdvertiseAsync();
        Assert.Contains("faild", await RunAsync(ExitCode.Usage, "advertisement", "show", id, "--state", "faild"), StringComparison.Ordinal);
        await RunAsync(ExitCode.Done, "advertisement", "show", id, "--state", "failed");
        Assert.Equal("invalid_request", (await Assert.ThrowsAsync<ApiException>(() => Api.AdvertisementClientsAsync(id, "faild", null, 10, CancellationToken.None))).Code);
        Assert.Contains("is no version of a package", await RunAsync(ExitCode.Usage, "advertisement", "edit", id, "--package-version", "0"), StringComparison.Ordinal);
    }
    [Fact]
    public async Task All_that_is_wrong_with_a_program_is_said_at_once_and_a_code_means_what_was_said()
    {
        await AdvertiseAsync();
        var said = await RunAsync(ExitCode.Usage, "program", "create", "Test", "--name", "other", "--run", "\"setup.sh", "--disk", "lots", "--success", "a");
        foreach (var problem in (string[])["is no command line", "A size is", "Exit codes are"])
            Assert.Contains(problem, said, StringComparison.Ordinal);
        // 3010 is a success after a restart where nothing else is said of it.
        await RunAsync(ExitCode.Done, "program", "create", "Test", "--name", "other", "--run", "setup.sh", "--success", "0,3010");
        Assert.Equal([1641], (await Api.ProgramsAsync(CancellationToken.None)).Single(program => program.Rules.Name == "other").Rules.RebootCodes);
    }

    [Fact]
    public async Task A_program_that_is_changed_keeps_every_rule_that_is_not_given_and_says_what_changed()
    {
        await AdvertiseAsync();
        await RunAsync(ExitCode.Done, "program", "create", "Test", "--name", "before", "--run", "setup.sh");
        await RunAsync(ExitCode.Done, "program", "create", "Test", "--replace", "--run", "setup.sh --quiet", "--remove", "setup.sh -u", "--env", "A=b", "--when", "logged-off", "--platform", "linux-x64", "--memory", "4GB", "--time-limit", "5m", "--no-wait",
            "--success", "0,7", "--retry-codes", "8", "--tries", "9", "--restart", "--rerun", "always", "--first", "Test/before", "--notice", "1m", "--postpone", "2");
        var known = await ProgramAsync();
        var said = await RunAsync(ExitCode.Done, "program", "create", "Test", "--replace", "--time-limit", "10m", "--success", "0,8");
        Assert.Contains("Time limit: 10 min (was 5 min)", said, StringComparison.Ordinal);
        Assert.Contains("Success: 0, 8 (was 0, 7)", said, StringComparison.Ordinal);
        Assert.Contains("All else is as it was.", said, StringComparison.Ordinal);
        var changed = await ProgramAsync();
        Assert.Equal("Test/before", changed.First);
        Assert.Equivalent(known.Rules with { TimeLimitSeconds = 600, SuccessCodes = [0, 8], RetryCodes = [] }, changed.Rules, strict: true);
        await RunAsync(ExitCode.Done, "program", "create", "Test", "--replace", "--remove", "none", "--env", "none", "--when", "any", "--platform", "any", "--first", "none", "--no-wait", "false", "--restart", "false");
        var less = await ProgramAsync();
        Assert.Null(less.First);
        Assert.Equivalent(changed.Rules with { Removal = null, Environment = null, WhenLoggedOn = null, Platforms = null, WaitsForChildren = true, AfterRun = ProgramRules.Nothing }, less.Rules, strict: true);
        Assert.Contains("Success: none (was 0, 8)", await RunAsync(ExitCode.Done, "program", "create", "Test", "--replace", "--success", ""), StringComparison.Ordinal);
        Assert.Contains("All of its rules are as they were.", await RunAsync(ExitCode.Done, "program", "create", "Test", "--replace"), StringComparison.Ordinal);

        async Task<ProgramSummary> ProgramAsync() => (await Api.ProgramsAsync(CancellationToken.None)).Single(program => program.Rules.Name == "install");
    }

    [Fact]
    public async Task All_that_cannot_be_published_is_one_line_each_and_no_refusal_has_escapes_of_its_own()
    {
        var source = Directory.CreateDirectory(Path.Combine(Folder, "links")).FullName;
        File.CreateSymbolicLink(Path.Combine(source, "one"), "/etc/passwd");
        File.CreateSymbolicLink(Path.Combine(source, "two"), "/etc/passwd");
        var lines = (await RunAsync(ExitCode.Usage, "package", "create", source, "--name", "Links")).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(["  one", "  two"], lines[1..].Select(line => line.Split(':')[0]));
        Assert.Contains("Must be one of: 'logged-on' 'logged-off' 'any'", await RunAsync(ExitCode.Usage, "program", "create", "Test", "--when", "never"), StringComparison.Ordinal);
    }
}
