namespace Capstan.Nal;

/// <summary>Which phase failed, on which side. Platform errors are translated to this once, in the provider.</summary>
public enum NalError
{
    /// <summary>The path, or the abstract export, names nothing that can be used.</summary>
    Resolve = 1,
    /// <summary>No slot on the server became free within the deadline.</summary>
    WaitForSlot = 2,
    /// <summary>The server could not be reached.</summary>
    Connect = 3,
    /// <summary>The server did not accept the account.</summary>
    Authenticate = 4,
    /// <summary>The server refused for capacity (see design.md 5, "full").</summary>
    ServerFull = 5,
    /// <summary>The entry is not there.</summary>
    NotFound = 6,
    /// <summary>The account, or this process, may not do this.</summary>
    AccessDenied = 7,
    /// <summary>The entry exists already, is of another kind, or is in use.</summary>
    Conflict = 8,
    /// <summary>The storage, or a quota on it, is full.</summary>
    StorageFull = 9,
    /// <summary>The entry is larger than the limit that the caller gave.</summary>
    TooLarge = 10,
    /// <summary>Reading failed at the storage.</summary>
    ReadRemote = 11,
    /// <summary>Writing failed at the storage.</summary>
    WriteRemote = 12,
    /// <summary>Reading failed on this machine (journal, slots).</summary>
    ReadLocal = 13,
    /// <summary>Writing failed on this machine (journal, slots).</summary>
    WriteLocal = 14,
}

/// <summary>What is known of the operation that failed. A retry is safe after <see cref="Unknown"/> only if the operation is idempotent.</summary>
public enum Completion
{
    /// <summary>The request never left this machine.</summary>
    NotSent = 1,
    /// <summary>The other side answered, and did not do it.</summary>
    Refused = 2,
    /// <summary>Sent, no answer: it may have happened.</summary>
    Unknown = 3,
}

/// <summary>The one exception of the network abstraction layer. The message gives limit, reading and next step.</summary>
public sealed class NalException : Exception
{
    /// <param name="error">Phase and side.</param>
    /// <param name="message">One line for a person: what, limit, reading, next step.</param>
    /// <param name="path">The NAL path, or the path inside the store, that was used.</param>
    /// <param name="completion">What is known of the operation.</param>
    /// <param name="isTransient">True when the same call may succeed later without anybody changing anything.</param>
    /// <param name="server">Canonical server name; null for local storage.</param>
    /// <param name="code">Win32 or NTSTATUS code as the server gave it; null where there is none.</param>
    /// <param name="inner">The platform's own exception.</param>
    public NalException(NalError error, string message, string? path = null, Completion completion = Completion.Refused,
        bool isTransient = false, string? server = null, uint? code = null, Exception? inner = null)
        : base(message, inner)
    {
        Error = error;
        Path = path;
        Completion = completion;
        IsTransient = isTransient;
        Server = server;
        Code = code;
    }

    public NalError Error { get; }
    public string? Path { get; }
    public string? Server { get; }
    public uint? Code { get; }
    public bool IsTransient { get; }
    public Completion Completion { get; }

    /// <summary>After which the same call may succeed, where that is known; null else.</summary>
    internal TimeSpan? RetryAfter { get; init; }

    /// <summary>What was tried on the way, when a lease could not be had; null for an operation on a store.</summary>
    public Arbiter.NalTrace? Trace { get; init; }
}
