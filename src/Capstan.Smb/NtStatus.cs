namespace Capstan.Smb;

/// <summary>A status of the server, exactly as it came ([MS-ERREF] 2.3).</summary>
public readonly partial record struct NtStatus(uint Code)
{
    /// <summary>What was asked for was not done: severity <c>ERROR</c>, and every warning (a link in the way, a device that is busy) but the two that are answers:
    /// more data than asked for, and no more files.</summary>
    public bool IsError => Code >> 30 == 3 || (Code >> 30 == 2 && Code is not (0x80000005 or 0x80000006));

    /// <summary>The name without its prefix <c>STATUS_</c>; null for one that this library does not know.</summary>
    public string? Name => NameOf(Code);

    /// <summary><c>STATUS_ACCESS_DENIED (C0000022)</c>, or the number alone.</summary>
    public override string ToString() =>
        Name is { } name ? $"STATUS_{name} ({Code:X8})" : $"NTSTATUS {Code:X8}";
}
