using System.Text.Json;
using Capstan.Cli;
using Capstan.Site.Api;
using Capstan.Testing;

namespace Capstan.Tests.Cli;

/// <summary>The verbs over the REST API, against canned answers on real HTTP.</summary>
public sealed class ApiVerbTests
{
    private static Task<CannedSite> StartAsync(CannedRecords records) => CannedSite.StartAsync(records, new ManualTime(CannedRecords.Noon), CancellationToken.None);

    [Fact]
    public async Task Json_is_exactly_the_records_of_the_contract()
    {
        await using var site = await StartAsync(CannedRecords.Busy);
        using var run = new CliRun();
        run.MakeSite("capstan-data/site", site.Address);
        Assert.Equal(ExitCode.Done, await run.RunAsync("client", "list", "-o", "json"));
        using var list = JsonDocument.Parse(run.Out);
        Assert.Equal(CannedRecords.Busy.Clients.Count, list.RootElement.GetArrayLength());
        Assert.Equal(CannedRecords.Busy.Clients[0].Summary, list.RootElement[0].Deserialize(ApiJson.Default.ClientSummary));
        Assert.Equal(
            JsonSerializer.SerializeToElement(CannedRecords.Busy.Clients[0].Summary, ApiJson.Default.ClientSummary).EnumerateObject().Select(member => member.Name),
            list.RootElement[0].EnumerateObject().Select(member => member.Name));
    }

    [Theory]
    [InlineData("client", "list")]
    [InlineData("client", "show", "k")]
    [InlineData("client", "health")]
    [InlineData("status")]
    [InlineData("quarantine", "list")]
    [InlineData("cap", "list")]
    public async Task Nothing_that_a_client_reported_moves_the_terminal(params string[] arguments)
    {
        await using var site = await StartAsync(CannedRecords.Busy);
        foreach (var format in (string[])["table", "json"])
        {
            using var run = new CliRun();
            run.MakeSite("capstan-data/site", site.Address);
            string[] call = [.. arguments.Select(argument => argument == "k" ? CannedRecords.Busy.Clients[1].Summary.DeviceId : argument), "-o", format];
            Assert.Equal(ExitCode.Done, await run.RunAsync(call));
            Assert.DoesNotContain(run.Out, character => char.IsControl(character) && character is not ('\n' or '\r'));
            Assert.DoesNotContain('\u202e', run.Out);
        }
    }

    [Fact]
    public async Task Markup_in_a_host_name_is_shown_as_it_is()
    {
        await using var site = await StartAsync(CannedRecords.Busy);
        using var run = new CliRun { Width = 200 };
        run.MakeSite("capstan-data/site", site.Address);
        await run.RunAsync("status");
        Assert.Contains("[bold]x[/]", run.Out, StringComparison.Ordinal);
        Assert.Contains("\\u{1B}[31mred", run.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_table_stays_within_80_columns()
    {
        await using var site = await StartAsync(CannedRecords.Busy);
        using var run = new CliRun { Width = 80 };
        run.MakeSite("capstan-data/site", site.Address);
        await run.RunAsync("client", "list");
        Assert.All(run.Out.Split('\n'), line => Assert.True(line.TrimEnd('\r').Length <= 80, line));
    }

    [Fact]
    public async Task Csv_quotes_and_defuses_cells()
    {
        var hostile = CannedRecords.Busy.Clients[0] with { };
        var records = CannedRecords.Busy with { Clients = [hostile with { Summary = hostile.Summary with { HostName = "=cmd|'/C calc'!A0,\"x\"\n" } }] };
        await using var site = await StartAsync(records);
        using var run = new CliRun();
        run.MakeSite("capstan-data/site", site.Address);
        Assert.Equal(ExitCode.Done, await run.RunAsync("client", "list", "-o", "csv"));
        Assert.StartsWith("deviceId,hostName,state,fingerprint,", run.Out, StringComparison.Ordinal);
        Assert.Contains(",\"'=cmd|'/C calc'!A0,\"\"x\"\"\n\",", run.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_missing_client_ends_with_4_and_the_sites_own_words()
    {
        await using var site = await StartAsync(CannedRecords.Busy);
        using var run = new CliRun();
        run.MakeSite("capstan-data/site", site.Address);
        Assert.Equal(ExitCode.NotFound, await run.RunAsync("client", "show", "nobody"));
        Assert.Equal("capstan: There is no client 'nobody'; \"capstan client list\" shows them." + Environment.NewLine, run.Error);
    }

    [Fact]
    public async Task A_wrong_token_ends_with_5()
    {
        await using var site = await StartAsync(CannedRecords.Busy);
        using var run = new CliRun();
        var token = Path.Combine(run.Directory, "token");
        await File.WriteAllTextAsync(token, "wrong");
        Assert.Equal(ExitCode.AccessDenied, await run.RunAsync("client", "list", "--url", site.Address.ToString(), "--api-token-file", token));
        Assert.DoesNotContain("wrong", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Url_and_token_file_need_no_directory()
    {
        await using var site = await StartAsync(CannedRecords.Empty);
        using var run = new CliRun();
        var token = Path.Combine(run.Directory, "token");
        await File.WriteAllTextAsync(token, CannedSite.ApiToken + "\n");
        Assert.Equal(ExitCode.Done, await run.RunAsync("client", "list", "--url", site.Address.ToString(), "--api-token-file", token));
        Assert.StartsWith("No client.", run.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_token_stands_alone_on_standard_output()
    {
        await using var site = await StartAsync(CannedRecords.Busy);
        using var run = new CliRun();
        run.MakeSite("capstan-data/site", site.Address);
        Assert.Equal(ExitCode.Done, await run.RunAsync("token", "create", "--uses", "20", "--expires", "2d"));
        Assert.Equal("capstan1.secret" + Environment.NewLine, run.Out);
        Assert.DoesNotContain("capstan1.secret", run.Error, StringComparison.Ordinal);
        Assert.Contains("20 machines", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_failed_check_ends_with_1()
    {
        var records = CannedRecords.Busy with { Check = new CapCheck("", false, [new CapCheckLine("delete", "failed", "clients can delete uploads")]) };
        await using var site = await StartAsync(records);
        using var run = new CliRun();
        run.MakeSite("capstan-data/site", site.Address);
        Assert.Equal(ExitCode.Failed, await run.RunAsync("cap", "check", "/srv/cap"));
        Assert.Contains("clients can delete uploads", run.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_a_site_the_next_step_is_named()
    {
        using var run = new CliRun();
        Assert.Equal(ExitCode.NotFound, await run.RunAsync("client", "list"));
        Assert.Contains("capstan up", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_site_that_does_not_run_is_named_with_how_to_start_it()
    {
        using var run = new CliRun();
        var site = run.MakeSite("srv", listening: null);
        Assert.Equal(ExitCode.Failed, await run.RunAsync("client", "list", "--data", "srv"));
        Assert.Equal($"capstan: the site in {site} is not running. Start it: capstan site run --data {site}{Environment.NewLine}", run.Error);
    }

    [Fact]
    public async Task An_address_that_nobody_answers_reads_as_not_running()
    {
        Uri gone;
        await using (var site = await StartAsync(CannedRecords.Empty))
            gone = site.Address;
        using var run = new CliRun();
        run.MakeSite("srv", gone);
        Assert.Equal(ExitCode.Failed, await run.RunAsync("client", "list", "--data", "srv"));
        Assert.Contains("is not running. Start it:", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Whoever_has_the_port_of_a_killed_site_is_not_given_its_token()
    {
        await using var stranger = await StartAsync(CannedRecords.Empty);
        using var run = new CliRun();
        run.MakeSite("srv", stranger.Address, killed: true);
        Assert.Equal(ExitCode.Failed, await run.RunAsync("client", "list", "--data", "srv"));
        Assert.Contains("is not running. Start it:", run.Error, StringComparison.Ordinal);
        Assert.Empty(run.Out);
    }

    [Theory]
    [InlineData("Authenticate", ExitCode.AccessDenied)]
    [InlineData("AccessDenied", ExitCode.AccessDenied)]
    [InlineData("ServerFull", ExitCode.Full)]
    [InlineData("NotFound", ExitCode.NotFound)]
    [InlineData("StorageFull", ExitCode.Failed)]
    [InlineData("of a later version", ExitCode.Failed)]
    [InlineData(null, ExitCode.Failed)]
    public async Task What_the_storage_answered_to_cap_add_decides_the_exit_code(string? errorCode, int exitCode)
    {
        var refusal = new Problem("about:blank", "Conflict", 409, "It cannot be used.", "cap_unusable", errorCode);
        await using var site = await StartAsync(CannedRecords.Busy with { Refusal = refusal });
        using var run = new CliRun();
        run.MakeSite("srv", site.Address);
        Assert.Equal(exitCode, await run.RunAsync("cap", "add", "/srv/cap", "--data", "srv"));
        Assert.Contains("It cannot be used.", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_changed_of_a_listed_access_point_is_said()
    {
        await using var site = await StartAsync(CannedRecords.Busy with { Added = CannedRecords.Busy.Added with { Changes = ["headroom 5 (was 2)"] } });
        using var run = new CliRun();
        run.MakeSite("srv", site.Address);
        Assert.Equal(ExitCode.Done, await run.RunAsync("cap", "add", "/srv/cap", "--headroom", "5", "--data", "srv"));
        Assert.StartsWith(@"Changed LOCAL:\\srv\cap\ (ok): headroom 5 (was 2).", run.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Accounts_are_listed_with_their_state_and_taken_away_with_what_follows()
    {
        await using var site = await StartAsync(CannedRecords.Busy);
        using var run = new CliRun();
        run.MakeSite("srv", site.Address);
        Assert.Equal(ExitCode.Done, await run.RunAsync("cap", "account", "list", "-o", "csv", "--data", "srv"));
        Assert.Equal($"cap,role,name,state,addedAt,confirmed,clients\r\nMSWNET:\\\\fs1\\cap\\,clients,capclient-1,unreadable,2026-11-19T12:00:00Z,,", run.Out.TrimEnd());
        using var second = new CliRun();
        second.MakeSite("srv", site.Address);
        Assert.Equal(ExitCode.Done, await second.RunAsync("cap", "account", "remove", "smb://fs1/cap/", "capclient-1", "--data", "srv"));
        Assert.Contains("Removed account capclient-1 (of the clients) from", second.Out, StringComparison.Ordinal);
        Assert.Contains("Clients get capclient-2 alone", second.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_account_that_the_site_cannot_open_is_marked_in_the_list()
    {
        var cap = CannedRecords.Busy.Overview.Caps[0] with { Accounts = ["capsite"], ClientAccounts = ["capclient"], UnreadableAccounts = ["capclient"] };
        await using var site = await StartAsync(CannedRecords.Busy with { Overview = CannedRecords.Busy.Overview with { Caps = [cap] } });
        using var run = new CliRun { Width = 300 };
        run.MakeSite("srv", site.Address);
        Assert.Equal(ExitCode.Done, await run.RunAsync("cap", "list", "--data", "srv"));
        Assert.Contains("capsite; clients: capclient (unreadable)", run.Out, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("StorageFull", ExitCode.Failed)]
    [InlineData("ServerFull", ExitCode.Full)]
    [InlineData("AccessDenied", ExitCode.AccessDenied)]
    public async Task An_access_point_on_which_nothing_could_be_published_is_no_success(string code, int exitCode)
    {
        var failing = CannedRecords.Busy.Added.Cap with { State = "failing", LastError = "The storage refused.", ErrorCode = code };
        await using var site = await StartAsync(CannedRecords.Busy with { Added = CannedRecords.Busy.Added with { Cap = failing } });
        using var run = new CliRun();
        run.MakeSite("srv", site.Address);
        Assert.Equal(exitCode, await run.RunAsync("cap", "add", "/srv/cap", "--data", "srv"));
        Assert.Contains("The storage refused.", run.Error, StringComparison.Ordinal);
        Assert.Contains("cap publish", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_token_lives_no_longer_than_the_site_allows()
    {
        await using var site = await StartAsync(CannedRecords.Busy);
        using var run = new CliRun();
        run.MakeSite("srv", site.Address);
        Assert.Equal(ExitCode.Done, await run.RunAsync("token", "create", "--expires", "366d", "--data", "srv"));
        Assert.Equal(ExitCode.Usage, await run.RunAsync("token", "create", "--expires", "367d", "--data", "srv"));
    }

    [Fact]
    public async Task The_site_of_up_is_found_before_the_services()
    {
        await using var mine = await StartAsync(CannedRecords.Empty);
        await using var service = await StartAsync(CannedRecords.Busy);
        using var run = new CliRun();
        run.MakeSite("var/capstan", service.Address);
        await run.RunAsync("quarantine", "list");
        Assert.Contains("not_an_envelope", run.Out, StringComparison.Ordinal);
        using var second = new CliRun();
        second.MakeSite("var/capstan", service.Address);
        second.MakeSite("capstan-data/site", mine.Address);
        await second.RunAsync("quarantine", "list");
        Assert.StartsWith("Nothing is in quarantine.", second.Out, StringComparison.Ordinal);
    }
}
