using System.Net;
using System.Net.Http.Headers;
using Capstan.Site;
using Capstan.Site.Api;
using Capstan.Site.Store;
using Microsoft.Extensions.Logging.Abstractions;

namespace Capstan.Tests.Site;

public sealed class SiteServerTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("capstan-site-").FullName;

    private string Home => Path.Combine(_directory, "site");

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Theory]
    [InlineData("abc")]
    [InlineData("AB")]
    [InlineData("CON")]
    [InlineData("A B")]
    public async Task A_bad_site_code_is_refused(string code) =>
        Assert.Equal("bad_site_code", (await Assert.ThrowsAsync<SiteException>(() => SiteServer.InitializeAsync(Home, code, TimeProvider.System, CancellationToken.None))).Code);

    [Fact]
    public async Task A_directory_of_something_else_is_left_alone()
    {
        Directory.CreateDirectory(Home);
        await File.WriteAllTextAsync(Path.Combine(Home, "thesis.txt"), "mine");
        Assert.Equal("directory_not_empty", (await Assert.ThrowsAsync<SiteException>(() => SiteServer.InitializeAsync(Home, "ABC", TimeProvider.System, CancellationToken.None))).Code);
        Assert.Equal(["thesis.txt"], Directory.GetFileSystemEntries(Home).Select(Path.GetFileName));
    }

    [Fact]
    public async Task Secrets_are_the_owners_alone_and_a_second_site_is_refused()
    {
        await SiteServer.InitializeAsync(Home, "ABC", TimeProvider.System, CancellationToken.None);
        Assert.Equal("site_exists", (await Assert.ThrowsAsync<SiteException>(() => SiteServer.InitializeAsync(Home, "ABC", TimeProvider.System, CancellationToken.None))).Code);
        if (OperatingSystem.IsWindows())
            return;
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(Home));
        foreach (var secret in Directory.GetFiles(Path.Combine(Home, "keys")).Append(Path.Combine(Home, "api-token")))
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(secret));
    }

    [Fact]
    public async Task Two_processes_never_share_a_site()
    {
        await SiteServer.InitializeAsync(Home, "ABC", TimeProvider.System, CancellationToken.None);
        await using var first = await OpenAsync();
        Assert.Equal("site_in_use", (await Assert.ThrowsAsync<SiteException>(OpenAsync)).Code);
    }

    [Fact]
    public async Task A_changed_migration_and_a_newer_database_stop_the_start()
    {
        await SiteServer.InitializeAsync(Home, "ABC", TimeProvider.System, CancellationToken.None);
        await using var connection = Dialect.Connection(Dialect.ConnectionString(Path.Combine(Home, "site.db"), readOnly: false));
        await connection.OpenAsync();
        var ours = Migrations.Embedded();
        await Migrations.ApplyAsync(connection, ours, TimeProvider.System, CancellationToken.None);
        Assert.Equal("migration_changed", (await Assert.ThrowsAsync<SiteException>(() => Migrations.ApplyAsync(connection, [new Migration(1, "site", ours[0].Sql + " ")], TimeProvider.System, CancellationToken.None))).Code);
        await Migrations.ApplyAsync(connection, [.. ours, new Migration(9_000, "later", "create table later (x integer)")], TimeProvider.System, CancellationToken.None);
        Assert.Equal("database_newer", (await Assert.ThrowsAsync<SiteException>(() => Migrations.ApplyAsync(connection, ours, TimeProvider.System, CancellationToken.None))).Code);
    }

    [Theory]
    [InlineData("http://0.0.0.0:0")]
    [InlineData("http://192.0.2.1:0")]
    [InlineData("http://example.org:0")]
    public async Task It_listens_on_loopback_only(string address)
    {
        await SiteServer.InitializeAsync(Home, "ABC", TimeProvider.System, CancellationToken.None);
        await using var server = await SiteServer.OpenAsync(new SiteOptions { Directory = Home, Listen = new Uri(address) }, TimeProvider.System, NullLoggerFactory.Instance, CancellationToken.None);
        Assert.Equal("needs_tls_and_signin", (await Assert.ThrowsAsync<SiteException>(() => server.RunAsync(CancellationToken.None))).Code);
    }

    [Fact]
    public async Task The_api_serves_an_empty_site_and_refuses_with_problems()
    {
        await SiteServer.InitializeAsync(Home, "ABC", TimeProvider.System, CancellationToken.None);
        await using var server = await OpenAsync();
        using var stop = new CancellationTokenSource();
        var running = server.RunAsync(stop.Token);
        var address = await server.Listening;
        var (api, http) = ApiClient.Create(address, server.ApiToken);
        using (http)
        {
            var overview = await api.OverviewAsync(CancellationToken.None);
            Assert.Equal(("ABC", 0, "no_cap"), (overview.SiteCode, overview.Clients, overview.Conditions[0].Code));
            Assert.Empty((await api.ClientsAsync(null, "100%_!", "-seen", null, 10, CancellationToken.None)).Items);
            Assert.Equal("not_found", (await Assert.ThrowsAsync<ApiException>(() => api.ClientAsync("aaaa-bbbb", CancellationToken.None))).Code);
            Assert.Equal("invalid_request", (await Assert.ThrowsAsync<ApiException>(() => api.ClientsAsync("wrong", null, null, null, null, CancellationToken.None))).Code);

            var added = await api.AddCapAsync(new CapAdd(Capstan.Nal.Paths.NalPath.FromDirectory(Path.Combine(_directory, "cap")).ToString()), CancellationToken.None);
            Assert.Equal("ok", added.Cap.State);
            Assert.Equal("cap_exists", (await Assert.ThrowsAsync<ApiException>(() => api.AddCapAsync(new CapAdd(added.Cap.Path), CancellationToken.None))).Code);
            Assert.True((await api.CheckCapAsync(added.Cap.Path, CancellationToken.None)).Ok);
            var cap = Path.Combine(_directory, "cap");
            Directory.Move(cap, cap + ".gone"); // at once, as nobody could delete it while the site writes there
            Assert.All(await api.PublishAsync(CancellationToken.None), row => Assert.Equal("ok", row.State));
            Assert.True(File.Exists(Path.Combine(_directory, "cap", "metadata", "timestamp.json")));
            Assert.NotEmpty((await api.CreateTokenAsync(new TokenRequest(), CancellationToken.None)).Token);

            var first = await http.GetAsync(new Uri("api/v1/tokens", UriKind.Relative));
            using var again = new HttpRequestMessage(HttpMethod.Get, "api/v1/tokens");
            again.Headers.IfNoneMatch.Add(first.Headers.ETag!);
            Assert.Equal(HttpStatusCode.NotModified, (await http.SendAsync(again)).StatusCode);
            Assert.Contains("/clients", await http.GetStringAsync(new Uri("api/v1/openapi.json", UriKind.Relative)), StringComparison.Ordinal);
            using var foreign = new HttpRequestMessage(HttpMethod.Get, "api/v1/overview");
            foreign.Headers.Host = "evil.example";
            Assert.Equal(HttpStatusCode.MisdirectedRequest, (await http.SendAsync(foreign)).StatusCode);
            http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", "wrong");
            Assert.Equal("unauthorized", (await Assert.ThrowsAsync<ApiException>(() => api.OverviewAsync(CancellationToken.None))).Code);
        }

        Directory.CreateDirectory(Path.Combine(_directory, "other"));
        var otherHome = Path.Combine(_directory, "other", "site");
        await SiteServer.InitializeAsync(otherHome, "XYZ", TimeProvider.System, CancellationToken.None);
        await using var second = await SiteServer.OpenAsync(new SiteOptions { Directory = otherHome, Listen = address }, TimeProvider.System, NullLoggerFactory.Instance, CancellationToken.None);
        Assert.Equal("port_in_use", (await Assert.ThrowsAsync<SiteException>(() => second.RunAsync(CancellationToken.None))).Code);

        await stop.CancelAsync();
        await running;
    }

    private Task<SiteServer> OpenAsync() => SiteServer.OpenAsync(new SiteOptions { Directory = Home, Listen = new Uri("http://127.0.0.1:0") }, TimeProvider.System, NullLoggerFactory.Instance, CancellationToken.None);
}
