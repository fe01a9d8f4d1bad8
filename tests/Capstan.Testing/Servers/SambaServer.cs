using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Xunit;

namespace Capstan.Testing.Servers;

/// <summary>A real smbd on a free port of loopback, with its own directories and accounts, which is gone with everything it started when it is disposed.</summary>
/// <remarks>
/// Samba wants a Unix user behind every account. None is made on this machine: libnss_wrapper shows the server (and nobody else) a passwd file of its own.
/// Should the test run itself be killed, smbd sees the end of its standard input and exits; its RPC helpers follow when they have been idle for a minute.
/// </remarks>
internal sealed class SambaServer : IAsyncDisposable
{
    private const int FirstUid = 20001;
    private const string Wrapper = "libnss_wrapper.so";

    private readonly TemporaryDirectory _directory = new();
    private readonly SambaSetup _setup;
    private ServerProcesses? _processes;

    private SambaServer(SambaSetup setup) => _setup = setup;

    /// <summary>The port on 127.0.0.1 where it listens.</summary>
    public int Port { get; private set; }

    /// <summary>The folder of a share as this machine's file system shows it; with <see cref="SambaSetup.DiskBytes"/> through the server's own view.</summary>
    public string FolderOf(string share) => $"{(_setup.DiskBytes is null ? "" : $"/proc/{_processes!.Id}/root")}{_directory.Path}/shares/{share}";

    public static string PasswordOf(string account) => $"Pw-{account}-1";

    /// <summary>Everything that the server logged so far.</summary>
    public string Log => File.Exists(LogFile) ? File.ReadAllText(LogFile) : "";

    /// <summary>What marks its processes (<see cref="ServerProcesses.WithEnvironment"/>).</summary>
    public string Mark => _processes!.Mark;

    private string LogFile => _directory.Combine("smbd.log");

    private string Configuration => _directory.Combine("smb.conf");

    /// <summary>Starts one and waits until it answers. Skips the test where Samba is missing; with CI=true fails it.</summary>
    public static async Task<SambaServer> StartAsync(SambaSetup? setup = null)
    {
        Tools.Require("smbd", "smbpasswd", "smbstatus", "net", "unshare");
        Tools.RequireRoot("smbd changes to the user of each session");
        Tools.RequireLibrary(Wrapper);
        var server = new SambaServer(setup ?? new SambaSetup());
        try
        {
            await server.StartAsync();
            return server;
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    private async Task StartAsync()
    {
        foreach (var folder in (string[])["private", "lock", "state", "cache", "run/ncalrpc", "shares"])
            Directory.CreateDirectory(_directory.Combine(folder));
        var folders = _setup.Effective.Select(share => Directory.CreateDirectory(_directory.Combine($"shares/{share.Name}")).FullName);
        await Tools.RunAsync("chmod", ["777", _directory.Path, .. folders]);
        await File.WriteAllTextAsync(_directory.Combine("passwd"), Users());
        await File.WriteAllTextAsync(_directory.Combine("group"), $"root:x:0:\nnogroup:x:65534:\ncap:x:{FirstUid}:\nadministrators:x:{FirstUid - 1}:{string.Join(',', _setup.Administrators)}\n");
        Port = FreePort();
        await File.WriteAllTextAsync(Configuration, _setup.ToText(_directory.Path, Port));
        foreach (var account in _setup.Accounts)
            await ToolAsync("smbpasswd", $"{PasswordOf(account)}\n{PasswordOf(account)}\n", "-c", Configuration, "-a", "-s", account);
        if (_setup.Administrators.Count > 0)
            await ToolAsync("net", "", "-s", Configuration, "groupmap", "add", "sid=S-1-5-32-544", "unixgroup=administrators", "type=builtin");
        _processes = ServerProcesses.Start(Command(), Wrapped());
        await ListeningAsync();
    }

    /// <summary>Waits for the listener without spending a connection on the question: some tests limit those.</summary>
    private async Task ListeningAsync()
    {
        using var deadline = new CancellationTokenSource(Patience.Limit);
        var listener = $"0100007F:{Port:X4} 00000000:0000 0A";
        while (!(await File.ReadAllTextAsync("/proc/net/tcp")).Contains(listener, StringComparison.Ordinal))
        {
            if (_processes!.Ended.IsCompleted || deadline.IsCancellationRequested)
                throw new InvalidOperationException($"smbd does not listen on port {Port} of 127.0.0.1.\n{_processes.Output}\n{Log}");
            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System);
        }
    }

    private string Users()
    {
        var lines = _setup.Accounts.Select((account, i) => $"{account}:x:{FirstUid + i}:{FirstUid}:{account}:/:/bin/false");
        return string.Join('\n', ["root:x:0:0:root:/:/bin/false", "nobody:x:65534:65534:nobody:/:/bin/false", .. lines, ""]);
    }

    private string[] Command()
    {
        string[] smbd = ["smbd", "--foreground", "--no-process-group", "-s", Configuration];
        if (_setup.DiskBytes is not { } size)
            return smbd;
        // In a mount namespace of its own, so that the file system ends with the last process that sees it.
        var shares = _directory.Combine("shares");
        var folders = string.Join(' ', _setup.Effective.Select(share => $"{shares}/{share.Name}"));
        return ["unshare", "--mount", "--propagation", "private", "sh", "-c",
            $"mount -t tmpfs -o size={size},mode=777 capstan-test {shares} && mkdir -m 777 {folders} && exec \"$@\"", "sh", .. smbd];
    }

    private KeyValuePair<string, string>[] Wrapped() =>
    [
        new("LD_PRELOAD", Wrapper),
        new("NSS_WRAPPER_PASSWD", _directory.Combine("passwd")),
        new("NSS_WRAPPER_GROUP", _directory.Combine("group")),
    ];

    internal static int FreePort()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }

    private Task<string> ToolAsync(string program, string input, params string[] arguments) => Tools.RunAsync(program, arguments, input, Wrapped());

    /// <summary>What the server holds now: the oracle for leaks.</summary>
    public async Task<SambaStatus> StatusAsync() => SambaStatus.Parse(await ToolAsync("smbstatus", "", "-s", Configuration, "--json"));

    /// <summary>Waits until the status is as <paramref name="expected"/>: the end of a connection reaches smbd by way of the kernel.</summary>
    /// <exception cref="TimeoutException">With what it showed last.</exception>
    public async Task<SambaStatus> StatusAsync(Func<SambaStatus, bool> expected)
    {
        using var deadline = new CancellationTokenSource(Patience.Limit);
        while (true)
        {
            var status = await StatusAsync();
            if (expected(status))
                return status;
            if (deadline.IsCancellationRequested)
                throw new TimeoutException($"The server still holds after {Patience.Limit}: {status.Text}");
        }
    }

    /// <summary>Waits until no process of the server serves a client any more.</summary>
    public async Task ClientsGoneAsync()
    {
        using var deadline = new CancellationTokenSource(Patience.Limit);
        // Its own are the parent, the notifier and the janitor.
        while (ServerProcesses.WithEnvironment(Mark).Count > 3)
            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System, deadline.Token);
    }

    public Task SetPasswordAsync(string account, string password) =>
        ToolAsync("smbpasswd", $"{password}\n{password}\n", "-c", Configuration, "-s", account);

    /// <summary>Logons that the server refused.</summary>
    public IReadOnlyList<SambaLogon> FailedLogons() => [.. Logons().Where(logon => logon.Status != "NT_STATUS_OK")];

    /// <summary>Every logon that the server judged, in its order.</summary>
    public IReadOnlyList<SambaLogon> Logons() =>
    [
        .. Log.Split('\n').Where(line => line.Contains("\"type\": \"Authentication\"", StringComparison.Ordinal)).Select(line =>
        {
            using var document = JsonDocument.Parse(line);
            var logon = document.RootElement.GetProperty("Authentication");
            return new SambaLogon(logon.GetProperty("clientAccount").GetString()!, logon.GetProperty("status").GetString()!, logon.GetProperty("passwordType").GetString()!);
        }),
    ];

    /// <summary>SIGSTOP for every process of the server: the kernel still accepts and acknowledges, nobody answers.</summary>
    public void Freeze() => _processes!.Signal(Signal.Stop);

    /// <summary>SIGCONT.</summary>
    public void Thaw() => _processes!.Signal(Signal.Continue);

    /// <summary>SIGKILL for every process of the server, as a crash would end it. The port refuses afterwards.</summary>
    public Task KillAsync() => _processes!.KillAsync();

    /// <summary>Starts one that was killed again, on the same port, with the same folders and accounts.</summary>
    public async Task RestartAsync()
    {
        await _processes!.DisposeAsync();
        _processes = ServerProcesses.Start(Command(), Wrapped());
        await ListeningAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (_processes is not null)
        {
            await _processes.DisposeAsync();
            TestContext.Current.TestOutputHelper?.WriteLine($"--- smbd on port {Port}\n{_processes.Output}{Log}");
        }
        _directory.Dispose();
    }
}

/// <summary>One logon as the server judged it.</summary>
/// <param name="Status">As Samba writes it: <c>NT_STATUS_WRONG_PASSWORD</c>.</param>
/// <param name="Method"><c>NTLMv2</c> and so on.</param>
internal sealed record SambaLogon(string Account, string Status, string Method);
