using Microsoft.Extensions.Logging;

namespace Capstan.Site;

/// <summary>A site: its directory, keys and store; makes the web application that <c>site run</c> and <c>up</c> host.</summary>
/// <remarks>Directory: <c>site.db</c>, <c>keys/</c> (0700; <c>root.key.pem</c> may be taken away), <c>api-token</c> (0600), <c>lock</c>.</remarks>
public sealed class SiteServer : IAsyncDisposable
{
    /// <summary>Makes a new site. Refused when the directory holds one already.</summary>
    /// <exception cref="SiteException">With cause and next step.</exception>
    public static Task InitializeAsync(string directory, string siteCode, TimeProvider time, CancellationToken cancellationToken) => throw new NotSupportedException("not built yet");

    /// <summary>Opens a site: takes the directory's lock, migrates the store, loads the keys.</summary>
    /// <exception cref="SiteException">Not a site, in use by another process, or of a newer version.</exception>
    public static Task<SiteServer> OpenAsync(SiteOptions options, TimeProvider time, ILoggerFactory loggers, CancellationToken cancellationToken) => throw new NotSupportedException("not built yet");

    public string SiteCode => throw new NotSupportedException("not built yet");

    /// <summary>Where the server listens once <see cref="RunAsync"/> has started, for example <c>http://127.0.0.1:8750</c>.</summary>
    public Task<Uri> Listening => throw new NotSupportedException("not built yet");

    /// <summary>The bearer token of the REST API.</summary>
    public string ApiToken => throw new NotSupportedException("not built yet");

    /// <summary>Serves API and console, drains inboxes and publishes until cancelled; then finishes what it has begun.</summary>
    /// <exception cref="SiteException">The port is in use, or the address is not a loopback address.</exception>
    public Task RunAsync(CancellationToken cancellationToken) => throw new NotSupportedException("not built yet");

    public ValueTask DisposeAsync() => throw new NotSupportedException("not built yet");
}

public sealed class SiteOptions
{
    /// <summary>The site's directory.</summary>
    public required string Directory { get; init; }

    /// <summary>Address to listen on. Default http://127.0.0.1:8750; port 0 takes a free one. Only loopback addresses until sign-in and TLS exist.</summary>
    public Uri Listen { get; init; } = new("http://127.0.0.1:8750");

    /// <summary>Pause between two passes over an inbox that was empty. Default 2 s on LOCAL, 60 s elsewhere; 0.1 s to 1 h.</summary>
    public TimeSpan? DrainInterval { get; init; }
}

/// <summary>A refusal of the site: one line with cause and next step, and the exit code of the contract.</summary>
public sealed class SiteException(string message, string code, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>Stable, for example <c>site_in_use</c>, <c>port_in_use</c>, <c>not_a_site</c>.</summary>
    public string Code { get; } = code;
}
