using Capstan.Smb;
using Capstan.Smb.Crypto;

namespace Capstan.Testing.Smb;

/// <summary>A session as the server counts it.</summary>
internal sealed class ServerSession(ulong id, SmbServerLink link, NtlmAcceptor acceptor) : IDisposable
{
    private uint _lastTree;

    public ulong Id => id;

    public SmbServerLink Link => link;

    public NtlmAcceptor Acceptor => acceptor;

    /// <summary>Null while the logon is under way.</summary>
    public string? Account { get; set; }

    public byte[] Preauth { get; set; } = [];

    public ulong PreviousId { get; set; }

    public bool IsBegun { get; set; }

    public bool MustEncrypt { get; set; }

    public Dictionary<uint, ServerTree> Trees { get; } = [];

    public MessageSigner? Verifying { get; private set; }

    public MessageSigner? Signing { get; private set; }

    public MessageCipher? Opening { get; private set; }

    public MessageCipher? Sealing { get; private set; }

    public ulong LastNonce { get; set; }

    public uint NextTree() => ++_lastTree;

    public void Take(SessionKeys keys, SmbSigning signing, SmbCipher cipher)
    {
        Verifying = MessageSigner.Create(signing, keys.Signing);
        Signing = MessageSigner.Create(signing, keys.Signing);
        if (cipher == SmbCipher.None)
            return;
        Opening = MessageCipher.Create(cipher, keys.Encryption);
        Sealing = MessageCipher.Create(cipher, keys.Decryption);
    }

    public void Dispose()
    {
        Verifying?.Dispose();
        Signing?.Dispose();
        Opening?.Dispose();
        Sealing?.Dispose();
    }
}

/// <summary>A connected share.</summary>
internal sealed class ServerTree(uint id, string name, SmbTestShare share, ServerSession session)
{
    public uint Id => id;

    public string Name => name;

    public SmbTestShare Share => share;

    public ServerSession Session => session;

    public Dictionary<ulong, ServerOpen> Opens { get; } = [];
}

/// <summary>An open file, directory or pipe.</summary>
internal sealed class ServerOpen(ulong id, ServerTree tree, TestNode node, SmbAccess access, SmbSharing sharing)
{
    public ulong Id => id;

    public ServerTree Tree => tree;

    public TestNode Node => node;

    public SmbAccess Access => access;

    public SmbSharing Sharing => sharing;

    /// <summary>What answers, when it is a pipe.</summary>
    public Func<byte[], byte[]>? Pipe { get; init; }

    /// <summary>What a pipe still has to say.</summary>
    public byte[] Unread { get; set; } = [];

    /// <summary>Names that a listing still has to give; null before the first page.</summary>
    public Queue<TestNode>? Listing { get; set; }
}

/// <summary>Message ids that the client may use ([MS-SMB2] 3.3.5.2.3), and what it has left.</summary>
internal sealed class ServerWindow
{
    private readonly HashSet<ulong> _usedAhead = [];
    private ulong _first;
    private ulong _end = 1;
    private long _settled;

    /// <summary>Granted, and not spent on what has been answered.</summary>
    public int Held => (int)((long)_end - _settled);

    public void Settle(int charge) => _settled += charge;

    public void Grant(int credits) => _end += (ulong)credits;

    /// <summary>False when the client was not granted one of these ids, or used it before.</summary>
    public bool Use(ulong messageId, int charge)
    {
        for (var id = messageId; id < messageId + (ulong)charge; id++)
        {
            if (id < _first || id >= _end || !_usedAhead.Add(id))
                return false;
        }
        while (_usedAhead.Remove(_first))
            _first++;
        return true;
    }
}
