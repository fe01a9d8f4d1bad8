using Microsoft.Extensions.Logging;

namespace Capstan.Client.Content;

/// <summary>Events of content, ids 3180 to 3199; docs/events.md says what to do about each.</summary>
internal static partial class ContentLog
{
    [LoggerMessage(EventId = 3180, EventName = nameof(ContentComplete), Level = LogLevel.Information,
        Message = "Content {Package} is complete: {Bytes} bytes were read in {Reads} reads")]
    public static partial void ContentComplete(ILogger logger, string package, long bytes, int reads);

    [LoggerMessage(EventId = 3181, EventName = nameof(ContentWaits), Level = LogLevel.Warning, Message = "Content {Package} waits: {Cause}; next try in {Seconds:F0} s")]
    public static partial void ContentWaits(ILogger logger, string package, string cause, double seconds);

    [LoggerMessage(EventId = 3182, EventName = nameof(ChunkWrong), Level = LogLevel.Warning,
        Message = "CAP {Cap} gave a wrong chunk: pack {Pack} at byte {Offset}: {Cause}; it is read elsewhere")]
    public static partial void ChunkWrong(ILogger logger, string cap, string pack, long offset, string cause);

    [LoggerMessage(EventId = 3183, EventName = nameof(PackUnusable), Level = LogLevel.Warning, Message = "CAP {Cap} does not give pack {Pack}: {Cause}; it is read elsewhere")]
    public static partial void PackUnusable(ILogger logger, string cap, string pack, string cause);

    [LoggerMessage(EventId = 3191, EventName = nameof(PacksUnusable), Level = LogLevel.Warning, Message = "CAP {Cap} did not give {Packs} packs of {Package} in this round; what others have of them is read there")]
    public static partial void PacksUnusable(ILogger logger, string cap, int packs, string package);

    [LoggerMessage(EventId = 3192, EventName = nameof(PackUnfinished), Level = LogLevel.Information, Message = "CAP {Cap} has pack {Pack} not yet: {Cause}; it is read elsewhere, or here when it is whole")]
    public static partial void PackUnfinished(ILogger logger, string cap, string pack, string cause);

    [LoggerMessage(EventId = 3184, EventName = nameof(ContentDamaged), Level = LogLevel.Warning, Message = "Content {Package} on this disk is damaged: {Cause}; it is mended before it is used")]
    public static partial void ContentDamaged(ILogger logger, string package, string cause);

    [LoggerMessage(EventId = 3185, EventName = nameof(ContentRemoved), Level = LogLevel.Information, Message = "Content {Package} was removed to make room for {Other}")]
    public static partial void ContentRemoved(ILogger logger, string package, string other);

    [LoggerMessage(EventId = 3188, EventName = nameof(ContentStays), Level = LogLevel.Warning, Message = "Content {Package} cannot be removed: {Cause}")]
    public static partial void ContentStays(ILogger logger, string package, string cause);

    [LoggerMessage(EventId = 3189, EventName = nameof(CapUnusable), Level = LogLevel.Warning, Message = "CAP {Cap} gives too much that is not what was published: nothing more of {Package} is read there for now")]
    public static partial void CapUnusable(ILogger logger, string cap, string package);

    [LoggerMessage(EventId = 3190, EventName = nameof(UseUnknown), Level = LogLevel.Debug, Message = "That content {Package} is used could not be noted: {Cause}")]
    public static partial void UseUnknown(ILogger logger, string package, string cause);

    [LoggerMessage(EventId = 3186, EventName = nameof(ContentImpossible), Level = LogLevel.Error, Message = "Content {Package} cannot be brought here: {Cause}")]
    public static partial void ContentImpossible(ILogger logger, string package, string cause);

    [LoggerMessage(EventId = 3187, EventName = nameof(ContentGoesOn), Level = LogLevel.Debug, Message = "Content {Package}: {Here} of {Total} bytes are here; {Cause}")]
    public static partial void ContentGoesOn(ILogger logger, string package, long here, long total, string cause);
}
