using Capstan.Nal.Paths;
using Microsoft.Extensions.Logging;

namespace Capstan.Nal.Arbiter;

public sealed partial class ConnectionArbiter
{
    [LoggerMessage(EventId = 1201, EventName = nameof(ConnectFailed), Level = LogLevel.Warning, Message = "Connecting to {Server} failed with {Error} after {ElapsedMs:F0} ms")]
    private partial void ConnectFailed(string server, NalError error, double elapsedMs, Exception cause);

    [LoggerMessage(EventId = 1202, EventName = nameof(ConnectionOpened), Level = LogLevel.Debug, Message = "Connection to {Server} opened in {ElapsedMs:F0} ms")]
    private partial void ConnectionOpened(string server, double elapsedMs);

    [LoggerMessage(EventId = 1203, EventName = nameof(ConnectionClosed), Level = LogLevel.Debug, Message = "Connection to {Server} closed")]
    private partial void ConnectionClosed(string server);

    [LoggerMessage(EventId = 1204, EventName = nameof(CloseNotConfirmed), Level = LogLevel.Warning,
        Message = "{Server} did not confirm the close of a connection: it may count it until its own time limit")]
    private partial void CloseNotConfirmed(string server, Exception? cause);

    [LoggerMessage(EventId = 1205, EventName = nameof(LeaseGranted), Level = LogLevel.Trace, Message = "Lease {Lease} on {Path} granted to {Component}")]
    private partial void LeaseGranted(NalPath path, string component, long lease);

    [LoggerMessage(EventId = 1206, EventName = nameof(LeaseReturned), Level = LogLevel.Trace, Message = "Lease {Lease} on {Path} returned by {Component}")]
    private partial void LeaseReturned(NalPath path, string component, long lease);

    [LoggerMessage(EventId = 1207, EventName = nameof(Refused), Level = LogLevel.Information, Message = "{Component} - {Reason}")]
    private partial void Refused(string component, string reason);

    [LoggerMessage(EventId = 1209, EventName = nameof(ConnectionBroken), Level = LogLevel.Warning, Message = "The connection to {Server} broke: {Cause}; its leases end, and the next request connects anew")]
    private partial void ConnectionBroken(string server, string cause);

    [LoggerMessage(EventId = 1208, EventName = nameof(NotAccessible), Level = LogLevel.Warning, Message = "{Component} - {Reason}")]
    private partial void NotAccessible(string component, string reason);

    [LoggerMessage(EventId = 1210, EventName = nameof(LeaseHeldTooLong), Level = LogLevel.Warning, Message = "Lease {Lease} at {Server} was held for more than {Minutes:F0} min: it is ended")]
    private partial void LeaseHeldTooLong(string server, long lease, double minutes);

    [LoggerMessage(EventId = 1211, EventName = nameof(AccountStopped), Level = LogLevel.Warning, Message = "Account {Account} is not tried at {Server} any more: {Reason}")]
    private partial void AccountStopped(string account, string server, string reason);

    [LoggerMessage(EventId = 1213, EventName = nameof(ServerHasTwoNames), Level = LogLevel.Warning,
        Message = "{Server} and {Other} are one server, as it says itself (ServerGuid {Id}): from now on they share its slots on this machine. If they are, name the one as alias of the other: capstan cap add --alias; if they are two, give them identities of their own")]
    private partial void ServerHasTwoNames(string server, string other, Guid id);

    [LoggerMessage(EventId = 1214, EventName = nameof(NamesNotKept), Level = LogLevel.Warning, Message = "What this machine knows of the names of servers (news of {Server}) cannot be read or written")]
    private partial void NamesNotKept(string server, Exception cause);

    [LoggerMessage(EventId = 1215, EventName = nameof(SlotFileDeleted), Level = LogLevel.Warning, Message = "The file of slot {Slot} of {Server} was deleted while the slot was used: {What}")]
    private partial void SlotFileDeleted(int slot, string server, string what);

    [LoggerMessage(EventId = 1216, EventName = nameof(SlotsNotTended), Level = LogLevel.Warning, Message = "The slots of {Server} cannot be looked after on this machine; it is tried again within a second")]
    private partial void SlotsNotTended(string server, Exception cause);

    [LoggerMessage(EventId = 1212, EventName = nameof(StopsUnreadable), Level = LogLevel.Warning, Message = "What this machine remembers of accounts refused by {Server} cannot be read or written")]
    private partial void StopsUnreadable(string server, Exception cause);
}
