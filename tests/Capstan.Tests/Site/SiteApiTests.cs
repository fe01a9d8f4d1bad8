using Capstan.Site;
using Capstan.Site.Api;
using Capstan.Testing;
using Microsoft.Extensions.Logging.Abstractions;

namespace Capstan.Tests.Site;

/// <summary>What administrators do over the REST API, on a served site.</summary>
public class SiteApiTests
{
    [Fact]
    public async Task Clients_are_paged_approved_and_retired()
    {
        var time = new ManualTime(TimeProvider.System.GetUtcNow());
        var site = await SiteHarness.CreateAsync(time);
        site.KeepDirectory = true;
        await site.AddCapAsync();
        var devices = new List<string>();
        for (var number = 0; number < 7; number++)
        {
            using var device = new FakeDevice(site.Context, $"pc-{number}");
            await site.TakeInAsync(device, device.Request(await site.TokenAsync() with { Secret = "wrong" }));
            devices.Add(device.Id.Value);
        }
        await site.DisposeAsync();

        await using var server = await SiteServer.OpenAsync(new SiteOptions { Directory = Path.Combine(site.Directory, "site"), Listen = new Uri("http://127.0.0.1:0") },
            TimeProvider.System, NullLoggerFactory.Instance, CancellationToken.None);
        using var stop = new CancellationTokenSource();
        var running = server.RunAsync(stop.Token);
        var (api, http) = ApiClient.Create(await server.Listening, server.ApiToken);
        using (http)
        {
            var seen = new List<string>();
            string? cursor = null;
            do
            {
                var page = await api.ClientsAsync("pending", null, "-host", cursor, 3, CancellationToken.None);
                seen.AddRange(page.Items.Select(client => client.DeviceId));
                cursor = page.Next;
            }
            while (cursor is not null);
            Assert.Equal(devices.AsEnumerable().Reverse(), seen);

            var rows = new List<long>();
            do
            {
                var page = await api.StatusAsync(null, "warning", cursor, 2, CancellationToken.None);
                rows.AddRange(page.Items.Select(row => row.Id));
                cursor = page.Next;
            }
            while (cursor is not null);
            Assert.Equal(rows.OrderDescending().Distinct(), rows);
            Assert.Equal(7, rows.Count);

            Assert.Equal("approved", (await api.ApproveAsync(devices[0], CancellationToken.None)).State);
            Assert.Equal("not_pending", (await Assert.ThrowsAsync<ApiException>(() => api.ApproveAsync(devices[0], CancellationToken.None))).Code);
            Assert.Equal("retired", (await api.RetireAsync(devices[0], CancellationToken.None)).State);
            Assert.Equal("already_retired", (await Assert.ThrowsAsync<ApiException>(() => api.RetireAsync(devices[0], CancellationToken.None))).Code);
            Assert.Equal("not_found", (await Assert.ThrowsAsync<ApiException>(() => api.RetireAsync("zzzz-zzzz", CancellationToken.None))).Code);
            Assert.Equal("invalid_request", (await Assert.ThrowsAsync<ApiException>(() => api.ApproveAsync("zz", CancellationToken.None))).Code);
            Assert.Equal("retired", (await api.ClientAsync(devices[0], CancellationToken.None)).Summary.State);
            Assert.Equal(6, (await api.OverviewAsync(CancellationToken.None)).Pending);
        }
        await stop.CancelAsync();
        await running;
        Directory.Delete(site.Directory, recursive: true);
    }

    [Fact]
    public async Task Refusals_of_access_points_and_accounts_have_their_status_and_what_the_storage_said()
    {
        var time = new ManualTime(TimeProvider.System.GetUtcNow());
        var site = await SiteHarness.CreateAsync(time);
        site.KeepDirectory = true;
        await site.AddCapAsync();
        var cap = site.Cap.ToString();
        await site.DisposeAsync();

        await using var server = await SiteServer.OpenAsync(new SiteOptions { Directory = Path.Combine(site.Directory, "site"), Listen = new Uri("http://127.0.0.1:0") },
            TimeProvider.System, NullLoggerFactory.Instance, CancellationToken.None);
        using var stop = new CancellationTokenSource();
        var running = server.RunAsync(stop.Token);
        var (api, http) = ApiClient.Create(await server.Listening, server.ApiToken);
        using (http)
        {
            var missing = await Assert.ThrowsAsync<ApiException>(() => api.AddCapAsync(new CapAdd(@"LOCAL:\\nowhere\at\all\"), CancellationToken.None));
            Assert.Equal((409, "cap_unusable", "NotFound"), (missing.Status, missing.Code, missing.ErrorCode));
            var licensing = await Assert.ThrowsAsync<ApiException>(() => api.AddCapAsync(new CapAdd(cap, "per-server:2", 2), CancellationToken.None));
            Assert.Equal((400, "bad_licensing", null), (licensing.Status, licensing.Code, licensing.ErrorCode));
            Assert.Equal(["licensing per-server:2 (was unlimited)", "headroom 1 (was 0)"], (await api.AddCapAsync(new CapAdd(cap, "per-server:2", 1), CancellationToken.None)).Changes!);
            Assert.Empty(await api.CapAccountsAsync(CancellationToken.None));
            Assert.Equal((404, "account_unknown"), await RefusedAsync(() => api.RemoveCapAccountAsync(cap, "nobody", null, CancellationToken.None)));
            Assert.Equal((404, "not_found"), await RefusedAsync(() => api.RemoveCapAccountAsync("smb://fs1/other/", "nobody", null, CancellationToken.None)));
            Assert.Equal((400, "invalid_request"), await RefusedAsync(() => api.RemoveCapAccountAsync(cap, "nobody", "both", CancellationToken.None)));
        }
        await stop.CancelAsync();
        await running;
        Directory.Delete(site.Directory, recursive: true);
    }

    private static async Task<(int, string)> RefusedAsync(Func<Task> call)
    {
        var refused = await Assert.ThrowsAsync<ApiException>(call);
        return (refused.Status, refused.Code);
    }
}
