using Capstan.Nal.Paths;
using Capstan.Nal.Providers.Mswnet;
using Capstan.Ncp;
using Capstan.Ncp.Files;

namespace Capstan.Nal.Providers.Nwbind;

/// <summary>Translates what the protocol says, once, to what the caller can do about it. Messages give limit, reading and next step.</summary>
internal static class NcpErrors
{
    /// <summary>While a connection was made and logged in.</summary>
    public static ConnectFailure Connecting(NcpException cause, string server, string account, NalPath path)
    {
        NalException Give(NalError error, string message, bool isTransient = false) => new(error, message, path.ToString(), CompletionOf(cause), isTransient, server, CodeOf(cause), cause);

        return cause.Failure switch
        {
            NcpFailure.ClosedAtOnce => new(Give(NalError.ServerFull, $"server {server} may be full: it accepted the connection and closed it before its first answer. "
                + "If it has room, something else listens there, or it does not speak NCP over TCP", isTransient: true), IsDoubtful: true),
            NcpFailure.Silent => new(Give(NalError.ServerFull, $"server {server} may be full: {cause.Message}. If it has room, it hangs or its host is overloaded", isTransient: true), IsDoubtful: true),
            NcpFailure.Unreachable or NcpFailure.Lost =>
                new(Give(NalError.Connect, $"server {server}: {cause.Message}; check name, port and firewall, and that the server runs NCP over TCP", isTransient: true)),
            NcpFailure.Completion when IsFull(cause.Code) => new(Give(NalError.ServerFull,
                $"server {server} is full ({cause.Code} for account {account}); it is tried again by itself: give connections back, or raise its licences or the account's limit of connections if this lasts", isTransient: true)),
            NcpFailure.Completion => new(Give(NalError.Authenticate, Login(cause, server, account), isTransient: !IsOfTheAccount(cause.Code))),
            NcpFailure.Tampered or NcpFailure.Protocol =>
                new(Give(NalError.Connect, $"server {server} was left: {cause.Message}; look for something between this machine and the server that changes the traffic, and at the password: it is the key of the signatures")),
            NcpFailure.Unsupported when cause.Completion == NcpCompletion.NotSent => new(Give(NalError.Authenticate, $"account {account} for server {server} cannot be an account: {cause.Message}")),
            _ => new(Give(NalError.Connect, $"server {server} cannot be used: {cause.Message}")),
        };
    }

    /// <summary>While a volume, or the root on it, was opened.</summary>
    public static NalException Opening(NcpException cause, NwbindConnection connection, NalPath path)
    {
        var volume = path.Segments[0];
        NalException Give(NalError error, string message, bool isTransient = false) =>
            new(error, message, path.ToString(), CompletionOf(cause), isTransient, connection.Server, CodeOf(cause), cause);

        return cause.Failure == NcpFailure.Unsupported ? Give(NalError.Resolve, cause.Message)
            : cause.Failure != NcpFailure.Completion ? Broken(cause, connection)
            : cause.Code == NcpCode.NoSuchVolume ? Give(NalError.NotFound, $"server {connection.Server} has no volume '{volume}', or it is not mounted ({cause.Code}); check its name, or mount it there", isTransient: true)
            : IsDenied(cause.Code) ? Give(NalError.AccessDenied, $"account {connection.Account} may not look into volume '{volume}' of {connection.Server} ({cause.Code}); make it a trustee of the folder")
            : Give(NalError.Connect, $"volume '{volume}' of {connection.Server} cannot be opened: {cause.Message}", isTransient: true);
    }

    /// <summary>The link or the slot is over.</summary>
    public static NalException Broken(NcpException cause, NwbindConnection connection) => new(NalError.Connect,
        $"the connection to server {connection.Server} is over: {cause.Message}", path: null, CompletionOf(cause), isTransient: true, connection.Server, CodeOf(cause), cause);

    /// <summary>While something was done with an entry.</summary>
    /// <param name="what">The operation and the path, for the message.</param>
    /// <param name="isWrite">The side that failed, for causes that say nothing more.</param>
    public static NalException Operation(NcpException cause, NwbindConnection connection, NcpVolume volume, string what, bool isWrite, StorePath path)
    {
        var code = cause.Code;
        NalException Give(NalError error, string reason, bool isTransient = false) =>
            new(error, $"{what}: {reason}", path.Value, CompletionOf(cause), isTransient, connection.Server, CodeOf(cause), cause);

        if (cause.Failure == NcpFailure.Unsupported)
            return Give(NalError.Conflict, cause.Message);
        if (cause.Failure != NcpFailure.Completion)
            return Give(isWrite ? NalError.WriteRemote : NalError.ReadRemote, cause.Message, isTransient: true);
        if (IsDenied(code))
            return Give(NalError.AccessDenied, $"account {connection.Account} may not ({code}); check its trustee rights on the folder, and the file's attributes");
        if (NcpVolume.IsMissing(code))
            return Give(NalError.NotFound, $"nothing is there ({code})");
        if (code == NcpCode.OutOfSpace || code == NcpCode.DirectoryFull)
            return Give(NalError.StorageFull, $"volume {volume.Name} or the space of account {connection.Account} is full ({code}); free or purge some, and the work goes on by itself", isTransient: true);
        if (IsInUse(code))
            return Give(NalError.Conflict, $"somebody else has it open ({code}); it is tried again, or close it there", isTransient: true);
        if (code == NcpCode.AllNamesTaken || code == NcpCode.SomeNamesTaken)
            return Give(NalError.Conflict, $"the name is taken ({code})");
        if (code == NcpCode.DirectoryNotEmpty)
            return Give(NalError.Conflict, $"the directory is not empty ({code})");
        if (code == NcpCode.InvalidName || code == NcpCode.InvalidCreateName)
            return Give(NalError.Conflict, $"the name space of volume {volume.Name} cannot hold this name ({code}); {(volume.HasLongNames ? "use a shorter one, or fewer directories" : "add the LONG name space to the volume")}");
        if (code == NcpCode.NoSuchVolume || code == NcpCode.InvalidHandle)
            return Give(isWrite ? NalError.WriteRemote : NalError.ReadRemote, $"volume {volume.Name} was dismounted, or the file closed by the server ({code}); mount it there, and it is looked for again", isTransient: true);
        return Give(isWrite ? NalError.WriteRemote : NalError.ReadRemote, $"the server answered {code}", isTransient: true);
    }

    public static bool IsInUse(NcpCode code) => code == NcpCode.FileInUse || code == NcpCode.AllInUse || code == NcpCode.SomeInUse || code == NcpCode.DirectoryInUse;

    public static bool IsDenied(NcpCode code) => code.Value is >= 0x82 and <= 0x85 and not 0x83 or >= 0x89 and <= 0x8C or 0x8F or 0x90 or 0x93 or 0x94;

    /// <summary>Refused for capacity, by the server's own word (design.md 5).</summary>
    public static bool IsFull(NcpCode code) => code == NcpCode.NoFreeConnection || code == NcpCode.TooManyLogins || code == NcpCode.OutOfMemory;

    /// <summary>The server judged the account: trying it again could lock it.</summary>
    private static bool IsOfTheAccount(NcpCode code) => code == NcpCode.Failure || code == NcpCode.NoSuchObject || code == NcpCode.IntruderLockout
        || code == NcpCode.AccountDisabled || code == NcpCode.PasswordExpired || code == NcpCode.WrongStation;

    private static string Login(NcpException cause, string server, string account)
    {
        var reason =
            cause.Code == NcpCode.NoSuchObject ? "it is not in the bindery, or in the server's bindery context; make it there"
            : cause.Code == NcpCode.Failure ? "wrong password; correct it at the server or with another account"
            : cause.Code == NcpCode.IntruderLockout ? "it is locked after too many wrong passwords; unlock it at the server, or wait until that does it"
            : cause.Code == NcpCode.PasswordExpired ? "its password has expired; add an account with one that does not"
            : cause.Code == NcpCode.AccountDisabled ? "it is disabled or expired; enable it at the server"
            : cause.Code == NcpCode.WrongTime ? "it may not log in at this hour; lift that at the server"
            : cause.Code == NcpCode.WrongStation ? "it may not log in from this machine; lift that at the server"
            : cause.Message;
        return $"server {server} does not accept account {account}: {reason} ({cause.Code})";
    }

    private static Completion CompletionOf(NcpException cause) => cause.Completion switch
    {
        NcpCompletion.NotSent => Completion.NotSent,
        NcpCompletion.Refused => Completion.Refused,
        _ => Completion.Unknown,
    };

    private static uint? CodeOf(NcpException cause) => cause.Code.IsError ? cause.Code.Value : null;
}
