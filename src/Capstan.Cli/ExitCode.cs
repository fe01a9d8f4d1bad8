namespace Capstan.Cli;

/// <summary>The exit codes of the contract; never renumbered.</summary>
internal static class ExitCode
{
    public const int Done = 0;
    public const int Failed = 1;
    public const int Usage = 2;

    /// <summary>Refused for capacity: try later.</summary>
    public const int Full = 3;
    public const int NotFound = 4;
    public const int AccessDenied = 5;
}

/// <summary>Ends a verb: one line for a person, and the exit code.</summary>
internal sealed class CliException(string message, int exitCode = ExitCode.Failed, Exception? inner = null) : Exception(message, inner)
{
    public int ExitCode { get; } = exitCode;
}
