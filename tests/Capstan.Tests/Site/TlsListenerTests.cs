using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Capstan.Site;
using Capstan.Site.Access;
using Capstan.Testing;
using Microsoft.Extensions.Logging.Abstractions;

namespace Capstan.Tests.Site;

/// <summary>Certificates end, and are renewed while the site runs.</summary>
public sealed class TlsListenerTests : IDisposable
{
    private readonly ManualTime _time = new();
    private readonly string _folder = Directory.CreateTempSubdirectory("capstan-tls-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void The_sites_own_certificate_is_renewed_before_its_end_without_a_restart()
    {
        using var listener = Open(certificate: null);
        var first = listener.Facts();
        Assert.Equal(_time.GetUtcNow().AddDays(397), first.Until);
        _time.Advance(TimeSpan.FromDays(330));
        Assert.Equal(first, listener.Facts());
        _time.Advance(TimeSpan.FromDays(10));
        Assert.Equal(_time.GetUtcNow().AddDays(397), listener.Facts().Until);
        Assert.False(listener.Facts().IsKeyOpen);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void What_a_link_leads_to_is_read_anew_whether_it_is_written_in_its_place_or_the_links_folder_is_another(bool byFolder)
    {
        Directory.CreateDirectory(Path.Combine(_folder, "1"));
        Write(Path.Combine(_folder, "1", "site.pem"), days: 10);
        Directory.CreateSymbolicLink(Path.Combine(_folder, "now"), Path.Combine(_folder, "1"));
        var link = Path.Combine(_folder, "site.pem");
        File.CreateSymbolicLink(link, Path.Combine(_folder, "now", "site.pem"));
        using var listener = Open(link);
        Assert.Equal(_time.GetUtcNow().AddDays(10), listener.Facts().Until);
        if (byFolder)
        {
            Directory.CreateDirectory(Path.Combine(_folder, "2"));
            Write(Path.Combine(_folder, "2", "site.pem"), days: 90);
            Directory.Delete(Path.Combine(_folder, "now"));
            Directory.CreateSymbolicLink(Path.Combine(_folder, "now"), Path.Combine(_folder, "2"));
        }
        else
            Write(Path.Combine(_folder, "1", "site.pem"), days: 90);
        var renewed = _time.GetUtcNow().AddDays(90);
        _time.Advance(TimeSpan.FromMinutes(1));
        Assert.Equal(renewed, listener.Facts().Until);
        // One that cannot be read changes nothing.
        File.Delete(link);
        _time.Advance(TimeSpan.FromMinutes(1));
        Assert.Equal(renewed, listener.Facts().Until);
    }

    [Fact]
    public void A_key_that_everybody_can_read_is_told_of_and_one_of_a_group_is_not()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Rights of another kind.");
        var file = Path.Combine(_folder, "site.pem");
        Write(file, days: 10);
        // As it is given to the site often: by a link, which itself is open to all.
        var link = Path.Combine(_folder, "link.pem");
        File.CreateSymbolicLink(link, file);
        using var listener = Open(link);
        foreach (var (mode, isOpen) in new[] { (UnixFileMode.UserRead | UnixFileMode.OtherRead, true), (UnixFileMode.UserRead | UnixFileMode.GroupRead, false) })
        {
            if (!OperatingSystem.IsWindows())
                File.SetUnixFileMode(file, mode);
            Assert.Equal(isOpen, listener.Facts().IsKeyOpen);
        }
    }

    private TlsListener Open(string? certificate)
    {
        var home = new SiteDirectory(Path.Combine(_folder, "site"));
        home.Create();
        return TlsListener.Open(new SiteOptions { Directory = home.Root, Tls = new Uri("https://127.0.0.1:0"), Certificate = certificate }, home, _time, NullLogger.Instance);
    }

    private void Write(string file, int days)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var certificate = new CertificateRequest("CN=site.example", key, HashAlgorithmName.SHA256).CreateSelfSigned(_time.GetUtcNow().AddDays(-1), _time.GetUtcNow().AddDays(days));
        File.WriteAllText(file, certificate.ExportCertificatePem() + "\n" + key.ExportPkcs8PrivateKeyPem() + "\n");
    }
}
