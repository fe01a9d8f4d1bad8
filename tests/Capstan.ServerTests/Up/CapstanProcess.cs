using System.Diagnostics;
using System.Text;
using Capstan.Testing;

namespace Capstan.ServerTests.Up;

/// <summary>One run of an executable as its users start it: a child process whose output is kept, which is killed when the test ends.</summary>
internal sealed class CapstanProcess : IAsyncDisposable
{
    private readonly Process _process;
    private readonly StringBuilder _output = new();
    private readonly StringBuilder _errors = new();

    private CapstanProcess(Process process) => _process = process;

    public int Id => _process.Id;

    public string Output { get { lock (_output) return _output.ToString(); } }

    public string Errors { get { lock (_errors) return _errors.ToString(); } }

    /// <summary>Starts <c>capstan</c> in <paramref name="directory"/>.</summary>
    public static CapstanProcess Start(string directory, params string[] arguments) => Start(Executables.Capstan, directory, arguments);

    /// <summary>Starts <c>capstan-client</c> in <paramref name="directory"/>.</summary>
    public static CapstanProcess StartAgent(string directory, params string[] arguments) => Start(Executables.Agent, directory, arguments);

    /// <summary>The same behind words of another program, which changes what the agent finds around it and then becomes it.</summary>
    public static CapstanProcess StartAgent(string directory, IReadOnlyList<string> enter, IReadOnlyDictionary<string, string> environment, params string[] arguments) =>
        Start(Executables.Agent, directory, arguments, environment, enter);

    /// <summary>Starts <c>capstan-fleet</c> in <paramref name="directory"/>.</summary>
    public static CapstanProcess StartFleet(string directory, params string[] arguments) => Start(Executables.Fleet, directory, arguments);

    /// <summary>SIGINT, as Ctrl-C sends it.</summary>
    public void Interrupt() => ServerProcesses.Send(_process.Id, Signal.Interrupt);

    /// <summary>Waits until its error stream holds a text.</summary>
    /// <exception cref="TimeoutException">With everything that the process printed instead.</exception>
    public async Task SaysAsync(string text, TimeSpan limit)
    {
        using var deadline = new CancellationTokenSource(limit);
        while (!Errors.Contains(text, StringComparison.Ordinal))
        {
            if (_process.HasExited || deadline.IsCancellationRequested)
                throw new TimeoutException($"it did not say '{text}'.\n--- output\n{Output}\n--- errors\n{Errors}");
            await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System);
        }
    }

    /// <summary>Runs <c>capstan</c> to its end, at most two minutes.</summary>
    public static async Task<(int ExitCode, string Output, string Errors)> RunAsync(string directory, params string[] arguments)
    {
        await using var process = Start(directory, arguments);
        var code = await process.WaitAsync(Patience.Limit);
        return (code, process.Output, process.Errors);
    }

    /// <summary>As above, with variables of its environment.</summary>
    public static async Task<(int ExitCode, string Output, string Errors)> RunAsync(string directory, IReadOnlyDictionary<string, string> environment, params string[] arguments)
    {
        await using var process = Start(Executables.Capstan, directory, arguments, environment);
        var code = await process.WaitAsync(Patience.Limit);
        return (code, process.Output, process.Errors);
    }

    private static CapstanProcess Start(string program, string directory, string[] arguments, IReadOnlyDictionary<string, string>? environment = null, IReadOnlyList<string>? enter = null)
    {
        IReadOnlyList<string> words = [.. enter ?? [], program, .. arguments];
        var start = new ProcessStartInfo(words[0], words.Skip(1)) { WorkingDirectory = directory, UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["NO_COLOR"] = "1";
        // Most of these processes live for a second or two.
        start.Environment["DOTNET_TieredPGO"] = "0";
        foreach (var (name, value) in environment ?? new Dictionary<string, string>(StringComparer.Ordinal))
            start.Environment[name] = value;
        var process = new CapstanProcess(new Process { StartInfo = start });
        process._process.OutputDataReceived += (_, line) => Append(process._output, line.Data);
        process._process.ErrorDataReceived += (_, line) => Append(process._errors, line.Data);
        process._process.Start();
        process._process.BeginOutputReadLine();
        process._process.BeginErrorReadLine();
        return process;
    }

    /// <summary>The exit code.</summary>
    /// <exception cref="TimeoutException">With everything that the process printed.</exception>
    public async Task<int> WaitAsync(TimeSpan limit)
    {
        using var deadline = new CancellationTokenSource(limit);
        try
        {
            await _process.WaitForExitAsync(deadline.Token);
            return _process.ExitCode;
        }
        catch (OperationCanceledException exception) when (deadline.IsCancellationRequested)
        {
            throw new TimeoutException($"{_process.StartInfo.FileName} {string.Join(' ', _process.StartInfo.ArgumentList)} did not end within {limit}.\n--- output\n{Output}\n--- errors\n{Errors}", exception);
        }
    }

    /// <summary>SIGKILL, as a power cut would end it, and waits until it is gone.</summary>
    public async Task KillAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync(CancellationToken.None);
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
            await KillAsync();
        _process.Dispose();
    }

    private static void Append(StringBuilder text, string? line)
    {
        if (line is null)
            return;
        lock (text)
            text.AppendLine(line);
    }
}
