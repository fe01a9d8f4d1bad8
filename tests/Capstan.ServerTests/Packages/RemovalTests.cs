namespace Capstan.ServerTests.Packages;

/// <summary>Packages on a machine: what they install works, and when they are gone nothing is left of them but what was asked for.</summary>
public sealed class RemovalTests
{
    /// <summary>What dpkg, adduser and the linker write for any package, and never take back.</summary>
    private static readonly string[] s_tracesOfTools =
    [
        "/var/lib/dpkg/", "/var/log/dpkg.log", "/var/log/apt/", "/etc/passwd-", "/etc/group-", "/etc/shadow-", "/etc/gshadow-", "/etc/.pwd.lock", "/run/adduser",
    ];

    [Fact]
    public async Task Of_an_agent_installed_by_deb_enrolled_and_purged_nothing_is_left()
    {
        await using var machine = await ScratchMachine.StartAsync();
        await SiteAsync(machine);
        var before = await OursAsync(machine);
        await machine.RunAsync("dpkg", "-i", $"/run/packages/{ScratchMachine.Package("capstan-client_*.deb")}");
        Assert.NotEqual(before, await OursAsync(machine));
        await EnrolAsync(machine, "capstan-client install --file /srv/package/install.capstan");

        // Without purge what the client is stays: the package again, and it goes on.
        await machine.RunAsync("dpkg", "--remove", "capstan-client");
        await machine.ShellAsync("! command -v capstan-client && test -s /var/lib/capstan-client/client.db && test -s /etc/default/capstan-client");
        await machine.RunAsync("dpkg", "-i", $"/run/packages/{ScratchMachine.Package("capstan-client_*.deb")}");
        Assert.Contains("approved", await machine.ShellAsync("capstan-client run-now >/dev/null; capstan-client status"), StringComparison.Ordinal);

        await machine.RunAsync("dpkg", "--purge", "capstan-client");
        Assert.Equal(before, await OursAsync(machine));
    }

    [Fact]
    public async Task Of_an_agent_installed_by_the_archive_nothing_is_left_but_the_id_that_was_asked_for()
    {
        await using var machine = await ScratchMachine.StartAsync();
        await SiteAsync(machine);
        var before = await OursAsync(machine);
        var archive = ScratchMachine.Package("capstan-client-*.run");
        // Beside the archive, as on a stick.
        await machine.ShellAsync($"cp /run/packages/{archive} /srv/package/");
        await EnrolAsync(machine, $"sh /srv/package/{archive}");
        var id = await machine.ShellAsync("capstan-client status -o json | grep deviceId");

        await machine.ShellAsync("sh /opt/capstan-client/installer.sh uninstall --keep-id; rm /srv/package/*.run");
        string[] keys = ["/var/lib/capstan-client", "/var/lib/capstan-client/keys", "/var/lib/capstan-client/keys/sealing.key.pem", "/var/lib/capstan-client/keys/signing.key.pem"];
        Assert.Equal(before.Concat(keys.Select(path => $"new {path}")).Order(StringComparer.Ordinal), await OursAsync(machine));
        Assert.Equal("700 600 600", (await machine.ShellAsync($"stat -c %a {keys[1]} {keys[2]} {keys[3]} | tr '\\n' ' '")).Trim());

        // The same client again; then without a trace.
        await machine.ShellAsync($"cp /run/packages/{archive} /srv/package/");
        await EnrolAsync(machine, $"sh /srv/package/{archive}");
        Assert.Equal(id, await machine.ShellAsync("capstan-client status -o json | grep deviceId"));
        await machine.ShellAsync($"sh /srv/package/{archive} uninstall; rm /srv/package/*.run");
        Assert.Equal(before, await OursAsync(machine));
    }

    [Fact]
    public async Task Of_a_site_installed_by_deb_that_served_nothing_is_left()
    {
        await using var machine = await ScratchMachine.StartAsync();
        var before = await OursAsync(machine);
        await SiteAsync(machine);
        Assert.Equal("700 capstan capstan", (await machine.ShellAsync("stat -c '%a %U %G' /var/lib/capstan")).Trim());
        Assert.EndsWith("\r\n\r\nok", await machine.RunAsync("bash", "-c", @"exec 3<>/dev/tcp/127.0.0.1/8750; printf 'GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n' >&3; cat <&3"), StringComparison.Ordinal);
        await machine.ShellAsync("pid=$(cat /root/site.pid); kill $pid; while [ -e /proc/$pid/exe ]; do sleep 0.1; done; rm -r /root/site.* /srv/package /srv/cap");
        await machine.RunAsync("dpkg", "--remove", "capstan");
        await machine.ShellAsync("! command -v capstan && test -s /var/lib/capstan/site.json && getent passwd capstan");
        await machine.RunAsync("dpkg", "--purge", "capstan");
        Assert.Equal(before, await OursAsync(machine));
        Assert.Equal(2, (await machine.TryAsync("getent", "passwd", "capstan")).ExitCode);
    }

    /// <summary>The site by its package: the unit's own command line as its user, a folder as CAP, and the installers of a client.</summary>
    private static async Task SiteAsync(ScratchMachine machine)
    {
        await machine.RunAsync("dpkg", "-i", $"/run/packages/{ScratchMachine.Package("capstan_*.deb")}");
        await machine.ShellAsync(
            """
            as='setpriv --reuid capstan --regid capstan --clear-groups'
            $as capstan site init ABC --data /var/lib/capstan >/root/site.init
            unit=/usr/lib/systemd/system/capstan.service
            . /etc/default/capstan
            start=$(sed -n "s/^ExecStart=//p" $unit | sed "s/\$CAPSTAN_OPTIONS/$CAPSTAN_OPTIONS/")
            export $(sed -n 's/^Environment=//p' $unit)
            setsid $as $start >/root/site.log 2>&1 </dev/null &
            echo $! >/root/site.pid
            for i in $(seq 3000); do [ -s /var/lib/capstan/listening ] && break; sleep 0.1; done
            install -d -o capstan -g capstan /srv/cap
            capstan cap add /srv/cap >/dev/null
            capstan client package --uses 10 --out /srv/package
            test "$(stat -c %a /srv/package/install.capstan)" = 600
            """);
    }

    /// <summary>Installs, runs the agent as its unit does, and waits until the site has it.</summary>
    private static async Task EnrolAsync(ScratchMachine machine, string install)
    {
        await machine.ShellAsync(install);
        await machine.DetachAsync("/tmp/agent.log", "capstan-client", "run");
        await machine.UntilAsync(async () => (await machine.TryAsync("capstan-client", "status")).Output.Contains("State             approved", StringComparison.Ordinal), "it was not approved");
        await machine.UntilAsync(async () => (await machine.TryAsync("sh", "-c", "capstan client list -o csv | cut -d, -f1 | sed 1d")).Output.Length > 0, "the site does not list it");
        await machine.ShellAsync("pid=$(cat /var/lib/capstan-client/lock); kill $pid; while [ -e /proc/$pid/exe ]; do sleep 0.1; done");
    }

    /// <summary>Differences that are of our making: tools' own traces and what the test put there are left out.</summary>
    private static async Task<IReadOnlyList<string>> OursAsync(ScratchMachine machine)
    {
        var all = await machine.DifferencesAsync();
        return [.. all.Where(line => line[(line.IndexOf(' ', StringComparison.Ordinal) + 1)..] is var path
            && !path.StartsWith("/srv/cap/", StringComparison.Ordinal) && path != "/srv/package" && !path.StartsWith("/srv/package/", StringComparison.Ordinal) && !path.StartsWith("/root/", StringComparison.Ordinal)
            && !path.StartsWith("/var/lib/capstan/", StringComparison.Ordinal)
            && !s_tracesOfTools.Any(trace => trace[^1] == '/' ? path.StartsWith(trace, StringComparison.Ordinal) : path == trace)).Order(StringComparer.Ordinal)];
    }
}
