using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;

namespace Capstan.Testing.Servers;

/// <summary>Signals of Linux on the processors that .NET runs on.</summary>
internal enum Signal
{
    Interrupt = 2,
    Kill = 9,
    Continue = 18,
    Stop = 19,
}

/// <summary>A server with everything that it starts, daemons included: they are known by a mark in their environment, which no other process has.</summary>
internal sealed class ServerProcesses : IAsyncDisposable
{
    private const string MarkName = "CAPSTAN_TEST_SERVER";
    private readonly string _mark = Guid.NewGuid().ToString("N");
    private readonly StringBuilder _output = new();
    private readonly Process _process;
    private TaskCompletionSource _printed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private ServerProcesses(string[] command, IEnumerable<KeyValuePair<string, string>> environment)
    {
        _process = new Process { StartInfo = Tools.StartInfo(command[0], command[1..], [.. environment, new(MarkName, _mark)]) };
        _process.OutputDataReceived += (_, line) => Append(line.Data);
        _process.ErrorDataReceived += (_, line) => Append(line.Data);
    }

    public int Id => _process.Id;

    /// <summary>What it printed so far.</summary>
    public string Output { get { lock (_output) return _output.ToString(); } }

    /// <summary>Completes when the first process has ended.</summary>
    public Task Ended { get; private set; } = Task.CompletedTask;

    /// <summary>Starts the server. Its standard input stays open as long as this process lives: it may end when that ends.</summary>
    public static ServerProcesses Start(string[] command, IEnumerable<KeyValuePair<string, string>> environment)
    {
        var server = new ServerProcesses(command, environment);
        server._process.Start();
        server._process.BeginOutputReadLine();
        server._process.BeginErrorReadLine();
        server.Ended = server._process.WaitForExitAsync(CancellationToken.None);
        return server;
    }

    /// <summary>Waits until it has printed a text.</summary>
    /// <exception cref="InvalidOperationException">With everything that it printed instead.</exception>
    public async Task PrintedAsync(string text, CancellationToken cancellationToken)
    {
        while (true)
        {
            Task next;
            lock (_output)
            {
                if (_output.ToString().Contains(text, StringComparison.Ordinal))
                    return;
                next = _printed.Task;
            }
            if (await Task.WhenAny(next, Ended, Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancellationToken)) != next)
                throw new InvalidOperationException($"{_process.StartInfo.FileName} did not print '{text}' but:\n{Output}");
        }
    }

    public void Signal(Signal signal)
    {
        foreach (var pid in WithEnvironment(Mark))
            _ = Kill(pid, (int)signal); // it may have ended meanwhile
    }

    /// <summary>To one process; no effect when it has ended meanwhile.</summary>
    public static void Send(int pid, Signal signal) => _ = Kill(pid, (int)signal);

    /// <summary>SIGKILL until none is left: a process may start another between being found and being killed.</summary>
    public async Task KillAsync()
    {
        for (var living = WithEnvironment(Mark); living.Count > 0; living = WithEnvironment(Mark))
        {
            Signal(Servers.Signal.Kill);
            await Task.Yield();
        }
        await Ended;
    }

    public async ValueTask DisposeAsync()
    {
        await KillAsync();
        _process.Dispose();
    }

    /// <summary>The variable of the environment that marks this server's processes.</summary>
    public string Mark => $"{MarkName}={_mark}";

    /// <summary>The processes that carry a mark.</summary>
    public static IReadOnlyList<int> WithEnvironment(string variable)
    {
        var mark = Encoding.ASCII.GetBytes(variable);
        var pids = new List<int>();
        foreach (var folder in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(folder), out var pid) && EnvironmentOf(pid).AsSpan().IndexOf(mark) >= 0)
                pids.Add(pid);
        }
        return pids;
    }

    /// <summary>Empty for a process that has ended or is not ours to see.</summary>
    private static byte[] EnvironmentOf(int pid)
    {
        try
        {
            return File.ReadAllBytes($"/proc/{pid}/environ");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    private void Append(string? line)
    {
        if (line is null)
            return;
        lock (_output)
        {
            _output.AppendLine(line);
            _printed.SetResult();
            _printed = new(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }

    [DllImport("libc", EntryPoint = "kill", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Kill(int pid, int signal);
}
