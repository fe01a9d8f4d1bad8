using System.Diagnostics;
using System.Globalization;
using Capstan.Testing;

namespace Capstan.ServerTests.Packages;

/// <summary>Installations and removals that are killed: at their steps (each, with --long; else every second one), and at any instant. Whichever verb comes next finishes the job.</summary>
public sealed class KilledInstallationTests
{
    /// <summary>System calls that change what is on the disk. SQLite's own writes are in every run's syncs; one by one they are for the long run.</summary>
    private static readonly string[] s_steps = LongRun.IsAsked ? ["mkdir", "rename", "unlink", "rmdir", "fsync", "pwrite64"] : ["mkdir", "rename", "unlink", "rmdir", "fsync"];

    [Fact]
    public async Task The_agent_killed_at_any_of_its_steps_is_installed_or_removed_by_the_next_call()
    {
        Tools.Require("strace", "sh");
        using var root = new TemporaryDirectory();
        var agent = await AgentAsync(root);
        var token = Path.Combine(root.Path, "token");
        await File.WriteAllTextAsync(token, InstallTokens.Any(root.Path));
        var kills = 0;
        foreach (var verb in (string[])["install", "uninstall"])
        {
            foreach (var call in s_steps)
            {
                for (var step = 1; ; step += LongRun.IsAsked ? 1 : 2)
                {
                    var data = Path.Combine(root.Path, "client");
                    if (verb == "uninstall")
                        await FinishAsync(agent, "install", data, token);
                    var wasKilled = await KillAtAsync(agent, call, step, verb, data, token);
                    if (wasKilled)
                        kills++;
                    foreach (var next in Orders(kills))
                        await FinishAsync(agent, next, data, token);
                    Assert.False(Directory.Exists(data), $"{verb} killed at {call} number {step}");
                    if (!wasKilled)
                        break;
                }
            }
        }
        Assert.InRange(kills, 15, 1_000);
    }

    /// <summary>dpkg and the archive, killed with all that they started at drawn instants: afterwards either finishes, and a removal leaves nothing.</summary>
    [Fact]
    public async Task Packages_killed_at_any_instant_are_installed_or_removed_by_the_next_call()
    {
        await using var machine = await ScratchMachine.StartAsync();
        var deb = $"/run/packages/{ScratchMachine.Package("capstan-client_*.deb")}";
        var run = $"/run/packages/{ScratchMachine.Package("capstan-client-*.run")}";
        // The tools' own traces are there before.
        await machine.ShellAsync($"dpkg -i {deb} >/dev/null; dpkg --purge capstan-client >/dev/null; sh {run}; sh {run} uninstall");
        var before = await OursAsync(machine);
        var seed = System.Security.Cryptography.RandomNumberGenerator.GetInt32(int.MaxValue);
        var random = new Random(seed);
        for (var round = 0; round < (LongRun.IsAsked ? 300 : 20); round++)
        {
            var isDeb = round % 4 == 0;
            await KillAsync(machine, random.Next(isDeb ? 1_500 : 700), isDeb ? ["dpkg", "-i", deb] : ["sh", run]);
            var finishes = round % 2 == 0;
            if (finishes)
                await machine.ShellAsync(isDeb ? $"dpkg -i {deb} && capstan-client --version" : $"sh {run} && capstan-client --version");
            // What dpkg was killed in it removes on request only: it says so.
            await machine.ShellAsync(isDeb ? "dpkg --purge --force-remove-reinstreq capstan-client" : $"sh {run} uninstall");
            Assert.True(before.SequenceEqual(await OursAsync(machine), StringComparer.Ordinal), $"round {round} of seed {seed}: {string.Join(", ", (await OursAsync(machine)).Except(before, StringComparer.Ordinal))}");
        }
    }

    private static async Task<string> AgentAsync(TemporaryDirectory root)
    {
        Tools.RequireFiles(ScratchMachine.Packages, "capstan-client-*.run", "./test makes it, or packaging/build.sh");
        var folder = Path.Combine(root.Path, "agent");
        await Tools.RunAsync("sh", [Path.Combine(ScratchMachine.Packages, ScratchMachine.Package("capstan-client-*.run")), "extract", folder]);
        return Path.Combine(folder, "capstan-client");
    }

    /// <summary>By turns the same verb first or the other one; the client is gone at the end.</summary>
    private static string[] Orders(int kills) => LongRun.IsAsked ? ["install", "install", "uninstall"] : kills % 2 == 0 ? ["install", "uninstall"] : ["uninstall"];

    /// <returns>False when the call has no such step: it came to its end.</returns>
    private static async Task<bool> KillAtAsync(string agent, string call, int step, string verb, string data, string token)
    {
        var inject = string.Create(CultureInfo.InvariantCulture, $"inject={call}:signal=KILL:when={step}");
        var (code, _, errors) = await Tools.TryAsync("strace", ["-f", "-qq", "-o", "/dev/null", "-e", $"trace={call}", "-e", inject, agent, verb, "--data", data, .. Words(verb, token)]);
        Assert.True(code is 0 or 137, $"{verb} at {call} number {step} ended with {code}: {errors}");
        return code != 0;
    }

    private static async Task FinishAsync(string agent, string verb, string data, string token)
    {
        var (code, _, errors) = await Tools.TryAsync(agent, [verb, "--data", data, .. Words(verb, token)]);
        // 4: killed before it had made anything, or after it had taken everything away.
        Assert.True(code == 0 || code == 4 && verb == "uninstall" && !Directory.Exists(data), $"{verb} ended with {code}: {errors}");
    }

    private static string[] Words(string verb, string token) => verb == "install" ? ["--file", token] : [];

    private static async Task KillAsync(ScratchMachine machine, int afterMilliseconds, string[] words)
    {
        using var process = machine.Start(words);
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        process.StandardInput.Close();
        await Task.WhenAny(process.WaitForExitAsync(), Task.Delay(TimeSpan.FromMilliseconds(afterMilliseconds), TimeProvider.System));
        // The whole group: dpkg has started tar, and the archive a pipe.
        await Tools.TryAsync("/bin/kill", ["-KILL", "--", string.Create(CultureInfo.InvariantCulture, $"-{process.Id}")]);
        await process.WaitForExitAsync();
        await Task.WhenAll(output, errors);
    }

    private static async Task<IReadOnlyList<string>> OursAsync(ScratchMachine machine) =>
        [.. (await machine.DifferencesAsync()).Where(line => line.Contains("capstan", StringComparison.Ordinal) && !line.Contains("/var/lib/dpkg/", StringComparison.Ordinal))];
}
