namespace Capstan.Testing.Ncp;

/// <summary>When the server signs.</summary>
public enum NcpServerSigning
{
    Never,
    WhereOffered,
    /// <summary>Clients that do not offer it are told to.</summary>
    Required,
}

/// <summary>One account of the bindery.</summary>
/// <param name="IsOperator">May clear the connections of others.</param>
public sealed record NcpTestUser(uint Id, string Password, bool IsOperator = false)
{
    /// <summary>What the server answers to a login with the right password: 0, or why it refuses.</summary>
    public byte LoginCode { get; set; }
}

/// <summary>One volume: a directory of this machine.</summary>
public sealed class NcpTestVolume(string directory)
{
    public string Directory { get; } = directory;

    /// <summary>Off: names of eight characters and three alone.</summary>
    public bool HasLongNames { get; set; } = true;

    /// <summary>Off: as if an operator had dismounted it.</summary>
    public bool IsMounted { get; set; } = true;

    /// <summary>Nothing more is written.</summary>
    public bool IsFull { get; set; }

    /// <summary>What may be done: user, path in the volume, right; null for everything.</summary>
    public Func<string, string, NcpRight, bool>? Allows { get; set; }
}

/// <summary>Rights of a trustee, as the server asks for them.</summary>
public enum NcpRight
{
    Scan,
    Read,
    Create,
    Delete,
    Rename,
}

/// <summary>What becomes of a datagram.</summary>
public enum NcpFate
{
    Arrives,
    IsLost,
    IsDoubled,
}

/// <summary>What a server is like. Connections, licences, volumes and faults may be changed while it runs.</summary>
public sealed class NcpServerRules
{
    public string Name { get; set; } = "TESTNW";

    public Dictionary<string, NcpTestVolume> Volumes { get; } = new(StringComparer.OrdinalIgnoreCase);

    public Dictionary<string, NcpTestUser> Users { get; } = new(StringComparer.OrdinalIgnoreCase) { ["CAPA"] = new(0x0A000001, "Pw-capa-1"), ["ADMIN"] = new(0x01000001, "Pw-admin-1", IsOperator: true) };

    /// <summary>Slots; one too many is answered with F9.</summary>
    public int MaxConnections { get; set; } = 250;

    /// <summary>Logins at a time; one too many is answered with <see cref="LicenceCode"/>. Null for no limit.</summary>
    public int? Licences { get; set; }

    /// <summary>D9 (too many logins) or F9.</summary>
    public byte LicenceCode { get; set; } = 0xD9;

    public NcpServerSigning Signing { get; set; } = NcpServerSigning.WhereOffered;

    /// <summary>Knows function 61; else 21 alone.</summary>
    public bool KnowsOptions { get; set; } = true;

    public int BufferBytes { get; set; } = 65_024;

    /// <summary>How long a connection of datagrams may be silent before it is asked.</summary>
    public TimeSpan WatchdogAfter { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>Between two questions.</summary>
    public TimeSpan WatchdogEvery { get; set; } = TimeSpan.FromMinutes(1);

    /// <summary>Questions without an answer, after which a connection is ended.</summary>
    public int WatchdogQuestions { get; set; } = 10;

    /// <summary>Its clock is ahead of the test's by that much: a time zone that it does not tell.</summary>
    public TimeSpan Zone { get; set; }

    public TimeProvider Time { get; set; } = TimeProvider.System;

    /// <summary>For each datagram that comes in.</summary>
    public Func<NcpFate>? Incoming { get; set; }

    /// <summary>For each datagram that goes out.</summary>
    public Func<NcpFate>? Outgoing { get; set; }

    /// <summary>Functions that wait until this is over; the client hears "busy". Null for none.</summary>
    public Func<int, TaskCompletionSource?>? Hold { get; set; }

    /// <summary>Off: what is held is held in silence.</summary>
    public bool SaysBusy { get; set; } = true;

    /// <summary>For a test that holds from some moment on.</summary>
    public bool IsArmed { get; set; }

    /// <summary>Changes an answer before it is sent, as somebody on the way could; null for none.</summary>
    public Action<byte[]>? Tamper { get; set; }

    /// <summary>A login does not see the connection's own address.</summary>
    public bool HidesAddresses { get; set; }
}
