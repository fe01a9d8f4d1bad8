using Capstan.Client;

namespace Capstan.Cli.Up;

/// <summary>Where <c>up</c> keeps things below its directory.</summary>
internal sealed record UpPaths(string Root)
{
    public string Site => Path.Combine(Root, "site");
    public string Cap => Path.Combine(Root, "cap");
    public string Client => Path.Combine(Root, "client");
    public string Log => Path.Combine(Root, "up.log");

    public ClientOptions ClientOptions(CliHost host) => new()
    {
        Directory = Client,
        Machine = host.Machine,
        // A person is watching: what the site publishes is looked at soon, and said soon what came of it. The folder is on this machine.
        LongestPoll = TimeSpan.FromSeconds(10),
        HardwareFile = host.Environment("CAPSTAN_HARDWARE_FILE") is { Length: > 0 } file ? host.FullPath(file) : null,
    };
}
