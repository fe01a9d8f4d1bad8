using System.Globalization;

namespace Capstan.ServerTests.Packages;

/// <summary>The units under a real systemd, which is the first process of a machine that forgets everything.</summary>
public sealed class SystemdTests
{
    /// <summary>Exposure that docs/operations.md writes down, with the reasons: 0 is none, 10 is all.</summary>
    private static readonly (string Unit, double Most)[] s_exposure = [("capstan-client.service", 2.5), ("capstan-client-repair.service", 1.4), ("capstan.service", 1.6)];

    [Fact]
    public async Task Units_are_sound_and_exposed_no_more_than_is_written_down()
    {
        await using var machine = await ScratchMachine.StartAsync();
        Tools.Require("systemd-analyze");
        await InstallAsync(machine);
        foreach (var (unit, most) in s_exposure)
        {
            var (_, _, complaints) = await machine.TryAsync("systemd-analyze", "verify", "--man=no", $"/usr/lib/systemd/system/{unit}");
            Assert.DoesNotContain("capstan", complaints, StringComparison.Ordinal);
            var threshold = string.Create(CultureInfo.InvariantCulture, $"--threshold={most * 10:F0}");
            await machine.RunAsync("systemd-analyze", "security", "--offline=true", threshold, "--no-pager", $"/usr/lib/systemd/system/{unit}");
        }
    }

    [Fact]
    public async Task Site_and_agent_run_as_services_and_come_back_and_leave_nothing()
    {
        await using var machine = await ScratchMachine.StartAsync(withSystemd: true);
        await InstallAsync(machine);
        await machine.ShellAsync("setpriv --reuid capstan --regid capstan --clear-groups capstan site init ABC --data /var/lib/capstan; systemctl --quiet enable --now capstan.service");
        await machine.UntilAsync(async () => (await machine.TryAsync("test", "-s", "/var/lib/capstan/listening")).ExitCode == 0, await LogAsync(machine));
        await machine.ShellAsync("install -d -o capstan -g capstan /srv/cap; capstan cap add /srv/cap; capstan client package --out /srv/package; cd /srv/package; capstan-client install");

        // Ready was heard, or it would not be active; and inside its sandbox it can do all that a client does.
        await machine.ShellAsync("systemctl is-active capstan-client.service capstan-client-repair.timer; systemctl is-enabled capstan-client.service");
        await machine.UntilAsync(async () => (await machine.TryAsync("capstan-client", "status")).Output.Contains("State             approved", StringComparison.Ordinal), "it was not approved");
        await machine.UntilAsync(async () => (await machine.TryAsync("sh", "-c", "capstan client list -o json | grep -q '\"packageCount\": [1-9]'")).ExitCode == 0, "no inventory came");
        // Between contacts it has no socket but those of the service manager: output, errors, notices.
        await machine.ShellAsync(
            """
            for socket in $(ls -l /proc/$(systemctl show -P MainPID capstan-client)/fd | grep -o 'socket:.[0-9]*' | tr -dc '0-9\n'); do
              ! grep -w "$socket" /proc/net/tcp /proc/net/tcp6 /proc/net/udp /proc/net/udp6
            done
            ! grep dotnet-diagnostic /proc/net/unix
            """);

        // Fed twice, then frozen: the watchdog ends it, and it is started anew.
        await machine.ShellAsync("mkdir -p /run/systemd/system/capstan-client.service.d; printf '[Service]\\nWatchdogSec=2\\nTimeoutAbortSec=1\\nRestartSec=100ms\\n' >/run/systemd/system/capstan-client.service.d/test.conf; systemctl daemon-reload; systemctl restart capstan-client");
        var first = await ShowAsync(machine, "WatchdogTimestampMonotonic");
        await machine.UntilAsync(async () => await ShowAsync(machine, "WatchdogTimestampMonotonic") != first, "the watchdog was not fed");
        Assert.Equal("0", await ShowAsync(machine, "NRestarts"));
        await machine.ShellAsync("kill -STOP $(systemctl show -P MainPID capstan-client)");
        await machine.UntilAsync(async () => await ShowAsync(machine, "NRestarts") is not "0" && await ShowAsync(machine, "SubState") == "running", "it was not started anew");

        await RepairAsync(machine);

        await machine.RunAsync("capstan-client", "uninstall");
        Assert.Equal("disabled", (await machine.TryAsync("systemctl", "is-enabled", "capstan-client.service")).Output.Trim());
        Assert.Equal("inactive", (await machine.TryAsync("systemctl", "is-active", "capstan-client.service")).Output.Trim());
        await machine.ShellAsync("rm -r /run/systemd/system/capstan-client.service.d /srv/package /srv/cap; dpkg --purge capstan-client capstan; systemctl daemon-reload; systemctl reset-failed");
        Assert.DoesNotContain(await machine.DifferencesAsync(), line => line.Contains("capstan", StringComparison.Ordinal) && !line.Contains("/var/lib/dpkg/", StringComparison.Ordinal)
            && !line.Contains("/run/packages", StringComparison.Ordinal));
        Assert.DoesNotContain("capstan", await machine.RunAsync("systemctl", "list-units", "--all", "--no-legend", "--plain"), StringComparison.Ordinal);
    }

    /// <summary>A current build that does not get up is left out by the other path, and the package's runs.</summary>
    private static async Task RepairAsync(ScratchMachine machine)
    {
        await machine.ShellAsync(
            """
            systemctl stop capstan-client
            builds=/var/lib/capstan-client/builds
            mkdir -p $builds/9.9.9-broken
            printf '#!/bin/sh\nexit 1\n' >$builds/9.9.9-broken/capstan-client
            chmod 755 $builds/9.9.9-broken/capstan-client
            (cd $builds/9.9.9-broken && sha256sum capstan-client >SHA256SUMS)
            printf 'current 9.9.9-broken\n' >$builds/state
            systemctl start --no-block capstan-client
            """);
        await machine.UntilAsync(async () => (await machine.TryAsync("sh", "-c", "test \"$(sed 's/.* //' /var/lib/capstan-client/builds/launches)\" -ge 5")).ExitCode == 0, "it was not started again and again");
        await machine.RunAsync("systemctl", "start", "capstan-client-repair.service");
        await machine.UntilAsync(async () => await ShowAsync(machine, "SubState") == "running" && (await machine.TryAsync("capstan-client", "status")).ExitCode == 0, "it was not repaired");
        await machine.UntilAsync(async () => (await machine.TryAsync("grep", "-q", "current package", "/var/lib/capstan-client/builds/state")).ExitCode == 0, "the agent did not settle on its package's build");
    }

    private static Task<string> InstallAsync(ScratchMachine machine) =>
        machine.ShellAsync($"dpkg -i /run/packages/{ScratchMachine.Package("capstan_*.deb")} /run/packages/{ScratchMachine.Package("capstan-client_*.deb")}");

    private static async Task<string> ShowAsync(ScratchMachine machine, string property) => (await machine.RunAsync("systemctl", "show", "-P", property, "capstan-client.service")).Trim();

    private static async Task<string> LogAsync(ScratchMachine machine) => (await machine.TryAsync("journalctl", "--no-pager", "-u", "capstan.service")).Output;
}
