using Capstan.Cli;
using Capstan.Smb;
using Capstan.Testing.Smb;

namespace Capstan.Tests.Cli;

/// <summary><c>cap sessions</c> where the server says no, each by its exit code and with the next step.</summary>
public sealed class CapSessionsTests
{
    public static TheoryData<SmbCommand, NtStatus> Refusals => new()
    {
        { SmbCommand.TreeConnect, NtStatus.AccessDenied },
        { SmbCommand.TreeConnect, NtStatus.NetworkAccessDenied },
        { SmbCommand.Create, NtStatus.AccessDenied },
        { SmbCommand.Ioctl, NtStatus.AccessDenied },
    };

    [Theory]
    [MemberData(nameof(Refusals))]
    public async Task Wherever_it_is_denied_it_ends_with_5_and_names_the_right(SmbCommand command, NtStatus status)
    {
        await using var server = Listening();
        server.Play(new SmbTrick(command, SmbTrickKind.Refuse, 0, status));
        using var run = new CliRun();
        Assert.Equal(ExitCode.AccessDenied, await AskAsync(run, server, "capa", "secret-capa"));
        Assert.Contains("Administrators", run.Error, StringComparison.Ordinal);
        Assert.Contains("capa", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_wrong_password_ends_with_5_and_a_full_server_with_3()
    {
        await using var server = Listening();
        using var wrong = new CliRun();
        Assert.Equal(ExitCode.AccessDenied, await AskAsync(wrong, server, "capa", "typo"));
        server.Rules.Licences.Sessions = 0;
        using var full = new CliRun();
        Assert.Equal(ExitCode.Full, await AskAsync(full, server, "capa", "secret-capa"));
    }

    [Theory]
    [InlineData("DOMAIN\\")]
    [InlineData("a\\b\\c")]
    public async Task A_name_that_cannot_be_an_account_is_said_so(string name)
    {
        await using var server = Listening();
        using var run = new CliRun();
        Assert.Equal(ExitCode.AccessDenied, await AskAsync(run, server, name, "x"));
        Assert.Contains("cannot be an account", run.Error, StringComparison.Ordinal);
        Assert.Contains("DOMAIN\\user", run.Error, StringComparison.Ordinal);
    }

    private static SmbTestServer Listening()
    {
        var server = new SmbTestServer();
        // There is a pipe; no test comes so far that it must answer.
        server.Rules.Shares["IPC$"].Pipes["srvsvc"] = message => message;
        server.Listen();
        return server;
    }

    private static async Task<int> AskAsync(CliRun run, SmbTestServer server, string account, string password)
    {
        await File.WriteAllTextAsync(Path.Combine(run.Directory, "secret"), password);
        return await run.RunAsync("cap", "sessions", $"smb://127.0.0.1:{server.Port}/data/", "--account", account, "--password-file", "secret");
    }
}
