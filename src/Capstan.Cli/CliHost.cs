using System.Security.Cryptography;
using Capstan.Nal.Arbiter.Machine;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers;
using Capstan.Nal.Providers.Mswnet;
using Spectre.Console;

namespace Capstan.Cli;

/// <summary>What a verb may touch of its process: streams, clock, chance, environment. Tests give their own.</summary>
internal sealed class CliHost
{
    /// <summary>Results: what a script reads.</summary>
    public required TextWriter Out { get; init; }

    /// <summary>Progress and errors: what a person reads.</summary>
    public required TextWriter Error { get; init; }

    /// <summary>Results that are bytes (<c>nal cat</c>).</summary>
    public required Func<Stream> OpenOutput { get; init; }

    public required Func<Stream> OpenInput { get; init; }

    public required TimeProvider Time { get; init; }

    public required Random Random { get; init; }

    public required Func<string, string?> Environment { get; init; }

    public required string WorkingDirectory { get; init; }

    /// <summary>Columns of a table at most; a terminal's width, or nearly unlimited where no terminal is.</summary>
    public required int Width { get; init; }

    /// <summary>True when <see cref="Out"/> is a terminal that may be coloured.</summary>
    public bool UseColor { get; init; }

    /// <summary>True when <see cref="Error"/> is a terminal on which a spinner may turn.</summary>
    public bool IsInteractive { get; init; }

    /// <summary>Asks for a password without showing it; null when nobody sits at a terminal.</summary>
    public Func<string, string>? ReadPassword { get; init; }

    /// <summary>Asks a person and gives what was typed; null when nobody sits at a terminal.</summary>
    public Func<string, string?>? Ask { get; init; }

    /// <summary>Whether signals of the process end the verb in order; off in tests.</summary>
    public bool HandlesSignals { get; init; }

    /// <summary>The kinds of storage that <c>nal</c> verbs speak.</summary>
    public Func<TimeProvider, IReadOnlyList<IStorageProvider>> Storage { get; init; } = StorageProviders.All;

    /// <summary>How a server of shares is asked for what it says before a logon.</summary>
    public Func<NalPath, TimeProvider, CancellationToken, Task<ServerGreeting>> Greet { get; init; } = ServerGreeting.AskAsync;

    /// <summary>Parent of <c>capstan</c> and <c>capstan-client</c> where a service keeps its data; <c>/var/lib</c>.</summary>
    public string ServiceData { get; init; } = "/var/lib";

    /// <summary>Where connections are counted; null where the system has no such place, and in tests that use none. Set by <c>--nal-dir</c>.</summary>
    public NalMachine? Machine { get; set; }

    /// <summary>How a person calls this program from here, for next steps that can be pasted.</summary>
    public string Command => File.Exists(Path.Combine(WorkingDirectory, "capstan")) ? "./capstan" : "capstan";

    public static CliHost ForProcess()
    {
        // NO_COLOR: any value that is not empty turns colour off (no-color.org).
        var mayColor = string.IsNullOrEmpty(System.Environment.GetEnvironmentVariable("NO_COLOR"));
        return new CliHost
        {
            Out = Console.Out,
            Error = Console.Error,
            OpenOutput = Console.OpenStandardOutput,
            OpenInput = Console.OpenStandardInput,
            Time = TimeProvider.System,
            Random = new Random(RandomNumberGenerator.GetInt32(int.MaxValue)),
            Environment = System.Environment.GetEnvironmentVariable,
            WorkingDirectory = Directory.GetCurrentDirectory(),
            Width = Console.IsOutputRedirected ? 10_000 : Math.Max(40, AnsiConsole.Profile.Width),
            UseColor = mayColor && !Console.IsOutputRedirected,
            IsInteractive = mayColor && !Console.IsErrorRedirected,
            HandlesSignals = true,
            Machine = NalMachine.Of(directory: null),
            ReadPassword = Console.IsInputRedirected || Console.IsErrorRedirected ? null : Prompt,
            Ask = Console.IsInputRedirected || Console.IsErrorRedirected ? null : Question,
        };
    }

    private static string? Question(string question)
    {
        Console.Error.Write(question);
        return Console.In.ReadLine();
    }

    private static string Prompt(string question)
    {
        Console.Error.Write(question);
        var typed = new System.Text.StringBuilder();
        while (Console.ReadKey(intercept: true) is { Key: not ConsoleKey.Enter } key)
        {
            if (key.Key == ConsoleKey.Backspace)
                typed.Length = Math.Max(0, typed.Length - 1);
            else if (!char.IsControl(key.KeyChar))
                typed.Append(key.KeyChar);
        }
        Console.Error.WriteLine();
        return typed.ToString();
    }

    /// <summary>Waits for work, and lets a spinner turn once a second has passed.</summary>
    public async Task<T> WithProgressAsync<T>(string what, Func<Task<T>> work)
    {
        var task = work();
        if (IsInteractive && await Task.WhenAny(task, Task.Delay(TimeSpan.FromSeconds(1), Time, CancellationToken.None)) != task)
        {
            var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Error) });
            await console.Status().StartAsync(Markup.Escape(what), _ => Task.WhenAny(task));
        }
        return await task;
    }

    /// <summary>A path as the user wrote it, from the working directory.</summary>
    public string FullPath(string path) => Path.GetFullPath(path, WorkingDirectory);
}
