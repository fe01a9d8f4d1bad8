using System.Text.Json;
using System.Text.RegularExpressions;

namespace Capstan.ServerTests.Packages;

/// <summary>Programs under a real systemd: the gate is a transient unit that the sandboxed agent has made, and is not a part of it.</summary>
public sealed class SystemdProgramTests
{
    /// <summary>Linux with <c>cgroup.kill</c>.</summary>
    private static readonly Version s_endsGroups = new(5, 14);

    [Fact]
    public async Task Program_is_outside_of_the_agents_sandbox_and_outlives_its_restart_and_leaves_no_unit()
    {
        await using var machine = await StartAsync();
        await ScriptAsync(machine,
            """
            echo ran >>/srv/count
            echo $$ >/srv/own
            echo $PPID >/srv/gate
            cat /proc/self/cgroup >/srv/cgroup
            cat /proc/$PPID/cgroup >/srv/above
            grep -E '^(NoNewPrivs|CapBnd|Seccomp):' /proc/self/status >/srv/status
            nice >/srv/nice
            mkfifo /srv/go
            : >/srv/begun
            read line </srv/go
            """);
        await AdvertiseAsync(machine);
        await UntilAsync(machine, "test -e /srv/begun", "it was not started");

        Assert.Contains("capstan-program-", await machine.RunAsync("cat", "/srv/cgroup"), StringComparison.Ordinal);
        // A group of its own, where the kernel ends one at once; the gate is in the unit's.
        var above = GroupOf(await machine.RunAsync("cat", "/srv/above"));
        Assert.Matches("/capstan-program-[^/]+[.]service$", above);
        if (Environment.OSVersion.Version >= s_endsGroups)
        {
            Assert.Matches($"^{Regex.Escape(above)}/capstan-program-[^/]+-{(await machine.RunAsync("cat", "/srv/gate")).Trim()}$", GroupOf(await machine.RunAsync("cat", "/srv/cgroup")));
            Assert.Equal(await machine.RunAsync("cat", "/srv/own"), await machine.ShellAsync($"cat /sys/fs/cgroup{above}/capstan-program-*/cgroup.procs"));
        }
        Assert.Equal("0", (await machine.RunAsync("cat", "/srv/nice")).Trim());
        // As the first process of the machine has it: no filter, no bound set, no promise.
        await machine.ShellAsync("grep -E '^(NoNewPrivs|CapBnd|Seccomp):' /proc/1/status | diff - /srv/status");

        var agent = await AgentAsync(machine);
        await machine.RunAsync("systemctl", "restart", "capstan-client");
        Assert.NotEqual(agent, await AgentAsync(machine));
        await machine.RunAsync("systemctl", "stop", "capstan-client");
        await machine.ShellAsync("kill -0 $(cat /srv/own); kill -0 $(cat /srv/gate)");
        // It is asked to end, as at a shutdown, and waits for its program all the same.
        await machine.ShellAsync("systemctl stop --no-block 'capstan-program-*'; kill -0 $(cat /srv/own); kill -0 $(cat /srv/gate)");
        await machine.ShellAsync("echo go >/srv/go");
        await UntilAsync(machine, "! kill -0 $(cat /srv/gate)", "its gate stays");
        await machine.RunAsync("systemctl", "start", "capstan-client");
        await SucceededAsync(machine);

        Assert.Equal("ran\n", await machine.RunAsync("cat", "/srv/count"));
        Assert.Equal("", await machine.RunAsync("systemctl", "list-units", "--all", "--no-legend", "--plain", "capstan-program-*"));
        // systemd removes the group of a unit when the kernel has told it that nobody is in it.
        await UntilAsync(machine, "test -z \"$(find /sys/fs/cgroup -name 'capstan-program-*')\"", "a control group stays");
    }

    [Fact]
    public async Task Program_of_who_is_logged_on_runs_as_that_user_below_a_directory_that_stays_closed()
    {
        await using var machine = await StartAsync();
        await machine.ShellAsync(
            """
            groupadd painters
            useradd --create-home --groups painters ann
            install -d -m 1777 /srv/all
            mkdir -p /run/systemd/sessions
            printf 'UID=%s\nUSER=ann\nCLASS=user\nSTATE=active\nTTY=tty1\n' "$(id -u ann)" >/run/systemd/sessions/1
            """);
        await ScriptAsync(machine,
            """
            exec >/srv/all/said 2>&1
            id -un; id -Gn; echo "$HOME"; cat data
            test "$PWD" = "$CAPSTAN_CONTENT" && echo here
            flock -n /var/lib/capstan-client/lock true || echo safe
            cat /var/lib/capstan-client/client.db || echo closed
            """);
        await AdvertiseAsync(machine, "--as", "user");
        await SucceededAsync(machine);

        var said = await machine.RunAsync("cat", "/srv/all/said");
        Assert.StartsWith("ann\nann painters\n/home/ann\nbytes\nhere\n", said, StringComparison.Ordinal);
        Assert.Contains("\nsafe\n", said, StringComparison.Ordinal);
        Assert.EndsWith("\nclosed\n", said, StringComparison.Ordinal);
        Assert.Equal("700 700 600", (await machine.ShellAsync("cd /var/lib/capstan-client; stat -c %a . content lock | tr '\\n' ' '")).Trim());
        await machine.ShellAsync("! setpriv --reuid ann --clear-groups ls /var/lib/capstan-client");
    }

    /// <summary>The path of version 2, of a process's groups.</summary>
    private static string GroupOf(string groups) => groups.Split('\n').Single(line => line.StartsWith("0::", StringComparison.Ordinal))[3..];

    /// <summary>A site, a client access point and this machine's agent, all as services; approved.</summary>
    private static async Task<ScratchMachine> StartAsync()
    {
        var machine = await ScratchMachine.StartAsync(withSystemd: true);
        try
        {
            await machine.ShellAsync($"dpkg -i /run/packages/{ScratchMachine.Package("capstan_*.deb")} /run/packages/{ScratchMachine.Package("capstan-client_*.deb")}");
            await machine.ShellAsync("setpriv --reuid capstan --regid capstan --clear-groups capstan site init ABC --data /var/lib/capstan; systemctl --quiet enable --now capstan.service");
            await UntilAsync(machine, "test -s /var/lib/capstan/listening", "the site did not start");
            await machine.ShellAsync("install -d -o capstan -g capstan /srv/cap; capstan cap add /srv/cap; capstan client package --out /srv/package; cd /srv/package; capstan-client install");
            await UntilAsync(machine, "capstan-client status | grep -q 'State  *approved'", "it was not approved");
            await UntilAsync(machine, "capstan client list -o json | grep -q '\"packageCount\": [1-9]'", "no inventory came");
            return machine;
        }
        catch
        {
            await machine.DisposeAsync();
            throw;
        }
    }

    private static Task<string> ScriptAsync(ScratchMachine machine, string script) => machine.RunAsync("sh", "-euc", "mkdir /srv/source; cd /srv/source; echo bytes >data; printf '#!/bin/sh\\n%s\\n' \"$1\" >setup; chmod 755 setup", "sh", script);

    private static async Task AdvertiseAsync(ScratchMachine machine, params string[] more)
    {
        await machine.RunAsync("capstan", "package", "create", "/srv/source", "--name", "Sample");
        await machine.RunAsync(["capstan", "program", "create", "Sample", "--run", "setup", .. more]);
        await machine.RunAsync("capstan", "advertise", "Sample", "--to", "All Linux");
        await UntilAsync(machine, "systemctl restart capstan-client; for i in 1 2 3 4 5 6 7 8 9 10; do capstan-client programs -o json | grep -q Sample && exit 0; sleep 0.3; done; exit 1", "the advertisement did not come");
    }

    private static Task SucceededAsync(ScratchMachine machine) => machine.UntilAsync(async () =>
    {
        using var programs = JsonDocument.Parse(await machine.RunAsync("capstan-client", "programs", "-o", "json"));
        return programs.RootElement.EnumerateArray().Any(program => program.GetProperty("state").GetString() == "succeeded");
    }, "it has not succeeded");

    private static async Task<string> AgentAsync(ScratchMachine machine) => (await machine.RunAsync("systemctl", "show", "-P", "MainPID", "capstan-client.service")).Trim();

    private static Task UntilAsync(ScratchMachine machine, string script, string otherwise) => machine.UntilAsync(async () => (await machine.TryAsync("sh", "-c", script)).ExitCode == 0, otherwise);
}
