using System.Text.Json;
using Capstan.Nal.Paths;
using Capstan.ServerTests.Smb;
using Capstan.ServerTests.Up;
using Capstan.Site;
using Capstan.Testing;
using Microsoft.Extensions.Logging.Abstractions;

namespace Capstan.ServerTests.Mswnet;

/// <summary>The whole chain with the CAP on a share, as an administrator types it: two accounts, the printed recipe, a client that knows a token and nothing else.</summary>
public sealed class ShareChainTests
{
    [Fact]
    public async Task A_client_is_enrolled_and_reports_over_a_share_and_nothing_stays_at_the_server()
    {
        using var directory = new TemporaryDirectory();
        await using var samba = await SambaServer.StartAsync(new SambaSetup
        {
            Accounts = ["capsite", "capclient"],
            Shares = [new SambaShare("cap", ("inherit owner", "unix only"), ("create mask", "0644"), ("directory mask", "0755"))],
        });
        // The folder is the site's, as the recipe says.
        await Tools.RunAsync("chown", ["20001", samba.FolderOf("cap")]);
        await Tools.RunAsync("chmod", ["755", samba.FolderOf("cap")]);
        await File.WriteAllTextAsync(directory.Combine("site-password"), SambaServer.PasswordOf("capsite") + "\n");
        await File.WriteAllTextAsync(directory.Combine("client-password"), SambaServer.PasswordOf("capclient") + "\n");
        var cap = $"""MSWNET:["SMS_SITE=ABC"]\\127.0.0.1:{samba.Port}\cap\""";

        await SiteServer.InitializeAsync(directory.Combine("site"), "ABC", TimeProvider.System, CancellationToken.None);
        await WithSiteAsync(directory, async () =>
        {
            var refused = await CapstanProcess.RunAsync(directory.Path, "cap", "add", cap, "--account", "capsite", "--password-file", "client-password", "--data", "site");
            Assert.Equal(5, refused.ExitCode);
            Assert.Contains("does not accept account capsite: wrong password", refused.Errors, StringComparison.Ordinal);

            var added = await RunAsync(directory, "cap", "add", cap, "--account", "capsite", "--password-file", "site-password",
                "--client-account", "capclient", "--client-password-file", "client-password", "--data", "site");
            Assert.Contains("(ok)", added, StringComparison.Ordinal);
            Assert.Contains("chmod 1733", added, StringComparison.Ordinal);
            await Tools.RunAsync("find", [Path.Combine(samba.FolderOf("cap"), "inbox"), "-type", "d", "-exec", "chmod", "1733", "{}", "+"]);
            var row = Assert.Single(JsonDocument.Parse(await RunAsync(directory, "cap", "list", "-o", "json", "--data", "site")).RootElement.EnumerateArray());
            Assert.Equal(("capsite", "capclient"), (row.GetProperty("accounts")[0].GetString(), row.GetProperty("clientAccounts")[0].GetString()));
            Assert.DoesNotContain("Pw-", row.GetRawText(), StringComparison.Ordinal);

            var check = await CapstanProcess.RunAsync(directory.Path, "cap", "check", cap, "-o", "json", "--data", "site");
            Assert.True(check.ExitCode == 0, check.Output + check.Errors);
            Assert.DoesNotContain("warning", check.Output, StringComparison.Ordinal);

            await File.WriteAllTextAsync(directory.Combine("token"), await RunAsync(directory, "token", "create", "--data", "site"));
            await AgentAsync(directory, "install", "--token-file", "token", "--data", "client");
            await UntilAsync(directory);

            await UntilUseIsKnownAsync(directory);

            var doctor = await RunAsync(directory, "doctor", "--data", "site");
            Assert.Contains("checks passed", doctor, StringComparison.Ordinal);
        });
        await samba.StatusAsync(status => status.IsEmpty);
        Assert.Single(samba.FailedLogons());
    }

    [Fact]
    public async Task A_client_at_a_full_server_waits_by_name_holds_nothing_and_tells_the_site_afterwards()
    {
        const int limit = 4;
        using var directory = new TemporaryDirectory();
        await using var samba = await SambaServer.StartAsync(new SambaSetup { Shares = [new SambaShare("cap", ("max connections", $"{limit}"))] });
        await File.WriteAllTextAsync(directory.Combine("password"), SambaServer.PasswordOf("capa"));
        var cap = $"smb://127.0.0.1:{samba.Port}/cap/";
        await SiteServer.InitializeAsync(directory.Combine("site"), "ABC", TimeProvider.System, CancellationToken.None);
        await WithSiteAsync(directory, async () =>
        {
            await RunAsync(directory, "cap", "add", cap, "--account", "capa", "--password-file", "password", "--licensing", $"per-server:{limit}", "--data", "site");
            await File.WriteAllTextAsync(directory.Combine("token"), await RunAsync(directory, "token", "create", "--data", "site"));
            await AgentAsync(directory, "install", "--token-file", "token", "--data", "client");
            await UntilAsync(directory);
        });

        var others = new List<Smb.Client>();
        try
        {
            for (var n = 0; n < limit; n++)
                others.Add(await Smb.Client.OpenAsync(samba, account: "capb"));
            await using var refused = CapstanProcess.StartAgent(directory.Path, "run-now", "--data", "client");
            Assert.Equal(1, await refused.WaitAsync(Patience.Limit));
            await using var status = CapstanProcess.StartAgent(directory.Path, "status", "-o", "json", "--data", "client");
            Assert.Equal(0, await status.WaitAsync(Patience.Limit));
            Assert.StartsWith($"waiting for a connection: 127.0.0.1 {limit} of {limit}, next try ", JsonDocument.Parse(status.Output).RootElement.GetProperty("waiting").GetString(), StringComparison.Ordinal);
            await samba.StatusAsync(held => held.Sessions.Count == limit);
        }
        finally
        {
            foreach (var other in others)
                await other.DisposeAsync();
        }
        await samba.StatusAsync(status => status.IsEmpty);

        await WithSiteAsync(directory, async () =>
        {
            using var deadline = new CancellationTokenSource(Patience.Limit);
            JsonElement load;
            do
            {
                Assert.False(deadline.IsCancellationRequested, "the site has not heard of the refusal");
                await AgentAsync(directory, "run-now", "--data", "client");
                load = JsonDocument.Parse(await RunAsync(directory, "cap", "list", "-o", "json", "--data", "site")).RootElement[0].GetProperty("load");
            }
            while (load.GetProperty("refused").GetInt32() == 0);
            Assert.Equal("reached", load.GetProperty("level").GetString());
            var message = JsonDocument.Parse(await RunAsync(directory, "status", "-o", "json", "--data", "site")).RootElement.EnumerateArray().First(row => row.GetProperty("code").GetString() == "cap_full");
            Assert.Equal($"waiting for a connection: 127.0.0.1 {limit} of {limit}", message.GetProperty("text").GetString());
        });
        await samba.StatusAsync(status => status.IsEmpty);
    }

    /// <summary>Runs the site of the directory as long as the work lasts.</summary>
    private static async Task WithSiteAsync(TemporaryDirectory directory, Func<Task> work)
    {
        using var stop = new CancellationTokenSource();
        await using var site = await SiteServer.OpenAsync(new SiteOptions { Directory = directory.Combine("site"), Listen = new Uri("http://127.0.0.1:0"), DrainInterval = TimeSpan.FromMilliseconds(250) },
            TimeProvider.System, NullLoggerFactory.Instance, CancellationToken.None);
        var serving = site.RunAsync(stop.Token);
        await site.Listening;
        await work();
        await stop.CancelAsync();
        await serving;
    }

    [Fact]
    public async Task The_nal_verbs_work_on_a_share()
    {
        using var directory = new TemporaryDirectory();
        await using var samba = await SambaServer.StartAsync();
        await File.WriteAllTextAsync(directory.Combine("secret"), SambaServer.PasswordOf("capa"));
        string[] account = ["--account", "capa", "--password-file", "secret"];
        var share = $"smb://127.0.0.1:{samba.Port}/cap/";
        await RunAsync(directory, ["nal", "put", "secret", share + "notes.txt", .. account]);
        Assert.Contains("notes.txt", await RunAsync(directory, ["nal", "ls", share, .. account]), StringComparison.Ordinal);
        Assert.Equal(SambaServer.PasswordOf("capa"), (await RunAsync(directory, ["nal", "cat", share + "notes.txt", .. account])).Trim());
        Assert.Contains("capa", await RunAsync(directory, ["nal", "explain", share, .. account]), StringComparison.Ordinal);
        await RunAsync(directory, ["nal", "rm", share + "notes.txt", .. account]);
        var denied = await CapstanProcess.RunAsync(directory.Path, ["cap", "sessions", share, .. account]);
        Assert.Equal(5, denied.ExitCode);
        var nobody = await CapstanProcess.RunAsync(directory.Path, "nal", "ls", share);
        Assert.Equal(5, nobody.ExitCode);
        Assert.Contains("needs a connection account", nobody.Errors, StringComparison.Ordinal);
        await samba.StatusAsync(status => status.IsEmpty);
        Assert.Empty(samba.FailedLogons());
    }

    /// <summary>Runs cycles until hardware and software of this machine are at the site.</summary>
    private static async Task UntilAsync(TemporaryDirectory directory)
    {
        using var deadline = new CancellationTokenSource(Patience.Limit);
        var said = "";
        while (!deadline.IsCancellationRequested)
        {
            await using (var cycle = CapstanProcess.StartAgent(directory.Path, "run-now", "--data", "client"))
            {
                await cycle.WaitAsync(Patience.Limit);
                said = cycle.Output + cycle.Errors;
            }
            var list = JsonDocument.Parse(await RunAsync(directory, "client", "list", "-o", "json", "--data", "site")).RootElement;
            if (list.GetArrayLength() == 1 && list[0].TryGetProperty("packageCount", out _) && list[0].TryGetProperty("memoryBytes", out _))
                return;
        }
        Assert.Fail($"no inventory within {Patience.Limit}: {said}");
    }

    /// <summary>Runs cycles until the site has heard of connections that were confirmed as closed before.</summary>
    private static async Task UntilUseIsKnownAsync(TemporaryDirectory directory)
    {
        using var deadline = new CancellationTokenSource(Patience.Limit);
        JsonElement load = default;
        while (!deadline.IsCancellationRequested)
        {
            await AgentAsync(directory, "run-now", "--data", "client");
            load = JsonDocument.Parse(await RunAsync(directory, "cap", "list", "-o", "json", "--data", "site")).RootElement[0].GetProperty("load");
            if (load.TryGetProperty("reportedAt", out _))
            {
                Assert.Equal((1, 1, "ok"), (load.GetProperty("devices90Days").GetInt32(), load.GetProperty("peakConnections").GetInt32(), load.GetProperty("level").GetString()));
                return;
            }
        }
        Assert.Fail($"no report of use within {Patience.Limit}: {load}");
    }

    private static async Task<string> RunAsync(TemporaryDirectory directory, params string[] arguments)
    {
        var (code, output, errors) = await CapstanProcess.RunAsync(directory.Path, arguments);
        Assert.True(code == 0, $"{string.Join(' ', arguments)} ended with {code}: {output}{errors}");
        return output;
    }

    private static async Task AgentAsync(TemporaryDirectory directory, params string[] arguments)
    {
        await using var process = CapstanProcess.StartAgent(directory.Path, arguments);
        var code = await process.WaitAsync(Patience.Limit);
        Assert.True(code == 0, process.Output + process.Errors);
    }
}
