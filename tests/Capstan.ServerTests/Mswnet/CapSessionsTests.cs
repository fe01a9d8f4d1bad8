using System.Text.Json;
using Capstan.ServerTests.Smb;
using Capstan.ServerTests.Up;
using Capstan.Smb;
using Capstan.Smb.Files;

namespace Capstan.ServerTests.Mswnet;

/// <summary><c>capstan cap sessions</c> against Samba, which tells ages and open files, and of idle times always zero.</summary>
public sealed class CapSessionsTests
{
    private static readonly SambaSetup Setup = new() { Accounts = ["capa", "capb", "anna", "admin"], Administrators = ["admin"] };

    [Fact]
    public async Task Sessions_are_marked_and_only_what_is_left_of_ours_is_ended()
    {
        using var directory = new TemporaryDirectory();
        await using var samba = await SambaServer.StartAsync(Setup);
        await File.WriteAllTextAsync(directory.Combine("secret"), SambaServer.PasswordOf("admin"));
        await using var left = await Smb.Client.OpenAsync(samba, account: "capb");
        await using var quiet = await Smb.Client.OpenAsync(samba, account: "capa");
        await using var busy = await Smb.Client.OpenAsync(samba, account: "capa");
        await using var others = await Smb.Client.OpenAsync(samba, account: "anna");
        await busy.Tree.CreateAsync("used", new MemoryStream([1]), flush: false, default);
        await using var file = await busy.Tree.OpenAsync("used", SmbOpen.Read, default);

        Assert.Equal(["admin asking", "anna other", "capa capstan", "capa capstan", "capb capstan"], await MarksAsync("--ours", "capa", "--ours", "capb"));
        Assert.Equal(["admin asking", "anna unknown", "capa unknown", "capa unknown", "capb unknown"], await MarksAsync());

        // Young ones are left alone; without a terminal nobody can be asked; nobody's accounts are guessed.
        Assert.Equal((0, "[]"), await ReapAsync("--ours", "capb", "--yes"));
        Assert.Equal((2, ""), await ReapAsync("--ours", "capb", "--stale-after", "0s"));
        Assert.NotEqual(0, (await ReapAsync("--stale-after", "0s", "--yes")).ExitCode);
        await samba.StatusAsync(status => status.Sessions.Count == 4);

        // The server counts whole seconds, and what was opened in this one is no older than 0 s.
        while ((await SessionsAsync()).Any(session => session.GetProperty("user").GetString() != "admin" && session.GetProperty("activeSeconds").GetInt64() == 0))
            TestContext.Current.CancellationToken.ThrowIfCancellationRequested();
        var (code, output) = await ReapAsync("--ours", "capa", "--ours", "capb", "--stale-after", "0s", "--yes");
        Assert.Equal(1, code);
        var outcomes = JsonDocument.Parse(output).RootElement.EnumerateArray().ToDictionary(reap => reap.GetProperty("user").GetString()!);
        Assert.Equal(("ended", 1), (outcomes["capb"].GetProperty("outcome").GetString(), outcomes["capb"].GetProperty("connections").GetInt32()));
        Assert.Equal(("refused", 2), (outcomes["capa"].GetProperty("outcome").GetString(), outcomes["capa"].GetProperty("connections").GetInt32()));
        Assert.Contains("files open", outcomes["capa"].GetProperty("detail").GetString(), StringComparison.Ordinal);
        await left.Connection.Ended;
        Assert.Equal(SmbFailure.Lost, left.Connection.EndCause!.Failure);
        var status = await samba.StatusAsync(status => status.Sessions.Count == 3);
        Assert.Equal(["anna", "capa", "capa"], status.Sessions.Select(session => session.User).Order(StringComparer.Ordinal));

        async Task<IReadOnlyList<string>> MarksAsync(params string[] arguments)
        {
            var (exitCode, text, errors) = await RunAsync(arguments);
            Assert.True(exitCode == 0, errors);
            Assert.Equal(arguments.Length == 0, errors.Contains("name them with --ours", StringComparison.Ordinal));
            return [.. JsonDocument.Parse(text).RootElement.EnumerateArray().Select(session => $"{session.GetProperty("user")} {session.GetProperty("mark")}").Order(StringComparer.Ordinal)];
        }

        async Task<IReadOnlyList<JsonElement>> SessionsAsync() => [.. JsonDocument.Parse((await RunAsync("--ours", "capa")).Output).RootElement.EnumerateArray()];

        async Task<(int ExitCode, string Output)> ReapAsync(params string[] arguments)
        {
            var (exitCode, text, errors) = await RunAsync([.. arguments, "--reap"]);
            Assert.Equal(text.Contains("ended", StringComparison.Ordinal), errors.Contains("This ends ALL 1 connections of capb from 127.0.0.1", StringComparison.Ordinal));
            return (exitCode, text.Trim());
        }

        Task<(int ExitCode, string Output, string Errors)> RunAsync(params string[] arguments) => CapstanProcess.RunAsync(directory.Path,
            ["cap", "sessions", $"smb://127.0.0.1:{samba.Port}/cap/", "--account", "admin", "--password-file", "secret", "-o", "json", .. arguments]);
    }
}
