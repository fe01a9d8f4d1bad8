namespace Capstan.Ncp;

/// <summary>Where a server listens.</summary>
/// <param name="Host">A name, an IPv4 or an IPv6 address.</param>
public sealed record NcpEndpoint(string Host, int Port = 524)
{
    public override string ToString() => Host.Contains(':', StringComparison.Ordinal) ? $"[{Host}]:{Port}" : $"{Host}:{Port}";
}

/// <summary>What carries the packets.</summary>
public enum NcpTransport
{
    /// <summary>Records on a stream: the server learns of the end of a dead client by the end of the stream.</summary>
    Tcp = 0,
    /// <summary>Datagrams, sent again until they are answered: a dead client's connection stays until the server's watchdog ends it.</summary>
    Udp = 1,
}

/// <summary>When packets are signed. A signature covers the first 52 bytes of a packet and its length; it does not hide anything.</summary>
public enum NcpSigning
{
    /// <summary>Only where the server insists.</summary>
    OnDemand = 0,
    /// <summary>Wherever the server can.</summary>
    WhereOffered = 1,
    /// <summary>A server that cannot is refused.</summary>
    Required = 2,
}

/// <summary>What a client insists on. Immutable.</summary>
public sealed record NcpOptions
{
    public static readonly NcpOptions Default = new();

    public NcpTransport Transport { get; init; } = NcpTransport.Tcp;

    public NcpSigning Signing { get; init; } = NcpSigning.WhereOffered;

    /// <summary>The largest number of bytes that one read or write carries. Default and most 65,024 over TCP, 1,024 over UDP; the server may lower it. At least 512.</summary>
    public int? MaxBufferBytes { get; init; }

    /// <summary>How long TCP and the first answer may take together. Default 10 s.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long one request may wait for its answer while the server says nothing, not even that it is busy. Default 30 s.</summary>
    public TimeSpan RequestTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>After which a datagram is sent again for the first time; doubled each time up to 4 s. Default 250 ms. UDP only.</summary>
    public TimeSpan FirstRetransmission { get; init; } = TimeSpan.FromMilliseconds(250);

    public TimeProvider Time { get; init; } = TimeProvider.System;
}
