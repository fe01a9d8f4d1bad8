using Capstan.Site;
using Microsoft.Extensions.Logging.Abstractions;

namespace Capstan.Tests.Site;

/// <summary>What a process that was killed leaves, and what the next one makes of it.</summary>
public sealed class SiteStartTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("capstan-site-").FullName;

    private string Home => Path.Combine(_directory, "site");

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Theory]
    [InlineData("root", 0)]
    [InlineData("timestamp", 20)]
    [InlineData("sealing", 100)]
    public async Task A_key_that_an_interrupted_init_left_in_part_is_made_anew(string role, int length)
    {
        await InitializeAsync();
        File.Delete(Path.Combine(Home, "site.json"));
        var keys = Directory.GetFiles(Path.Combine(Home, "keys")).ToDictionary(file => file, File.ReadAllText, StringComparer.Ordinal);
        var torn = Path.Combine(Home, "keys", $"{role}.key.pem");
        await File.WriteAllTextAsync(torn, keys[torn][..length]);

        await InitializeAsync();
        await using var site = await OpenAsync();
        Assert.Equal("ABC", site.SiteCode);
        Assert.All(keys, key => Assert.Equal(key.Key == torn, File.ReadAllText(key.Key) != key.Value));
        Assert.Equal(keys.Count, Directory.GetFiles(Path.Combine(Home, "keys")).Length);
    }

    [Fact]
    public async Task A_key_of_a_complete_site_is_never_made_anew()
    {
        await InitializeAsync();
        await File.WriteAllTextAsync(Path.Combine(Home, "keys", "timestamp.key.pem"), "");
        Assert.Equal("key_unreadable", (await Assert.ThrowsAsync<SiteException>(OpenAsync)).Code);
        Assert.Equal("site_exists", (await Assert.ThrowsAsync<SiteException>(InitializeAsync)).Code);
    }

    [Fact]
    public async Task The_address_of_a_killed_site_is_removed_before_anything_else()
    {
        await InitializeAsync();
        await File.WriteAllTextAsync(Path.Combine(Home, "listening"), "http://127.0.0.1:1");
        await using var site = await OpenAsync();
        Assert.False(File.Exists(Path.Combine(Home, "listening")));
    }

    private Task InitializeAsync() => SiteServer.InitializeAsync(Home, "ABC", TimeProvider.System, CancellationToken.None);

    private Task<SiteServer> OpenAsync() => SiteServer.OpenAsync(new SiteOptions { Directory = Home, Listen = new Uri("http://127.0.0.1:0") }, TimeProvider.System, NullLoggerFactory.Instance, CancellationToken.None);
}
