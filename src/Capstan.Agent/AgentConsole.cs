namespace Capstan.Agent;

/// <summary>What the agent reads from and writes to; tests give their own.</summary>
/// <param name="Environment">The value of an environment variable; null when it is not set.</param>
internal sealed record AgentConsole(TextReader In, TextWriter Out, TextWriter Error, Func<string, string?> Environment)
{
    /// <summary>The units of this machine; null where there is no systemd.</summary>
    public ServiceUnits? Units { get; init; }

    public string WorkingDirectory { get; init; } = System.Environment.CurrentDirectory;

    public static AgentConsole OfThisProcess() =>
        new(Console.In, Console.Out, Console.Error, System.Environment.GetEnvironmentVariable) { Units = ServiceUnits.OfThisMachine() };
}
