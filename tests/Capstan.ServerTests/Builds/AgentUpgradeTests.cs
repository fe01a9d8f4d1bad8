using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Capstan.ServerTests.Up;
using Capstan.Testing;

namespace Capstan.ServerTests.Builds;

/// <summary>The real agent, its launcher and a real site, with a folder between them: the agent renews itself, and comes back from builds that are bad. The test is the service manager.</summary>
public sealed class AgentUpgradeTests : IDisposable
{
    private readonly TemporaryDirectory _root = new();
    private readonly string _package, _data, _launcher;

    public AgentUpgradeTests()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "the launcher is a script for /bin/sh");
        (_package, _data) = (Path.Combine(_root.Path, "package"), Path.Combine(_root.Path, "client"));
        _launcher = Path.Combine(_package, "launch");
        Directory.CreateDirectory(_package);
        File.Copy(Path.Combine(RepositoryRoot(), "packaging", "capstan-client.sh"), _launcher);
        Agent(_package, "the package's");
    }

    public void Dispose() => _root.Dispose();

    [Fact]
    public async Task The_agent_renews_itself_from_a_folder_and_goes_back_from_a_bad_build()
    {
        await using var site = await SiteAsync();
        await EnrolAsync();
        await CapstanAsync("client", "build", "add", Agent(Path.Combine(_root.Path, "good"), "the good one"), "--as", "9.2.0");
        await CapstanAsync("client", "build", "use", "9.2.0");
        await CapstanAsync("cap", "publish");
        await ServeUntilAsync(state => state.Contains("current 9.2.0-", StringComparison.Ordinal) && !state.Contains("trial", StringComparison.Ordinal), kills: 0);

        var bad = Path.Combine(_root.Path, "bad");
        Directory.CreateDirectory(bad);
        Program(bad, "exit 3");
        await CapstanAsync("client", "build", "add", bad, "--as", "9.3.0");
        await CapstanAsync("client", "build", "use", "9.3.0");
        await CapstanAsync("cap", "publish");
        await ServeUntilAsync(state => state.Contains("bad 9.3.0-", StringComparison.Ordinal), kills: 0);
        Assert.Contains("current 9.2.0-", State(), StringComparison.Ordinal);

        Assert.Equal(0, (await LaunchAsync("run-now")).ExitCode);
        var told = await UntilToldAsync("build_failed");
        Assert.Contains("9.3.0", told, StringComparison.Ordinal);
        Assert.Contains("exited 3", told, StringComparison.Ordinal);
        Assert.Contains("9.2.0", await UntilToldAsync("build_changed"), StringComparison.Ordinal);
    }

    /// <summary>Killed at random instants of fetching, staging, trial and confirmation, it comes to the ordered build all the same.</summary>
    [Fact]
    public async Task An_agent_that_is_killed_at_any_instant_comes_to_the_ordered_build()
    {
        await using var site = await SiteAsync();
        await EnrolAsync();
        for (var round = 1; round <= (LongRun.IsAsked ? 60 : 1); round++)
        {
            var version = string.Create(CultureInfo.InvariantCulture, $"9.{round}.0");
            await CapstanAsync("client", "build", "add", Agent(Path.Combine(_root.Path, version), version), "--as", version);
            await CapstanAsync("client", "build", "use", version);
            await CapstanAsync("cap", "publish");
            // At most two kills may hit the trial: its third start has to be let alone.
            await ServeUntilAsync(state => state.Contains($"current {version}-", StringComparison.Ordinal) && !state.Contains("trial", StringComparison.Ordinal), kills: 5, seed: round);
        }
    }

    private static string RepositoryRoot()
    {
        var directory = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(directory!.FullName, "Capstan.slnx")))
            directory = directory.Parent;
        return directory.FullName;
    }

    /// <summary>A build that is the real agent: a script that becomes it.</summary>
    private static string Agent(string folder, string name)
    {
        Directory.CreateDirectory(folder);
        Program(folder, $"# {name}\nexec '{Executables.Agent}' \"$@\"");
        return folder;
    }

    private static void Program(string folder, string text)
    {
        var path = Path.Combine(folder, "capstan-client");
        File.WriteAllText(path, $"#!/bin/sh\n{text}\n");
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    private string State() => File.Exists(Path.Combine(_data, "builds", "state")) ? File.ReadAllText(Path.Combine(_data, "builds", "state")) : "";

    private async Task<CapstanProcess> SiteAsync()
    {
        var data = Path.Combine(_root.Path, "site");
        var (code, _, errors) = await CapstanProcess.RunAsync(_root.Path, "site", "init", "ABC", "--data", data);
        Assert.True(code == 0, errors);
        var site = CapstanProcess.Start(_root.Path, "site", "run", "--data", data, "--listen", "http://127.0.0.1:0");
        await UntilAsync(() => Task.FromResult(File.Exists(Path.Combine(data, "listening"))), () => site.Errors);
        Directory.CreateDirectory(Path.Combine(_root.Path, "cap"));
        await CapstanAsync("cap", "add", Path.Combine(_root.Path, "cap"));
        return site;
    }

    private async Task<string> CapstanAsync(params string[] words)
    {
        var (code, output, errors) = await CapstanProcess.RunAsync(_root.Path, [.. words, "--data", Path.Combine(_root.Path, "site")]);
        Assert.True(code == 0, $"{string.Join(' ', words)}: {errors}");
        return output;
    }

    private async Task EnrolAsync()
    {
        var token = Path.Combine(_root.Path, "token");
        await File.WriteAllTextAsync(token, await CapstanAsync("token", "create"));
        Assert.Equal(0, (await LaunchAsync("install", "--token-file", token)).ExitCode);
        await UntilAsync(async () =>
        {
            await LaunchAsync("run-now");
            using var status = JsonDocument.Parse((await LaunchAsync("status", "-o", "json")).Output);
            return status.RootElement.GetProperty("state").GetString() == "approved";
        }, () => "it was not approved");
    }

    private async Task<string> UntilToldAsync(string code)
    {
        var text = "";
        await UntilAsync(async () =>
        {
            using var rows = JsonDocument.Parse(await CapstanAsync("status", "-o", "json"));
            text = rows.RootElement.EnumerateArray().Where(row => row.GetProperty("code").GetString() == code).Select(row => row.GetProperty("text").GetString()).FirstOrDefault() ?? "";
            return text.Length > 0;
        }, () => $"no {code}");
        return text;
    }

    /// <summary>Starts the agent again and again, as a service manager does, until its state says so.</summary>
    private async Task ServeUntilAsync(Func<string, bool> reached, int kills, int seed = 0)
    {
        var random = new Random(seed);
        var history = new List<string>();
        for (var start = 0; start < 40; start++)
        {
            using var agent = Launch("run");
            var ended = agent.WaitForExitAsync();
            if (kills > 0 && !(State().Contains("trial", StringComparison.Ordinal) && kills <= 3))
            {
                kills--;
                await Task.WhenAny(ended, Task.Delay(TimeSpan.FromMilliseconds(random.Next(3_000)), TimeProvider.System));
                if (!agent.HasExited)
                    agent.Kill(entireProcessTree: true);
            }
            var deadline = Stopwatch.StartNew();
            while (!agent.HasExited && !reached(State()) && deadline.Elapsed < Patience.Limit)
                await Task.WhenAny(ended, Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System));
            if (reached(State()))
            {
                if (!agent.HasExited)
                    agent.Kill(entireProcessTree: true);
                await ended;
                return;
            }
            Assert.True(agent.HasExited, $"nothing happened for {Patience.Limit.TotalMinutes:F0} minutes; {string.Join(", ", history)}; {State()}");
            await ended;
            history.Add(agent.ExitCode.ToString(CultureInfo.InvariantCulture));
            using var noted = Launch("--ended", code: agent.ExitCode);
            await noted.WaitForExitAsync();
        }
        Assert.Fail($"40 starts, and it is not there: exit codes {string.Join(", ", history)}; {State()}");
    }

    private async Task<(int ExitCode, string Output)> LaunchAsync(params string[] words)
    {
        using var process = Launch(words[0], words[1..]);
        var output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        return (process.ExitCode, output);
    }

    private Process Launch(string verb, string[]? words = null, int? code = null)
    {
        var redirects = verb is not "run";
        var info = new ProcessStartInfo("/bin/sh", [_launcher, verb, .. words ?? [], "--data", _data]) { RedirectStandardOutput = redirects };
        info.Environment["CAPSTAN_NAL_DIR"] = Path.Combine(_root.Path, "nal");
        info.Environment["EXIT_CODE"] = "exited";
        info.Environment["EXIT_STATUS"] = code?.ToString(CultureInfo.InvariantCulture) ?? "0";
        return Process.Start(info)!;
    }

    private static async Task UntilAsync(Func<Task<bool>> reached, Func<string> otherwise)
    {
        var deadline = Stopwatch.StartNew();
        while (!await reached())
        {
            Assert.True(deadline.Elapsed < Patience.Limit, otherwise());
            await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System);
        }
    }
}
