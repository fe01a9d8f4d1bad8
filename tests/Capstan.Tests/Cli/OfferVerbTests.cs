using System.Globalization;
using System.Text.Json;
using Capstan.Cli;
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
}
