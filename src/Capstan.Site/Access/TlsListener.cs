using System.Net;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.Logging;

namespace Capstan.Site.Access;

/// <summary>The address at which other machines reach the site, and its certificate. One that its owner renews is read anew within a minute; one of the site's own is renewed before its end. Thread-safe.</summary>
internal sealed class TlsListener : IDisposable
{
    private const string OwnFile = "tls.pem";

    /// <summary>How long a certificate of the site's own is good, and how long before its end the next one is made.</summary>
    private static readonly TimeSpan s_ownTerm = TimeSpan.FromDays(397), s_ownRenewal = TimeSpan.FromDays(60);

    private static readonly TimeSpan s_lookEvery = TimeSpan.FromMinutes(1);

    private readonly IPEndPoint _endpoint;
    private readonly string _file;
    private readonly string? _keyFile;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Lock _gate = new();
    private SslStreamCertificateContext _certificate;
    private readonly bool _isOwn;
    private byte[] _read;
    private long _lookedAt;

    private TlsListener(IPEndPoint endpoint, string file, string? keyFile, bool isOwn, TimeProvider time, ILogger logger)
    {
        _endpoint = endpoint;
        _file = file;
        _keyFile = keyFile;
        _time = time;
        _isOwn = isOwn;
        _logger = logger;
        _lookedAt = time.GetTimestamp();
        (_certificate, _read) = Load(file, keyFile);
    }

    /// <exception cref="SiteException"><c>bad_listen_address</c>, <c>bad_certificate</c>.</exception>
    public static TlsListener Open(SiteOptions options, SiteDirectory directory, TimeProvider time, ILogger logger)
    {
        var endpoint = SiteHost.CheckTlsAddress(options.Tls!);
        if (options.Certificate is not null)
            return new TlsListener(endpoint, options.Certificate, options.CertificateKey, isOwn: false, time, logger);
        var own = Path.Combine(directory.Keys, OwnFile);
        if (!File.Exists(own) || IsOver(own, time.GetUtcNow() + s_ownRenewal))
            Make(own, time.GetUtcNow());
        return new TlsListener(endpoint, own, null, isOwn: true, time, logger);
    }

    /// <summary>Adds the listener, and the one for this machine, which Kestrel would leave out beside it.</summary>
    public void Configure(KestrelServerOptions kestrel, Uri local)
    {
        var host = local.Host.Trim('[', ']');
        if (IPAddress.TryParse(host, out var ip))
            kestrel.Listen(ip, local.Port);
        else if (local.Port == 0)
            kestrel.Listen(IPAddress.Loopback, 0);
        else
            // Both addresses of the name: on one that is left free, somebody else could ask for passwords.
            kestrel.ListenLocalhost(local.Port);
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
        SiteLog.ServesTls(_logger, address ?? _endpoint.ToString(), certificate.Subject, Fingerprint(certificate), new DateTimeOffset(certificate.NotAfter));
    }

    public void Dispose() => _certificate.TargetCertificate.Dispose();

    /// <summary>For who watches over the site.</summary>
    public TlsFacts Facts() => new(_file, new DateTimeOffset(Current().TargetCertificate.NotAfter), IsOpenToAll(_keyFile ?? _file));

    internal SslStreamCertificateContext Current()
    {
        lock (_gate)
        {
            if (_time.GetElapsedTime(_lookedAt) < s_lookEvery)
                return _certificate;
            _lookedAt = _time.GetTimestamp();
            try
            {
                var isOver = _isOwn && IsOver(_certificate.TargetCertificate, _time.GetUtcNow() + s_ownRenewal);
                if (isOver)
                    Make(_file, _time.GetUtcNow());
                // By content: a link, or a folder of links, says nothing of when its target was written.
                if (!Read(_file, _keyFile).AsSpan().SequenceEqual(_read))
                    // The one before may be in use by a handshake; it goes with its last user.
                    (_certificate, _read) = Load(_file, _keyFile);
                if (isOver)
                    SiteLog.CertificateRenewed(_logger, Fingerprint(_certificate.TargetCertificate), new DateTimeOffset(_certificate.TargetCertificate.NotAfter));
            }
            catch (Exception cause) when (cause is SiteException or IOException or UnauthorizedAccessException)
            {
                SiteLog.CertificateUnreadable(_logger, _file, cause.Message);
            }
            return _certificate;
        }
    }

    /// <summary>The first certificate of the file with its key; the others are sent beside it. And what was read.</summary>
    private static (SslStreamCertificateContext Certificate, byte[] Read) Load(string file, string? keyFile)
    {
        try
        {
            var read = Read(file, keyFile);
            var leaf = X509Certificate2.CreateFromPemFile(file, keyFile ?? file);
            var chain = new X509Certificate2Collection();
            chain.ImportFromPemFile(file);
            return (SslStreamCertificateContext.Create(leaf, chain, offline: true), read);
        }
        catch (Exception cause) when (cause is CryptographicException or IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new SiteException($"The certificate {file} cannot be used: {cause.Message} Give a PEM file with --certificate, and its key with --certificate-key or in the same file.", "bad_certificate", cause);
        }
    }

    /// <summary>The hash of both files.</summary>
    private static byte[] Read(string file, string? keyFile)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var one in keyFile is null ? [file] : new[] { file, keyFile })
            hash.AppendData(File.ReadAllBytes(one));
        return hash.GetHashAndReset();
    }

    private static string Fingerprint(X509Certificate2 certificate) => certificate.GetCertHashString(HashAlgorithmName.SHA256);

    /// <summary>Whether everybody on this machine can read a key. A group may: that is how programs share one. A link has no rights of its own.</summary>
    private static bool IsOpenToAll(string file) => !OperatingSystem.IsWindows() && File.Exists(file)
        && File.GetUnixFileMode(File.ResolveLinkTarget(file, returnFinalTarget: true)?.FullName ?? file).HasFlag(UnixFileMode.OtherRead);

    private static bool IsOver(X509Certificate2 certificate, DateTimeOffset at) => certificate.NotAfter.ToUniversalTime() <= at.UtcDateTime;

    private static bool IsOver(string file, DateTimeOffset at)
    {
        try
        {
            using var certificate = Load(file, null).Certificate.TargetCertificate;
            return IsOver(certificate, at);
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

/// <summary>What is to be known of the certificate that users see.</summary>
/// <param name="IsKeyOpen">Everybody on this machine can read its key.</param>
internal sealed record TlsFacts(string File, DateTimeOffset Until, bool IsKeyOpen);

/// <summary>The site's TLS listener, for those who watch over it.</summary>
/// <param name="Listener">Null when the site has none.</param>
internal sealed record ServedTls(TlsListener? Listener);
