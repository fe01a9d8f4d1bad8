using System.Net.Sockets;
using System.Security.Cryptography;
using Capstan.Nal;
using Capstan.Nal.Arbiter;
using Capstan.Nal.Arbiter.Machine;
using Capstan.Nal.Providers;
using Capstan.Site.Access;
using Capstan.Site.Api;
using Capstan.Site.Collections;
using Capstan.Site.Distribution.Content;
using Capstan.Site.Distribution.Offers;
using Capstan.Site.Keeping;
using Capstan.Site.Load;
using Capstan.Site.Publish;
using Capstan.Site.Store;
using Capstan.Site.Telemetry;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Capstan.Site;

/// <summary>A site: its directory, keys and store; makes the web application that <c>site run</c> and <c>up</c> host.</summary>
/// <remarks>Directory: <c>site.json</c>, <c>site.db</c>, <c>keys/</c> (0700; <c>root.key.pem</c> may be taken away), <c>quarantine/</c>, <c>content/</c> (packs), <c>api-token</c> (0600), <c>listening</c> (the address, while it runs), <c>lock</c>.</remarks>
public sealed class SiteServer : IAsyncDisposable
{
    private readonly SiteOptions _options;
    private readonly SiteContext _site;
    private readonly DirectoryLock _lock;
    private readonly ConnectionArbiter _arbiter;
    private readonly ILoggerFactory _loggers;
    private readonly TaskCompletionSource<Uri> _listening = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private SiteServer(SiteOptions options, SiteContext site, DirectoryLock directoryLock, ConnectionArbiter arbiter, string apiToken, ILoggerFactory loggers)
    {
        _options = options;
        _site = site;
        _lock = directoryLock;
        _arbiter = arbiter;
        _loggers = loggers;
        ApiToken = apiToken;
    }

    /// <summary>Makes a new site. Refused when the directory holds one already; an interrupted attempt is finished.</summary>
    /// <exception cref="SiteException">With cause and next step.</exception>
    public static async Task InitializeAsync(string directory, string siteCode, TimeProvider time, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(time);
        if (SiteCodes.Fault(siteCode) is { } fault)
            throw new SiteException($"{fault}.", "bad_site_code");
        var home = new SiteDirectory(directory);
        home.Create();
        using var taken = Lock(home);
        SiteKeys.Create(home);
        home.WriteNewApiToken();
        await using var database = await SiteDatabase.OpenAsync(home.Database, time, cancellationToken);
        // Read back before the site counts as complete: from then on, keys are never made anew.
        SiteKeys.Load(home).Dispose();
        home.WriteIdentity(new SiteIdentity(1, siteCode, Epoch: 1, Times.Of(time.GetUtcNow())));
    }

    /// <summary>Opens a site: takes the directory's lock, migrates the store, loads the keys.</summary>
    /// <exception cref="SiteException">Not a site, in use by another process, or of a newer version.</exception>
    public static Task<SiteServer> OpenAsync(SiteOptions options, TimeProvider time, ILoggerFactory loggers, CancellationToken cancellationToken) =>
        OpenAsync(options, StorageProviders.All(time), time, new Random(RandomNumberGenerator.GetInt32(int.MaxValue)), loggers, cancellationToken);

    /// <summary>As the public form, with given storage and chance.</summary>
    internal static async Task<SiteServer> OpenAsync(SiteOptions options, IEnumerable<IStorageProvider> providers, TimeProvider time, Random random,
        ILoggerFactory loggers, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        var home = new SiteDirectory(options.Directory);
        var identity = home.ReadIdentity();
        var taken = Lock(home);
        SiteKeys? keys = null;
        try
        {
            // A killed process left its address; whoever listens there now must not be taken for this site.
            File.Delete(home.Listening);
            var database = await SiteDatabase.OpenAsync(home.Database, time, cancellationToken);
            try
            {
                await KeyRotation.FinishAsync(home, database, time, cancellationToken);
                KeyRotation.ForgetFormer(home, time.GetUtcNow());
                keys = SiteKeys.Load(home);
            }
            catch
            {
                await database.DisposeAsync();
                throw;
            }
            return new SiteServer(options, new SiteContext(identity, home, keys, database, time, random), taken,
                new ConnectionArbiter(providers, new ArbiterOptions { Machine = options.Machine }, time, random, loggers), home.ReadApiToken(), loggers);
        }
        catch
        {
            keys?.Dispose();
            taken.Dispose();
            throw;
        }
    }

    public string SiteCode => _site.Site.SiteCode;

    /// <summary>Where the server listens once <see cref="RunAsync"/> has started, for example <c>http://127.0.0.1:8750</c>. Fails when it could not start.</summary>
    public Task<Uri> Listening => _listening.Task;

    /// <summary>The bearer token of the REST API.</summary>
    public string ApiToken { get; }

    /// <summary>Serves API and console, drains inboxes and publishes until cancelled; then finishes what it has begun.</summary>
    /// <exception cref="SiteException">The port is in use, or the address is not a loopback address.</exception>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        try
        {
            await ServeAsync(cancellationToken);
        }
        catch (Exception cause)
        {
            _listening.TrySetException(cause);
            // Whoever does not ask for the address need not look at its failure: RunAsync tells it.
            _ = _listening.Task.Exception;
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        _listening.TrySetCanceled();
        await _arbiter.DisposeAsync();
        await _site.Database.DisposeAsync();
        _site.Keys.Dispose();
        _lock.Dispose();
    }

    private async Task ServeAsync(CancellationToken cancellationToken)
    {
        var address = SiteHost.CheckAddress(_options.Listen);
        var logger = _loggers.CreateLogger<SiteServer>();
        using var tls = _options.Tls is null ? null : TlsListener.Open(_options, _site.Directory, _site.Time, logger);
        await using var app = SiteHost.Build(_site, _arbiter, new ApiToken(ApiToken), address, tls, () => _listening.Task, _loggers);
        await using var otlp = _options.Otlp is { } collector ? OtlpExport.Start(collector, SiteCode, app.Services.GetRequiredService<SiteFigures>(), _site.Time, _loggers.CreateLogger<SiteServer>()) : null;
        var publisher = app.Services.GetRequiredService<Publisher>();
        var loader = app.Services.GetRequiredService<InboxLoader>();
        var collections = app.Services.GetRequiredService<CollectionEvaluator>();
        var content = app.Services.GetRequiredService<ContentKeeper>();
        app.Services.GetRequiredService<PackFolder>().Sweep();
        var offers = app.Services.GetRequiredService<OfferKeeper>();
        await publisher.StartAsync(cancellationToken);
        try
        {
            await app.StartAsync(cancellationToken);
        }
        catch (IOException cause) when (cause.InnerException is Microsoft.AspNetCore.Connections.AddressInUseException or SocketException)
        {
            throw new SiteException($"{(_options.Tls is null ? $"{address} is" : $"{address} or {_options.Tls} is")} in use by another program. Choose another address with --listen (port 0 takes a free one){(_options.Tls is null ? "" : " or --tls")}, or stop that program.", "port_in_use", cause);
        }
        var listening = new Uri(app.Urls.First(url => url.StartsWith(Uri.UriSchemeHttp + "://", StringComparison.Ordinal)));
        tls?.Announce(app.Urls.FirstOrDefault(url => url.StartsWith(Uri.UriSchemeHttps + "://", StringComparison.Ordinal)));
        SiteLog.Started(logger, SiteCode, listening.ToString());
        SiteDirectory.WriteOwned(_site.Directory.Listening, System.Text.Encoding.ASCII.GetBytes(listening.GetLeftPart(UriPartial.Authority)));
        _listening.TrySetResult(listening);
        try
        {
            var interval = _options.DrainInterval ?? TimeSpan.FromSeconds(2);
            await Task.WhenAll(publisher.RunAsync(interval, cancellationToken), loader.RunAsync(_options.DrainInterval, cancellationToken), collections.RunAsync(cancellationToken), offers.RunAsync(cancellationToken),
                content.RunAsync(cancellationToken));
            await app.StopAsync(CancellationToken.None);
        }
        finally
        {
            File.Delete(_site.Directory.Listening);
        }
        SiteLog.Stopped(logger, SiteCode);
    }

    /// <exception cref="SiteException"><c>site_in_use</c>, <c>directory_unusable</c>.</exception>
    internal static DirectoryLock Lock(SiteDirectory home)
    {
        try
        {
            return DirectoryLock.TryTake(home.Root, out var holder)
                ?? throw new SiteException($"{home.Root} is in use by {holder}. Stop that process, or use it: one site, one process.", "site_in_use");
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            throw new SiteException($"{home.Root} cannot be locked: {cause.Message} Run as the site's owner.", "directory_unusable", cause);
        }
    }
}

public sealed class SiteOptions
{
    /// <summary>The site's directory.</summary>
    public required string Directory { get; init; }

    /// <summary>Address to listen on for this machine. Default http://127.0.0.1:8750; port 0 takes a free one. Only loopback addresses.</summary>
    public Uri Listen { get; init; } = new("http://127.0.0.1:8750");

    /// <summary>Address for other machines, for example https://0.0.0.0:8443: users have to sign in. Null for none.</summary>
    public Uri? Tls { get; init; }

    /// <summary>Base address of an OpenTelemetry collector that takes OTLP over HTTP, for example http://127.0.0.1:4318: metrics and traces go to <c>v1/metrics</c> and <c>v1/traces</c> below it. Null for none.</summary>
    public Uri? Otlp { get; init; }

    /// <summary>PEM file with the certificate chain and, behind it or in <see cref="CertificateKey"/>, its key; read anew when it changes. Null: the site makes one of its own, which browsers warn of.</summary>
    public string? Certificate { get; init; }

    /// <summary>PEM file with the key of <see cref="Certificate"/>.</summary>
    public string? CertificateKey { get; init; }

    /// <summary>Pause between two passes over an inbox that was empty. Default 2 s on LOCAL, 60 s elsewhere; 0.1 s to 1 h.</summary>
    public TimeSpan? DrainInterval { get; init; }

    /// <summary>Where connections are counted with the other processes of this machine. Null: this process's connections only.</summary>
    public NalMachine? Machine { get; init; }
}

/// <summary>A refusal of the site: one line with cause and next step, and the exit code of the contract.</summary>
public sealed class SiteException(string message, string code, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>Stable, for example <c>site_in_use</c>, <c>port_in_use</c>, <c>not_a_site</c>.</summary>
    public string Code { get; } = code;

    /// <summary>What a CAP's storage answered; null when it was not the storage that refused.</summary>
    public NalError? StorageError => (InnerException as NalException)?.Error;
}
