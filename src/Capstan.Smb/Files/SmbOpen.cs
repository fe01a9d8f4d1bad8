namespace Capstan.Smb;

/// <summary>What a handle may be used for ([MS-SMB2] 2.2.13.1).</summary>
[Flags]
public enum SmbAccess : uint
{
    ReadData = 0x1,
    WriteData = 0x2,
    AppendData = 0x4,
    ReadAttributes = 0x80,
    WriteAttributes = 0x100,
    Delete = 0x10000,
    ReadControl = 0x20000,
    Synchronize = 0x100000,
}

/// <summary>What others may do while the handle is open.</summary>
[Flags]
public enum SmbSharing : uint
{
    None = 0,
    Read = 1,
    Write = 2,
    Delete = 4,
    All = Read | Write | Delete,
}

/// <summary>What happens when the name is taken, or not (2.2.13).</summary>
public enum SmbDisposition : uint
{
    Supersede = 0,
    /// <summary>Fails when nothing is there.</summary>
    Open = 1,
    /// <summary>Fails when something is there.</summary>
    Create = 2,
    OpenIf = 3,
    Overwrite = 4,
    OverwriteIf = 5,
}

[Flags]
public enum SmbCreateOptions : uint
{
    None = 0,
    Directory = 0x1,
    WriteThrough = 0x2,
    NonDirectory = 0x40,
    DeleteOnClose = 0x1000,
    /// <summary>A link is opened itself, never what it points to.</summary>
    OpenReparsePoint = 0x200000,
}

/// <summary>[MS-FSCC] 2.6.</summary>
[Flags]
public enum SmbAttributes : uint
{
    None = 0,
    ReadOnly = 0x1,
    Hidden = 0x2,
    System = 0x4,
    Directory = 0x10,
    Archive = 0x20,
    Normal = 0x80,
    ReparsePoint = 0x400,
}

/// <summary>How to open a file or a directory.</summary>
public sealed record SmbOpen(SmbAccess Access, SmbDisposition Disposition, SmbCreateOptions Options = SmbCreateOptions.NonDirectory,
    SmbSharing Sharing = SmbSharing.All, SmbAttributes Attributes = SmbAttributes.Normal)
{
    /// <summary>An existing file for reading.</summary>
    public static readonly SmbOpen Read = new(SmbAccess.ReadData | SmbAccess.ReadAttributes, SmbDisposition.Open);

    /// <summary>A new file for writing; fails with <see cref="NtStatus.ObjectNameCollision"/> when the name is taken. Others may read meanwhile.</summary>
    /// <remarks>Without the right to delete it again, which some accounts have not.</remarks>
    public static readonly SmbOpen CreateNew = new(SmbAccess.WriteData | SmbAccess.ReadAttributes, SmbDisposition.Create, Sharing: SmbSharing.Read);

    /// <summary>A new file that will be renamed, or deleted again.</summary>
    public static readonly SmbOpen Temporary = CreateNew with { Access = CreateNew.Access | SmbAccess.Delete, Sharing = SmbSharing.None };

    /// <summary>An existing file or directory, to be deleted or renamed.</summary>
    public static readonly SmbOpen Delete = new(SmbAccess.Delete, SmbDisposition.Open, SmbCreateOptions.OpenReparsePoint);

    /// <summary>Facts only; a file or a directory.</summary>
    public static readonly SmbOpen Look = new(SmbAccess.ReadAttributes, SmbDisposition.Open, SmbCreateOptions.None);

    /// <summary>A directory, to be listed.</summary>
    public static readonly SmbOpen List = new(SmbAccess.ReadData | SmbAccess.ReadAttributes, SmbDisposition.Open, SmbCreateOptions.Directory);

    /// <summary>A directory that is made when it is not there.</summary>
    public static readonly SmbOpen MakeDirectory = new(SmbAccess.ReadAttributes, SmbDisposition.OpenIf, SmbCreateOptions.Directory, Attributes: SmbAttributes.Directory);
}

/// <summary>One file or directory.</summary>
/// <param name="Name">Last segment of its path; empty for the root of a share.</param>
/// <param name="LengthBytes">0 for a directory.</param>
/// <param name="LastWrite">By the server's clock, UTC.</param>
public sealed record SmbEntry(string Name, SmbAttributes Attributes, long LengthBytes, DateTimeOffset LastWrite)
{
    public bool IsDirectory => Attributes.HasFlag(SmbAttributes.Directory);
}

/// <summary>Space of a share, in bytes, for this account.</summary>
public sealed record SmbSpace(long FreeBytes, long TotalBytes);
