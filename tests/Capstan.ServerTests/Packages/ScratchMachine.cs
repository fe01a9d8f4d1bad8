using System.Diagnostics;
using System.Globalization;
using Capstan.Testing;

namespace Capstan.ServerTests.Packages;

/// <summary>A copy of this machine on which packages are installed for real and nothing stays: an overlay above the root file system, in namespaces of its own (machine.sh).</summary>
/// <remarks>Its keeper's input ends with this process: whatever happens to a test, the kernel takes processes and mounts away.</remarks>
internal sealed class ScratchMachine : IAsyncDisposable
{
    private readonly TemporaryDirectory _directory = new();
    private readonly Process _keeper;
    private readonly string? _group;
    private int _first;

    private ScratchMachine(Process keeper, string? group) => (_keeper, _group) = (keeper, group);

    /// <summary>Where the packages of this repository are: made by <c>./test</c>, or where CAPSTAN_PACKAGES says.</summary>
    public static string Packages => Environment.GetEnvironmentVariable("CAPSTAN_PACKAGES") ?? Path.Combine(RepositoryRoot, "artifacts", "packages");

    public static string RepositoryRoot { get; } = FindRoot();

    /// <summary>The only package whose name matches.</summary>
    public static string Package(string pattern) => Path.GetFileName(Assert.Single(Directory.GetFiles(Packages, pattern)));

    /// <summary>Skips the test where the rights, the tools or the packages are missing; with CI=true fails it.</summary>
    public static async Task<ScratchMachine> StartAsync(bool withSystemd = false)
    {
        Tools.Require("unshare", "nsenter", "setpriv", "ip", "dpkg", "mount");
        Tools.RequireRoot("namespaces and an overlay are made");
        Tools.RequireFiles(Packages, "capstan*", "./test makes the packages, or packaging/build.sh");
        string? group = null;
        if (withSystemd)
        {
            Tools.Require("systemctl", "systemd-analyze", "dbus-daemon");
            group = MakeGroup();
        }
        var folder = Path.Combine(RepositoryRoot, "tests", "Capstan.ServerTests", "Packages");
        var machine = new ScratchMachine(new Process(), group);
        var enter = group is null ? "" : $"echo $$ >{group}/cgroup.procs; ";
        // cat ends with this process; then the first process of the machine is killed, and with it all others.
        machine._keeper.StartInfo = new ProcessStartInfo("/bin/sh",
            ["-c", $"{enter}exec 3<&0; unshare --fork --pid --kill-child --mount --uts --ipc --net {(withSystemd ? "--cgroup" : "")} sh \"$0/machine.sh\" \"$1\" \"$2\" \"$3\" </dev/null & cat <&3 >/dev/null; kill -KILL $!; wait",
            folder, machine._directory.Path, Packages, withSystemd ? "systemd" : "plain"])
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
        };
        machine._keeper.Start();
        await machine.UntilAsync(() => Task.FromResult(machine.FindFirst()), "the machine did not start");
        if (withSystemd)
        {
            await machine.UntilAsync(async () => (await machine.TryAsync("systemctl", "is-active", "sysinit.target")).ExitCode == 0, "systemd did not start");
            await machine.RunAsync("systemctl", "start", "dbus.socket");
        }
        return machine;
    }

    /// <summary>What a program on that machine printed. One that fails fails the test.</summary>
    public async Task<string> RunAsync(params string[] words)
    {
        var (code, output, errors) = await TryAsync(words);
        Assert.True(code == 0, $"{string.Join(' ', words)} ended with {code}\n--- output\n{output}\n--- errors\n{errors}");
        return output;
    }

    public Task<(int ExitCode, string Output, string Errors)> TryAsync(params string[] words) => Tools.TryAsync("nsenter", [.. Inside, .. words]);

    /// <summary>A shell script on that machine.</summary>
    public Task<string> ShellAsync(string script) => RunAsync("sh", "-euc", script);

    /// <summary>A program that the test ends itself; by killing its process group, nothing else.</summary>
    public Process Start(params string[] words) => Process.Start(Tools.StartInfo("setsid", ["--wait", Tools.Find("nsenter")!, .. Inside, .. words], []))!;

    /// <summary>A program that runs until the machine ends; its words go to a file of that machine.</summary>
    public Task DetachAsync(string log, params string[] words) =>
        RunAsync(["sh", "-euc", "log=$1; shift; setsid \"$@\" >\"$log\" 2>&1 </dev/null &", "sh", log, .. words]);

    /// <summary>All differences from the machine on which the test runs.</summary>
    public async Task<IReadOnlyList<string>> DifferencesAsync()
    {
        var script = Path.Combine(RepositoryRoot, "tests", "Capstan.ServerTests", "Packages", "difference.sh");
        var text = await Tools.RunAsync("nsenter", ["--target", First, "--mount", "--net", "sh", script, _directory.Path]);
        return text.Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }

    public async Task UntilAsync(Func<Task<bool>> reached, string otherwise)
    {
        var waited = Stopwatch.StartNew();
        while (!await reached())
        {
            Assert.True(waited.Elapsed < Patience.Limit && !_keeper.HasExited, otherwise);
            await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System);
        }
    }

    public async ValueTask DisposeAsync()
    {
        _keeper.StandardInput.Close();
        await _keeper.WaitForExitAsync();
        _keeper.Dispose();
        if (_group is not null)
            await RemoveGroupAsync(_group);
        _directory.Dispose();
    }

    private string First => _first.ToString(CultureInfo.InvariantCulture);

    private string[] Inside =>
        ["--target", First, "--mount", "--pid", "--uts", "--ipc", "--net", "--root", "--wd", "env", "-i", "PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "NO_COLOR=1", "DOTNET_TieredPGO=0"];

    /// <summary>The child of unshare, once machine.sh has become the machine's first process.</summary>
    private bool FindFirst()
    {
        _first = Children(_keeper.Id).SelectMany(Children).FirstOrDefault(child =>
            Path.GetFileName(new FileInfo(string.Create(CultureInfo.InvariantCulture, $"/proc/{child}/exe")).LinkTarget) is "sleep" or "systemd");
        return _first != 0;
    }

    private static IEnumerable<int> Children(int parent)
    {
        var path = string.Create(CultureInfo.InvariantCulture, $"/proc/{parent}/task/{parent}/children");
        return File.Exists(path) ? File.ReadAllText(path).Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(id => int.Parse(id, CultureInfo.InvariantCulture)) : [];
    }

    /// <summary>systemd needs a part of the tree of control groups that is its own.</summary>
    private static string MakeGroup()
    {
        var mount = File.ReadLines("/proc/self/mountinfo").Select(line => line.Split(' ')).FirstOrDefault(fields => fields.Contains("cgroup2", StringComparer.Ordinal))?[4];
        Assert.SkipWhen(mount is null, "no control groups of version 2 are mounted here");
        return Directory.CreateDirectory(Path.Combine(mount!, $"capstan-test-{Guid.NewGuid():N}")).FullName;
    }

    /// <summary>Empty as soon as the last process of the machine is gone.</summary>
    private static async Task RemoveGroupAsync(string group)
    {
        for (var tries = 0; ; tries++)
        {
            try
            {
                foreach (var folder in Directory.EnumerateDirectories(group, "*", SearchOption.AllDirectories).OrderByDescending(path => path.Length).Append(group))
                    Directory.Delete(folder);
                return;
            }
            catch (IOException) when (tries < 6000)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System);
            }
        }
    }

    private static string FindRoot()
    {
        var directory = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(directory!.FullName, "Capstan.slnx")))
            directory = directory.Parent;
        return directory.FullName;
    }
}
