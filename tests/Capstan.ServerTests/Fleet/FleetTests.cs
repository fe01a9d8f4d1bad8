using System.Text.Json;
using Capstan.ServerTests.Up;
using Capstan.Site;
using Capstan.Testing;
using Microsoft.Extensions.Logging.Abstractions;

namespace Capstan.ServerTests.Fleet;

/// <summary><c>capstan-fleet</c> as its users start it, against a share that has fewer connections than the fleet has clients. The server counts.</summary>
public sealed class FleetTests : IAsyncLifetime
{
    private const int Limit = 4;
    private const int Clients = 24;

    /// <summary>Samba compares with <c>max connections</c> before it counts the newcomer: two that ask in one moment can both be let in.</summary>
    private const int SambaMayAdmit = 1;

    private readonly TemporaryDirectory _directory = new();
    private readonly CancellationTokenSource _stopSite = new();
    private SambaServer _samba = null!;
    private SiteServer? _site;
    private Task _serving = Task.CompletedTask;

    private string Share => $"smb://127.0.0.1:{_samba.Port}/cap/";

    private string Temporary => _directory.Combine("fleet");

    public async ValueTask InitializeAsync()
    {
        Directory.CreateDirectory(Temporary);
        _samba = await SambaServer.StartAsync(new SambaSetup { Shares = [new SambaShare("cap", ("max connections", $"{Limit}"))], Accounts = ["capsite", "capclient"] });
        await File.WriteAllTextAsync(_directory.Combine("site-password"), SambaServer.PasswordOf("capsite"));
        await File.WriteAllTextAsync(_directory.Combine("client-password"), SambaServer.PasswordOf("capclient"));
        await SiteServer.InitializeAsync(_directory.Combine("site"), "ABC", TimeProvider.System, CancellationToken.None);
        _site = await SiteServer.OpenAsync(new SiteOptions { Directory = _directory.Combine("site"), Listen = new Uri("http://127.0.0.1:0"), DrainInterval = TimeSpan.FromMilliseconds(250) },
            TimeProvider.System, NullLoggerFactory.Instance, CancellationToken.None);
        _serving = _site.RunAsync(_stopSite.Token);
        await _site.Listening;
        await RunAsync("cap", "add", Share, "--account", "capsite", "--password-file", "site-password", "--client-account", "capclient", "--client-password-file", "client-password",
            "--licensing", $"per-server:{Limit}", "--data", "site");
        await File.WriteAllTextAsync(_directory.Combine("token"), await RunAsync("token", "create", "--uses", "100", "--data", "site"));
    }

    public async ValueTask DisposeAsync()
    {
        await _stopSite.CancelAsync();
        await _serving;
        if (_site is not null)
            await _site.DisposeAsync();
        await _samba.DisposeAsync();
        _stopSite.Dispose();
        _directory.Dispose();
    }

    [Fact]
    public async Task Many_clients_at_few_connections_all_complete_and_the_server_never_holds_more_than_its_limit()
    {
        using var watching = new CancellationTokenSource();
        var peak = PeakAsync(watching.Token);
        await using var fleet = CapstanProcess.StartFleet(_directory.Path, "--cap", Share, "--token-file", "token", "--clients", $"{Clients}", "--hold", "0.2..0.6", "--seed", "1", "--data", Temporary, "-o", "json");
        Assert.True(await fleet.WaitAsync(Patience.Limit) == 0, fleet.Output + fleet.Errors);
        await watching.CancelAsync();
        Assert.InRange(await peak, 1, Limit + SambaMayAdmit);

        var report = JsonDocument.Parse(fleet.Output).RootElement;
        Assert.Equal((Clients, Clients, 0), (report.GetProperty("completed").GetInt32(), report.GetProperty("enrolment").GetProperty("completed").GetInt32(), report.GetProperty("unfinished").GetArrayLength()));
        // Refused, and let in later: nobody gave up, and nobody got in beside the limit.
        Assert.InRange(report.GetProperty("refused").GetInt32(), 1, int.MaxValue);
        Assert.Equal(Clients, report.GetProperty("attempts").GetInt32() - report.GetProperty("refused").GetInt32());
        Assert.InRange(report.GetProperty("peakConnections").GetInt32(), 1, Limit + SambaMayAdmit);
        Assert.Empty(Directory.EnumerateFileSystemEntries(Temporary));

        await ReportedAsync("fleet-1-");
        await GoneAsync();
    }

    [Fact]
    public async Task Stopped_in_the_middle_it_gives_every_connection_back_and_removes_its_directory()
    {
        await using var fleet = CapstanProcess.StartFleet(_directory.Path, "--cap", Share, "--token-file", "token", "--clients", "6", "--hold", "600", "--data", Temporary, "-o", "json");
        await fleet.SaysAsync("enrolled in", Patience.Limit);
        await _samba.StatusAsync(status => Held(status) == Limit);
        fleet.Interrupt();
        Assert.Equal(1, await fleet.WaitAsync(Patience.Limit));
        Assert.Contains("stopped", fleet.Errors, StringComparison.Ordinal);
        var report = JsonDocument.Parse(fleet.Output).RootElement;
        Assert.Equal((6, 6), (report.GetProperty("enrolment").GetProperty("completed").GetInt32(), report.GetProperty("unfinished").GetArrayLength() + report.GetProperty("completed").GetInt32()));
        Assert.Empty(Directory.EnumerateFileSystemEntries(Temporary));
        await GoneAsync();
    }

    [Fact]
    public async Task A_wrong_password_is_tried_by_one_client_and_not_by_all()
    {
        await File.WriteAllTextAsync(_directory.Combine("wrong"), "not it");
        var before = _samba.FailedLogons().Count;
        await using var fleet = CapstanProcess.StartFleet(_directory.Path, "--cap", Share, "--account", "capclient", "--password-file", "wrong", "--token-file", "token", "--clients", "50", "--data", Temporary);
        Assert.Equal(5, await fleet.WaitAsync(Patience.Limit));
        Assert.Contains("capclient", fleet.Errors, StringComparison.Ordinal);
        Assert.Equal(1, _samba.FailedLogons().Count - before);
        Assert.Empty(Directory.EnumerateFileSystemEntries(Temporary));
    }

    /// <summary>The clients' trees, and those of the site.</summary>
    private static int Held(SambaStatus status) => status.Trees.Count(tree => tree.Share == "cap");

    /// <summary>The most connections to the share that the server showed at one time, until cancelled.</summary>
    private async Task<int> PeakAsync(CancellationToken stop)
    {
        var peak = 0;
        while (!stop.IsCancellationRequested)
            peak = Math.Max(peak, Held(await _samba.StatusAsync()));
        return peak;
    }

    /// <summary>Waits until the site has an inventory of every client: it takes in what was uploaded when it is let in itself.</summary>
    private async Task ReportedAsync(string names)
    {
        using var deadline = new CancellationTokenSource(Patience.Limit);
        int reported;
        do
        {
            Assert.False(deadline.IsCancellationRequested, "the site has not taken in every inventory");
            var devices = JsonDocument.Parse(await RunAsync("client", "list", "-o", "json", "--data", "site")).RootElement.EnumerateArray();
            reported = devices.Count(device => device.GetProperty("hostName").GetString()!.StartsWith(names, StringComparison.Ordinal) && device.TryGetProperty("memoryBytes", out _));
        }
        while (reported < Clients);
        Assert.Equal(Clients, reported);
    }

    /// <summary>None of the clients' sessions is left; the site may have one for a moment.</summary>
    private async Task GoneAsync() => await _samba.StatusAsync(status => status.Sessions.All(session => session.User != "capclient"));

    private async Task<string> RunAsync(params string[] arguments)
    {
        var (code, output, errors) = await CapstanProcess.RunAsync(_directory.Path, arguments);
        Assert.True(code == 0, $"{string.Join(' ', arguments)} ended with {code}: {output}{errors}");
        return output;
    }
}
