using Capstan.ServerTests.Interop;
using Capstan.Site.Console;
using Capstan.Testing;

namespace Capstan.ServerTests.Console;

/// <summary>The console in a real browser: narrow and wide, light and dark, without JavaScript; charts with it.</summary>
public sealed class BrowserTests
{
    private const string Chromium = "/usr/bin/chromium";

    [Fact]
    public async Task Every_page_fits_reads_and_runs_without_script()
    {
        if (!File.Exists(Chromium))
        {
            var reason = $"{Chromium} is missing: install the package chromium";
            Assert.False(Environment.GetEnvironmentVariable("CI") == "true", reason);
            Assert.Skip(reason);
        }
        // Pictures take longer than all else here and find nothing by themselves: CAPSTAN_SHOTS names a directory for whoever wants to look at them.
        var shots = Environment.GetEnvironmentVariable("CAPSTAN_SHOTS") is { } kept ? Directory.CreateDirectory(kept) : null;
        var time = new ManualTime(CannedRecords.Noon);
        await using var busy = await CannedSite.StartAsync(CannedRecords.Busy, time, TestContext.Current.CancellationToken);
        await using var empty = await CannedSite.StartAsync(CannedRecords.Empty, time, TestContext.Current.CancellationToken);
        var said = await NodeProcess.RunAsync("console-shots.mjs", [busy.Address.ToString(), empty.Address.ToString(), .. shots is null ? [] : new[] { shots.FullName }]);
        Assert.Contains($"26 pages in 4 forms, {(ConsoleEndpoints.HasCharts ? "charts in 8, 2 renewals" : "no charts")}, 0 findings", said, StringComparison.Ordinal);
        if (shots is not null)
            Assert.Equal(ConsoleEndpoints.HasCharts ? 112 : 104, shots.GetFiles("*.png").Length);
    }
}
