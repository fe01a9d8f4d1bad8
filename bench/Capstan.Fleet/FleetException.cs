using Capstan.Nal;

namespace Capstan.Fleet;

/// <summary>Why the fleet does not run, in one line with the next step.</summary>
internal sealed class FleetException(string message, int exitCode, Exception? inner = null) : Exception(message, inner)
{
    public int ExitCode { get; } = exitCode;
}

/// <summary>The exit codes of docs/cli.md.</summary>
internal static class ExitCode
{
    public const int Done = 0, Failed = 1, Usage = 2, Full = 3, NotFound = 4, AccessDenied = 5;

    /// <summary>Of what a storage answered; null for none.</summary>
    public static int Of(NalError? error) => error switch
    {
        NalError.NotFound => NotFound,
        NalError.AccessDenied or NalError.Authenticate => AccessDenied,
        NalError.ServerFull or NalError.WaitForSlot => Full,
        _ => Failed,
    };
}
