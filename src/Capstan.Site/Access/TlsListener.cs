using System.Net;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.Logging;

namespace Capstan.Site.Access;

/// <summary>The address at which other machines reach the site, and its certificate. A certificate that its owner renews is read anew within a minute; one of the site's own is renewed at a start. Thread-safe.</summary>
internal sealed class TlsListener : IDisposable
{
    private const string OwnFile = "tls.pem";

    /// <summary>How long a certificate of the site's own is good, and how long before its end a start makes a new one.</summary>
    private static readonly TimeSpan s_ownTerm = TimeSpan.FromDays(397), s_ownRenewal = TimeSpan.FromDays(60);

    private static readonly TimeSpan s_lookEvery = TimeSpan.FromMinutes(1);

    private readonly IPEndPoint _endpoint;
    private readonly string _file;
    private readonly string? _keyFile;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Lock _gate = new();
    private SslStreamCertificateContext _certificate;
    private DateTime _written;
    private long _lookedAt;

    private TlsListener(IPEndPoint endpoint, string file, string? keyFile, TimeProvider time, ILogger logger)
    {
        _endpoint = endpoint;
        _file = file;
        _keyFile = keyFile;
        _time = time;
        _logger = logger;
        _lookedAt = time.GetTimestamp();
        _written = File.GetLastWriteTimeUtc(file);
        _certificate = Load(file, keyFile);
    }

    /// <exception cref="SiteException"><c>bad_listen_address</c>, <c>bad_certificate</c>.</exception>
    public static TlsListener Open(SiteOptions options, SiteDirectory directory, TimeProvider time, ILogger logger)
    {
        var endpoint = SiteHost.CheckTlsAddress(options.Tls!);
        if (options.Certificate is not null)
            return new TlsListener(endpoint, options.Certificate, options.CertificateKey, time, logger);
        var own = Path.Combine(directory.Keys, OwnFile);
        if (!File.Exists(own) || IsOver(own, time.GetUtcNow() + s_ownRenewal))
            Make(own, time.GetUtcNow());
        return new TlsListener(endpoint, own, null, time, logger);
    }

    /// <summary>Adds the listener, and the one for this machine, which Kestrel would leave out beside it.</summary>
    public void Configure(KestrelServerOptions kestrel, Uri local)
    {
        var host = local.Host.Trim('[', ']');
        kestrel.Listen(IPAddress.TryParse(host, out var ip) ? ip : IPAddress.Loopback, local.Port);
        kestrel.Listen(_endpoint, listen => listen.UseHttps(new TlsHandshakeCallbackOptions
        {
            OnConnection = _ => ValueTask.FromResult(new SslServerAuthenticationOptions { ServerCertificateContext = Current() }),
        }));
    }

    /// <summary>Says where users sign in, and the fingerprint by which they know a certificate that nobody vouches for.</summary>
    /// <param name="address">As it was bound.</param>
    public void Announce(string? address)
    {
        var certificate = Current().TargetCertificate;
        SiteLog.ServesTls(_logger, address ?? _endpoint.ToString(), certificate.Subject, certificate.GetCertHashString(HashAlgorithmName.SHA256), new DateTimeOffset(certificate.NotAfter));
    }

    public void Dispose() => _certificate.TargetCertificate.Dispose();

    private SslStreamCertificateContext Current()
    {
        lock (_gate)
        {
            if (_time.GetElapsedTime(_lookedAt) < s_lookEvery)
                return _certificate;
            _lookedAt = _time.GetTimestamp();
            var written = File.GetLastWriteTimeUtc(_file);
            if (written == _written)
                return _certificate;
            try
            {
                // The one before may be in use by a handshake; it goes with its last user.
                _certificate = Load(_file, _keyFile);
                _written = written;
            }
            catch (SiteException cause)
            {
                SiteLog.CertificateUnreadable(_logger, _file, cause.Message);
            }
            return _certificate;
        }
    }

    /// <summary>The first certificate of the file with its key; the others are sent beside it.</summary>
    private static SslStreamCertificateContext Load(string file, string? keyFile)
    {
        try
        {
            var leaf = X509Certificate2.CreateFromPemFile(file, keyFile ?? file);
            var chain = new X509Certificate2Collection();
            chain.ImportFromPemFile(file);
            return SslStreamCertificateContext.Create(leaf, chain, offline: true);
        }
        catch (Exception cause) when (cause is CryptographicException or IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new SiteException($"The certificate {file} cannot be used: {cause.Message} Give a PEM file with --certificate, and its key with --certificate-key or in the same file.", "bad_certificate", cause);
        }
    }

    private static bool IsOver(string file, DateTimeOffset at)
    {
        try
        {
            using var certificate = Load(file, null).TargetCertificate;
            return certificate.NotAfter.ToUniversalTime() <= at.UtcDateTime;
        }
        catch (SiteException)
        {
            return true;
        }
    }

    private static void Make(string file, DateTimeOffset now)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={Environment.MachineName}", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        foreach (var name in new[] { Environment.MachineName, "localhost" }.Distinct(StringComparer.OrdinalIgnoreCase))
            names.AddDnsName(name);
        names.AddIpAddress(IPAddress.Loopback);
        names.AddIpAddress(IPAddress.IPv6Loopback);
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: false, hasPathLengthConstraint: false, 0, critical: true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.1")], critical: false));
        using var certificate = request.CreateSelfSigned(now.AddDays(-1), now + s_ownTerm);
        SiteDirectory.WriteOwned(file + ".tmp", System.Text.Encoding.ASCII.GetBytes(certificate.ExportCertificatePem() + "\n" + key.ExportPkcs8PrivateKeyPem() + "\n"));
        File.Move(file + ".tmp", file, overwrite: true);
    }
}
