namespace Capstan.Smb;

/// <summary>Where a server listens: direct TCP ([MS-SMB2] 2.1).</summary>
/// <param name="Host">A name, an IPv4 or an IPv6 address.</param>
public sealed record SmbEndpoint(string Host, int Port = 445)
{
    public override string ToString() => Host.Contains(':', StringComparison.Ordinal) ? $"[{Host}]:{Port}" : $"{Host}:{Port}";
}

/// <summary>When messages are encrypted.</summary>
public enum SmbEncryption
{
    /// <summary>Only where the server demands it.</summary>
    OnDemand = 0,
    /// <summary>Wherever the server can.</summary>
    WhereOffered = 1,
    /// <summary>A server that cannot is refused.</summary>
    Required = 2,
}

/// <summary>What a client insists on. Immutable; the defaults are safe.</summary>
public sealed record SmbOptions
{
    public static readonly SmbOptions Default = new();

    /// <summary>The lowest dialect that is accepted.</summary>
    public SmbDialect Least { get; init; } = SmbDialect.Smb202;

    /// <summary>The highest dialect that is offered.</summary>
    public SmbDialect Most { get; init; } = SmbDialect.Smb311;

    /// <summary>Whether every message of a session must carry a signature, or be encrypted. Off, the server decides.</summary>
    public bool RequireSigning { get; init; } = true;

    public SmbEncryption Encryption { get; init; } = SmbEncryption.WhereOffered;

    /// <summary>In order of preference; 3.0 and 3.0.2 know AES-128-CCM alone.</summary>
    public IReadOnlyList<SmbCipher> Ciphers { get; init; } = [SmbCipher.Aes128Gcm, SmbCipher.Aes256Gcm, SmbCipher.Aes128Ccm, SmbCipher.Aes256Ccm];

    /// <summary>For 3.1.1, in order of preference.</summary>
    public IReadOnlyList<SmbSigning> SigningAlgorithms { get; init; } = [SmbSigning.AesGmac, SmbSigning.AesCmac];

    /// <summary>Who the client is to the server. Connections of one id may be served by one process there and count as one; null (default) makes one per connection.</summary>
    public Guid? ClientGuid { get; init; }

    /// <summary>How long the TCP connection and NEGOTIATE may take together. Default 10 s.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long one request may wait for credits and its answer. Default 60 s: a server that flushes a slow disk is not dead.</summary>
    public TimeSpan RequestTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>How long a server may say nothing at all while something is asked of it. Then ECHO is sent, and after as long again the connection ends
    /// as <see cref="SmbFailure.Silent"/>. Default 10 s.</summary>
    public TimeSpan KeepAlive { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Credits that the client asks to have. Default 256: 16 MiB in flight, or 256 small requests.</summary>
    public int Credits { get; init; } = 256;

    public TimeProvider Time { get; init; } = TimeProvider.System;

    internal IReadOnlyList<SmbDialect> Dialects =>
        [.. new[] { SmbDialect.Smb202, SmbDialect.Smb210, SmbDialect.Smb300, SmbDialect.Smb302, SmbDialect.Smb311 }.Where(dialect => dialect >= Least && dialect <= Most)];
}
