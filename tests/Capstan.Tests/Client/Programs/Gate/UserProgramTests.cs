using System.Runtime.Versioning;
using Capstan.Client.Programs.Gate;
using Capstan.Testing;

namespace Capstan.Tests.Client.Programs.Gate;

/// <summary>Programs of users, whose files lie where no user may go.</summary>
[UnsupportedOSPlatform("windows")]
public sealed class UserProgramTests : IDisposable
{
    private const string User = "nobody";

    private const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    private readonly GateFixture _fixture = new();

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public void Dispose() => _fixture.Dispose();

    [Fact]
    public async Task User_runs_what_lies_in_a_directory_of_root_and_sees_nothing_else_of_it()
    {
        var (order, data) = Order("""
            id -un
            pwd
            cat data
            ls -a "$DATA" "$DATA/content"
            cat "$DATA/secret" 2>/dev/null || echo closed
            flock -n "$DATA/lock" true 2>/dev/null || echo safe
            (echo more >>open) 2>/dev/null && echo written
            echo last
            """);
        File.WriteAllText(Path.Combine(data, "secret"), "secret");
        File.WriteAllText(Path.Combine(data, "lock"), "");
        File.SetUnixFileMode(Path.Combine(order.Content!, "open"), (UnixFileMode)0b110_110_110);
        var ended = await _fixture.RunAsync(order);

        Assert.Equal((RunEnded.Exited, 0, null), (ended.How, ended.ExitCode, ended.Detail));
        Assert.Equal($"{User}\n{order.Content}\nbytes\n{data}:\n.\n..\ncontent\n\n{data}/content:\n.\n..\nk3fq7xzt-1\nclosed\nsafe\nlast\n", ended.OutputHead);
        Assert.Equal((Private, Private, Private), (File.GetUnixFileMode(_fixture.Root), File.GetUnixFileMode(data), File.GetUnixFileMode(Path.GetDirectoryName(order.Content)!)));
    }

    [Fact]
    public async Task Program_of_a_user_has_the_rights_the_groups_and_the_home_of_the_user_and_no_others()
    {
        var (order, _) = Order("""
            id -u; id -g; id -G
            echo "$HOME $USER $LOGNAME"
            echo "$PATH $X"
            grep -E '^(Uid|Gid|CapPrm|CapEff|CapInh|CapAmb):' /proc/$$/status | tr '\t\n' '  '
            echo to errors >/dev/stderr
            """);
        var account = UserAccount.Find(User, out _)!;
        var ended = await _fixture.RunAsync(order);

        Assert.Equal((RunEnded.Exited, 0, null), (ended.How, ended.ExitCode, ended.Detail));
        const string None = "0000000000000000";
        var (user, group) = (account.Id, account.Group);
        Assert.Equal(
            $"{user}\n{group}\n{string.Join(' ', account.Groups)}\n{account.Home} {User} {User}\n/usr/bin:/bin 1\n"
            + $"Uid: {user} {user} {user} {user} Gid: {group} {group} {group} {group} CapInh: {None} CapPrm: {None} CapEff: {None} CapAmb: {None} to errors\n", ended.OutputHead);
    }

    [Fact]
    public async Task Exit_code_of_a_users_program_is_its_own()
    {
        var (order, _) = Order("exit 1");

        var ended = await _fixture.RunAsync(order);
        Assert.Equal((RunEnded.Exited, 1, null), (ended.How, ended.ExitCode, ended.Detail));
    }

    [Theory]
    [InlineData("no user", "this machine has no user no-such-user")]
    [InlineData("not for others", "may not be executed by nobody")]
    [InlineData("closed directory", "cannot be entered by nobody")]
    public async Task Program_that_cannot_be_run_as_its_user_has_not_started(string what, string cause)
    {
        var (order, data) = Order("exit 1");
        switch (what)
        {
            case "no user": order = order with { User = "no-such-user" }; break;
            case "not for others": File.SetUnixFileMode(order.Executable, Private); break;
            default: order = order with { WorkingDirectory = Directory.CreateDirectory(Path.Combine(order.Content!, "closed"), Private).FullName }; break;
        }
        var ended = await _fixture.RunAsync(order);

        Assert.Equal((RunEnded.NotStarted, null), (ended.How, ended.ExitCode));
        Assert.Contains(cause, ended.Detail, StringComparison.Ordinal);
        Assert.Equal(Private, File.GetUnixFileMode(data));
    }

    [Fact]
    public async Task View_of_one_program_ends_with_it_and_is_seen_by_nobody_else()
    {
        var (order, data) = Order("mkfifo \"$OPEN/go\"; echo $$ >\"$OPEN/own\"; echo x >\"$OPEN/begun\"; read line <\"$OPEN/go\"");
        var open = Directory.CreateDirectory(Path.Combine("/tmp", Path.GetFileName(_fixture.Root) + "-open")).FullName;
        try
        {
            File.SetUnixFileMode(open, (UnixFileMode)0b111_111_111);
            var folder = await _fixture.PrepareAsync(order with { Environment = new Dictionary<string, string>(order.Environment) { ["OPEN"] = open } });
            await _fixture.StartAsync(folder);
            await GateFixture.WaitAsync(folder, _ => File.Exists(Path.Combine(open, "begun")));

            var own = File.ReadAllText(Path.Combine(open, "own")).Trim();
            Assert.Contains(order.Content!, File.ReadAllText($"/proc/{own}/mountinfo"), StringComparison.Ordinal);
            Assert.DoesNotContain(data, File.ReadAllText("/proc/self/mountinfo"), StringComparison.Ordinal);
            await File.WriteAllTextAsync(Path.Combine(open, "go"), "go\n", Stop).WaitAsync(Patience.Limit, Stop);
            Assert.Equal(0, (await GateFixture.EndOfAsync(folder)).ExitCode);
        }
        finally
        {
            Directory.Delete(open, recursive: true);
        }
    }

    /// <summary>As a client lays it out: DATA (0700), DATA/content (0700), a version as it was published.</summary>
    private (RunOrder Order, string Data) Order(string script)
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "only root may run programs as somebody else");
        var data = Directory.CreateDirectory(Path.Combine(_fixture.Root, "data"), Private).FullName;
        var content = Directory.CreateDirectory(Path.Combine(data, "content", "k3fq7xzt-1"), Private).FullName;
        File.SetUnixFileMode(Path.GetDirectoryName(content)!, Private);
        File.WriteAllText(Path.Combine(content, "data"), "bytes\n");
        File.WriteAllText(Path.Combine(content, "open"), "");
        var order = _fixture.Order(script);
        var executable = Path.Combine(content, "setup");
        File.Move(order.Executable, executable);
        Executable.Set(executable, (UnixFileMode)0b101_101_101);
        return (order with
        {
            Executable = executable,
            Content = content,
            WorkingDirectory = content,
            User = User,
            Environment = new Dictionary<string, string> { ["PATH"] = "/usr/bin:/bin", ["X"] = "1", ["DATA"] = data },
        }, data);
    }
}
