using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using Capstan.Site;
using Capstan.Site.Access;
using Capstan.Site.Api;
using Capstan.Testing;
using Microsoft.Extensions.Logging.Abstractions;

namespace Capstan.Tests.Site;

/// <summary>Who may do what: users, roles, sessions, TLS and the audit log, on a served site.</summary>
public sealed class AccessTests : ServedSiteTests
{
    [Fact]
    public async Task Without_users_pages_of_this_machine_ask_nobody_and_the_api_asks_for_its_token()
    {
        using var nobody = Browser();
        Assert.Equal(HttpStatusCode.OK, (await nobody.GetAsync("/", CancellationToken.None)).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await nobody.GetAsync("/metrics", CancellationToken.None)).StatusCode);
        Assert.Equal(HttpStatusCode.Unauthorized, (await nobody.GetAsync("/api/v1/overview", CancellationToken.None)).StatusCode);
    }

    [Fact]
    public async Task Once_there_is_a_user_every_page_asks_for_one_and_a_session_opens_and_ends()
    {
        await Api.AddUserAsync(new UserAdd("anna", "administrator", Password), CancellationToken.None);
        using var browser = Browser();
        var asked = await browser.GetAsync("/clients?filter=a", CancellationToken.None);
        Assert.Equal((HttpStatusCode.Redirect, "/sign-in?to=%2Fclients%3Ffilter%3Da"), (asked.StatusCode, asked.Headers.Location?.OriginalString));
        Assert.Equal(HttpStatusCode.OK, (await browser.GetAsync("/assets/console.css", CancellationToken.None)).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await browser.GetAsync("/healthz", CancellationToken.None)).StatusCode);
        Assert.Contains("Password", await browser.GetStringAsync("/sign-in", CancellationToken.None), StringComparison.Ordinal);

        var wrong = await SignInAsync(browser, "anna", "something else");
        Assert.Equal(HttpStatusCode.Unauthorized, wrong.StatusCode);
        Assert.Contains("no user with this name and password", await wrong.Content.ReadAsStringAsync(CancellationToken.None), StringComparison.Ordinal);

        var right = await SignInAsync(browser, "anna", Password, to: "/clients");
        Assert.Equal((HttpStatusCode.SeeOther, "/clients"), (right.StatusCode, right.Headers.Location?.OriginalString));
        var cookie = Assert.Single(right.Headers.GetValues("Set-Cookie"));
        Assert.Contains("httponly", cookie, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("samesite=strict", cookie, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("Sign out", await browser.GetStringAsync("/clients", CancellationToken.None), StringComparison.Ordinal);
        Assert.Contains("sign in", await browser.GetStringAsync("/audit", CancellationToken.None), StringComparison.Ordinal);

        await PostAsync(browser, "/sign-out");
        Assert.Equal(HttpStatusCode.Redirect, (await browser.GetAsync("/clients", CancellationToken.None)).StatusCode);
    }

    [Theory]
    [InlineData("//evil.example/")]
    [InlineData("/\\evil.example/")]
    [InlineData("https://evil.example/")]
    [InlineData("/a\tb")]
    public async Task Signing_in_leads_to_no_other_site(string to)
    {
        await Api.AddUserAsync(new UserAdd("anna", "administrator", Password), CancellationToken.None);
        using var browser = Browser();
        Assert.Equal("/", (await SignInAsync(browser, "anna", Password, to)).Headers.Location?.OriginalString);
    }

    [Fact]
    public async Task Each_role_does_what_it_may_and_is_told_what_it_lacks()
    {
        foreach (var role in new[] { "reader", "operator", "administrator" })
            await Api.AddUserAsync(new UserAdd(role[..4], role, Password), CancellationToken.None);
        using var reader = await SessionAsync("read");
        using var worker = await SessionAsync("oper");
        using var administrator = await SessionAsync("admi");

        foreach (var user in new[] { reader, worker, administrator })
            Assert.Equal(HttpStatusCode.OK, (await user.GetAsync("/api/v1/overview", CancellationToken.None)).StatusCode);
        var refused = await reader.PostAsync("/api/v1/caps/publish", null, CancellationToken.None);
        Assert.Equal(HttpStatusCode.Forbidden, refused.StatusCode);
        var problem = (await refused.Content.ReadFromJsonAsync(ApiJson.Default.Problem, CancellationToken.None))!;
        Assert.Equal("role_too_low", problem.Code);
        Assert.Contains("read is reader; this needs operator", problem.Detail, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.OK, (await worker.PostAsync("/api/v1/caps/publish", null, CancellationToken.None)).StatusCode);
        using var tokenRequest = JsonContent.Create(new TokenRequest(), ApiJson.Default.TokenRequest);
        Assert.Equal(HttpStatusCode.Forbidden, (await worker.PostAsync("/api/v1/tokens", tokenRequest, CancellationToken.None)).StatusCode);
        Assert.Equal(HttpStatusCode.Forbidden, (await worker.GetAsync("/api/v1/users", CancellationToken.None)).StatusCode);
        Assert.Equal(HttpStatusCode.Forbidden, (await worker.GetAsync("/audit", CancellationToken.None)).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await administrator.GetAsync("/api/v1/users", CancellationToken.None)).StatusCode);

        await Api.ChangeUserAsync("oper", new UserChange(Role: "reader"), CancellationToken.None);
        Assert.Equal(HttpStatusCode.Unauthorized, (await worker.GetAsync("/api/v1/overview", CancellationToken.None)).StatusCode);
    }

    [Fact]
    public async Task The_audit_log_says_who_did_what_and_never_a_password()
    {
        await Api.AddUserAsync(new UserAdd("anna", "administrator", Password), CancellationToken.None);
        using var anna = await SessionAsync("anna");
        using var wish = JsonContent.Create(new TokenRequest(2, 3600, "lab"), ApiJson.Default.TokenRequest);
        var refused = await anna.PostAsync("/api/v1/tokens", wish, CancellationToken.None);
        Assert.Equal("no_cap", (await refused.Content.ReadFromJsonAsync(ApiJson.Default.Problem, CancellationToken.None))!.Code);
        await Api.ChangeUserAsync("anna", new UserChange(Password: "another long password"), CancellationToken.None);
        Assert.Equal(
        [
            "api-token POST /api/v1/users anna as administrator 201", "anna sign in  200", "anna POST /api/v1/tokens 2 uses, lab 409",
            "api-token PUT /api/v1/users/{name} anna, new password 204",
        ], await AuditAsync());
    }

    [Theory]
    [InlineData(null)]
    [InlineData("Basic x")]
    public async Task A_page_of_another_site_changes_nothing_with_the_session_of_this_one(string? authorization)
    {
        await Api.AddUserAsync(new UserAdd("anna", "administrator", Password), CancellationToken.None);
        using var browser = Browser();
        await SignInAsync(browser, "anna", Password);
        using var foreign = new HttpRequestMessage(HttpMethod.Post, "/api/v1/caps/publish");
        foreign.Headers.Add("Origin", "http://evil.example");
        if (authorization is not null)
            foreign.Headers.Add("Authorization", authorization);
        var refused = await browser.SendAsync(foreign, CancellationToken.None);
        Assert.Equal("other_site", (await refused.Content.ReadFromJsonAsync(ApiJson.Default.Problem, CancellationToken.None))!.Code);
        using var own = new HttpRequestMessage(HttpMethod.Post, "/api/v1/caps/publish");
        own.Headers.Add("Origin", browser.BaseAddress!.GetLeftPart(UriPartial.Authority));
        Assert.Equal(HttpStatusCode.OK, (await browser.SendAsync(own, CancellationToken.None)).StatusCode);
        // Nor does it end the session.
        using var signOut = new HttpRequestMessage(HttpMethod.Post, "/sign-out");
        signOut.Headers.Add("Sec-Fetch-Site", "cross-site");
        await browser.SendAsync(signOut, CancellationToken.None);
        Assert.Equal(HttpStatusCode.OK, (await browser.GetAsync("/clients", CancellationToken.None)).StatusCode);
    }

    [Fact]
    public async Task The_last_administrator_stays_while_there_are_others()
    {
        await Api.AddUserAsync(new UserAdd("anna", "administrator", Password), CancellationToken.None);
        await Api.AddUserAsync(new UserAdd("ben", "reader", Password), CancellationToken.None);
        Assert.Equal("last_administrator", (await Assert.ThrowsAsync<ApiException>(() => Api.RemoveUserAsync("anna", CancellationToken.None))).Code);
        Assert.Equal("last_administrator", (await Assert.ThrowsAsync<ApiException>(() => Api.ChangeUserAsync("anna", new UserChange("operator"), CancellationToken.None))).Code);
        Assert.Equal("user_exists", (await Assert.ThrowsAsync<ApiException>(() => Api.AddUserAsync(new UserAdd("ben", "operator", Password), CancellationToken.None))).Code);
        await Api.RemoveUserAsync("ben", CancellationToken.None);
        await Api.RemoveUserAsync("anna", CancellationToken.None);
        using var nobody = Browser();
        Assert.Equal(HttpStatusCode.OK, (await nobody.GetAsync("/", CancellationToken.None)).StatusCode);
    }

    [Theory]
    [InlineData("""{"name":null,"password":"x"}""")]
    [InlineData("""{"name":"anna","password":null}""")]
    [InlineData("{}")]
    public async Task Half_a_sign_in_is_refused_and_nothing_fails(string body)
    {
        using var nobody = Browser();
        using var content = new StringContent(body, System.Text.Encoding.UTF8, "application/json");
        Assert.Contains((await nobody.PostAsync("/api/v1/sessions", content, CancellationToken.None)).StatusCode, new[] { HttpStatusCode.BadRequest, HttpStatusCode.Unauthorized });
    }

    [Theory]
    [InlineData("", "administrator", Password)]
    [InlineData("a b", "administrator", Password)]
    [InlineData("api-token", "administrator", Password)]
    [InlineData("nobody", "administrator", Password)]
    [InlineData("Local", "administrator", Password)]
    [InlineData("anna", "root", Password)]
    [InlineData("anna", "reader", "short")]
    public async Task Absurd_users_are_refused_with_the_rule(string name, string role, string password) =>
        Assert.Equal("invalid_request", (await Assert.ThrowsAsync<ApiException>(() => Api.AddUserAsync(new UserAdd(name, role, password), CancellationToken.None))).Code);

    [Fact]
    public async Task Other_machines_come_by_tls_and_sign_in()
    {
        await Api.AddUserAsync(new UserAdd("anna", "administrator", Password), CancellationToken.None);
        await StopAsync();
        var port = FreePort();
        await ServeAsync(new Uri($"https://127.0.0.1:{port}"));
        var certificate = Path.Combine(SiteDirectory, "keys", "tls.pem");
        Assert.True(OperatingSystem.IsWindows() || File.GetUnixFileMode(certificate) == (UnixFileMode.UserRead | UnixFileMode.UserWrite));
        var expected = System.Security.Cryptography.X509Certificates.X509Certificate2.CreateFromPem(await File.ReadAllTextAsync(certificate, CancellationToken.None)).Thumbprint;
        string? shown = null;
        using var handler = new HttpClientHandler { AllowAutoRedirect = false };
#pragma warning disable MA0039 // Nobody vouches for a certificate of the site's own: it is known by its fingerprint, as people are told to compare it.
        handler.ServerCertificateCustomValidationCallback = (_, server, _, _) => (shown = server?.Thumbprint) == expected;
#pragma warning restore MA0039
        using var browser = new HttpClient(handler) { BaseAddress = new Uri($"https://127.0.0.1:{port}") };
        browser.DefaultRequestHeaders.Accept.Add(new MediaTypeWithQualityHeaderValue("text/html"));

        // By any name: a certificate tells who it is, not the Host header.
        using var byName = new HttpRequestMessage(HttpMethod.Get, "/clients");
        byName.Headers.Host = "site.example";
        Assert.Equal(HttpStatusCode.Redirect, (await browser.SendAsync(byName, CancellationToken.None)).StatusCode);
        Assert.Equal(expected, shown);
        var done = await SignInAsync(browser, "anna", Password);
        Assert.Contains("__Host-capstan-session", Assert.Single(done.Headers.GetValues("Set-Cookie")), StringComparison.Ordinal);
        Assert.Contains("secure", Assert.Single(done.Headers.GetValues("Set-Cookie")), StringComparison.OrdinalIgnoreCase);
        Assert.Equal(HttpStatusCode.OK, (await browser.GetAsync("/clients", CancellationToken.None)).StatusCode);
        // The listener for this machine is still there, and still for its own names only.
        using var local = Browser();
        using var foreign = new HttpRequestMessage(HttpMethod.Get, "/healthz");
        foreign.Headers.Host = "site.example";
        Assert.Equal(HttpStatusCode.MisdirectedRequest, (await local.SendAsync(foreign, CancellationToken.None)).StatusCode);
    }

    [Theory]
    [InlineData("http://0.0.0.0:8750", null, "needs_tls_and_signin")]
    [InlineData("http://127.0.0.1:0", "http://0.0.0.0:8443", "bad_listen_address")]
    [InlineData("http://127.0.0.1:0", "https://site.example:8443", "bad_listen_address")]
    public async Task Addresses_that_would_let_anybody_in_are_refused(string listen, string? tls, string code)
    {
        await StopAsync();
        await using var server = await SiteServer.OpenAsync(new SiteOptions { Directory = SiteDirectory, Listen = new Uri(listen), Tls = tls is null ? null : new Uri(tls) }, TimeProvider.System,
            NullLoggerFactory.Instance, CancellationToken.None);
        Assert.Equal(code, (await Assert.ThrowsAsync<SiteException>(() => server.RunAsync(CancellationToken.None))).Code);
    }

    [Fact]
    public async Task A_certificate_that_cannot_be_read_is_named()
    {
        await StopAsync();
        var file = Path.Combine(Folder, "cert.pem");
        await File.WriteAllTextAsync(file, "no certificate", CancellationToken.None);
        await using var server = await SiteServer.OpenAsync(new SiteOptions { Directory = SiteDirectory, Listen = new Uri("http://127.0.0.1:0"), Tls = new Uri("https://127.0.0.1:0"), Certificate = file },
            TimeProvider.System, NullLoggerFactory.Instance, CancellationToken.None);
        var refused = await Assert.ThrowsAsync<SiteException>(() => server.RunAsync(CancellationToken.None));
        Assert.Equal("bad_certificate", refused.Code);
        Assert.Contains(file, refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task No_answer_stays_in_a_browser_and_none_is_shown_in_a_frame()
    {
        await Api.AddUserAsync(new UserAdd("read", "reader", Password), CancellationToken.None);
        using var browser = Browser();
        var sentAway = await browser.GetAsync("/clients", CancellationToken.None);
        await SignInAsync(browser, "read", Password);
        var refused = await browser.GetAsync("/audit", CancellationToken.None);
        Assert.Equal((HttpStatusCode.Redirect, HttpStatusCode.Forbidden), (sentAway.StatusCode, refused.StatusCode));
        foreach (var answer in new[] { sentAway, refused, await Token.GetAsync("/api/v1/clients", CancellationToken.None), await browser.GetAsync("/nowhere", CancellationToken.None) })
        {
            Assert.True(answer.Headers.CacheControl is { NoStore: true }, $"{answer.RequestMessage!.RequestUri} may be kept");
            Assert.Contains("frame-ancestors 'none'", Assert.Single(answer.Headers.GetValues("Content-Security-Policy")), StringComparison.Ordinal);
            Assert.Equal("nosniff", Assert.Single(answer.Headers.GetValues("X-Content-Type-Options")));
        }
    }

    [Fact]
    public async Task A_site_that_listens_on_localhost_has_both_of_its_addresses_also_beside_tls()
    {
        await StopAsync();
        var port = FreePort();
        await ServeAsync(tls: new Uri("https://127.0.0.1:0"), listen: new Uri($"http://localhost:{port}"));
        using var nobody = new HttpClient();
        foreach (var address in System.Net.Sockets.Socket.OSSupportsIPv6 ? new[] { "127.0.0.1", "[::1]" } : ["127.0.0.1"])
            Assert.Equal("ok", await nobody.GetStringAsync(new Uri($"http://{address}:{port}/healthz"), CancellationToken.None));
    }

    [Fact]
    public async Task Metrics_are_what_prometheus_reads()
    {
        using var nobody = Browser();
        var answer = await nobody.GetAsync("/metrics", CancellationToken.None);
        Assert.Equal("text/plain; version=0.0.4; charset=utf-8", answer.Content.Headers.ContentType?.ToString());
        var lines = (await answer.Content.ReadAsStringAsync(CancellationToken.None)).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.All(lines.Where(line => line[0] != '#'), line => Assert.Matches(@"^[a-z_]+(\{[a-z]+=""[^""]*""(,[a-z]+=""[^""]*"")*\})? -?[0-9.E+]+$", line));
        Assert.Contains("""capstan_clients{state="approved"} 0""", lines);
        Assert.Contains("# TYPE process_cpu_seconds_total counter", lines);
        // From a program that is no browser, an answer that it can understand.
        await Api.AddUserAsync(new UserAdd("anna", "administrator", Password), CancellationToken.None);
        using var scraper = new HttpClient { BaseAddress = await Server.Listening };
        Assert.Equal(HttpStatusCode.Unauthorized, (await scraper.GetAsync("/metrics", CancellationToken.None)).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await Token.GetAsync("/metrics", CancellationToken.None)).StatusCode);
    }
}
