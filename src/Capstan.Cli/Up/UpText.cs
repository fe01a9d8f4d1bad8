using Capstan.Cli.Output;
using Capstan.Cli.Verbs;
using Capstan.Site.Api;
using Capstan.Site.Console;

namespace Capstan.Cli.Up;

/// <summary>What <c>up</c> says when this machine is managed: where to look, what to try, how to end it.</summary>
internal static class UpText
{
    /// <summary>What a later call must add to mean this directory; empty for the usual one.</summary>
    public static string DataOption(CliHost host, UpPaths paths) =>
        Path.GetRelativePath(host.WorkingDirectory, paths.Root) is "capstan-data" ? "" : $" --data {paths.Root}";

    public static async Task WriteAsync(CliHost host, UpPaths paths, Uri address, ClientDetail detail)
    {
        var fingerprint = detail.Summary.Fingerprint;
        var data = DataOption(host, paths);
        await host.Out.WriteLineAsync();
        await Terminal.WriteFactsAsync(host, ClientView.Facts(host, detail).Where(fact => fact.Item1 is "Host" or "Operating system" or "Model" or "Processor" or "Memory" or "Packages"));
        await host.Out.WriteLineAsync($"""

            Console: {address.GetLeftPart(UriPartial.Authority)}

            Three things to try, in another terminal:
              {host.Command} client list{data}
              {host.Command} client show {VisibleText.Of(fingerprint)} -o json{data}
              {host.Command} nal ls {paths.Cap}

            Stop:    Ctrl-C here. {host.Command} up{data} goes on where it stopped.
            Remove:  stop it, then delete {paths.Root} – nothing was put anywhere else.
            """);
    }
}
