using System.Net;
using System.Text.Json;
using Capstan.Cli;
using Capstan.Cli.Doctor;
using Capstan.Nal;
using Capstan.Nal.Arbiter.Accounts;
using Capstan.Nal.Arbiter.Machine;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers.Mswnet;
using Capstan.Site.Api;
using Capstan.Testing;
using Capstan.Testing.Smb;

namespace Capstan.Tests.Cli;

/// <summary>What <c>capstan doctor</c> says of servers, licences and this machine's connections.</summary>
public sealed class DoctorServerTests
{
    private static readonly ServerGreeting Well = new(IPAddress.Loopback, "3.1.1", "AES-GMAC", "AES-128-GCM", TimeSpan.Zero, TimeSpan.FromMilliseconds(3));

    [Theory]
    [InlineData(0, "ok")]
    [InlineData(-29, "ok")]
    [InlineData(31, "note")]
    [InlineData(300, "note")]
    [InlineData(301, "warning")]
    [InlineData(-301, "warning")]
    public void A_servers_clock_is_judged_by_what_Kerberos_allows(int ahead, string state)
    {
        var line = ServerChecks.Judge("fs1", Well with { Ahead = TimeSpan.FromSeconds(ahead) }).Single(line => line.Name == "server clock");
        Assert.Equal(state, line.State);
        Assert.Contains(ahead < 0 ? "behind this machine" : "ahead of this machine", line.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public void A_server_that_cannot_encrypt_or_does_not_tell_its_clock_is_no_failure()
    {
        var lines = ServerChecks.Judge("fs1", Well with { Dialect = "2.1", Signing = "HMAC-SHA-256", Encryption = null, Ahead = null }).ToList();
        Assert.Equal([("server", "ok"), ("dialect", "note")], lines.Select(line => (line.Name, line.State)));
        Assert.Contains("SMB 2.1, signed by HMAC-SHA-256, not encrypted", lines[1].Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0, 2, "failed")]
    [InlineData(1, 2, "warning")]
    [InlineData(2, 2, "ok")]
    public void Selection_is_judged_by_the_CAPs_that_can_be_used(int usable, int listed, string state) => Assert.Equal(state, Judgement.Selection(usable, listed)!.State);

    [Theory]
    [InlineData("per-server:20", 20, "ok", "ok")]
    [InlineData("per-server:20", 20, "near", "warning")]
    [InlineData("per-server:20", 20, "reached", "warning")]
    [InlineData("per-seat:20", 20, "near", "warning")]
    [InlineData(null, null, "ok", "note")]
    [InlineData(null, null, "near", "warning")]
    public void Licensing_is_told_with_limit_and_reading(string? licensing, int? limit, string level, string state)
    {
        var cap = new CapRow("smb://fs1/cap/", licensing, 4, "ok", null, 1, null, 0, null, null) { Load = new CapLoadRow(level, level == "ok" ? null : "It comes near: 17.", limit, 17, 3, 90, 2, 300, null) { NextStep = level == "ok" ? null : "Buy licences." } };
        var line = ServerChecks.Licensing(cap, "capstan")!;
        Assert.Equal(state, line.State);
        Assert.Contains("17", line.Detail, StringComparison.Ordinal);
        // What to do depends on what the server counts, and the site has said it.
        if (state == "warning")
            Assert.Equal("Buy licences.", line.NextStep);
        Assert.Null(ServerChecks.Licensing(cap with { Path = "LOCAL:\\\\srv\\cap\\", Licensing = null }, "capstan"));
    }

    [Fact]
    public async Task A_server_tells_its_dialect_without_a_logon()
    {
        await using var server = new SmbTestServer();
        server.Listen();
        var greeting = await ServerGreeting.AskAsync(NalPath.Parse($"smb://127.0.0.1:{server.Port}/data/"), TimeProvider.System, CancellationToken.None);
        Assert.Equal(("3.1.1", IPAddress.Loopback), (greeting.Dialect, greeting.Address?.MapToIPv4()));
        Assert.DoesNotContain(server.Seen, seen => seen.Command == Capstan.Smb.SmbCommand.SessionSetup);
    }

    [Fact]
    public async Task A_port_where_nobody_listens_is_told_as_such()
    {
        int port;
        await using (var server = new SmbTestServer())
        {
            server.Listen();
            port = server.Port;
        }
        var cause = await Assert.ThrowsAsync<NalException>(() => ServerGreeting.AskAsync(NalPath.Parse($"smb://127.0.0.1:{port}/data/"), TimeProvider.System, CancellationToken.None));
        Assert.Equal(NalError.Connect, cause.Error);
        Assert.Contains("check name, port and firewall", cause.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<NalException>(() => ServerGreeting.AskAsync(NalPath.Parse("LOCAL:\\\\srv\\cap\\"), TimeProvider.System, CancellationToken.None));
    }

    [Theory]
    [InlineData(NalError.Connect, "failed")]
    [InlineData(NalError.ServerFull, "warning")]
    public async Task Each_server_is_asked_once_and_its_refusal_has_a_next_step(NalError error, string state)
    {
        var caps = new[] { "smb://fs1/cap/", "smb://fs1/other/" }.Select(path => CannedRecords.Empty.Added.Cap with { Path = path, LastError = null }).ToList();
        var asked = 0;
        await using var site = await CannedSite.StartAsync(CannedRecords.Empty with { Overview = CannedRecords.Empty.Overview with { Caps = caps } }, new ManualTime(CannedRecords.Noon), CancellationToken.None);
        using var run = new CliRun
        {
            Greet = (path, _, _) =>
            {
                asked++;
                throw new NalException(error, "server fs1: that is why", path.ToString());
            },
        };
        run.MakeSite("srv", site.Address);
        await run.RunAsync("doctor", "--data", "srv", "-o", "json");
        using var lines = JsonDocument.Parse(run.Out);
        var line = Assert.Single(lines.RootElement.EnumerateArray(), line => line.GetProperty("name").GetString() == "server");
        Assert.Equal((state, 1), (line.GetProperty("state").GetString(), asked));
        Assert.False(string.IsNullOrEmpty(line.GetProperty("nextStep").GetString()));
    }

    [Fact]
    public async Task Stopped_accounts_and_an_unreadable_journal_record_of_this_machine_are_told()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "A machine keeps a journal on Linux only.");
        using var run = new CliRun { Width = 400 };
        run.MakeSite("srv", listening: null);
        await run.RunAsync("doctor", "--data", "srv", "--nal-dir", "nal");
        Assert.Contains("0 connections in", run.Out, StringComparison.Ordinal);
        Assert.DoesNotContain("is not tried at", run.Out, StringComparison.Ordinal);

        var machine = NalMachine.At(Path.Combine(run.Directory, "nal"));
        new StoppedAccounts(machine).Stop(new StoppedAccount("fs1:445", "capclient", "wrong password", CannedRecords.Noon));
        await run.RunAsync("doctor", "--data", "srv", "--nal-dir", "nal");
        Assert.Contains("capclient is not tried at fs1:445 any more", run.Out, StringComparison.Ordinal);
        Assert.Contains("wrong password", run.Out, StringComparison.Ordinal);
    }

    [Fact]
    public void A_lost_connection_is_a_warning_with_its_next_step()
    {
        var machine = NalMachine.At(Path.GetTempPath());
        var ghost = new MachineConnection("capclient/Resource0", "smb://fs1/cap/", "fs1", "capclient", "ghost", 0, 0, [], "00000000000000aa", 4711, CannedRecords.Noon, CannedRecords.Noon, "ends with the next working logon at this server");
        var line = Assert.Single(MachineChecks.Judge(machine, [ghost, ghost with { State = "open" }], "capstan"));
        Assert.Equal("warning", line.State);
        Assert.Contains("nal drop 'capclient/Resource0'", line.NextStep, StringComparison.Ordinal);
        Assert.Equal("ok", Assert.Single(MachineChecks.Judge(machine, [ghost with { State = "open" }], "capstan")).State);
    }
}
