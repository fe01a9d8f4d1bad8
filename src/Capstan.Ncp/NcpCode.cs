using System.Collections.Frozen;
using System.Globalization;

namespace Capstan.Ncp;

/// <summary>The completion code of an answer: one byte, 0 for success. What one means depends on the function that it answers; the names are those of the file and bindery services.</summary>
public readonly record struct NcpCode(byte Value)
{
    public static readonly NcpCode Success;
    public static readonly NcpCode OutOfSpace = new(0x01);
    public static readonly NcpCode FileInUse = new(0x80);
    public static readonly NcpCode NoMoreHandles = new(0x81);
    public static readonly NcpCode NoCreatePrivilege = new(0x84);
    public static readonly NcpCode NoCreateDeletePrivilege = new(0x85);
    public static readonly NcpCode InvalidCreateName = new(0x87);
    public static readonly NcpCode InvalidHandle = new(0x88);
    public static readonly NcpCode NoSearchPrivilege = new(0x89);
    public static readonly NcpCode NoDeletePrivilege = new(0x8A);
    public static readonly NcpCode NoRenamePrivilege = new(0x8B);
    public static readonly NcpCode NoModifyPrivilege = new(0x8C);
    public static readonly NcpCode SomeInUse = new(0x8D);
    public static readonly NcpCode AllInUse = new(0x8E);
    public static readonly NcpCode SomeReadOnly = new(0x8F);
    public static readonly NcpCode AllReadOnly = new(0x90);
    public static readonly NcpCode SomeNamesTaken = new(0x91);
    public static readonly NcpCode AllNamesTaken = new(0x92);
    public static readonly NcpCode NoReadPrivilege = new(0x93);
    public static readonly NcpCode NoWritePrivilege = new(0x94);
    public static readonly NcpCode OutOfMemory = new(0x96);
    public static readonly NcpCode NoSuchVolume = new(0x98);
    public static readonly NcpCode DirectoryFull = new(0x99);
    public static readonly NcpCode InvalidPath = new(0x9C);
    public static readonly NcpCode InvalidName = new(0x9E);
    public static readonly NcpCode DirectoryInUse = new(0x9F);
    public static readonly NcpCode DirectoryNotEmpty = new(0xA0);
    public static readonly NcpCode InvalidNameSpace = new(0xBF);
    public static readonly NcpCode IntruderLockout = new(0xC5);
    public static readonly NcpCode NoConsoleRights = new(0xC6);
    public static readonly NcpCode TooManyLogins = new(0xD9);
    public static readonly NcpCode WrongTime = new(0xDA);
    public static readonly NcpCode WrongStation = new(0xDB);
    public static readonly NcpCode AccountDisabled = new(0xDC);
    public static readonly NcpCode PasswordExpired = new(0xDE);
    public static readonly NcpCode PasswordExpiredWithGrace = new(0xDF);
    public static readonly NcpCode NoFreeConnection = new(0xF9);
    public static readonly NcpCode NotSupported = new(0xFB);
    public static readonly NcpCode NoSuchObject = new(0xFC);
    public static readonly NcpCode BadConnection = new(0xFD);
    public static readonly NcpCode Failure = new(0xFF);

    private static readonly FrozenDictionary<byte, string> Names = new Dictionary<byte, string>
    {
        [0x00] = "success",
        [0x01] = "out of disk space",
        [0x7E] = "invalid length",
        [0x7F] = "locked",
        [0x80] = "file in use",
        [0x81] = "no more file handles",
        [0x82] = "no open privileges",
        [0x83] = "hard I/O error",
        [0x84] = "no create privileges",
        [0x85] = "no create or delete privileges",
        [0x87] = "invalid name for a new file",
        [0x88] = "invalid file handle",
        [0x89] = "no search privileges",
        [0x8A] = "no delete privileges",
        [0x8B] = "no rename privileges",
        [0x8C] = "no modify privileges",
        [0x8D] = "some files in use",
        [0x8E] = "file in use",
        [0x8F] = "some files are read-only",
        [0x90] = "file is read-only",
        [0x91] = "some names are taken",
        [0x92] = "name is taken",
        [0x93] = "no read privileges",
        [0x94] = "no write privileges",
        [0x95] = "file detached",
        [0x96] = "server out of memory",
        [0x97] = "no disk space for a spool file",
        [0x98] = "volume does not exist",
        [0x99] = "directory full",
        [0x9A] = "renaming across volumes",
        [0x9B] = "bad directory handle",
        [0x9C] = "invalid path",
        [0x9D] = "no more directory handles",
        [0x9E] = "invalid name",
        [0x9F] = "directory in use",
        [0xA0] = "directory not empty",
        [0xA1] = "directory I/O error",
        [0xA2] = "I/O on a locked range",
        [0xBF] = "invalid name space",
        [0xC1] = "no account balance",
        [0xC2] = "credit limit exceeded",
        [0xC5] = "intruder lockout",
        [0xC6] = "no console rights",
        [0xD9] = "too many logins",
        [0xDA] = "not allowed at this hour",
        [0xDB] = "not allowed from this station",
        [0xDC] = "account disabled",
        [0xDE] = "password expired",
        [0xDF] = "password expired, grace login",
        [0xF9] = "no free connection",
        [0xFB] = "not supported",
        [0xFC] = "no such object",
        [0xFD] = "bad connection number",
        [0xFE] = "bindery locked",
        [0xFF] = "failure",
    }.ToFrozenDictionary();

    public bool IsError => Value != 0;

    /// <summary>For people: <c>NCP F9 (no free connection)</c>.</summary>
    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"NCP {Value:X2}{(Names.TryGetValue(Value, out var name) ? $" ({name})" : "")}");
}
