using Capstan.Smb;

namespace Capstan.Testing.Smb;

/// <summary>What the server does with the requests of a compound behind one that failed ([MS-SMB2] 3.3.5.2.7.2); servers differ.</summary>
public enum SmbCompoundRule
{
    /// <summary>As Samba: goes on with the handle, unless it was the CREATE that failed.</summary>
    GoesOn,
    /// <summary>As Windows: everything behind fails with the same status, the CLOSE, too.</summary>
    FailsAllBehind,
    /// <summary>Related requests are refused with INVALID_PARAMETER.</summary>
    Refused,
}

/// <summary>How the server counts sessions. Sessions without a licence are refused at the last leg of SESSION_SETUP.</summary>
public sealed class SmbLicences
{
    /// <summary>Null for no limit.</summary>
    public int? Sessions { get; set; }

    /// <summary>For a session too many: Windows says REQUEST_NOT_ACCEPTED, others INSUFFICIENT_RESOURCES, INSUFF_SERVER_RESOURCES or TOO_MANY_SESSIONS.</summary>
    public NtStatus SessionsStatus { get; set; } = NtStatus.RequestNotAccepted;

    /// <summary>True: first the count, then the previous session is replaced, so that a full server refuses who would free a licence. False: the other order.</summary>
    public bool CountsBeforeReplacing { get; set; }

    /// <summary>More TCP connections than this are accepted and closed at once, as by Samba's <c>max smbd processes</c>; null for no limit.</summary>
    public int? Links { get; set; }
}

/// <summary>One share.</summary>
public sealed class SmbTestShare(TestFileTree tree)
{
    public TestFileTree Tree { get; } = tree;

    public bool IsReadOnly { get; set; }

    /// <summary>No handle has the right to delete or rename.</summary>
    public bool ForbidsDeleting { get; set; }

    public bool MustEncrypt { get; set; }

    public bool IsDfs { get; set; }

    /// <summary>Where a referral for any path leads: <c>\\server\share</c>. Asked at an IPC$; null for none.</summary>
    public string? Referral { get; set; }

    /// <summary>Tree connects at a time, several in one session counted each; null for no limit.</summary>
    public int? MaxUses { get; set; }

    public NtStatus MaxUsesStatus { get; set; } = NtStatus.RequestNotAccepted;

    /// <summary>Named pipes of an IPC$: what one answers to a message. A share with pipes is one of type pipe.</summary>
    public Dictionary<string, Func<byte[], byte[]>> Pipes { get; } = new(StringComparer.OrdinalIgnoreCase);
}

/// <summary>What a server is like. Set before clients connect; licences, shares, credits and compounds may be changed while it runs.</summary>
public sealed class SmbServerRules
{
    public SmbDialect Least { get; set; } = SmbDialect.Smb202;

    public SmbDialect Most { get; set; } = SmbDialect.Smb311;

    public bool RequiresSigning { get; set; }

    /// <summary>Every session must be encrypted.</summary>
    public bool MustEncrypt { get; set; }

    /// <summary>By preference; 3.0 and 3.0.2 use AES-128-CCM when there is any.</summary>
    public IReadOnlyList<SmbCipher> Ciphers { get; set; } = [SmbCipher.Aes128Gcm, SmbCipher.Aes128Ccm, SmbCipher.Aes256Gcm, SmbCipher.Aes256Ccm];

    /// <summary>By preference, for 3.1.1; empty for a server that knows nothing of the negotiation: AES-CMAC.</summary>
    public IReadOnlyList<SmbSigning> SigningAlgorithms { get; set; } = [SmbSigning.AesGmac, SmbSigning.AesCmac];

    public bool HasLargeMtu { get; set; } = true;

    public int MaxBytes { get; set; } = 1024 * 1024;

    public Guid ServerGuid { get; } = Guid.NewGuid();

    /// <summary>Account (without domain) and password.</summary>
    public Dictionary<string, string> Accounts { get; } = new(StringComparer.OrdinalIgnoreCase) { ["capa"] = "secret-capa", ["capb"] = "secret-capb" };

    /// <summary>Names that the server does not know become guest, as by Samba's <c>map to guest = bad user</c>.</summary>
    public bool MapsUnknownToGuest { get; set; }

    public bool AllowsAnonymous { get; set; }

    public Dictionary<string, SmbTestShare> Shares { get; } = new(StringComparer.OrdinalIgnoreCase);

    public SmbLicences Licences { get; } = new();

    public SmbCompoundRule Compounds { get; set; }

    public bool AnswersEcho { get; set; } = true;

    /// <summary>Credits granted with an answer.</summary>
    public Func<SmbCreditQuestion, int> Credits { get; set; } = GrantAsAsked;

    public TimeProvider Time { get; set; } = TimeProvider.System;

    /// <summary>What is asked for, up to 512 in all.</summary>
    public static int GrantAsAsked(SmbCreditQuestion question) => Math.Clamp(question.Asked, 1, Math.Max(512 - question.Held, 1));

    /// <summary>The client always has so many, used or not.</summary>
    public static Func<SmbCreditQuestion, int> AtMost(int credits) => question => Math.Max(credits - question.Held, 0);
}

/// <summary>A request is about to be answered; how many credits come with it?</summary>
/// <param name="Asked">By the request.</param>
/// <param name="Charge">What the request cost.</param>
/// <param name="Held">What the client has without them, used by requests under way or not.</param>
/// <param name="Answered">Answers of this connection before this one.</param>
public readonly record struct SmbCreditQuestion(int Asked, int Charge, int Held, int Answered);
