using System.Text.Json;
using Capstan.Cli;
using Capstan.Protocol.V1;
using Capstan.Testing;

namespace Capstan.Tests.Cli;

/// <summary><c>capstan client package</c> against a canned site.</summary>
public sealed class ClientPackageTests
{
    private static readonly string s_token = new EnrolmentToken
    {
        SiteCode = "ABC",
        RootHash = new string('a', 64),
        RootVersion = 1,
        Caps = [@"LOCAL:\\srv\cap\"],
        Accounts = [new AccountSecret("capclient", "pw", "fs1")],
        TokenId = "t1",
        Secret = new string('A', 43),
    }.Encode();

    private static CannedRecords Records { get; } = CannedRecords.Busy with { Token = new("t1", s_token, CannedRecords.Noon.AddDays(2), 1) };

    [Fact]
    public async Task It_copies_the_installers_and_writes_the_secret_for_its_owner_alone()
    {
        await using var site = await StartAsync();
        using var run = new CliRun();
        run.MakeSite("capstan-data/site", site.Address);
        foreach (var name in (string[])["capstan-client_1_amd64.deb", "capstan-client-1-linux-x64.run", "capstan_1_amd64.deb", "notes.txt"])
            Put(run, $"release/{name}");
        Assert.Equal(ExitCode.Done, await run.RunAsync("client", "package", "--installers", "release", "--out", "stick", "--uses", "20"));
        var stick = Path.Combine(run.Directory, "stick");
        Assert.Equal(["capstan-client-1-linux-x64.run", "capstan-client_1_amd64.deb", "install.capstan"], Directory.EnumerateFiles(stick).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        var secret = Path.Combine(stick, "install.capstan");
        Assert.Equal(s_token, InstallFile.TokenIn(await File.ReadAllTextAsync(secret, TestContext.Current.CancellationToken)));
        if (!OperatingSystem.IsWindows())
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(secret));
        var said = Assert.Single(run.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        Assert.StartsWith("install.capstan is a secret until ", said, StringComparison.Ordinal);
        Assert.Contains("20 machines a client of site ABC, and holds the accounts that open its CAPs", said, StringComparison.Ordinal);
        Assert.DoesNotContain("capstan1.", run.Out + run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_existing_file_is_replaced_and_no_installers_are_no_failure()
    {
        await using var site = await StartAsync();
        using var run = new CliRun();
        run.MakeSite("capstan-data/site", site.Address);
        var secret = Put(run, "capstan-client-ABC/install.capstan");
        Assert.Equal(ExitCode.Done, await run.RunAsync("client", "package", "-o", "json"));
        using var json = JsonDocument.Parse(run.Out);
        Assert.Equal(Path.GetDirectoryName(secret), json.RootElement.GetProperty("directory").GetString());
        Assert.Equal("t1", json.RootElement.GetProperty("tokenId").GetString());
        Assert.Equal(s_token, InstallFile.TokenIn(await File.ReadAllTextAsync(secret, TestContext.Current.CancellationToken)));
        if (!OperatingSystem.IsWindows())
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(secret));
    }

    [Fact]
    public async Task A_directory_without_installers_is_named_before_a_token_is_made()
    {
        await using var site = await StartAsync();
        using var run = new CliRun();
        run.MakeSite("capstan-data/site", site.Address);
        Put(run, "release/notes.txt");
        Assert.Equal(ExitCode.NotFound, await run.RunAsync("client", "package", "--installers", "release", "--out", "stick"));
        Assert.False(Directory.Exists(Path.Combine(run.Directory, "stick")));
    }

    private static Task<CannedSite> StartAsync() => CannedSite.StartAsync(Records, TimeProvider.System, TestContext.Current.CancellationToken);

    private static string Put(CliRun run, string name)
    {
        var path = Path.Combine(run.Directory, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, "x");
        return path;
    }
}
