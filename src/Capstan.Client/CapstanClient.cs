using Microsoft.Extensions.Logging;

namespace Capstan.Client;

/// <summary>One installed client: its directory, identity, spool and loop (CCIM). One process at a time per directory.</summary>
/// <remarks>Directory: <c>client.db</c> (state, trusted metadata, spool), <c>keys/</c> (0700), <c>logs/</c>, <c>lock</c>.</remarks>
public sealed class CapstanClient : IAsyncDisposable
{
    /// <summary>Makes keys and records token and CAPs. Repeatable: an interrupted installation is finished; an installed client is left as it is.</summary>
    /// <param name="token">The text of an enrolment token.</param>
    /// <param name="cap">Replaces the token's CAPs; null keeps them.</param>
    /// <exception cref="ClientException">With cause and next step.</exception>
    public static Task InstallAsync(ClientOptions options, string token, string? cap, TimeProvider time, CancellationToken cancellationToken) => throw new NotSupportedException("not built yet");

    /// <summary>Removes everything that installation and the loop made below the directory, and the directory when it is empty then.</summary>
    public static Task UninstallAsync(ClientOptions options, CancellationToken cancellationToken) => throw new NotSupportedException("not built yet");

    /// <exception cref="ClientException">Not installed, or in use by another process.</exception>
    public static Task<CapstanClient> OpenAsync(ClientOptions options, TimeProvider time, Random random, ILoggerFactory loggers, CancellationToken cancellationToken) => throw new NotSupportedException("not built yet");

    /// <summary>What the client knows of itself; works beside a running client, too.</summary>
    public static Task<ClientStatus> ReadStatusAsync(ClientOptions options, CancellationToken cancellationToken) => throw new NotSupportedException("not built yet");

    /// <summary>The loop: polls, verifies, acts and reports until cancelled.</summary>
    public Task RunAsync(CancellationToken cancellationToken) => throw new NotSupportedException("not built yet");

    /// <summary>One complete cycle now: verify, collect, upload.</summary>
    public Task<CycleReport> RunNowAsync(CancellationToken cancellationToken) => throw new NotSupportedException("not built yet");

    public ValueTask DisposeAsync() => throw new NotSupportedException("not built yet");
}

public sealed class ClientOptions
{
    public required string Directory { get; init; }

    /// <summary>Slots and journal of this machine; null for the defaults of design.md 5.</summary>
    public string? NalDirectory { get; init; }

    /// <summary>Replaces the hardware evidence by a file (CAPSTAN_HARDWARE_FILE, for tests; the inventory says so).</summary>
    public string? HardwareFile { get; init; }
}

/// <param name="State"><c>installed</c> (not approved yet), <c>approved</c>, <c>retired</c>.</param>
/// <param name="Waiting">Why nothing moves now, with cause and next try; null when nothing waits.</param>
public sealed record ClientStatus(string DeviceId, string Fingerprint, string SiteCode, string State, long PolicyVersion, long Sequence,
    long AcknowledgedSequence, int Spooled, DateTimeOffset? LastContact, DateTimeOffset? NextContact, string? Waiting, IReadOnlyList<string> Caps,
    string ClientVersion);

/// <param name="Uploaded">Records written in this cycle.</param>
/// <param name="Problems">One line each; empty when all went well.</param>
public sealed record CycleReport(bool Contacted, int Uploaded, IReadOnlyList<string> Problems);

/// <summary>A refusal of the client: one line with cause and next step.</summary>
public sealed class ClientException(string message, string code, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>Stable, for example <c>client_in_use</c>, <c>not_installed</c>, <c>bad_token</c>.</summary>
    public string Code { get; } = code;
}
