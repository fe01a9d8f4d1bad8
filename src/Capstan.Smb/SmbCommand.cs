namespace Capstan.Smb;

/// <summary>A command of SMB 2 ([MS-SMB2] 2.2.1.2).</summary>
public readonly record struct SmbCommand(ushort Code)
{
    public static readonly SmbCommand Negotiate = new(0);
    public static readonly SmbCommand SessionSetup = new(1);
    public static readonly SmbCommand Logoff = new(2);
    public static readonly SmbCommand TreeConnect = new(3);
    public static readonly SmbCommand TreeDisconnect = new(4);
    public static readonly SmbCommand Create = new(5);
    public static readonly SmbCommand Close = new(6);
    public static readonly SmbCommand Flush = new(7);
    public static readonly SmbCommand Read = new(8);
    public static readonly SmbCommand Write = new(9);
    public static readonly SmbCommand Ioctl = new(11);
    public static readonly SmbCommand Cancel = new(12);
    public static readonly SmbCommand Echo = new(13);
    public static readonly SmbCommand QueryDirectory = new(14);
    public static readonly SmbCommand QueryInfo = new(16);
    public static readonly SmbCommand SetInfo = new(17);
    public static readonly SmbCommand OplockBreak = new(18);

    private static readonly string[] Names =
    [
        "NEGOTIATE", "SESSION_SETUP", "LOGOFF", "TREE_CONNECT", "TREE_DISCONNECT", "CREATE", "CLOSE", "FLUSH", "READ", "WRITE",
        "LOCK", "IOCTL", "CANCEL", "ECHO", "QUERY_DIRECTORY", "CHANGE_NOTIFY", "QUERY_INFO", "SET_INFO", "OPLOCK_BREAK",
    ];

    /// <summary>As the specification writes it.</summary>
    public string Name => Code < Names.Length ? Names[Code] : $"command {Code}";

    public override string ToString() => Name;
}
