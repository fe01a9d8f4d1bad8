namespace Capstan.Smb;

/// <summary>A revision of SMB 2 ([MS-SMB2] 2.2.3).</summary>
public enum SmbDialect
{
    None = 0,
    Smb202 = 0x0202,
    Smb210 = 0x0210,
    Smb300 = 0x0300,
    Smb302 = 0x0302,
    Smb311 = 0x0311,
}

/// <summary>How messages are signed ([MS-SMB2] 2.2.3.1.7).</summary>
public enum SmbSigning
{
    /// <summary>Dialects 2.0.2 and 2.1.</summary>
    HmacSha256 = 0,
    /// <summary>3.0 and later.</summary>
    AesCmac = 1,
    /// <summary>3.1.1, where both sides offer it.</summary>
    AesGmac = 2,
}

/// <summary>How messages are encrypted ([MS-SMB2] 2.2.3.1.2).</summary>
public enum SmbCipher
{
    None = 0,
    Aes128Ccm = 1,
    Aes128Gcm = 2,
    Aes256Ccm = 3,
    Aes256Gcm = 4,
}
