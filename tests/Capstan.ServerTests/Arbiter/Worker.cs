using System.Diagnostics;
using System.Globalization;
using Capstan.Nal;
using Capstan.Nal.Arbiter;
using Capstan.Nal.Arbiter.Machine;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers;
using Capstan.Testing.Servers;
using Microsoft.Extensions.Logging.Abstractions;

namespace Capstan.ServerTests.Arbiter;

/// <summary>A process that takes a lease again and again, writes a file and gives it back: this executable, started by a test, which may kill it at any moment.</summary>
internal sealed class Worker : IAsyncDisposable
{
    public const string Verb = "worker";

    /// <summary>What it prints when it holds a lease, and when it has given it back.</summary>
    public const string Held = "held", Back = "back";

    public const int Holding = -1;

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    private readonly Process _process;
    private readonly SemaphoreSlim _printed = new(0);
    private readonly Lock _gate = new();
    private readonly Queue<string> _lines = [];
    private readonly Task<string> _errors;
    private readonly Task _reading;

    private Worker(Process process)
    {
        _process = process;
        _errors = process.StandardError.ReadToEndAsync(CancellationToken.None);
        _reading = ReadAsync();
    }

    /// <param name="rounds">0 for as many as there is time for; <see cref="Holding"/> for one that never ends.</param>
    /// <param name="machine">The directory of its slots and journal.</param>
    /// <param name="within">The command that starts it elsewhere: in another host, or with another view of the disk. Null for here.</param>
    public static Worker Start(int port, string account, string password, int rounds, string machine, string share = "cap", string server = "127.0.0.1", IReadOnlyList<string>? within = null, string scheme = "smb")
    {
        string[] command = [.. within ?? [], Environment.ProcessPath!];
        var start = new ProcessStartInfo(within is null ? command[0] : Tools.Find(command[0])!) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true };
        foreach (var argument in (string[])[.. command[1..], Verb, $"{scheme}://{server}:{port}/{share}/", account, rounds.ToString(CultureInfo.InvariantCulture)])
            start.ArgumentList.Add(argument);
        start.Environment[NalMachine.DirectoryVariable] = machine;
        start.Environment["CAPSTAN_TEST_PASSWORD"] = password;
        return new Worker(Process.Start(start)!);
    }

    /// <summary>Waits until it says so once more.</summary>
    public async Task SaidAsync(string word)
    {
        while (true)
        {
            if (!await _printed.WaitAsync(Patience))
                throw new TimeoutException($"the worker did not say {word}");
            string line;
            lock (_gate)
                line = _lines.Dequeue();
            if (line == word)
                return;
            if (line.Length == 0)
                throw new InvalidOperationException($"the worker ended: {await _errors}");
        }
    }

    /// <summary>As SIGKILL does.</summary>
    public async Task KillAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync(CancellationToken.None);
    }

    /// <summary>Waits for its end.</summary>
    /// <returns>What it printed as errors; empty when all went well.</returns>
    public async Task<string> EndAsync()
    {
        using var late = new CancellationTokenSource(Patience);
        try
        {
            await _process.WaitForExitAsync(late.Token);
        }
        catch (OperationCanceledException exception) when (late.IsCancellationRequested)
        {
            throw new TimeoutException($"the worker did not end within {Patience}", exception);
        }
        var errors = await _errors;
        return _process.ExitCode == 0 ? errors : $"exit code {_process.ExitCode}: {errors}";
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
            await KillAsync();
        await _reading;
        _process.Dispose();
        _printed.Dispose();
    }

    private async Task ReadAsync()
    {
        while (await _process.StandardOutput.ReadLineAsync(CancellationToken.None) is { } line)
            Say(line);
        Say("");
    }

    private void Say(string line)
    {
        lock (_gate)
            _lines.Enqueue(line);
        _printed.Release();
    }

    /// <summary>The process itself: <c>PATH ACCOUNT ROUNDS</c>.</summary>
    public static async Task<int> RunAsync(string[] arguments)
    {
        var path = NalPath.Parse(arguments[0]);
        var account = new ConnectionAccount(arguments[1], new Secret(Environment.GetEnvironmentVariable("CAPSTAN_TEST_PASSWORD")!));
        var rounds = int.Parse(arguments[2], CultureInfo.InvariantCulture);
        // It must not outlive a test run that was killed: its input ends with that.
        _ = Task.Run(() =>
        {
            while (System.Console.In.Read() >= 0) { }
            Process.GetCurrentProcess().Kill();
        });
        var file = StorePath.Parse($"worker-{Environment.ProcessId}");
        await using var arbiter = new ConnectionArbiter(StorageProviders.All(TimeProvider.System), new ArbiterOptions { Machine = NalMachine.Of(directory: null) }, TimeProvider.System,
            new Random(Environment.ProcessId), NullLoggerFactory.Instance);
        arbiter.SetAccounts(path.Server!, [account]);
        for (var round = 1; rounds <= 0 || round <= rounds; round++)
        {
            var result = await arbiter.AcquireAsync(path, new LeasePurpose("worker", Wait: TimeSpan.FromMinutes(2)), CancellationToken.None);
            if (!result.TryGetLease(out var lease, out var refusal))
            {
                await System.Console.Error.WriteLineAsync(refusal.Reason);
                return 1;
            }
            await using (lease)
            {
                await System.Console.Out.WriteLineAsync(Held);
                await lease.Store.ReplaceAsync(file, new byte[100], CancellationToken.None);
                if (rounds == Holding)
                    await new TaskCompletionSource().Task;
            }
            await System.Console.Out.WriteLineAsync(Back);
        }
        return 0;
    }
}
