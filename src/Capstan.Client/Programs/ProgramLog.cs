using Microsoft.Extensions.Logging;

namespace Capstan.Client.Programs;

/// <summary>Log events of programs: 3200 to 3229 (docs/events.md).</summary>
internal static partial class ProgramLog
{
    [LoggerMessage(EventId = 3200, EventName = nameof(AdvertisementAdopted), Level = LogLevel.Information, Message = "Advertisement {Id} ({Name}), revision {Revision}, is in force")]
    public static partial void AdvertisementAdopted(ILogger logger, string id, string name, long revision);

    [LoggerMessage(EventId = 3201, EventName = nameof(AdvertisementRefused), Level = LogLevel.Warning, Message = "Advertisement {Id} is refused: {Cause}; what was known of it stays, and the others are not touched")]
    public static partial void AdvertisementRefused(ILogger logger, string id, string cause);

    [LoggerMessage(EventId = 3202, EventName = nameof(AdvertisementOver), Level = LogLevel.Information, Message = "Advertisement {Id} is offered no more, and nothing of it is left to do")]
    public static partial void AdvertisementOver(ILogger logger, string id);

    [LoggerMessage(EventId = 3203, EventName = nameof(AdvertisementMoved), Level = LogLevel.Information, Message = "Advertisement {Id} is {State}: {Reason}")]
    public static partial void AdvertisementMoved(ILogger logger, string id, string state, string reason);

    [LoggerMessage(EventId = 3204, EventName = nameof(ProgramStarts), Level = LogLevel.Information, Message = "Program {Program} of advertisement {Id} is started (run {Run}): {Executable}")]
    public static partial void ProgramStarts(ILogger logger, string program, string id, string run, string executable);

    [LoggerMessage(EventId = 3205, EventName = nameof(ProgramEnded), Level = LogLevel.Information, Message = "Program {Program} of advertisement {Id} has ended (run {Run}): {Outcome}, exit code {ExitCode}")]
    public static partial void ProgramEnded(ILogger logger, string program, string id, string run, string outcome, int? exitCode);

    [LoggerMessage(EventId = 3206, EventName = nameof(ProgramLost), Level = LogLevel.Warning, Message = "Program {Program} of advertisement {Id} was begun (run {Run}), and nobody saw how it ended; its rule for runs again is {Rerun}")]
    public static partial void ProgramLost(ILogger logger, string program, string id, string run, string rerun);

    [LoggerMessage(EventId = 3207, EventName = nameof(GateFailed), Level = LogLevel.Error, Message = "The gate of run {Run} does not come up: {Cause}; it is started again at the next look")]
    public static partial void GateFailed(ILogger logger, string run, string cause);

    [LoggerMessage(EventId = 3208, EventName = nameof(ContentRefused), Level = LogLevel.Warning, Message = "Content of {Package} is not what was published when {Program} was to be run ({Fault}); it is mended first")]
    public static partial void ContentRefused(ILogger logger, string package, string program, string fault);

    [LoggerMessage(EventId = 3209, EventName = nameof(TurnFailed), Level = LogLevel.Error, Message = "Programs were not looked after: {Cause}; next look {NextTry:yyyy-MM-dd HH:mm:ss}")]
    public static partial void TurnFailed(ILogger logger, string cause, DateTimeOffset nextTry, Exception e);

    [LoggerMessage(EventId = 3210, EventName = nameof(RequestTaken), Level = LogLevel.Information, Message = "A person asks to {What} advertisement {Id}")]
    public static partial void RequestTaken(ILogger logger, string what, string id);

    [LoggerMessage(EventId = 3211, EventName = nameof(RequestRefused), Level = LogLevel.Warning, Message = "A person asks to {What} advertisement {Id}: {Cause}")]
    public static partial void RequestRefused(ILogger logger, string what, string id, string cause);

    [LoggerMessage(EventId = 3212, EventName = nameof(UsersTold), Level = LogLevel.Information, Message = "Those who are logged on are told of advertisement {Id} ({Seconds} s before it): {Text} Reached: {Reached}; not reached: {Missed}")]
    public static partial void UsersTold(ILogger logger, string id, int seconds, string text, string reached, string missed);

    [LoggerMessage(EventId = 3220, EventName = nameof(MomentsCorrected), Level = LogLevel.Warning, Message = "What was noted of programs lies ahead of this machine's clock, which was set back: it counts as of now")]
    public static partial void MomentsCorrected(ILogger logger);

    [LoggerMessage(EventId = 3221, EventName = nameof(ContentRetried), Level = LogLevel.Information, Message = "Settings of content are other than they were: content that waits is tried again")]
    public static partial void ContentRetried(ILogger logger);

    [LoggerMessage(EventId = 3213, EventName = nameof(MachineRestarts), Level = LogLevel.Warning, Message = "This machine is started anew, as {Program} of advertisement {Id} asks")]
    public static partial void MachineRestarts(ILogger logger, string program, string id);

    [LoggerMessage(EventId = 3214, EventName = nameof(GatesAreInside), Level = LogLevel.Warning, Message = "{Caveat}")]
    public static partial void GatesAreInside(ILogger logger, string caveat);
}
