using System.Net;
using System.Text.RegularExpressions;
using Capstan.Site.Console;
using Capstan.Testing;

namespace Capstan.Tests.Site.Console;

/// <summary>The pages as they leave the server, over real HTTP, from canned answers of the API.</summary>
public sealed class ConsolePagesTests
{
    private static readonly string[] Places = ["/", "/clients", "/collections", "/collections/Lab", "/software", "/advertisements", "/advertisements/" + CannedOffers.AdvertisementId, "/health", "/caps", "/status", "/quarantine"];

    private static Task<CannedSite> StartAsync(CannedRecords records) => CannedSite.StartAsync(records, new ManualTime(CannedRecords.Noon), CancellationToken.None);

    private static async Task<(HttpResponseMessage Answer, string Text)> GetAsync(CannedSite site, string path)
    {
        using var http = new HttpClient();
        var answer = await http.GetAsync(new Uri(site.Address, path));
        return (answer, await answer.Content.ReadAsStringAsync());
    }

    private static string First => CannedRecords.Busy.Clients[0].Summary.DeviceId;

    private static string Hostile => CannedRecords.Busy.Clients[1].Summary.DeviceId;

    [Fact]
    public async Task Nothing_that_a_client_reported_becomes_markup()
    {
        await using var site = await StartAsync(CannedRecords.Busy);
        foreach (var path in Places.Append($"/clients/{Hostile}").Append($"/clients/{Hostile}/why/{CannedOffers.AdvertisementId}").Append("/clients?filter=%22%3E%3Cscript%3Ealert(1)%3C/script%3E"))
        {
            var (answer, text) = await GetAsync(site, path);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            Assert.DoesNotMatch("<script(?! src=\"/assets/[a-z]+\\.js\" defer></script>)", text.ToLowerInvariant());
            Assert.DoesNotContain("<img src=x", text, StringComparison.Ordinal);
            Assert.DoesNotContain('\u001b', text);
            Assert.DoesNotContain('\u202e', text);
        }
    }

    [Fact]
    public async Task Every_page_allows_nothing_but_its_own_style()
    {
        await using var site = await StartAsync(CannedRecords.Busy);
        foreach (var path in Places.Append($"/clients/{First}").Append($"/clients/{First}/why/{CannedOffers.AdvertisementId}").Append("/clients/nobody").Append("/clients.csv").Append("/health.csv"))
        {
            var (answer, _) = await GetAsync(site, path);
            var chart = (path == "/caps" || path.StartsWith("/advertisements/", StringComparison.Ordinal)) && ConsoleEndpoints.HasCharts ? "; script-src 'self'; connect-src 'self'" : "";
            Assert.Equal("default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'" + chart, answer.Headers.GetValues("Content-Security-Policy").Single());
            Assert.Equal("nosniff", answer.Headers.GetValues("X-Content-Type-Options").Single());
            Assert.Equal("no-referrer", answer.Headers.GetValues("Referrer-Policy").Single());
        }
    }

    [Fact]
    public async Task Pages_need_neither_script_nor_anything_from_outside()
    {
        await using var site = await StartAsync(CannedRecords.Busy);
        foreach (var path in Places.Append($"/clients/{First}").Append($"/clients/{First}/why/{CannedOffers.AdvertisementId}"))
        {
            var (_, text) = await GetAsync(site, path);
            Assert.DoesNotContain("style=", text, StringComparison.Ordinal);
            Assert.DoesNotContain("blazor", text, StringComparison.OrdinalIgnoreCase);
            foreach (Match reference in Regex.Matches(text, "(src|href|action)=\"(?<address>[^\"]*)\"", RegexOptions.ExplicitCapture, TimeSpan.FromSeconds(5)))
                Assert.Matches("^[/#]", reference.Groups["address"].Value);
        }
    }

    [Fact]
    public async Task The_connections_of_the_CAP_that_is_nearest_to_its_limit_are_a_table_and_only_then_a_chart()
    {
        await using var site = await StartAsync(CannedRecords.Busy);
        var (_, text) = await GetAsync(site, "/caps");
        Assert.Contains("about 14 connections at one time", text, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("Raise the limit, or add another client access point.", text, StringComparison.Ordinal);
        Assert.Equal(CannedRecords.Busy.Usage[1].Hours.Count, Regex.Count(text, "<tr data-at=\"[0-9]+\">", RegexOptions.None, TimeSpan.FromSeconds(5)));
        // Nothing but the script shows the chart, and nothing but the script closes the table.
        Assert.Contains("<details open>", text, StringComparison.Ordinal);
        Assert.Equal(ConsoleEndpoints.HasCharts, text.Contains("<figure class=\"chart\" hidden data-limit=\"20\" data-usable=\"15\">", StringComparison.Ordinal));
        Assert.Equal(ConsoleEndpoints.HasCharts, text.Contains("src=\"/assets/chart.js\"", StringComparison.Ordinal));
        (_, text) = await GetAsync(site, "/caps?path=" + Uri.EscapeDataString(CannedRecords.Busy.Usage[0].Path));
        Assert.Contains("No client has reported a connection to it", text, StringComparison.Ordinal);
        Assert.DoesNotContain("<script", text, StringComparison.Ordinal);
        (_, text) = await GetAsync(site, "/caps?path=%3Cscript%3E");
        Assert.DoesNotContain("id=\"connections\"", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_advertisement_shows_its_funnel_its_causes_and_its_curve_as_tables_first()
    {
        await using var site = await StartAsync(CannedRecords.Busy);
        var (_, text) = await GetAsync(site, "/advertisements/" + CannedOffers.AdvertisementId);
        Assert.Contains("12 of 96 machines that finished have failed", text, StringComparison.Ordinal);
        Assert.Contains("capstan advertisement resume k3fq7zbm", text, StringComparison.Ordinal);
        Assert.Contains("<meter min=\"0\" max=\"144\" value=\"96\">66.7 %</meter>", text, StringComparison.Ordinal);
        Assert.Contains("Monday, Thursday 22:30 (local)", text, StringComparison.Ordinal);
        Assert.Equal(60, Regex.Count(text, "<tr data-at=\"[0-9]+\">", RegexOptions.None, TimeSpan.FromSeconds(5)));
        Assert.Contains("<details open>", text, StringComparison.Ordinal);
        Assert.Equal(ConsoleEndpoints.HasCharts, text.Contains("<figure class=\"chart\" hidden data-targeted=\"144\">", StringComparison.Ordinal));
        (_, text) = await GetAsync(site, $"/advertisements/{CannedOffers.AdvertisementId}?state=no-policy");
        Assert.Contains("Its policy does not say so yet", text, StringComparison.Ordinal);
        Assert.DoesNotContain("exit code 5: \\u", text, StringComparison.Ordinal);
        (_, text) = await GetAsync(site, $"/clients/{First}");
        Assert.Contains("href=\"/advertisements/k3fq7zbm\"", text, StringComparison.Ordinal);
        Assert.Contains($"href=\"/clients/{First}/why/k3fq7zbm\"", text, StringComparison.Ordinal);
        (_, text) = await GetAsync(site, $"/clients/{First}/why/k3fq7zbm");
        Assert.Contains("It has failed: exit code 5", text, StringComparison.Ordinal);
        Assert.Contains("Nothing was said of its content yet.", text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/", "capstan cap add /srv/cap")]
    [InlineData("/clients", "capstan token create")]
    [InlineData("/caps", "capstan cap add /srv/cap")]
    [InlineData("/status", "Nothing was reported yet")]
    [InlineData("/quarantine", "Nothing is in quarantine")]
    [InlineData("/health", "No client yet")]
    [InlineData("/collections", "capstan collection create Pilots")]
    [InlineData("/software", "capstan package create ./firefox-140 --name Firefox")]
    [InlineData("/software", "capstan program create Firefox")]
    [InlineData("/advertisements", "capstan advertise Firefox/install --to")]
    public async Task An_empty_page_says_what_to_do(string path, string said)
    {
        await using var site = await StartAsync(CannedRecords.Empty);
        var (_, text) = await GetAsync(site, path);
        Assert.Contains(said, text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_first_page_shows_what_needs_attention_and_the_next_step()
    {
        await using var site = await StartAsync(CannedRecords.Busy);
        var (_, text) = await GetAsync(site, "/");
        Assert.Contains("Raise the licence count on FS1", text, StringComparison.Ordinal);
        Assert.Contains("<b>112</b><span>seen in 24 h</span>", text, StringComparison.Ordinal);
        Assert.Contains("title=\"2026-11-22 11:51:00 UTC\">9 min ago</time>", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_list_is_paged_by_cursor_and_keeps_its_filter()
    {
        await using var site = await StartAsync(CannedRecords.Busy);
        var (_, text) = await GetAsync(site, "/clients?filter=ws-&sort=-seen");
        Assert.Contains("href=\"/clients?filter=ws-&amp;sort=-seen&amp;cursor=100\"", text, StringComparison.Ordinal);
        Assert.Contains("href=\"/clients.csv?filter=ws-&amp;sort=-seen\"", text, StringComparison.Ordinal);
        Assert.Contains("aria-sort=\"descending\"", text, StringComparison.Ordinal);
        var (_, next) = await GetAsync(site, "/clients?filter=ws-&sort=-seen&cursor=100");
        Assert.Contains("ws-143", next, StringComparison.Ordinal);
        Assert.Contains("First page", next, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_csv_holds_every_client_of_the_filter()
    {
        await using var site = await StartAsync(CannedRecords.Busy);
        var (answer, text) = await GetAsync(site, "/clients.csv");
        Assert.Equal("text/csv", answer.Content.Headers.ContentType?.MediaType);
        Assert.StartsWith("deviceId,hostName,state,", text, StringComparison.Ordinal);
        Assert.Equal(CannedRecords.Busy.Clients.Count + 1, text.Split("\r\n").Count(line => line.Length > 0));
    }

    [Fact]
    public async Task A_client_shows_hardware_software_and_timeline()
    {
        await using var site = await StartAsync(CannedRecords.Busy);
        var (_, text) = await GetAsync(site, $"/clients/{First}");
        foreach (var said in (string[])["i5-12500T", "SAMSUNG MZVL4512HBLU", "192.168.1.17", "15.5 GiB", "libexample0-dev", "Memory grew from 8 GiB to 16 GiB.", "only root may read it"])
            Assert.Contains(said, text, StringComparison.Ordinal);
        Assert.Contains("100 of 260", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Software_is_filtered_on_the_server()
    {
        await using var site = await StartAsync(CannedRecords.Busy);
        var (_, text) = await GetAsync(site, $"/clients/{First}?software=example259");
        Assert.Contains("libexample259-dev", text, StringComparison.Ordinal);
        Assert.DoesNotContain("libexample25-dev", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_missing_client_is_a_page_with_404()
    {
        await using var site = await StartAsync(CannedRecords.Busy);
        var (answer, text) = await GetAsync(site, "/clients/nobody");
        Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
        Assert.Contains("There is no client", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_pending_client_shows_how_to_approve_it()
    {
        await using var site = await StartAsync(CannedRecords.Busy);
        var pending = CannedRecords.Busy.Clients[2].Summary;
        var (_, text) = await GetAsync(site, $"/clients/{pending.DeviceId}");
        Assert.Contains($"capstan client approve {pending.Fingerprint}", text, StringComparison.Ordinal);
    }
}
