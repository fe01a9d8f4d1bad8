using Capstan.Cli.Sites;
using Capstan.Cli.Verbs;
using Capstan.Client;
using Capstan.Nal.Paths;
using Capstan.Site;
using Capstan.Site.Api;
using Capstan.Site.Console;
using Microsoft.Extensions.Logging;

namespace Capstan.Cli.Up;

/// <summary>One run of <c>up</c>. The caller holds the directory's lock.</summary>
/// <remarks>The client gets a token and nothing else: it meets the site only on the CAP, although both run in this process.</remarks>
internal sealed class UpRun(CliHost host, UpPaths paths, int port)
{
    private const string SiteCode = "ABC";
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan Step = TimeSpan.FromMilliseconds(100);

    /// <summary>Runs until the first inventory is in (<paramref name="once"/>), or until cancelled.</summary>
    /// <returns>An exit code.</returns>
    public async Task<int> RunAsync(bool once, CancellationToken cancellationToken)
    {
        var begun = host.Time.GetTimestamp();
        using var loggers = UpLog.Create(paths.Log, host.Time);
        using var stopSite = new CancellationTokenSource();
        if (!SiteLocation.IsSite(paths.Site))
        {
            await SiteServer.InitializeAsync(paths.Site, SiteCode, host.Time, cancellationToken);
            await SayAsync($"Made the site {SiteCode} in {Shown(paths.Site)}");
        }
        await using var site = await SiteServer.OpenAsync(Options(), host.Time, loggers, cancellationToken);
        var serving = site.RunAsync(stopSite.Token);
        int result;
        try
        {
            var address = await ListeningAsync(site, serving);
            var (api, http) = ApiClient.Create(address, site.ApiToken);
            using (http)
            {
                await SayAsync($"Site {site.SiteCode} serves on {Shown(address)}");
                await AddCapAsync(api, cancellationToken);
                await InstallClientAsync(api, cancellationToken);
                result = await RunClientAsync(api, address, serving, loggers, begun, once, cancellationToken);
            }
        }
        finally
        {
            // In order: the client has ended before; the site ends what it has begun. A failure that is on its way is not replaced.
            await stopSite.CancelAsync();
            await Task.WhenAny(serving);
        }
        await SiteVerbs.StopsInOrder(serving, stopSite.Token);
        return result;
    }

    private SiteOptions Options() => new()
    {
        Directory = paths.Site,
        Listen = new Uri($"http://127.0.0.1:{port}"),
        // A person is watching: what the client uploads is looked at soon.
        DrainInterval = TimeSpan.FromMilliseconds(250),
        Machine = host.Machine,
    };

    private async Task<Uri> ListeningAsync(SiteServer site, Task serving)
    {
        try
        {
            if (await Task.WhenAny(site.Listening, serving) == serving)
                await serving;
            return await site.Listening;
        }
        catch (SiteException refusal) when (refusal.Code is "port_in_use")
        {
            throw new CliException($"port {port} is in use by another program. Take another one: {host.Command} up{UpText.DataOption(host, paths)} --port {(port == 65_535 ? 8751 : port + 1)}", ExitCode.Failed, refusal);
        }
    }

    private async Task AddCapAsync(ApiClient api, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(paths.Cap);
        var cap = NalPath.FromDirectory(paths.Cap);
        var known = await api.CapsAsync(cancellationToken);
        if (known.Any(row => NalPath.TryParse(row.Path, out var path, out _) && path.Equals(cap)))
            return;
        await api.AddCapAsync(new CapAdd(cap.ToString()), cancellationToken);
        await SayAsync($"Made a client access point, a plain folder: {Shown(paths.Cap)}");
    }

    private async Task InstallClientAsync(ApiClient api, CancellationToken cancellationToken)
    {
        if (await InstalledAsync(cancellationToken) is not null)
            return;
        var token = await api.CreateTokenAsync(new TokenRequest(Label: "up"), cancellationToken);
        await CapstanClient.InstallAsync(paths.ClientOptions(host), token.Token, cap: null, host.Time, cancellationToken);
        await SayAsync($"Installed this machine's client in {Shown(paths.Client)}");
    }

    private async Task<ClientStatus?> InstalledAsync(CancellationToken cancellationToken)
    {
        if (!Directory.Exists(paths.Client))
            return null;
        try
        {
            return await CapstanClient.ReadStatusAsync(paths.ClientOptions(host), cancellationToken);
        }
        catch (ClientException refusal) when (refusal.Code is "not_installed" or "state_older")
        {
            return null;
        }
    }

    private async Task<int> RunClientAsync(ApiClient api, Uri address, Task serving, ILoggerFactory loggers, long begun, bool once, CancellationToken cancellationToken)
    {
        using var stopClient = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        await using var client = await CapstanClient.OpenAsync(paths.ClientOptions(host), host.Time, host.Random, loggers, cancellationToken);
        var running = client.RunAsync(stopClient.Token);
        try
        {
            var loops = Task.WhenAny(serving, running);
            var detail = await host.WithProgressAsync("waiting for the first inventory", () => FirstInventoryAsync(api, loops, once, cancellationToken));
            if (detail is not null)
            {
                await SayAsync($"Hardware and software of this machine are in the database, {host.Time.GetElapsedTime(begun).TotalSeconds:0.0} s after the start");
                await (once ? SummaryAsync(detail) : UpText.WriteAsync(host, paths, address, detail));
            }
            if (!once)
                await Task.WhenAny(loops, UntilCancelled(cancellationToken));
            if (loops.IsCompleted && !cancellationToken.IsCancellationRequested)
                await FailedAsync(loops);
        }
        finally
        {
            await stopClient.CancelAsync();
            await Task.WhenAny(running);
        }
        await SiteVerbs.StopsInOrder(running, stopClient.Token);
        if (!once)
            await host.Error.WriteLineAsync($"Stopped. Everything is kept in {Shown(paths.Root)}; go on with: {host.Command} up{UpText.DataOption(host, paths)}");
        // Stopped before the first inventory, --once has not done what it was asked for.
        return once && cancellationToken.IsCancellationRequested ? ExitCode.Failed : ExitCode.Done;
    }

    private async Task SummaryAsync(ClientDetail detail)
    {
        await host.Out.WriteLineAsync();
        await Output.Terminal.WriteFactsAsync(host, ClientView.Facts(host, detail));
    }

    /// <summary>This machine with its hardware and software; null when cancelled.</summary>
    private async Task<ClientDetail?> FirstInventoryAsync(ApiClient api, Task<Task> loops, bool once, CancellationToken cancellationToken)
    {
        var deadline = host.Time.GetUtcNow() + Patience;
        var warned = false;
        while (!cancellationToken.IsCancellationRequested)
        {
            if (loops.IsCompleted)
                await FailedAsync(loops);
            if (await DetailAsync(api, cancellationToken) is { Hardware: not null, Software: not null } detail)
                return detail;
            if (host.Time.GetUtcNow() >= deadline && !warned)
            {
                var cause = await CauseAsync(api, cancellationToken);
                if (once)
                    throw new CliException(cause);
                await host.Error.WriteLineAsync($"Still waiting: {VisibleText.Of(cause)}");
                warned = true;
            }
            await Task.WhenAny(loops, Task.Delay(Step, host.Time, CancellationToken.None));
        }
        return null;
    }

    /// <summary>A loop that ends before it is asked to is a failure, with its own cause if it has one.</summary>
    private async Task FailedAsync(Task<Task> loops)
    {
        await await loops;
        throw new CliException($"site or client has ended by itself; {Shown(paths.Log)} says why.");
    }

    private async Task<ClientDetail?> DetailAsync(ApiClient api, CancellationToken cancellationToken)
    {
        if (await InstalledAsync(cancellationToken) is not { } client)
            return null;
        try
        {
            return await api.ClientAsync(client.DeviceId, cancellationToken);
        }
        catch (ApiException refusal) when (refusal.Status == 404)
        {
            // Its request has not been drained yet.
            return null;
        }
    }

    private async Task<string> CauseAsync(ApiClient api, CancellationToken cancellationToken)
    {
        var client = await InstalledAsync(cancellationToken);
        var conditions = await api.HealthAsync(cancellationToken);
        var cause = client?.Waiting
            ?? (conditions is [var first, ..] ? $"{first.Text} {first.NextStep}" : "neither the client nor the site names a cause; both write to the log.");
        return $"no inventory after {Patience.TotalSeconds:0} s: {cause} The log is {Shown(paths.Log)}; if {Shown(paths.Client)} belongs to a site that is gone, remove it and run this again.";
    }

    private Task SayAsync(string line) => host.Error.WriteLineAsync($"  {line}.");

    private string Shown(string path) => Path.GetRelativePath(host.WorkingDirectory, path) is var relative && !relative.StartsWith("..", StringComparison.Ordinal) ? relative : path;

    private static string Shown(Uri address) => address.GetLeftPart(UriPartial.Authority);

    private static async Task UntilCancelled(CancellationToken cancellationToken)
    {
        var cancelled = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using (cancellationToken.Register(cancelled.SetResult))
            await cancelled.Task;
    }
}
