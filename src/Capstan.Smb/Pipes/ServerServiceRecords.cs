namespace Capstan.Smb.Pipes;

/// <summary>What a share gives access to ([MS-SRVS] 2.2.2.4).</summary>
public enum SmbShareKind
{
    Disk = 0,
    PrintQueue = 1,
    Device = 2,
    InterProcess = 3,
}

/// <summary>A share of a server.</summary>
/// <param name="IsSpecial">Made by the system for administration: <c>C$</c>, <c>ADMIN$</c>, <c>IPC$</c>.</param>
/// <param name="Remark">What an administrator wrote; empty when nothing.</param>
public sealed record SmbShare(string Name, SmbShareKind Kind, bool IsSpecial, string Remark);

/// <summary>A session that a server holds, as the server tells it ([MS-SRVS] 2.2.4.10–17). Null where it does not.</summary>
/// <param name="Client">The client's name or address, without leading backslashes.</param>
/// <param name="User">Who logged on; empty for anonymous.</param>
/// <param name="OpenFiles">Files, devices and pipes that the session has open.</param>
/// <param name="ActiveFor">How long the session has existed; whole seconds.</param>
/// <param name="IdleFor">For how long it has been idle; whole seconds. Samba always says zero.</param>
/// <param name="IsGuest">Whether it was given to a guest instead of an account.</param>
/// <param name="ClientType">The client's system as it named itself.</param>
/// <param name="Transport">The name of the transport: <c>\Device\NetBT_Tcpip_…</c>.</param>
public sealed record SmbServerSession(
    string Client, string? User, int? OpenFiles, TimeSpan? ActiveFor, TimeSpan? IdleFor, bool? IsGuest, string? ClientType, string? Transport);

/// <summary>What a server says of itself ([MS-SRVS] 2.2.4.41).</summary>
/// <param name="Version">As the server claims: Windows Server 2016 and later say 10.0, Samba 6.1.</param>
/// <param name="Roles">SV_TYPE bits ([MS-SRVS] 2.2.2.7): 1 workstation, 2 server, 8 domain controller …</param>
/// <param name="Comment">What an administrator wrote; empty when nothing.</param>
public sealed record SmbServerInfo(string Name, Version Version, uint Roles, string Comment);
