using Microsoft.Extensions.Logging;

namespace Capstan.Site.Load;

/// <summary>Log events of the loader, 4400 to 4499.</summary>
internal static partial class LoadLog
{
    [LoggerMessage(EventId = 4401, EventName = nameof(Ingested), Level = LogLevel.Information, Message = "Inbox of {Cap}: {Applied} uploads taken in, {Quarantined} quarantined, {Waiting} waiting")]
    public static partial void Ingested(ILogger logger, string cap, int applied, int quarantined, int waiting);

    [LoggerMessage(EventId = 4402, EventName = nameof(Quarantined), Level = LogLevel.Warning, Message = "{File} on {Cap} went to quarantine: {Reason} ({Detail})")]
    public static partial void Quarantined(ILogger logger, string file, string cap, string reason, string detail);

    [LoggerMessage(EventId = 4403, EventName = nameof(DeleteFailed), Level = LogLevel.Warning, Message = "{File} on {Cap} is done with but cannot be deleted: {Reason} Deleting it is tried again later")]
    public static partial void DeleteFailed(ILogger logger, string file, string cap, string reason, Exception cause);

    [LoggerMessage(EventId = 4404, EventName = nameof(QuarantineDropped), Level = LogLevel.Warning, Message = "Quarantine is full: {Files} oldest files were dropped")]
    public static partial void QuarantineDropped(ILogger logger, int files);

    [LoggerMessage(EventId = 4405, EventName = nameof(RequestForgotten), Level = LogLevel.Warning, Message = "The request of {HostName} ({Fingerprint}) was not approved in time and is forgotten; a client that still runs asks again")]
    public static partial void RequestForgotten(ILogger logger, string hostName, string fingerprint);
}
