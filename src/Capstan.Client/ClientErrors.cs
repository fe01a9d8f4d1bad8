namespace Capstan.Client;

/// <summary>The refusals that several rooms of the client share, in one wording.</summary>
internal static class ClientErrors
{
    public static ClientException NotInstalled(string directory) =>
        new($"no client is installed in {directory}; install one with: capstan-client install --token-file F --data {directory}", "not_installed");

    public static ClientException InUse(string directory, string holder) =>
        new($"the client directory {directory} is in use by {holder}; stop it first, or choose another directory with --data", "client_in_use");

    public static ClientException AccessDenied(string path, Exception cause) =>
        new($"this user may not use {path} ({cause.Message}); run as the user that installed the client", "access_denied", cause);

    public static ClientException DiskFull(string path, Exception cause) =>
        new($"the disk that holds {path} is full; free some space: nothing was lost, the last good state is kept", "disk_full", cause);
}
