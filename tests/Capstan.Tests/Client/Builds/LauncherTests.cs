using System.Diagnostics;
using Capstan.Client.Builds;
using Capstan.Testing;
using Capstan.Tests.House;

namespace Capstan.Tests.Client.Builds;

/// <summary>The launcher (packaging/capstan-client.sh) in the shell of this system, with builds that only say who they are.</summary>
public sealed class LauncherTests : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("capstan-launcher-").FullName;
    private readonly string _launcher, _data, _builds;

    public LauncherTests()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "the launcher is a script for /bin/sh");
        var package = Path.Combine(_root, "package");
        _data = Path.Combine(_root, "data");
        _builds = Path.Combine(_data, "builds");
        Directory.CreateDirectory(_builds);
        Directory.CreateDirectory(package);
        _launcher = Path.Combine(package, "launch");
        File.Copy(Path.Combine(Repository.Root, "packaging", "capstan-client.sh"), _launcher);
        Make(package);
        // As /usr/bin/capstan-client leads to it.
        File.CreateSymbolicLink(Path.Combine(_root, "capstan-client"), _launcher);
    }

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Fact]
    public void Without_builds_it_is_the_package_with_the_words_that_it_was_given()
    {
        Assert.Equal($"package package run --data {_data} a b", Run("run", "--data", _data, "a b"));
        Directory.Delete(_data, recursive: true);
        Assert.Equal($"package package status --data={_data}", Run("status", $"--data={_data}"));
        Assert.Equal("package package --version", Run("--version"));
    }

    /// <summary>As the agent's command line takes them.</summary>
    [Theory]
    [InlineData("=")]
    [InlineData(":")]
    public void A_directory_is_found_in_each_spelling(string sign)
    {
        Build("2.0.0-b");
        State("current 2.0.0-b\n");
        Assert.Equal($"2.0.0-b 2.0.0-b run --data{sign}{_data}", Run("run", $"--data{sign}{_data}"));
    }

    [Theory]
    [InlineData("status")]
    [InlineData("run")]
    public void Nothing_is_started_out_of_a_folder_of_somebody_else(string verb)
    {
        Build("2.0.0-b");
        State("current 2.0.0-b\n");
        var mine = _builds + "-mine";
        Directory.Move(_builds, mine);
        File.CreateSymbolicLink(_builds, mine);
        Assert.StartsWith("package package", Run(verb, "--data", _data), StringComparison.Ordinal);
        File.Delete(_builds);
        Directory.Move(mine, _builds);
        Assert.StartsWith("2.0.0-b 2.0.0-b", Run(verb, "--data", _data), StringComparison.Ordinal);
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "only root can give a folder away");
        using (var chown = Process.Start("chown", ["65534", _builds]))
            chown.WaitForExit();
        Assert.StartsWith("package package", Run(verb, "--data", _data), StringComparison.Ordinal);
    }

    [Fact]
    public void The_current_build_serves_every_verb_and_only_run_tries_another()
    {
        Build("1.0.0-a");
        Build("2.0.0-b");
        State("current 1.0.0-a\nprevious package\ntrial 2.0.0-b\norder 7\n");
        Assert.StartsWith("1.0.0-a 1.0.0-a status", Run("status", "--data", _data), StringComparison.Ordinal);
        Assert.False(File.Exists(Of("starts")));
        Assert.StartsWith("2.0.0-b 2.0.0-b run", Run("run", "--data", _data), StringComparison.Ordinal);
        Assert.Equal("2.0.0-b 7 1\n", Text("starts"));
    }

    [Fact]
    public void A_trial_has_three_starts_and_each_is_on_the_disk_before_it()
    {
        Build("1.0.0-a");
        Build("2.0.0-b");
        State("current 1.0.0-a\ntrial 2.0.0-b\norder 7\n");
        Assert.Equal(["2.0.0-b", "2.0.0-b", "2.0.0-b", "1.0.0-a", "1.0.0-a"], Enumerable.Range(0, 5).Select(_ => Started()));
        Assert.Equal("2.0.0-b 7 3\n", Text("starts"));
        State("current 1.0.0-a\ntrial 2.0.0-b\norder 8\n");
        Assert.Equal("2.0.0-b", Started());
        Assert.Equal("2.0.0-b 8 1\n", Text("starts"));
    }

    [Fact]
    public void A_trial_that_is_held_is_not_started()
    {
        Build("2.0.0-b");
        State("current package\ntrial 2.0.0-b\norder 7\nheld yes\n");
        Assert.Equal("package", Started());
        Assert.False(File.Exists(Of("starts")));
    }

    [Theory]
    [InlineData("program")]
    [InlineData("mode")]
    [InlineData("sums")]
    [InlineData("folder")]
    [InlineData("more")]
    [InlineData("line")]
    [InlineData("empty")]
    public void A_damaged_build_is_passed_over_for_the_one_before_and_at_last_the_package(string damage)
    {
        foreach (var id in (string[])["1.0.0-a", "2.0.0-b", "3.0.0-c"])
            Build(id);
        State("current 2.0.0-b\nprevious 1.0.0-a\ntrial 3.0.0-c\norder 7\n");
        Damage("3.0.0-c", damage);
        Assert.Equal("2.0.0-b", Started());
        // It was counted all the same: nothing is tried for ever.
        Assert.Equal("3.0.0-c 7 1\n", Text("starts"));
        Damage("2.0.0-b", damage);
        Assert.Equal("1.0.0-a", Started());
        Damage("1.0.0-a", damage);
        Assert.Equal("package", Started());
    }

    [Theory]
    [InlineData("garbage")]
    [InlineData("2.0.0-b 7 x")]
    [InlineData("2.0.0-b 7 1 2")]
    [InlineData("2.0.0-b 7 -1")]
    [InlineData("2.0.0-b 7 99")]
    [InlineData("2.0.0-b 7 2")]
    [InlineData("2.0.0-b 8 3")]
    [InlineData("2.0.0-b 7 ")]
    [InlineData("2.0.0-b 6 3\n2.0.0-b 7 9")]
    [InlineData("")]
    public void Whatever_stands_in_its_files_the_launcher_starts_something_and_the_agent_reads_it_alike(string text)
    {
        Build("1.0.0-a");
        Build("2.0.0-b");
        State("current 1.0.0-a\ntrial 2.0.0-b\norder 7\n");
        foreach (var file in (string[])["starts", "launches", "skip", "ended"])
            File.WriteAllText(Of(file), text + "\n");
        var used = new BuildFolder(_data, _root).StartsOf(new BuildTrial("2.0.0-b", 7));
        Assert.Equal(used < BuildState.Starts ? "2.0.0-b" : "1.0.0-a", Started());
        foreach (var state in (string[])["", "current\ntrial\norder\n", "current ../package\ntrial $(touch x)\norder ;\n", "trial ; rm -rf /\n", "\0\0\0"])
        {
            State(state);
            Assert.Equal("package", Started());
        }
    }

    [Fact]
    public void A_count_that_cannot_be_written_down_is_no_start_of_a_trial()
    {
        Build("2.0.0-b");
        State("current package\ntrial 2.0.0-b\norder 7\n");
        Directory.CreateDirectory(Of("starts.tmp"));
        Assert.Equal("package", Started());
    }

    [Fact]
    public void A_second_start_beside_an_agent_that_runs_counts_nothing()
    {
        Build("2.0.0-b");
        State("current package\ntrial 2.0.0-b\norder 7\n");
        using var held = Capstan.Nal.DirectoryLock.TryTake(_data, out _);
        Assert.Equal("package", Started());
        Assert.False(File.Exists(Of("starts")));
    }

    [Fact]
    public void How_a_trial_ended_is_noted_for_the_build_that_comes_after_it()
    {
        Build("2.0.0-b");
        State("current package\ntrial 2.0.0-b\norder 7\n");
        Run("--ended", "--data", _data);
        Assert.False(File.Exists(Of("ended")));
        Started();
        Run("--ended", "--data", _data);
        Assert.Equal("2.0.0-b killed SEGV\n", Text("ended"));
        Assert.Equal("killed SEGV", new BuildFolder(_data, _root).LastEnd("2.0.0-b"));
    }

    [Fact]
    public void The_end_of_another_build_is_not_the_trials()
    {
        Build("1.0.0-a");
        Build("2.0.0-b");
        State("current 1.0.0-a\ntrial 2.0.0-b\norder 7\n");
        Assert.Equal("2.0.0-b", Started());
        State("current 1.0.0-a\ntrial 2.0.0-b\norder 7\nheld yes\n");
        Assert.Equal("1.0.0-a", Started());
        Run("--ended", "--data", _data);
        Assert.False(File.Exists(Of("ended")));
    }

    [Fact]
    public void What_is_said_of_a_trial_is_said_of_its_last_start()
    {
        Build("2.0.0-b");
        State("current package\ntrial 2.0.0-b\norder 7\n");
        var folder = new BuildFolder(_data, _root);
        Started();
        folder.WriteFailure("2.0.0-b", "another process runs");
        Started();
        Run("--ended", "--data", _data);
        Assert.Equal("killed SEGV", folder.LastEnd("2.0.0-b"));
        Damage("2.0.0-b", "mode");
        Assert.Equal("package", Started());
        Run("--ended", "--data", _data);
        Assert.Contains("not started", folder.LastEnd("2.0.0-b"), StringComparison.Ordinal);
    }

    [Fact]
    public void A_build_that_does_not_get_up_is_left_out_by_the_repair_and_only_then()
    {
        Build("1.0.0-a");
        Build("2.0.0-b");
        State("current 2.0.0-b\nprevious 1.0.0-a\n");
        for (var start = 0; start < 4; start++)
        {
            Assert.Equal("2.0.0-b", Started());
            Assert.Equal(0, Exit("--repair", "--data", _data));
        }
        Assert.Equal("2.0.0-b", Started());
        using (Capstan.Nal.DirectoryLock.TryTake(_data, out _))
            Assert.Equal(0, Exit("--repair", "--data", _data));
        Assert.Equal(10, Exit("--repair", "--data", _data));
        Assert.Equal("1.0.0-a", Started());
        for (var start = 0; start < 5; start++)
            Started();
        Assert.Equal(10, Exit("--repair", "--data", _data));
        Assert.Equal("package", Started());
        for (var start = 0; start < 9; start++)
            Started();
        Assert.Equal(0, Exit("--repair", "--data", _data));
        Assert.Equal("package", Started());
    }

    /// <summary>Killed at random instants, it leaves what the next start can read, and a trial never has more than its three starts.</summary>
    [Fact]
    public void Killed_at_any_instant_it_leaves_nothing_that_stops_the_next_start()
    {
        var random = new Random(20261122);
        for (var round = 0; round < (LongRun.IsAsked ? 300 : 5); round++)
        {
            Build("1.0.0-a");
            Build("2.0.0-b");
            State($"current 1.0.0-a\ntrial 2.0.0-b\norder {round}\n");
            var tried = 0;
            for (var start = 0; start < 8; start++)
            {
                using var process = Start("run", "--data", _data);
                if (start % 2 == 0)
                {
                    process.WaitForExit(random.Next(25));
                    process.Kill(entireProcessTree: true);
                }
                if (process.StandardOutput.ReadToEnd().StartsWith("2.0.0-b", StringComparison.Ordinal))
                    tried++;
                process.WaitForExit();
            }
            Assert.InRange(tried, 0, 3);
            Assert.Equal("1.0.0-a", Started());
        }
    }

    private string Of(string file) => Path.Combine(_builds, file);

    private string Text(string file) => File.ReadAllText(Of(file));

    private void State(string text) => File.WriteAllText(Of("state"), text);

    private string Started() => Run("run", "--data", _data).Split(' ')[0];

    private void Build(string id)
    {
        var folder = Path.Combine(_builds, id);
        Directory.CreateDirectory(folder);
        Make(folder);
        var hash = Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(Path.Combine(folder, "capstan-client"))));
        File.WriteAllText(Path.Combine(folder, "SHA256SUMS"), $"{hash}  capstan-client\n");
    }

    /// <summary>Says which folder it lies in, which build it was told to be, and its words.</summary>
    private static void Make(string folder)
    {
        var program = Path.Combine(folder, "capstan-client");
        File.WriteAllText(program, $"#!/bin/sh\necho \"{Path.GetFileName(folder)} $CAPSTAN_BUILD $*\"\n");
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(program, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    private void Damage(string id, string how)
    {
        var folder = Path.Combine(_builds, id);
        switch (how)
        {
            case "program": File.AppendAllText(Path.Combine(folder, "capstan-client"), "#"); break;
            case "mode" when !OperatingSystem.IsWindows(): File.SetUnixFileMode(Path.Combine(folder, "capstan-client"), UnixFileMode.UserRead); break;
            case "sums": File.Delete(Path.Combine(folder, "SHA256SUMS")); break;
            case "folder": Directory.Delete(folder, recursive: true); break;
            case "line": File.AppendAllText(Path.Combine(folder, "SHA256SUMS"), new string('a', 63) + "  capstan-client\n"); break;
            case "empty": File.WriteAllText(Path.Combine(folder, "SHA256SUMS"), ""); break;
            default: File.AppendAllText(Path.Combine(folder, "SHA256SUMS"), new string('a', 64) + "  lib.so\n"); break;
        }
    }

    private string Run(params IReadOnlyList<string> words)
    {
        using var process = Start(words);
        var said = process.StandardOutput.ReadToEnd().Trim();
        process.WaitForExit();
        return said;
    }

    private int Exit(params IReadOnlyList<string> words)
    {
        using var process = Start(words);
        process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode;
    }

    private Process Start(params IReadOnlyList<string> words)
    {
        var info = new ProcessStartInfo("/bin/sh", [Path.Combine(_root, "capstan-client"), .. words]) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true };
        info.Environment["EXIT_CODE"] = "killed";
        info.Environment["EXIT_STATUS"] = "SEGV";
        return Process.Start(info)!;
    }
}
