namespace Capstan.Protocol;

/// <summary>Why a document was refused. Numbers are stable: they appear in quarantine and in status messages.</summary>
public enum ProtocolError
{
    /// <summary>Longer than the limit for its kind; nothing beyond the limit was read.</summary>
    TooLarge = 1,
    /// <summary>Not the form it claims to have (JSON, compact serialization, missing member).</summary>
    Malformed = 2,
    /// <summary>A version of the format that this program does not know.</summary>
    UnknownVersion = 3,
    /// <summary>Too few valid signatures.</summary>
    BadSignature = 4,
    /// <summary>Length or hash differs from what signed metadata says.</summary>
    BadHash = 5,
    /// <summary>A lower version than one that was already trusted.</summary>
    Rollback = 6,
    /// <summary>Authentic but past its expiry: no new orders are taken from it.</summary>
    Expired = 7,
    /// <summary>Metadata names a file that is not there, or a target that no role delegates.</summary>
    Missing = 8,
    /// <summary>Sealed to another key, or altered.</summary>
    CannotOpen = 9,
    /// <summary>Signed for another site, epoch, device or recipient.</summary>
    WrongBinding = 10,
}

/// <summary>A document from a CAP was refused. The message says which document and what is wrong with it.</summary>
public sealed class ProtocolException(ProtocolError error, string message, string? document = null, Exception? inner = null)
    : Exception(message, inner)
{
    public ProtocolError Error { get; } = error;

    /// <summary>Path of the document on the CAP; null when there is none.</summary>
    public string? Document { get; } = document;
}
