using Capstan.Cli;

namespace Capstan.Tests.Cli;

/// <summary>Where the administrator's token goes, and where it does not.</summary>
public sealed class SiteAddressTests
{
    [Theory]
    [InlineData("http://site.example:8750")]
    [InlineData("http://192.0.2.1")]
    public async Task The_token_goes_to_no_other_machine_in_clear(string url)
    {
        using var run = new CliRun();
        run.MakeSite("capstan-data/site", listening: null);
        Assert.Equal(ExitCode.Usage, await run.RunAsync("client", "list", "--url", url));
        Assert.Contains("https://", run.Error, StringComparison.Ordinal);
        Assert.Contains("loopback", run.Error, StringComparison.Ordinal);
    }
}

/// <summary>A site whose certificate nobody vouches for, from the command line.</summary>
public sealed class SiteFingerprintTests : Site.ServedSiteTests
{
    [Fact]
    public async Task Its_fingerprint_stands_for_a_certificate_of_the_sites_own_and_for_no_other()
    {
        await StopAsync();
        var address = $"https://127.0.0.1:{FreePort()}";
        await ServeAsync(new Uri(address));
        using var certificate = System.Security.Cryptography.X509Certificates.X509Certificate2.CreateFromPem(await File.ReadAllTextAsync(Path.Combine(SiteDirectory, "keys", "tls.pem"), CancellationToken.None));
        var fingerprint = certificate.GetCertHashString(System.Security.Cryptography.HashAlgorithmName.SHA256);
        string[] list = ["client", "list", "--api-token-file", Path.Combine(SiteDirectory, "api-token"), "--url"];
        using (var run = new CliRun())
            Assert.True(await run.RunAsync([.. list, address, "--fingerprint", fingerprint.ToLowerInvariant()]) == ExitCode.Done, run.Error);
        foreach (var (more, said) in new[] { (Array.Empty<string>(), "give --fingerprint"), (["--fingerprint", new string('0', 64)], "does not show the certificate") })
        {
            using var run = new CliRun();
            Assert.Equal(ExitCode.Failed, await run.RunAsync([.. list, address, .. more]));
            Assert.Contains(said, run.Error.ReplaceLineEndings(" "), StringComparison.Ordinal);
        }
        foreach (var (url, given) in new[] { (address, "12:34"), ((await Server.Listening).ToString(), fingerprint) })
        {
            using var run = new CliRun();
            Assert.Equal(ExitCode.Usage, await run.RunAsync([.. list, url, "--fingerprint", given]));
        }
    }
}
