using Capstan.ServerTests.Up;
using Capstan.Testing;

namespace Capstan.ServerTests.Content;

/// <summary>A site and a command line that are killed while a package is on its way between them.</summary>
public sealed class KilledPublicationTests
{
    // From the second pack on, seconds of work are left: whoever watches for it comes in time on a busy machine, too.
    private const int SourceBytes = 240_000_000;

    [Fact]
    public async Task Whoever_is_killed_there_is_no_half_package_and_the_next_try_goes_on()
    {
        using var directory = new TemporaryDirectory();
        var (site, source) = (Path.Combine(directory.Path, "site"), Directory.CreateDirectory(Path.Combine(directory.Path, "source")).FullName);
        var content = new byte[SourceBytes];
        new Random(1).NextBytes(content);
        await File.WriteAllBytesAsync(Path.Combine(source, "large"), content, TestContext.Current.CancellationToken);
        Assert.Equal(0, (await CapstanProcess.RunAsync(directory.Path, "site", "init", "ABC", "--data", site)).ExitCode);

        // The site, as soon as the second pack of the package is on its disk: the first is known by then.
        await using (var served = await ServeAsync(directory, site))
        {
            await using var create = CapstanProcess.Start(directory.Path, "package", "create", source, "--name", "Test", "--data", site);
            await SecondPackAsync(site);
            await served.KillAsync();
            Assert.NotEqual(0, await create.WaitAsync(Patience.Limit));
        }

        // The command line, at once.
        await using (var served = await ServeAsync(directory, site))
        {
            Assert.Equal("[]", (await CapstanProcess.RunAsync(directory.Path, "package", "list", "-o", "json", "--data", site)).Output.Trim());
            await using (var create = CapstanProcess.Start(directory.Path, "package", "create", source, "--name", "Test", "--data", site))
            {
                await NewFileAsync(site);
                await create.KillAsync();
            }
            var (code, output, errors) = await CapstanProcess.RunAsync(directory.Path, "package", "create", source, "--name", "Test", "-o", "csv", "--data", site);
            Assert.True(code == 0, errors);
            var columns = output.Trim().Split('\n')[1].Split(',');
            // The first pack was not written again.
            Assert.InRange(long.Parse(columns[5], System.Globalization.CultureInfo.InvariantCulture), 1, SourceBytes - 15_000_000);
            Assert.Equal(0, (await CapstanProcess.RunAsync(directory.Path, "content", "verify", "--data", site)).ExitCode);
        }
        Assert.Empty(Files(Path.Combine(site, "content", "new")));
    }

    private static async Task<CapstanProcess> ServeAsync(TemporaryDirectory directory, string site)
    {
        var served = CapstanProcess.Start(directory.Path, "site", "run", "--data", site, "--listen", "http://127.0.0.1:0", "--nal-dir", Path.Combine(directory.Path, "nal"));
        await served.SaysAsync("Site ABC serves http", Patience.Limit);
        return served;
    }

    private static Task SecondPackAsync(string site) => UntilAsync(() => Files(Path.Combine(site, "content", "packs")).Count(file => new FileInfo(file).Length > 1_000_000) >= 2, "a second pack");

    private static Task NewFileAsync(string site) => UntilAsync(() => Files(Path.Combine(site, "content", "new")).Length > 0, "a file of a publication");

    private static async Task UntilAsync(Func<bool> holds, string what)
    {
        using var deadline = new CancellationTokenSource(Patience.Limit);
        while (!holds())
        {
            if (deadline.IsCancellationRequested)
                throw new TimeoutException($"{what} has not come");
            await Task.Delay(TimeSpan.FromMilliseconds(2), TimeProvider.System);
        }
    }

    private static string[] Files(string folder) => Directory.Exists(folder) ? Directory.GetFiles(folder, "*", SearchOption.AllDirectories) : [];
}
