using Microsoft.Extensions.Logging;

namespace Capstan.Site.Distribution.Content;

/// <summary>Log events of content, 4190 to 4199 and 4220 to 4229.</summary>
internal static partial class ContentLog
{
    [LoggerMessage(EventId = 4190, EventName = nameof(PackagePublished), Level = LogLevel.Information, Message = "Package {PackageId} version {Version} ({Name}): {Files} files, {SizeBytes} bytes, of which {NewBytes} bytes are new in packs")]
    public static partial void PackagePublished(ILogger logger, string packageId, long version, string name, int files, long sizeBytes, long newBytes);

    [LoggerMessage(EventId = 4191, EventName = nameof(PackageRemoved), Level = LogLevel.Information, Message = "Package {PackageId} ({Name}): {Versions} versions removed")]
    public static partial void PackageRemoved(ILogger logger, string packageId, string name, int versions);

    [LoggerMessage(EventId = 4192, EventName = nameof(PacksWritten), Level = LogLevel.Information, Message = "CAP {Cap} has {Packs} more packs ({Bytes} bytes); {Missing} to go")]
    public static partial void PacksWritten(ILogger logger, string cap, int packs, long bytes, int missing);

    [LoggerMessage(EventId = 4193, EventName = nameof(PacksFailed), Level = LogLevel.Warning, Message = "Writing packs to CAP {Cap} failed: {Reason} Next try {NextTry:O}")]
    public static partial void PacksFailed(ILogger logger, string cap, string reason, DateTimeOffset nextTry, Exception cause);

    [LoggerMessage(EventId = 4194, EventName = nameof(PackDamaged), Level = LogLevel.Warning, Message = "Pack {Pack} at {Place} is {State}")]
    public static partial void PackDamaged(ILogger logger, string pack, string place, string state);

    [LoggerMessage(EventId = 4195, EventName = nameof(PackMended), Level = LogLevel.Information, Message = "Pack {Pack} at {Place} was mended from {Source}")]
    public static partial void PackMended(ILogger logger, string pack, string place, string source);

    [LoggerMessage(EventId = 4196, EventName = nameof(PackLost), Level = LogLevel.Error, Message = "Pack {Pack} is nowhere whole: neither on the site nor on a CAP. Publish the packages that hold it again")]
    public static partial void PackLost(ILogger logger, string pack);

    [LoggerMessage(EventId = 4197, EventName = nameof(PacksCollected), Level = LogLevel.Information, Message = "{Packs} packs that no version names ({Bytes} bytes) were removed from the site")]
    public static partial void PacksCollected(ILogger logger, int packs, long bytes);

    [LoggerMessage(EventId = 4198, EventName = nameof(NativeUnread), Level = LogLevel.Warning, Message = "The package file {File} could not be looked into: {Reason}")]
    public static partial void NativeUnread(ILogger logger, string file, string reason);

    [LoggerMessage(EventId = 4220, EventName = nameof(ContentIncomplete), Level = LogLevel.Warning, Message = "{Packs} of {All} packs ({Bytes} bytes) are not on the site's disk; they are read back from the CAPs that have them")]
    public static partial void ContentIncomplete(ILogger logger, int packs, int all, long bytes);

    [LoggerMessage(EventId = 4221, EventName = nameof(ContentComplete), Level = LogLevel.Information, Message = "All packs are on the site's disk again")]
    public static partial void ContentComplete(ILogger logger);

    [LoggerMessage(EventId = 4222, EventName = nameof(PackNotRemoved), Level = LogLevel.Information, Message = "Pack {Pack}, which no version needs, stays on CAP {Cap} for now: {Reason}")]
    public static partial void PackNotRemoved(ILogger logger, string pack, string cap, string reason);

    [LoggerMessage(EventId = 4223, EventName = nameof(VersionReady), Level = LogLevel.Information, Message = "Version {Version} of package {PackageId} is whole on CAP {Cap}, and is offered to clients from now on")]
    public static partial void VersionReady(ILogger logger, string packageId, long version, string cap);

    [LoggerMessage(EventId = 4224, EventName = nameof(PackNotBuiltUpon), Level = LogLevel.Warning, Message = "Pack {Pack} on the site's disk is {State} ({Reason}): the package that is being published stores its content anew")]
    public static partial void PackNotBuiltUpon(ILogger logger, string pack, PackState state, string reason);
}
