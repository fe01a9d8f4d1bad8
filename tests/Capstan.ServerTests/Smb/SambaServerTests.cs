using Capstan.Testing.Smb;

namespace Capstan.ServerTests.Smb;

/// <summary>The fixture itself, judged with Samba's own client: what the other tests rely on.</summary>
public sealed class SambaServerTests
{
    [Fact]
    public async Task A_server_serves_its_accounts_and_says_what_it_holds()
    {
        await using var samba = await SambaServer.StartAsync();
        await File.WriteAllTextAsync(Path.Combine(samba.FolderOf("cap"), "greeting.txt"), "hello");
        Assert.Equal("hello", await PeerAsync(samba, "capa", "get greeting.txt -"));
        Assert.True((await samba.StatusAsync(status => status.IsEmpty)).IsEmpty);
        Assert.Equal([("capa", "NT_STATUS_OK")], samba.Logons().Select(logon => (logon.Account, logon.Status)));
        Assert.Empty(samba.FailedLogons());
    }

    [Fact]
    public async Task A_disk_of_its_own_is_seen_by_the_server_alone_and_ends_with_it()
    {
        string folder;
        await using (var samba = await SambaServer.StartAsync(new SambaSetup { DiskBytes = 1 << 20 }))
        {
            folder = samba.FolderOf("cap");
            await File.WriteAllBytesAsync(Path.Combine(folder, "big"), new byte[900_000]);
            Assert.Equal(900_000, (await PeerAsync(samba, "capb", "get big -")).Length);
        }
        Assert.False(Directory.Exists(folder));
        Assert.DoesNotContain("capstan-test", await File.ReadAllTextAsync("/proc/mounts"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_killed_server_leaves_no_process_and_no_listener()
    {
        await using var samba = await SambaServer.StartAsync(new SambaSetup { Administrators = ["capa"] });
        Assert.Contains("Received 1 entries", await RpcAsync(samba, "capa", "netsessenum"), StringComparison.Ordinal); // starts the helpers
        await samba.KillAsync();
        var (code, output, errors) = await Tools.TryAsync("smbclient", ["-p", $"{samba.Port}", "//127.0.0.1/cap", "-U", "capa%x", "-c", "ls"]);
        Assert.Equal(1, code);
        Assert.Contains("NT_STATUS_CONNECTION_REFUSED", output + errors, StringComparison.Ordinal);
        Assert.Empty(ServerProcesses.WithEnvironment(samba.Mark));
    }

    [Fact]
    public async Task A_relay_with_faults_is_seen_by_another_client()
    {
        await using var samba = await SambaServer.StartAsync();
        await using var proxy = new FaultProxy(samba.Port, TimeProvider.System);
        await File.WriteAllTextAsync(Path.Combine(samba.FolderOf("cap"), "f"), "hello");
        Assert.Equal("hello", await PeerAsync(samba, "capa", "get f -", proxy.Port));
        proxy.Answers = Faults.SplitEveryByte;
        Assert.Equal("hello", await PeerAsync(samba, "capa", "get f -", proxy.Port));
        proxy.Answers = Faults.Forge(SessionSetup, 2, 0xC00000D0);
        Assert.Contains("NT_STATUS_REQUEST_NOT_ACCEPTED", await RefusedAsync(proxy.Port), StringComparison.Ordinal);
        proxy.Answers = Faults.At(Negotiate, 1, LinkFate.Resets);
        Assert.Contains("NT_STATUS_CONNECTION_RESET", await RefusedAsync(proxy.Port), StringComparison.Ordinal);
        proxy.Answers = Faults.After(100, LinkFate.Closes);
        Assert.Contains("NT_STATUS_CONNECTION_DISCONNECTED", await RefusedAsync(proxy.Port), StringComparison.Ordinal);
        Assert.Equal(5, proxy.Connections);
    }

    [Fact]
    public async Task A_capture_shows_the_commands_of_another_client_and_none_is_malformed()
    {
        await using var samba = await SambaServer.StartAsync();
        await using var capture = await FrameCapture.StartAsync(samba.Port);
        await PeerAsync(samba, "capa", "ls");
        var requests = (await capture.FramesAsync("smb2.flags.response == 0", "smb2.cmd")).Select(line => line.Split('\t')[0]).ToArray();
        Assert.Equal(["0", "1", "1", "3"], requests[..4]);
        Assert.Empty(await capture.MalformedRequestsAsync());
    }

    private const ushort Negotiate = 0;
    private const ushort SessionSetup = 1;

    private static async Task<string> RefusedAsync(int port)
    {
        var (code, output, errors) = await Tools.TryAsync("smbclient", ["-E", "-p", $"{port}", "//127.0.0.1/cap", "-U", $"capa%{SambaServer.PasswordOf("capa")}", "-c", "ls"]);
        Assert.Equal(1, code);
        return output + errors;
    }

    private static Task<string> PeerAsync(SambaServer samba, string account, string command, int? port = null) =>
        Tools.RunAsync("smbclient", ["-d", "0", "-E", "-p", $"{port ?? samba.Port}", "//127.0.0.1/cap", "-U", $"{account}%{SambaServer.PasswordOf(account)}", "-c", command]);

    private static Task<string> RpcAsync(SambaServer samba, string account, string command) =>
        Tools.RunAsync("rpcclient", ["-p", $"{samba.Port}", "-U", $"{account}%{SambaServer.PasswordOf(account)}", "127.0.0.1", "-c", command]);
}
