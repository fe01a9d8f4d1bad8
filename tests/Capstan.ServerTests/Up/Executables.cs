namespace Capstan.ServerTests.Up;

/// <summary>The executables that tests start.</summary>
/// <remarks>Where CAPSTAN_PUBLISHED names a directory (<c>./test</c> does), these are the ones published there, as users get them: trimmed and compiled ahead. Otherwise those that were built beside the tests.</remarks>
internal static class Executables
{
    public static string Capstan { get; } = Published("capstan", "capstan") ?? Built("Capstan.Cli", "capstan");

    public static string Agent { get; } = Published("agent", "capstan-client") ?? Built("Capstan.Agent", "capstan-client");

    /// <summary>Never published: a tool of this repository.</summary>
    public static string Fleet { get; } = Built("Capstan.Fleet", "capstan-fleet");

    private static string? Published(string folder, string program)
    {
        if (Environment.GetEnvironmentVariable("CAPSTAN_PUBLISHED") is not { Length: > 0 } published)
            return null;
        var path = Path.GetFullPath(Path.Combine(published, folder, program));
        return File.Exists(path) ? path : throw new FileNotFoundException("CAPSTAN_PUBLISHED names a directory without this program.", path);
    }

    /// <summary>artifacts/bin/PROJECT/CONFIGURATION: the tests run beside what they test.</summary>
    private static string Built(string project, string program) =>
        Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "..", "..", project, Path.GetFileName(Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory)), program));
}
