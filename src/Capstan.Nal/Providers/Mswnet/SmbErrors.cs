using Capstan.Nal.Paths;
using Capstan.Smb;

namespace Capstan.Nal.Providers.Mswnet;

/// <summary>Translates what the protocol says, once, to what the caller can do about it. Messages give limit, reading and next step.</summary>
internal static class SmbErrors
{
    /// <summary>[MS-ERREF] 2.3.1: this and the other clock differ too much for Kerberos.</summary>
    private static readonly NtStatus TimeDifference = new(0xC0000133);

    /// <summary>A disk quota on NTFS.</summary>
    private static readonly NtStatus DiskQuotaExceeded = new(0xC0000802);

    /// <summary>While a session was being made: address, NEGOTIATE, logon.</summary>
    public static ConnectFailure Connecting(SmbException cause, string server, string account, NalPath path)
    {
        NalException Give(NalError error, string message, bool isTransient = false) => new(error, message, path.ToString(), CompletionOf(cause), isTransient, server, CodeOf(cause), cause);

        switch (cause.Failure)
        {
            case SmbFailure.ClosedAtOnce:
                return new(Give(NalError.ServerFull, $"server {server} is likely full: it accepted the connection and closed it before its first answer. "
                    + "If it has room, something else listens there, or it does not speak SMB 2 (Samba: max smbd processes; Windows: licences, LanmanServer)", isTransient: true), IsDoubtful: true);
            case SmbFailure.Silent:
                return new(Give(NalError.ServerFull, $"server {server} may be full: {cause.Message}. If it has room, it hangs or its host is overloaded", isTransient: true), IsDoubtful: true);
            case SmbFailure.Unreachable or SmbFailure.Lost:
                return new(Give(NalError.Connect, $"server {server}: {cause.Message}; check name, port and firewall, and that the server runs", isTransient: true));
            case SmbFailure.Status when IsFull(cause.Status):
                return new(Give(NalError.ServerFull, Full(cause, server), isTransient: true));
            case SmbFailure.Status or SmbFailure.Logon when cause.Command == SmbCommand.SessionSetup:
                return new(Give(NalError.Authenticate, Logon(cause, server, account), isTransient: cause.Failure == SmbFailure.Status && !IsOfTheAccount(cause.Status)));
            case SmbFailure.Tampered or SmbFailure.Protocol:
                return new(Give(NalError.Connect, $"server {server} was left: {cause.Message}; look for something between this machine and the server that changes the traffic"));
            default:
                return new(Give(NalError.Connect, $"server {server} cannot be used: {cause.Message}"));
        }
    }

    /// <summary>The account cannot be one of this kind of storage.</summary>
    public static NalException NoAccount(ArgumentException cause, string server, string account, NalPath path) =>
        new(NalError.Authenticate, $"account {account} for server {server} cannot be an account: {cause.Message}", path.ToString(), Completion.NotSent, server: server, inner: cause);

    /// <summary>While a share or the root on it was opened.</summary>
    public static NalException Opening(SmbException cause, MswnetConnection connection, NalPath path)
    {
        var share = path.Segments[0];
        NalException Give(NalError error, string message, bool isTransient = false) =>
            new(error, message, path.ToString(), CompletionOf(cause), isTransient, connection.Server, CodeOf(cause), cause);

        if (cause.Failure == SmbFailure.Unsupported)
            return Give(NalError.Resolve, cause.Message);
        if (IsFull(cause.Status))
            return Give(NalError.ServerFull, Full(cause, connection.Server), isTransient: true);
        if (cause.Status == NtStatus.BadNetworkName || cause.Status == NtStatus.ObjectNameNotFound || cause.Status == NtStatus.NotFound)
            return Give(NalError.NotFound, $"server {connection.Server} has no share '{share}' ({cause.Status}); check its name, or that the share is on");
        if (cause.Status == NtStatus.AccessDenied || cause.Status == NtStatus.NetworkAccessDenied)
            return Give(NalError.AccessDenied, $"account {connection.Account} may not open share '{share}' of {connection.Server} ({cause.Status}); give it the right to connect to the share");
        if (cause.Failure == SmbFailure.Status)
            return Give(NalError.Connect, $"share '{share}' of {connection.Server} cannot be opened: {cause.Message}", isTransient: true);
        return Broken(cause, connection);
    }

    /// <summary>The link or the session is over.</summary>
    public static NalException Broken(SmbException cause, MswnetConnection connection) => new(NalError.Connect,
        $"the connection to server {connection.Server} is over: {cause.Message}", path: null, CompletionOf(cause), isTransient: true, connection.Server, CodeOf(cause), cause);

    /// <summary>While something was done with an entry.</summary>
    /// <param name="what">The operation and the path, for the message.</param>
    /// <param name="isWrite">The side that failed, for causes that say nothing more.</param>
    public static NalException Operation(SmbException cause, MswnetConnection connection, string what, bool isWrite, StorePath path)
    {
        var status = cause.Status;
        NalException Give(NalError error, string reason, bool isTransient = false) =>
            new(error, $"{what}: {reason}", path.Value, CompletionOf(cause), isTransient, connection.Server, CodeOf(cause), cause);

        if (cause.Failure == SmbFailure.Unsupported)
            return Give(NalError.Resolve, cause.Message);
        if (cause.Failure != SmbFailure.Status)
            return Give(isWrite ? NalError.WriteRemote : NalError.ReadRemote, cause.Message, isTransient: true);
        if (IsDenied(status))
            return Give(NalError.AccessDenied, $"account {connection.Account} may not ({status}); check its rights on the share and on the folder");
        if (status == NtStatus.MediaWriteProtected)
            return Give(NalError.AccessDenied, $"the share's disk is read-only ({status})");
        if (IsNotThere(status))
            return Give(NalError.NotFound, $"nothing is there ({status})");
        if (status == NtStatus.DiskFull)
            return Give(NalError.StorageFull, $"the disk at the server is full ({status}); free some space there, and the work goes on by itself", isTransient: true);
        if (status == NtStatus.QuotaExceeded || status == DiskQuotaExceeded)
            return Give(NalError.StorageFull, $"the quota of account {connection.Account} is used up ({status}); raise it or free some space", isTransient: true);
        if (status == NtStatus.SharingViolation || status == NtStatus.FileLockConflict || status == NtStatus.LockNotGranted || status == NtStatus.DeletePending)
            return Give(NalError.Conflict, $"somebody else has it open ({status}); it is tried again, or close it there", isTransient: true);
        if (Taken(status) is { } taken)
            return Give(NalError.Conflict, $"{taken} ({status})");
        if (status == NtStatus.NameTooLong || status == NtStatus.ObjectNameInvalid || status == NtStatus.ObjectPathInvalid || status == NtStatus.ObjectPathSyntaxBad)
            return Give(NalError.Conflict, $"the name is longer than this server holds, or has a character that it refuses ({status}); use a share or a folder with a shorter path");
        if (status == NtStatus.StoppedOnSymlink)
            return Give(NalError.AccessDenied, $"a link is in the way ({status}); put the folder itself there");
        if (status == NtStatus.NetworkNameDeleted)
            return Give(isWrite ? NalError.WriteRemote : NalError.ReadRemote, $"the share is gone ({status}): it was stopped or changed at the server; it is looked for again", isTransient: true);
        return Give(isWrite ? NalError.WriteRemote : NalError.ReadRemote, $"the server answered {status} to {cause.Command?.Name}", isTransient: true);
    }

    public static bool IsNotThere(NtStatus status) =>
        status == NtStatus.ObjectNameNotFound || status == NtStatus.ObjectPathNotFound || status == NtStatus.NoSuchFile || status == NtStatus.NotFound;

    public static bool IsDenied(NtStatus status) =>
        status == NtStatus.AccessDenied || status == NtStatus.NetworkAccessDenied || status == NtStatus.PrivilegeNotHeld || status == NtStatus.CannotDelete;

    /// <summary>The server judged the account: trying it again could lock it. Everything else is the server's own trouble, or the hour's.</summary>
    private static bool IsOfTheAccount(NtStatus status) =>
        status == NtStatus.LogonFailure || status == NtStatus.WrongPassword || status == NtStatus.NoSuchUser || status == NtStatus.AccountLockedOut
        || status == NtStatus.AccountDisabled || status == NtStatus.AccountExpired || status == NtStatus.PasswordExpired || status == NtStatus.PasswordMustChange
        || status == NtStatus.AccountRestriction || status == NtStatus.LogonTypeNotGranted || status == NtStatus.InvalidWorkstation || status == NtStatus.AccessDenied;

    /// <summary>Refused for capacity, by the server's own word (design.md 5).</summary>
    public static bool IsFull(NtStatus status) =>
        status == NtStatus.RequestNotAccepted || status == NtStatus.InsufficientResources || status == NtStatus.InsuffServerResources || status == NtStatus.TooManySessions;

    private static string Full(SmbException cause, string server) =>
        $"server {server} is full (its limit is not told; NTSTATUS {cause.Status.Code:X8} {cause.Status.Name} to {cause.Command?.Name}); it is tried again by itself: raise its limit of connections if this lasts";

    private static string? Taken(NtStatus status) =>
        status == NtStatus.ObjectNameCollision ? "the name is taken"
        : status == NtStatus.FileIsADirectory ? "a directory has that name"
        : status == NtStatus.NotADirectory ? "a file stands where a directory should be"
        : status == NtStatus.DirectoryNotEmpty ? "the directory is not empty"
        : null;

    private static string Logon(SmbException cause, string server, string account)
    {
        if (cause.Completion == SmbCompletion.NotSent)
            return $"account {account} was not tried at server {server}: {cause.Message}";
        var status = cause.Status;
        var reason =
            status == NtStatus.LogonFailure ? "wrong password, or the account is not known there; correct one of them at the server or with another account"
            : status == NtStatus.WrongPassword ? "wrong password; add another account with the right one"
            : status == NtStatus.NoSuchUser ? "it is not known there; make it at the server"
            : status == NtStatus.AccountLockedOut ? "it is locked after too many wrong passwords; unlock it at the server, or wait until that does it"
            : status == NtStatus.PasswordExpired ? "its password has expired; add an account with one that does not"
            : status == NtStatus.PasswordMustChange ? "its password must be changed at the first logon; change it by hand, or lift that"
            : status == NtStatus.AccountDisabled ? "it is disabled; enable it at the server"
            : status == NtStatus.AccountExpired ? "it has expired; extend it at the server"
            : status == NtStatus.InvalidLogonHours ? "it may not log on at this hour; lift that at the server"
            : status == NtStatus.InvalidWorkstation ? "it may not log on from this machine; lift that at the server"
            : status == NtStatus.AccountRestriction ? "a rule of the server forbids it this logon (an empty password, perhaps)"
            : status == NtStatus.LogonTypeNotGranted || status == NtStatus.AccessDenied ? "it has no right to log on over the network"
            : status == NtStatus.NoLogonServers || status == NtStatus.NetlogonNotStarted || status == NtStatus.TrustedRelationshipFailure ? "the server cannot ask its domain about it; look at the server"
            : status == TimeDifference ? "the clocks of this machine and of the server differ too much; set them"
            : cause.Message;
        return $"server {server} does not accept account {account}: {reason}{(status.IsError ? $" ({status})" : "")}";
    }

    private static Completion CompletionOf(SmbException cause) => cause.Completion switch
    {
        SmbCompletion.NotSent => Completion.NotSent,
        SmbCompletion.Refused => Completion.Refused,
        _ => Completion.Unknown,
    };

    private static uint? CodeOf(SmbException cause) => cause.Status.IsError ? cause.Status.Code : null;
}
