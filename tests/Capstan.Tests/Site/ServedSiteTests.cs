using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using Capstan.Nal.Providers;
using Capstan.Nal.Providers.Local;
using Capstan.Site;
using Capstan.Site.Api;
using Microsoft.Extensions.Logging.Abstractions;

namespace Capstan.Tests.Site;

/// <summary>A site that is served on a free port of this machine, and those who come to it.</summary>
public abstract class ServedSiteTests : IAsyncLifetime
{
    protected const string Password = "correct horse battery";

    private CancellationTokenSource _stop = new();
    private SiteServer? _server;
    private Task _running = Task.CompletedTask;

    protected string Folder { get; } = Directory.CreateTempSubdirectory("capstan-access-").FullName;

    protected string SiteDirectory => Path.Combine(Folder, "site");

    private protected FaultyStorage Storage { get; } = new(TimeProvider.System);

    protected SiteServer Server => _server!;

    /// <summary>With the token of the site's directory.</summary>
    protected ApiClient Api { get; private set; } = null!;

    protected HttpClient Token { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        await NewSite.InitializeAsync(SiteDirectory, "ABC", TimeProvider.System);
        await ServeAsync();
    }

    public virtual async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        await StopAsync();
        Directory.Delete(Folder, recursive: true);
    }

    protected async Task ServeAsync(Uri? tls = null, Uri? listen = null)
    {
        _stop = new CancellationTokenSource();
        var server = _server = await SiteServer.OpenAsync(new SiteOptions { Directory = SiteDirectory, Listen = listen ?? new Uri("http://127.0.0.1:0"), Tls = tls },
            [Storage.Wrap(new LocalProvider(TimeProvider.System))], TimeProvider.System, new Random(1), NullLoggerFactory.Instance, CancellationToken.None);
        _running = server.RunAsync(_stop.Token);
        (Api, Token) = ApiClient.Create(await server.Listening, server.ApiToken);
    }

    protected async Task StopAsync()
    {
        if (_server is not { } server)
            return;
        _server = null;
        await _stop.CancelAsync();
        await _running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await server.DisposeAsync();
        Token.Dispose();
        _stop.Dispose();
    }

    /// <summary>With cookies, and without following redirections.</summary>
    protected HttpClient Browser()
    {
        var client = new HttpClient(new HttpClientHandler { AllowAutoRedirect = false }, disposeHandler: true) { BaseAddress = Server.Listening.GetAwaiter().GetResult() };
        client.DefaultRequestHeaders.Accept.Add(new MediaTypeWithQualityHeaderValue("text/html"));
        return client;
    }

    protected async Task<HttpClient> SessionAsync(string name)
    {
        var client = Browser();
        using var answer = await BeginSessionAsync(client, name, Password);
        Assert.Equal(HttpStatusCode.Created, answer.StatusCode);
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", (await answer.Content.ReadFromJsonAsync(ApiJson.Default.SessionBegun, CancellationToken.None))!.Token);
        return client;
    }

    protected static async Task<HttpResponseMessage> BeginSessionAsync(HttpClient client, string name, string password)
    {
        using var request = JsonContent.Create(new SessionRequest(name, password), ApiJson.Default.SessionRequest);
        return await client.PostAsync("/api/v1/sessions", request, CancellationToken.None);
    }

    protected static async Task<HttpResponseMessage> SignInAsync(HttpClient browser, string name, string password, string to = "/")
    {
        using var form = new FormUrlEncodedContent([new("name", name), new("password", password), new("to", to)]);
        return await browser.PostAsync("/sign-in", form, CancellationToken.None);
    }

    protected static async Task PostAsync(HttpClient browser, string path)
    {
        using var empty = new FormUrlEncodedContent([]);
        await browser.PostAsync(path, empty, CancellationToken.None);
    }

    /// <summary>The audit log, oldest first, a line each.</summary>
    protected async Task<IReadOnlyList<string>> AuditAsync() =>
        [.. (await Api.AuditAsync(null, 100, CancellationToken.None)).Items.Reverse().Select(row => $"{row.Actor} {row.Action} {row.Subject} {row.Outcome}")];

    protected static int FreePort()
    {
        using var listener = new System.Net.Sockets.TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
