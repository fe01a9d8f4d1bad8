using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Capstan.Nal.Paths;
using Capstan.Site;
using Capstan.Site.Api;
using Microsoft.Extensions.Logging.Abstractions;

namespace Capstan.Tests.Site;

/// <summary>What the served API refuses, and how; one site for the class.</summary>
public sealed class ApiEdgeTests(ApiEdgeTests.ServedSite site) : IClassFixture<ApiEdgeTests.ServedSite>
{
    [Theory]
    [InlineData("/api/v1/overview")]
    [InlineData("/API/v1/overview")]
    [InlineData("/Api/V1/tokens")]
    [InlineData("/api/v1/openapi.json")]
    [InlineData("/aPI/v1/openapi.json")]
    [InlineData("/API/nothing")]
    public async Task No_spelling_of_the_api_is_open_without_a_token(string path)
    {
        using var http = new HttpClient { BaseAddress = site.Address };
        var answer = await http.GetAsync(new Uri(path, UriKind.Relative));
        Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", site.Token);
        Assert.NotEqual(HttpStatusCode.Unauthorized, (await http.GetAsync(new Uri(path, UriKind.Relative))).StatusCode);
    }

    [Theory]
    [InlineData("GET", "api/v1/clients?limit=abc", null, 400)]
    [InlineData("GET", "api/v1/advertisements/aaaaaaaa/clients?state=faild", null, 400)]
    [InlineData("POST", "api/v1/tokens", "text/plain", 415)]
    [InlineData("POST", "api/v1/tokens", "application/json", 400)]
    [InlineData("DELETE", "api/v1/caps", null, 400)]
    [InlineData("PUT", "api/v1/overview", null, 405)]
    [InlineData("GET", "api/v1/nothing", null, 404)]
    [InlineData("GET", "nothing", null, 404)]
    public async Task What_does_not_fit_is_refused_with_a_problem(string method, string path, string? contentType, int status)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        if (contentType is not null)
            request.Content = new StringContent("{", Encoding.ASCII, contentType);
        var answer = await site.Http.SendAsync(request);
        Assert.Equal((status, "application/problem+json"), ((int)answer.StatusCode, answer.Content.Headers.ContentType?.MediaType));
        var problem = JsonSerializer.Deserialize(await answer.Content.ReadAsStringAsync(), ApiJson.Default.Problem)!;
        Assert.Equal(status, problem.Status);
        Assert.NotEmpty(problem.Code);
    }

    [Theory]
    [InlineData("api/v1/advertisements")]
    [InlineData("api/v1/programs")]
    [InlineData("api/v1/collections")]
    public async Task A_body_without_what_is_required_is_refused_by_name(string path)
    {
        var answer = await site.Http.PostAsync(path, new StringContent("{}", Encoding.ASCII, "application/json"));
        Assert.Equal(400, (int)answer.StatusCode);
        Assert.EndsWith("required.", JsonSerializer.Deserialize(await answer.Content.ReadAsStringAsync(), ApiJson.Default.Problem)!.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_check_touches_nothing_that_is_not_on_the_list()
    {
        var foreign = site.Folder("foreign");
        var refusal = await Assert.ThrowsAsync<ApiException>(() => site.Api.CheckCapAsync(NalPath.FromDirectory(foreign).ToString(), CancellationToken.None));
        Assert.Equal((404, "not_found"), (refusal.Status, refusal.Code));
        Assert.Empty(Directory.GetFileSystemEntries(foreign));
    }

    [Fact]
    public async Task A_check_by_the_folders_owner_is_one_line_about_rights_and_leaves_nothing_behind()
    {
        var folder = site.Folder("mine");
        var cap = (await site.Api.AddCapAsync(new CapAdd(NalPath.FromDirectory(folder).ToString()), CancellationToken.None)).Cap.Path;
        var before = Directory.GetFileSystemEntries(folder, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal);
        var check = await site.Api.CheckCapAsync(cap, CancellationToken.None);
        Assert.True(check.Ok);
        Assert.Equal([("open", "ok"), ("metadata", "ok"), ("create in inbox", "ok"), ("rights", "information")], check.Lines.Select(line => (line.Name, line.State)));
        Assert.Equal(before, Directory.GetFileSystemEntries(folder, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal));
        await site.Api.RemoveCapAsync(cap, CancellationToken.None);
    }

    [Fact]
    public async Task The_token_does_not_pass_through_a_proxy()
    {
        var usual = HttpClient.DefaultProxy;
        var proxy = new Proxy(site.Address);
        HttpClient.DefaultProxy = proxy;
        try
        {
            var (api, http) = ApiClient.Create(site.Address, site.Token);
            using (http)
                Assert.Equal("ABC", (await api.OverviewAsync(CancellationToken.None)).SiteCode);
            Assert.False(proxy.Asked);
        }
        finally
        {
            HttpClient.DefaultProxy = usual;
        }
    }

    /// <summary>Wants the requests to one address only: other tests run at the same time.</summary>
    private sealed class Proxy(Uri mine) : IWebProxy
    {
        public bool Asked { get; private set; }

        public ICredentials? Credentials { get; set; }

        public Uri? GetProxy(Uri destination)
        {
            Asked |= destination.Authority == mine.Authority;
            return new Uri("http://127.0.0.1:1");
        }

        public bool IsBypassed(Uri host) => host.Authority != mine.Authority;
    }

    public sealed class ServedSite : IAsyncLifetime
    {
        private readonly string _directory = Directory.CreateTempSubdirectory("capstan-site-").FullName;
        private readonly CancellationTokenSource _stop = new();
        private SiteServer? _server;
        private Task _running = Task.CompletedTask;

        public Uri Address { get; private set; } = null!;

        public string Token => _server!.ApiToken;

        public ApiClient Api { get; private set; } = null!;

        public HttpClient Http { get; private set; } = null!;

        public string Folder(string name) => Directory.CreateDirectory(Path.Combine(_directory, name)).FullName;

        public async ValueTask InitializeAsync()
        {
            var home = Path.Combine(_directory, "site");
            await NewSite.InitializeAsync(home, "ABC", TimeProvider.System);
            _server = await SiteServer.OpenAsync(new SiteOptions { Directory = home, Listen = new Uri("http://127.0.0.1:0") }, TimeProvider.System, NullLoggerFactory.Instance, CancellationToken.None);
            _running = _server.RunAsync(_stop.Token);
            Address = await _server.Listening;
            (Api, Http) = ApiClient.Create(Address, Token);
        }

        public async ValueTask DisposeAsync()
        {
            Http.Dispose();
            await _stop.CancelAsync();
            await _running;
            await _server!.DisposeAsync();
            _stop.Dispose();
            Directory.Delete(_directory, recursive: true);
        }
    }
}
