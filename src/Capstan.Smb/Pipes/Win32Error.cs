namespace Capstan.Smb.Pipes;

/// <summary>A Win32 or network management error ([MS-ERREF] 2.2), which the calls of a server's services answer with.</summary>
public readonly record struct Win32Error(uint Code)
{
    public static readonly Win32Error Success = new(0);
    public static readonly Win32Error AccessDenied = new(5);
    public static readonly Win32Error NotSupported = new(50);
    public static readonly Win32Error InvalidLevel = new(124);
    public static readonly Win32Error MoreData = new(234);
    public static readonly Win32Error UserNotFound = new(2221);
    public static readonly Win32Error ClientNameNotFound = new(2312);

    /// <summary>The name in the specification; null for one that this library does not know.</summary>
    public string? Name => Code switch
    {
        0 => "ERROR_SUCCESS",
        1 => "ERROR_INVALID_FUNCTION",
        2 => "ERROR_FILE_NOT_FOUND",
        5 => "ERROR_ACCESS_DENIED",
        8 => "ERROR_NOT_ENOUGH_MEMORY",
        14 => "ERROR_OUTOFMEMORY",
        50 => "ERROR_NOT_SUPPORTED",
        53 => "ERROR_BAD_NETPATH",
        58 => "ERROR_BAD_NET_RESP",
        59 => "ERROR_UNEXP_NET_ERR",
        64 => "ERROR_NETNAME_DELETED",
        65 => "ERROR_NETWORK_ACCESS_DENIED",
        67 => "ERROR_BAD_NET_NAME",
        71 => "ERROR_REQ_NOT_ACCEP",
        87 => "ERROR_INVALID_PARAMETER",
        120 => "ERROR_CALL_NOT_IMPLEMENTED",
        123 => "ERROR_INVALID_NAME",
        124 => "ERROR_INVALID_LEVEL",
        234 => "ERROR_MORE_DATA",
        1130 => "ERROR_NOT_ENOUGH_SERVER_MEMORY",
        1219 => "ERROR_SESSION_CREDENTIAL_CONFLICT",
        1314 => "ERROR_PRIVILEGE_NOT_HELD",
        2114 => "NERR_ServerNotStarted",
        2123 => "NERR_BufTooSmall",
        2221 => "NERR_UserNotFound",
        2310 => "NERR_NetNameNotFound",
        2312 => "NERR_ClientNameNotFound",
        2351 => "NERR_InvalidComputer",
        _ => null,
    };

    /// <summary>The same as a status: <c>STATUS_ACCESS_DENIED</c> is itself, the others are Win32 errors in NTSTATUS's clothes ([MS-ERREF] 2.3, facility NTWIN32).</summary>
    internal NtStatus AsStatus() => this == AccessDenied ? NtStatus.AccessDenied : new NtStatus(0xC0070000 | (Code & 0xFFFF));

    /// <summary><c>ERROR_ACCESS_DENIED (5)</c>, or the number alone.</summary>
    public override string ToString() => Name is { } name ? $"{name} ({Code})" : $"Win32 error {Code}";
}
