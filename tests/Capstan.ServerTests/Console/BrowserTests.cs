using Capstan.ServerTests.Interop;
using Capstan.Testing;

namespace Capstan.ServerTests.Console;

/// <summary>The console in a real browser: narrow and wide, light and dark, without JavaScript.</summary>
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
        var shots = Directory.CreateTempSubdirectory("capstan-shots-");
        var time = new ManualTime(CannedRecords.Noon);
        await using var busy = await CannedSite.StartAsync(CannedRecords.Busy, time, TestContext.Current.CancellationToken);
        await using var empty = await CannedSite.StartAsync(CannedRecords.Empty, time, TestContext.Current.CancellationToken);
        try
        {
            var said = await NodeProcess.RunAsync("console-shots.mjs", busy.Address.ToString(), empty.Address.ToString(), shots.FullName);
            Assert.Contains("11 pages in 4 forms, 0 findings", said, StringComparison.Ordinal);
            Assert.Equal(44, shots.GetFiles("*.png").Length);
        }
        finally
        {
            shots.Delete(recursive: true);
        }
    }
}
