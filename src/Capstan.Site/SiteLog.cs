using Microsoft.Extensions.Logging;

namespace Capstan.Site;

/// <summary>Log events of the site, 4000 to 4399.</summary>
internal static partial class SiteLog
{
    [LoggerMessage(EventId = 4001, EventName = nameof(Started), Level = LogLevel.Information, Message = "Site {SiteCode} serves {Address}")]
    public static partial void Started(ILogger logger, string siteCode, string address);

    [LoggerMessage(EventId = 4002, EventName = nameof(Stopped), Level = LogLevel.Information, Message = "Site {SiteCode} stopped")]
    public static partial void Stopped(ILogger logger, string siteCode);

    [LoggerMessage(EventId = 4003, EventName = nameof(RequestFailed), Level = LogLevel.Error, Message = "{Method} {Path} failed")]
    public static partial void RequestFailed(ILogger logger, string method, string path, Exception cause);

    [LoggerMessage(EventId = 4004, EventName = nameof(AuditFailed), Level = LogLevel.Error, Message = "The audit log could not take a row: {Actor} {Action}, outcome {Outcome}")]
    public static partial void AuditFailed(ILogger logger, string actor, string action, int outcome, Exception cause);

    [LoggerMessage(EventId = 4005, EventName = nameof(ServesTls), Level = LogLevel.Information, Message = "Users sign in at {Address}; certificate {Subject}, SHA-256 {Fingerprint}, until {Until:O}")]
    public static partial void ServesTls(ILogger logger, string address, string subject, string fingerprint, DateTimeOffset until);

    [LoggerMessage(EventId = 4006, EventName = nameof(CertificateUnreadable), Level = LogLevel.Error, Message = "The certificate {File} was changed and cannot be read, or cannot be renewed ({Reason}); the one before stays in use")]
    public static partial void CertificateUnreadable(ILogger logger, string file, string reason);

    [LoggerMessage(EventId = 4180, EventName = nameof(RefusedNobody), Level = LogLevel.Information, Message = "Requests without a token or session were refused, {Count} since the start; the last came from {Address}")]
    public static partial void RefusedNobody(ILogger logger, long count, string address);

    [LoggerMessage(EventId = 4181, EventName = nameof(CertificateRenewed), Level = LogLevel.Information, Message = "The site's own certificate was near its end: users see a new one, SHA-256 {Fingerprint}, until {Until:O}")]
    public static partial void CertificateRenewed(ILogger logger, string fingerprint, DateTimeOffset until);

    [LoggerMessage(EventId = 4101, EventName = nameof(Published), Level = LogLevel.Information, Message = "Published version {Version}: {Files} files, {Policies} policies changed")]
    public static partial void Published(ILogger logger, long version, int files, int policies);

    [LoggerMessage(EventId = 4102, EventName = nameof(CapWritten), Level = LogLevel.Information, Message = "CAP {Cap} shows version {Version} ({Files} files written)")]
    public static partial void CapWritten(ILogger logger, string cap, long version, int files);

    [LoggerMessage(EventId = 4103, EventName = nameof(CapFailed), Level = LogLevel.Warning, Message = "{Work} on CAP {Cap} failed: {Reason} Next try {NextTry:O}")]
    public static partial void CapFailed(ILogger logger, string work, string cap, string reason, DateTimeOffset nextTry, Exception cause);

    [LoggerMessage(EventId = 4104, EventName = nameof(CycleFailed), Level = LogLevel.Error, Message = "A cycle of the {Part} failed ({Failures} in a row); next try in {DelaySeconds:0.0} s")]
    public static partial void CycleFailed(ILogger logger, string part, int failures, double delaySeconds, Exception cause);

    [LoggerMessage(EventId = 4105, EventName = nameof(CapUnverified), Level = LogLevel.Warning, Message = "What CAP {Cap} shows does not verify ({Reason}); it is published again")]
    public static partial void CapUnverified(ILogger logger, string cap, string reason);

    [LoggerMessage(EventId = 4106, EventName = nameof(CapRootMade), Level = LogLevel.Warning, Message = "The folder of CAP {Cap} was gone and was made again")]
    public static partial void CapRootMade(ILogger logger, string cap);

    [LoggerMessage(EventId = 4107, EventName = nameof(GarbageCollected), Level = LogLevel.Information, Message = "Removed {Files} superseded files from every CAP")]
    public static partial void GarbageCollected(ILogger logger, int files);

    [LoggerMessage(EventId = 4109, EventName = nameof(AccountUnreadable), Level = LogLevel.Error, Message = "The password of account {Account} for CAP {Cap} (of the {Role}) cannot be opened, so it is left out: {Reason}")]
    public static partial void AccountUnreadable(ILogger logger, string account, string cap, string role, string reason);

    [LoggerMessage(EventId = 4108, EventName = nameof(CapWorkLeft), Level = LogLevel.Warning, Message = "Work on CAP {Cap} has not ended {Seconds} s after it was cancelled; the site stops without it")]
    public static partial void CapWorkLeft(ILogger logger, string cap, double seconds);

    [LoggerMessage(EventId = 4120, EventName = nameof(ExportsTelemetry), Level = LogLevel.Information, Message = "Metrics and traces go to the collector {Collector}")]
    public static partial void ExportsTelemetry(ILogger logger, string collector);

    [LoggerMessage(EventId = 4121, EventName = nameof(TelemetryFailed), Level = LogLevel.Warning, Message = "Figures for the collector could not be read; the last ones are sent")]
    public static partial void TelemetryFailed(ILogger logger, Exception cause);

    [LoggerMessage(EventId = 4200, EventName = nameof(CollectionFailed), Level = LogLevel.Warning, Message = "Collection {Collection} could not be evaluated and keeps the members that it has: {Reason}")]
    public static partial void CollectionFailed(ILogger logger, string collection, string reason);

    [LoggerMessage(EventId = 4230, EventName = nameof(CollectionHeld), Level = LogLevel.Warning, Message = "Collection {Collection} keeps its members until somebody confirms: {Coming} clients would come by its query, and {Removals} that would leave would remove what was installed")]
    public static partial void CollectionHeld(ILogger logger, string collection, int coming, int removals);

    [LoggerMessage(EventId = 4201, EventName = nameof(AdvertisementHalted), Level = LogLevel.Warning, Message = "Advertisement {Advertisement} was halted by the site: {Because}")]
    public static partial void AdvertisementHalted(ILogger logger, string advertisement, string because);
}
