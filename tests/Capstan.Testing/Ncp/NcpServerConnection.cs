using System.Net;
using Capstan.Ncp.Crypto;

namespace Capstan.Testing.Ncp;

/// <summary>One slot. All of it is changed under the server's gate.</summary>
internal sealed class NcpServerConnection(int number, IPEndPoint remote, bool isStream)
{
    public int Number => number;

    public IPEndPoint Remote => remote;

    public bool IsStream => isStream;

    public string? User { get; set; }

    public DateTime? LoggedIn { get; set; }

    public byte[] LoginKey { get; set; } = [];

    public bool MaySign { get; set; }

    public PacketSigner? Signer { get; set; }

    public int BufferBytes { get; set; } = 512;

    /// <summary>Of the last request; -1 for none.</summary>
    public int LastSequence { get; set; } = -1;

    /// <summary>The answer to the last request, as it was sent; null while it is worked on.</summary>
    public byte[]? LastFrame { get; set; }

    public long LastHeard { get; set; }

    public int Questions { get; set; }

    public Dictionary<uint, NcpServerFile> Files { get; } = [];

    public Dictionary<uint, string[]> Searches { get; } = [];
}

/// <summary>An open file.</summary>
internal sealed class NcpServerFile(string path, FileStream stream, bool isExclusive)
{
    public string Path => path;

    public FileStream Stream => stream;

    public bool IsExclusive => isExclusive;
}
