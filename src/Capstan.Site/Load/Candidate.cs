using Capstan.Nal.Providers;
using Capstan.Protocol.V1;

namespace Capstan.Site.Load;

/// <summary>A file of an inbox.</summary>
internal sealed record InboxFile(StorePath Path, long LengthBytes, UploadName? Name)
{
    public string FileName => Path.Name;
}

/// <summary>A file of an inbox after reading, opening and verifying, as far as that went.</summary>
/// <param name="Content">The bytes; null when they were not or could not be read.</param>
internal abstract record Candidate(InboxFile File, byte[]? Content)
{
    /// <summary>Signature and bindings hold.</summary>
    internal sealed record Verified(InboxFile File, byte[]? Content, Upload Upload, UploadDocuments Documents, string RecordHash) : Candidate(File, Content);

    /// <summary>Opened; the signer is not known (yet: its request may stand before it in the same pass).</summary>
    /// <param name="Recipient">Id of the key that opened it.</param>
    internal sealed record UnknownSigner(InboxFile File, byte[]? Content, string Record, string Recipient) : Candidate(File, Content);

    /// <summary>Not whole yet, as far as one can tell.</summary>
    internal sealed record NotYet(InboxFile File, byte[]? Content, string Detail) : Candidate(File, Content);

    /// <summary>The storage does not give its bytes. Nothing is decided about it, as there would be no copy.</summary>
    internal sealed record Unreadable(InboxFile File, string Detail) : Candidate(File, null);

    /// <summary>Cannot be taken in.</summary>
    internal sealed record Refused(InboxFile File, byte[]? Content, string Reason, string Detail) : Candidate(File, Content);

    /// <summary>Gone: somebody else removed it.</summary>
    internal sealed record Gone(InboxFile File) : Candidate(File, null);
}
