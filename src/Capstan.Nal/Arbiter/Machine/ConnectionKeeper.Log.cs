using Microsoft.Extensions.Logging;

namespace Capstan.Nal.Arbiter.Machine;

internal sealed partial class ConnectionKeeper
{
    [LoggerMessage(EventId = 1220, EventName = nameof(GhostEnded), Level = LogLevel.Information, Message = "Record {Record} of a lost connection to {Server} was forgotten: {Why}")]
    private partial void GhostEnded(string record, string server, string why);

    [LoggerMessage(EventId = 1221, EventName = nameof(JournalNotWritten), Level = LogLevel.Warning, Message = "The journal of connections to {Server} could not be written")]
    private partial void JournalNotWritten(string server, Exception cause);

    [LoggerMessage(EventId = 1222, EventName = nameof(SlotsUnreadable), Level = LogLevel.Warning, Message = "What this machine's other processes do at {Server} cannot be read")]
    private partial void SlotsUnreadable(string server, Exception cause);

    [LoggerMessage(EventId = 1223, EventName = nameof(CloseNotConfirmed), Level = LogLevel.Warning,
        Message = "{Server} did not confirm the close of a connection that only ended a lost one")]
    private partial void CloseNotConfirmed(string server, Exception? cause);
}
