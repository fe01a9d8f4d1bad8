using Capstan.Agent;
using Capstan.Client;
using Capstan.Protocol.V1;
using Capstan.Testing;
using Capstan.Testing.Stores;

namespace Capstan.Tests.Client;

/// <summary>The verbs install and uninstall of the executable, run in this process, and what they do about units.</summary>
public sealed class InstallVerbTests : IAsyncLifetime
{
    private readonly string _root = Directory.CreateTempSubdirectory("capstan-install-").FullName;
    private readonly ClientFixture _f = new(new MemoryStore(new ManualTime()));
    private readonly List<string> _calls = [];

    private string Data => Path.Combine(_root, "client");

    private string Given => Path.Combine(_root, InstallFile.Name);

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        await _f.DisposeAsync();
        Directory.Delete(_root, recursive: true);
    }

    [Fact]
    public async Task Install_takes_the_file_that_lies_in_the_directory()
    {
        await GiveAsync(UnixFileMode.UserRead | UnixFileMode.UserWrite);
        var (code, output, errors) = await RunAsync("install", "--data", Data);
        Assert.True(code == 0, errors);
        Assert.Contains($"Installing from {Given}.", output, StringComparison.Ordinal);
        Assert.Contains("of site ABC is installed", output, StringComparison.Ordinal);
    }

    /// <summary>Whoever may write into the directory in which root works would choose the machine's site.</summary>
    [Fact]
    public async Task A_file_that_others_may_write_is_taken_only_when_it_is_named()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "modes are those of Unix");
        await GiveAsync(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.OtherWrite);
        var (code, _, errors) = await RunAsync("install", "--data", Data);
        Assert.Equal(2, code);
        Assert.Contains("others may write it", errors, StringComparison.Ordinal);
        Assert.False(Directory.Exists(Data));
        Assert.Equal(0, (await RunAsync("install", "--file", Given, "--data", Data)).Code);
    }

    [Fact]
    public async Task A_file_of_another_user_is_taken_only_when_it_is_named()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && Environment.IsPrivilegedProcess, "only root gives files away");
        await GiveAsync(UnixFileMode.UserRead | UnixFileMode.UserWrite);
        using (var chown = System.Diagnostics.Process.Start("chown", ["65534", Given]))
            await chown.WaitForExitAsync(ClientFixture.Stop);
        Assert.Equal(2, (await RunAsync("install", "--data", Data)).Code);
        Assert.Equal(0, (await RunAsync("install", "--file", Given, "--data", Data)).Code);
    }

    [Fact]
    public async Task A_link_to_a_good_file_is_taken_only_when_it_is_named()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "links are looked at on Linux");
        await GiveAsync(UnixFileMode.UserRead | UnixFileMode.UserWrite);
        File.Move(Given, Given + ".real");
        File.CreateSymbolicLink(Given, Given + ".real");
        Assert.Equal(2, (await RunAsync("install", "--data", Data)).Code);
        Assert.False(Directory.Exists(Data));
    }

    [Fact]
    public async Task Without_a_file_and_a_token_it_says_what_is_missing()
    {
        var (code, _, errors) = await RunAsync("install", "--data", Data);
        Assert.Equal(2, code);
        Assert.Contains("there is no install.capstan here", errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_rights_one_line_says_what_is_needed()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows() || Environment.IsPrivilegedProcess && !Directory.Exists("/proc/sys"), "nothing is refused here");
        await GiveAsync(UnixFileMode.UserRead | UnixFileMode.UserWrite);
        // Root is refused by nothing but the kernel's own file systems.
        var (code, _, errors) = await RunAsync("install", "--file", Given, "--data", "/proc/sys/capstan-client");
        Assert.NotEqual(0, code);
        Assert.Single(errors.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    [Theory]
    [InlineData("lock")]
    [InlineData("keys/signing.key.pem")]
    [InlineData("keys/signing.key.pem.tmp")]
    [InlineData("keys/")]
    [InlineData("next/keys/sealing.key.pem")]
    [InlineData("logs/ccim.log")]
    [InlineData("builds/parts/")]
    [InlineData("client.db")]
    [InlineData("")]
    public async Task Whatever_an_interrupted_call_left_both_verbs_finish_the_job(string left)
    {
        await GiveAsync(UnixFileMode.UserRead | UnixFileMode.UserWrite);
        // Half a key is what no step leaves: it is written beside its place first.
        for (var round = 0; round < (left.EndsWith(".pem", StringComparison.Ordinal) ? 1 : 2); round++)
        {
            Directory.CreateDirectory(Path.Combine(Data, Path.GetDirectoryName(left) ?? ""));
            if (left.Length > 0 && left[^1] != '/')
                await File.WriteAllTextAsync(Path.Combine(Data, left), "", ClientFixture.Stop);
            if (round == 1)
                Assert.Equal(0, (await RunAsync("install", "--data", Data)).Code);
            var (code, _, errors) = await RunAsync("uninstall", "--data", Data);
            Assert.True(code == 0, errors);
            Assert.False(Directory.Exists(Data));
        }
        Assert.Equal(4, (await RunAsync("uninstall", "--data", Data)).Code);
    }

    [Fact]
    public async Task With_the_id_kept_a_later_installation_is_the_same_client()
    {
        await GiveAsync(UnixFileMode.UserRead | UnixFileMode.UserWrite);
        await RunAsync("install", "--data", Data);
        var before = (await CapstanClient.ReadStatusAsync(new ClientOptions { Directory = Data }, ClientFixture.Stop)).DeviceId;
        Assert.Equal(0, (await RunAsync("uninstall", "--keep-id", "--data", Data)).Code);
        Assert.Equal(["sealing.key.pem", "signing.key.pem"], Directory.EnumerateFiles(Data, "*", SearchOption.AllDirectories).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        await RunAsync("install", "--data", Data);
        Assert.Equal(before, (await CapstanClient.ReadStatusAsync(new ClientOptions { Directory = Data }, ClientFixture.Stop)).DeviceId);
        Assert.Equal(0, (await RunAsync("uninstall", "--keep-id", "--data", Data)).Code);
        Assert.Equal(0, (await RunAsync("uninstall", "--data", Data)).Code);
        Assert.False(Directory.Exists(Data));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Units_are_enabled_and_started_and_the_timer_is_stopped_before_the_service(bool isRunning)
    {
        var units = Units(isRunning);
        await units.StartAsync(ClientFixture.Stop);
        await units.StopAsync(ClientFixture.Stop);
        string[] all = ["--quiet enable capstan-client.service capstan-client-repair.timer", "start capstan-client-repair.timer capstan-client.service",
            "--quiet disable capstan-client-repair.timer capstan-client.service", "stop capstan-client-repair.timer capstan-client.service"];
        // An image that is built has no running systemd.
        Assert.Equal(isRunning ? all : [all[0], all[2]], _calls);
    }

    [Fact]
    public async Task A_unit_that_does_not_start_is_named_with_the_next_step()
    {
        var failure = await Assert.ThrowsAsync<ClientException>(() => Units(isRunning: true, code: 1).StartAsync(ClientFixture.Stop));
        Assert.Equal("service_failed", failure.Code);
        Assert.Contains("ended with 1: Job failed", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Another_directory_than_the_service_has_is_no_matter_of_units()
    {
        await GiveAsync(UnixFileMode.UserRead | UnixFileMode.UserWrite);
        Assert.Contains("Next: capstan-client run", (await RunAsync("install", "--data", Data)).Out, StringComparison.Ordinal);
        await RunAsync("uninstall", "--data", Data);
        Assert.Empty(_calls);
    }

    private async Task GiveAsync(UnixFileMode mode)
    {
        await File.WriteAllTextAsync(Given, InstallFile.Encode(_f.Site.Token(_f.CapPath), _f.Time.GetUtcNow().AddDays(7), 1), ClientFixture.Stop);
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(Given, mode);
    }

    private ServiceUnits Units(bool isRunning, int code = 0)
    {
        var units = Directory.CreateDirectory(Path.Combine(_root, "usr", "lib", "systemd", "system")).FullName;
        File.WriteAllText(Path.Combine(units, ServiceUnits.Service), "");
        if (isRunning)
            Directory.CreateDirectory(Path.Combine(_root, "run", "systemd", "system"));
        return new ServiceUnits(_root, (words, _) =>
        {
            _calls.Add(string.Join(' ', words));
            return Task.FromResult((code, "Job failed.\n"));
        });
    }

    private async Task<(int Code, string Out, string Error)> RunAsync(params string[] args)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        var console = new AgentConsole(TextReader.Null, output, error, _ => null) { WorkingDirectory = _root, Units = Units(isRunning: true) };
        var code = await AgentProgram.RunAsync(args, console, new ManualTime(), new Random(1), ClientFixture.Stop);
        return (code, output.ToString(), error.ToString());
    }
}
