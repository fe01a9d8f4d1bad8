using System.CommandLine;
using Capstan.Cli.Output;
using Capstan.Cli.Sites;
using Capstan.Site.Api;
using Capstan.Site.Console;

namespace Capstan.Cli.Verbs;

/// <summary><c>capstan client list|show|health|diagnose|package|approve|resync|rekey|retire</c>. The agent's own verbs (install, run, …) are those of <c>capstan-client</c>.</summary>
internal static class ClientVerbs
{
    private const int PageSize = 1000, MaxTold = 2_000;
    private static readonly string[] States = ["pending", "approved", "retired"];

    public static Command Create(CliHost host) => new Verb("client", "The machines of the site", "capstan client list", "capstan client show k3fq-7zbm", "capstan client approve k3fq-7zbm")
        .With(List(host), Show(host), ClientHealthVerbs.Health(host), ClientPackageVerb.Create(host), ClientBuildVerbs.Create(host),
            Change(host, "approve", "Make a machine that asked for it a client", "Approved", (api, id, cancellationToken) => api.ApproveAsync(id, cancellationToken)),
            Change(host, "resync", "Ask a client for everything in full; it follows at its next poll", "Asked", (api, id, cancellationToken) => api.ResyncAsync(id, cancellationToken)),
            Change(host, "rekey", "Ask a client for a new sealing key; its identity, the signing key, stays", "Asked", (api, id, cancellationToken) => api.RekeyAsync(id, cancellationToken)),
            ClientDiagnoseVerb.Create(host),
            Change(host, "retire", "End a client: it gets no more orders, its history stays", "Retired", (api, id, cancellationToken) => api.RetireAsync(id, cancellationToken), told: "client_retired"));

    private static Listing<ClientSummary> Rows(CliHost host) => new(
        [
            new("HOST", client => VisibleText.Of(client.HostName, 40)),
            new("ID", client => client.Fingerprint, NoWrap: true),
            new("STATE", Display.State, NoWrap: true),
            new("SYSTEM", client => VisibleText.Of(client.OperatingSystem, 40)),
            new("MEMORY", client => Display.Bytes(client.MemoryBytes), IsNumber: true, NoWrap: true),
            new("PACKAGES", client => Display.Count(client.PackageCount), IsNumber: true, NoWrap: true),
            new("SEEN", client => Display.Relative(client.LastSeen, host.Time.GetUtcNow()), NoWrap: true),
        ],
        [.. ConsoleEndpoints.ClientColumns.Select(column => new CsvColumn<ClientSummary>(column.Name, column.Value))],
        ApiJson.Default, $"No client. Make a token ({host.Command} token create), then on a machine: capstan-client install --token-file FILE");

    private static Verb List(CliHost host)
    {
        var site = new SiteLocation();
        var output = Arguments.Output();
        var state = new Option<string?>("--state") { Description = "Only clients in this state", HelpName = "pending|approved|retired" };
        state.AcceptOnlyFromAmong(States);
        var filter = new Option<string?>("--filter") { Description = "Only clients whose host name, id, system or model contains this", HelpName = "TEXT" };
        var sort = new Option<string?>("--sort") { Description = "host, id, seen, state, os, model, memory or packages; a leading - turns it round", HelpName = "COLUMN" };
        return new Verb("list", "Every machine of the site", "capstan client list", "capstan client list --state pending", "capstan client list --sort=-seen -o csv")
            .With(state, filter, sort, output).With([.. site.Options])
            .Does(host, (parse, cancellationToken) => site.UseAsync(parse, host, async api =>
            {
                var clients = await host.WithProgressAsync("reading clients", () => Pages.AllAsync(
                    cursor => api.ClientsAsync(parse.GetValue(state), parse.GetValue(filter), parse.GetValue(sort), cursor, PageSize, cancellationToken), int.MaxValue));
                await Rows(host).WriteAsync(host, parse.GetValue(output), clients);
                return ExitCode.Done;
            }));
    }

    private static Verb Show(CliHost host)
    {
        var site = new SiteLocation();
        var output = Arguments.Output();
        var id = Id();
        return new Verb("show", "One machine: hardware and software", "capstan client show LAB-07", "capstan client show k3fq-7zbm -o json")
            .With(id, output).With([.. site.Options])
            .Does(host, (parse, cancellationToken) => site.UseAsync(parse, host, async api =>
            {
                var detail = await api.ClientAsync(parse.GetRequiredValue(id), cancellationToken);
                switch (parse.GetValue(output))
                {
                    case OutputFormat.Table:
                        await ClientView.WriteAsync(host, detail);
                        break;
                    case var format:
                        await Rows(host).WriteAsync(host, format, [detail.Summary], detail);
                        break;
                }
                return ExitCode.Done;
            }));
    }

    private static Verb Change(CliHost host, string name, string description, string done, Func<ApiClient, string, CancellationToken, Task<ClientSummary>> change, string? told = null)
    {
        var site = new SiteLocation();
        var output = Arguments.Output();
        var id = Id(byName: name != "approve");
        return new Verb(name, description, $"capstan client {name} k3fq-7zbm")
            .With(id, output).With([.. site.Options])
            .Does(host, (parse, cancellationToken) => site.UseAsync(parse, host, async api =>
            {
                var client = await change(api, parse.GetRequiredValue(id), cancellationToken);
                if (parse.GetValue(output) is var format && format != OutputFormat.Table)
                    await Rows(host).WriteAsync(host, format, [client], client);
                else
                {
                    await host.Out.WriteLineAsync($"{done} {VisibleText.Of(client.HostName, 80)} ({client.Fingerprint}).");
                    if (told is not null && await SaidAsync(api, client, told, cancellationToken) is { } text && text.Contains(". ", StringComparison.Ordinal))
                        await host.Out.WriteLineAsync(VisibleText.Of(text, MaxTold));
                }
                return ExitCode.Done;
            }));
    }

    /// <summary>What the site has noted about the change: beyond its first sentence it names what is left to do.</summary>
    private static async Task<string?> SaidAsync(ApiClient api, ClientSummary client, string code, CancellationToken cancellationToken) =>
        (await api.StatusAsync(client.DeviceId, null, null, 10, cancellationToken)).Items.FirstOrDefault(row => row.Code == code)?.Text;

    /// <param name="byName">Whoever asks to become a client may call itself as it likes: that one is meant by its key alone.</param>
    public static Argument<string> Id(bool byName = true) => byName
        ? new("CLIENT") { Description = "Host name, id or fingerprint, or the beginning of an id that only one client has" }
        : new("ID") { Description = "Device id, or a fingerprint or beginning of one that only one client has" };
}
