using Capstan.Cli;
using Capstan.Cli.Doctor;
using Capstan.Testing;

namespace Capstan.Tests.Cli;

public sealed class DoctorTests
{
    private static readonly DateTimeOffset Now = CannedRecords.Noon;

    [Theory]
    [InlineData(200L << 30, "ok")]
    [InlineData(500L << 20, "warning")]
    [InlineData(10L << 20, "failed")]
    public void Disk_space_is_judged_by_what_is_free(long free, string state) => Assert.Equal(state, Judgement.DiskSpace("/srv", free).State);

    [Theory]
    [InlineData(0, "ok")]
    [InlineData(4, "ok")]
    [InlineData(6, "failed")]
    public void A_clock_behind_the_sites_own_writes_was_set_back(int minutesAhead, string state) =>
        Assert.Equal(state, Judgement.Clock(Now, Now.AddMinutes(minutesAhead)).State);

    [Fact]
    public void A_clock_before_this_program_is_wrong() => Assert.Equal("failed", Judgement.Clock(new DateTimeOffset(2019, 1, 1, 0, 0, 0, TimeSpan.Zero), null).State);

    [Theory]
    [InlineData(20, "ok")]
    [InlineData(6, "warning")]
    [InlineData(0, "failed")]
    [InlineData(-3, "failed")]
    public void Signatures_are_judged_by_their_days(int days, string state) =>
        Assert.Equal(state, Judgement.TimestampExpiry("cap", Now.AddDays(days), Now, "capstan").State);

    [Theory]
    [InlineData(0, "ok")]
    [InlineData(1, "warning")]
    public void Quarantine_is_a_warning(int count, string state) => Assert.Equal(state, Judgement.Quarantine(count, "capstan").State);

    [Fact]
    public void A_machine_without_Kerberos_is_told_so_in_one_line_and_one_with_it_is_told_nothing()
    {
        Assert.Null(Judgement.Kerberos(""));
        var line = Judgement.Kerberos(Capstan.Smb.Authentication.KerberosCredentials.Missing(isLinux: true, loads: _ => false));
        Assert.Equal(("kerberos", "note"), (line!.Name, line.State));
        Assert.Equal("only NTLMv2 is available for SMB: libgssapi_krb5.so.2 of MIT Kerberos is not on this machine; install the package libgssapi-krb5-2 (krb5-libs on Fedora and its kin)", line.Detail);
        Assert.Empty(Capstan.Smb.Authentication.KerberosCredentials.Missing(isLinux: true, loads: _ => true));
    }

    [Fact]
    public async Task A_site_that_does_not_run_fails_with_how_to_start_it()
    {
        using var run = new CliRun { Width = 400 };
        run.MakeSite("srv", listening: null);
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(Path.Combine(run.Directory, "srv", "api-token"), UnixFileMode.UserRead | UnixFileMode.UserWrite);
        Assert.Equal(ExitCode.Failed, await run.RunAsync("doctor", "--data", "srv"));
        Assert.Contains("site run --data", run.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_is_only_good_to_know_is_a_note()
    {
        var records = CannedRecords.Empty with
        {
            Overview = CannedRecords.Empty.Overview with
            {
                Caps = [CannedRecords.Empty.Added.Cap],
                Conditions = [new Capstan.Site.Api.HealthCondition("root_key_online", "information", "The root key lies there.", "Move it.")],
            },
            Check = new Capstan.Site.Api.CapCheck("", true, [new("open", "ok", "reached"), new("rights", "information", "the site's own account")]),
        };
        await using var site = await CannedSite.StartAsync(records, new ManualTime(Now), CancellationToken.None);
        using var run = new CliRun { Width = 400 };
        run.MakeSite("srv", site.Address);
        await run.RunAsync("doctor", "--data", "srv", "-o", "json");
        using var lines = System.Text.Json.JsonDocument.Parse(run.Out);
        Assert.Equal("note", lines.RootElement.EnumerateArray().Single(line => line.GetProperty("name").GetString() == "root_key_online").GetProperty("state").GetString());
        Assert.DoesNotContain(lines.RootElement.EnumerateArray(), line => line.GetProperty("state").GetString() == "warning");
    }

    [Fact]
    public async Task A_CAP_near_its_limit_is_one_line_with_the_reading_and_what_to_do()
    {
        const string Near = @"LOCAL:\\mnt\nas\: 46 devices in 90 days, and per-seat:50 allows 50.", Step = "Buy licences before more devices are enrolled.";
        var cap = CannedRecords.Empty.Added.Cap with
        {
            Path = @"LOCAL:\\mnt\nas\",
            Licensing = "per-seat:50",
            Load = new Capstan.Site.Api.CapLoadRow("near", Near, 50, 3, 0, 46, 2, 300, null) { NextStep = Step },
        };
        var records = CannedRecords.Empty with
        {
            Overview = CannedRecords.Empty.Overview with { Caps = [cap], Conditions = [new Capstan.Site.Api.HealthCondition("cap_limit_near", "warning", Near, Step)] },
            Check = new Capstan.Site.Api.CapCheck("", true, [new("open", "ok", "reached")]),
        };
        await using var site = await CannedSite.StartAsync(records, new ManualTime(Now), CancellationToken.None);
        using var run = new CliRun();
        run.MakeSite("srv", site.Address);
        await run.RunAsync("doctor", "--data", "srv", "-o", "json");
        using var lines = System.Text.Json.JsonDocument.Parse(run.Out);
        var line = Assert.Single(lines.RootElement.EnumerateArray(), line => line.GetProperty("detail").GetString()!.Contains("46 devices", StringComparison.Ordinal));
        Assert.Equal(("licensing", "warning", Step), (line.GetProperty("name").GetString(), line.GetProperty("state").GetString(), line.GetProperty("nextStep").GetString()));
    }

    [Fact]
    public async Task What_the_site_knows_to_be_wrong_is_shown_with_its_next_step()
    {
        await using var site = await CannedSite.StartAsync(CannedRecords.Busy, new ManualTime(Now), CancellationToken.None);
        using var run = new CliRun { Width = 400 };
        run.MakeSite("srv", site.Address);
        Assert.Equal(ExitCode.Failed, await run.RunAsync("doctor", "--data", "srv"));
        Assert.Contains("cap_unreachable", run.Out, StringComparison.Ordinal);
        Assert.Contains("Raise the licence count on FS1", run.Out, StringComparison.Ordinal);
        Assert.Contains("2 uploads could not be accepted", run.Out, StringComparison.Ordinal);
    }
}
