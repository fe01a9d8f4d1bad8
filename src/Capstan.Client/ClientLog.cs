using Microsoft.Extensions.Logging;

namespace Capstan.Client;

/// <summary>Events of the client, ids 3000 to 3999; docs/events.md says what to do about each.</summary>
internal static partial class ClientLog
{
    [LoggerMessage(EventId = 3001, EventName = nameof(WaitForCapAccess), Level = LogLevel.Warning,
        Message = "WaitForCAPAccess - abstract export {Export} not accessible: {Cause}; next try {NextTry:HH:mm:ss}")]
    public static partial void WaitForCapAccess(ILogger logger, string export, string cause, DateTimeOffset nextTry);

    [LoggerMessage(EventId = 3002, EventName = nameof(CapAccessible), Level = LogLevel.Information, Message = "CAP {Path} is accessible again")]
    public static partial void CapAccessible(ILogger logger, string path);

    [LoggerMessage(EventId = 3003, EventName = nameof(Approved), Level = LogLevel.Information,
        Message = "Site {Site} has approved this client; enrolment ordinal {Ordinal}")]
    public static partial void Approved(ILogger logger, string site, long ordinal);

    [LoggerMessage(EventId = 3004, EventName = nameof(PolicyAdopted), Level = LogLevel.Information, Message = "Policy version {Version} is in force; state {State}")]
    public static partial void PolicyAdopted(ILogger logger, long version, string state);

    [LoggerMessage(EventId = 3005, EventName = nameof(PolicyInvalid), Level = LogLevel.Error,
        Message = "{Document} was refused: {Cause}; the last good one stays in force")]
    public static partial void PolicyInvalid(ILogger logger, string document, string cause);

    [LoggerMessage(EventId = 3006, EventName = nameof(PolicyExpired), Level = LogLevel.Warning,
        Message = "The site's metadata expired at {Expires:u}; no new orders are taken, reports go on")]
    public static partial void PolicyExpired(ILogger logger, DateTimeOffset expires);

    [LoggerMessage(EventId = 3007, EventName = nameof(Retired), Level = LogLevel.Warning, Message = "Site {Site} has retired this client; nothing is reported any more")]
    public static partial void Retired(ILogger logger, string site);

    [LoggerMessage(EventId = 3008, EventName = nameof(RecordUploaded), Level = LogLevel.Information,
        Message = "Record {Sequence} ({Kinds}) was written to the CAP, {Bytes} bytes, attempt {Attempt}")]
    public static partial void RecordUploaded(ILogger logger, long sequence, string kinds, int bytes, int attempt);

    [LoggerMessage(EventId = 3009, EventName = nameof(RecordsAcknowledged), Level = LogLevel.Information,
        Message = "The site has acknowledged {Count} records, up to {Sequence}")]
    public static partial void RecordsAcknowledged(ILogger logger, int count, long sequence);

    [LoggerMessage(EventId = 3010, EventName = nameof(ReceiptsRefused), Level = LogLevel.Warning, Message = "{Path} was refused: {Cause}; records stay in the spool")]
    public static partial void ReceiptsRefused(ILogger logger, string path, string cause);

    [LoggerMessage(EventId = 3011, EventName = nameof(ComponentFailed), Level = LogLevel.Error, Message = "Component {Name} failed: {Cause}; the others go on")]
    public static partial void ComponentFailed(ILogger logger, string name, string cause, Exception? exception);

    [LoggerMessage(EventId = 3012, EventName = nameof(CycleFailed), Level = LogLevel.Error, Message = "The cycle failed: {Cause}; next try {NextTry:HH:mm:ss}")]
    public static partial void CycleFailed(ILogger logger, string cause, DateTimeOffset nextTry, Exception exception);

    [LoggerMessage(EventId = 3013, EventName = nameof(Started), Level = LogLevel.Information,
        Message = "Client {Device} of site {Site} started, version {Version}")]
    public static partial void Started(ILogger logger, string device, string site, string version);

    [LoggerMessage(EventId = 3014, EventName = nameof(ContactIncomplete), Level = LogLevel.Warning,
        Message = "Contact with CAP {Path} ended early: {Cause}; next try {NextTry:HH:mm:ss}")]
    public static partial void ContactIncomplete(ILogger logger, string path, string cause, DateTimeOffset nextTry);

    [LoggerMessage(EventId = 3015, EventName = nameof(CapListAdopted), Level = LogLevel.Information, Message = "CAP list version {Version} with {Count} CAPs is in force")]
    public static partial void CapListAdopted(ILogger logger, int count, long version);

    [LoggerMessage(EventId = 3016, EventName = nameof(WaitForApproval), Level = LogLevel.Information,
        Message = "Waiting for site {Site} to approve this client; fingerprint {Fingerprint}")]
    public static partial void WaitForApproval(ILogger logger, string site, string fingerprint);

    [LoggerMessage(EventId = 3017, EventName = nameof(OrderMissing), Level = LogLevel.Warning, Message = "{Target} is not listed by the site's metadata; the last good one stays in force")]
    public static partial void OrderMissing(ILogger logger, string target);

    [LoggerMessage(EventId = 3018, EventName = nameof(RecordsSignedAgain), Level = LogLevel.Information,
        Message = "{Count} unacknowledged records were signed again for the site's new key or epoch {Epoch}")]
    public static partial void RecordsSignedAgain(ILogger logger, int count, long epoch);

    [LoggerMessage(EventId = 3019, EventName = nameof(ResyncWanted), Level = LogLevel.Information, Message = "The site wants {Kinds} in full; they are sent with the next record")]
    public static partial void ResyncWanted(ILogger logger, string kinds);

    [LoggerMessage(EventId = 3020, EventName = nameof(ItemTooLarge), Level = LogLevel.Error, Message = "An item of kind {Kind} was dropped: {Cause}")]
    public static partial void ItemTooLarge(ILogger logger, string kind, string cause);

    [LoggerMessage(EventId = 3021, EventName = nameof(ChainForked), Level = LogLevel.Warning, Message = "{Cause}")]
    public static partial void ChainForked(ILogger logger, string cause);

    [LoggerMessage(EventId = 3022, EventName = nameof(InventoryCollected), Level = LogLevel.Information, Message = "{Kind} was collected in {ElapsedMs:F0} ms; changed: {Changed}")]
    public static partial void InventoryCollected(ILogger logger, string kind, double elapsedMs, bool changed);

    [LoggerMessage(EventId = 3023, EventName = nameof(RequestForgotten), Level = LogLevel.Warning,
        Message = "Site {Site} does not know this client any more: nobody approved its request in time, or the site was restored from an older backup; it asks again")]
    public static partial void RequestForgotten(ILogger logger, string site);

    [LoggerMessage(EventId = 3024, EventName = nameof(ChainContinued), Level = LogLevel.Warning,
        Message = "This client's state was lost; it goes on after record {Sequence}, which the site has; {Count} records were signed again behind it")]
    public static partial void ChainContinued(ILogger logger, long sequence, int count);

    [LoggerMessage(EventId = 3025, EventName = nameof(AccountsAdopted), Level = LogLevel.Information, Message = "{Count} connection accounts of policy version {Version} are in force")]
    public static partial void AccountsAdopted(ILogger logger, int count, long version);

    [LoggerMessage(EventId = 3026, EventName = nameof(SecretsInvalid), Level = LogLevel.Error, Message = "The policy's secrets cannot be opened ({Cause}); the connection accounts that were known stay in use")]
    public static partial void SecretsInvalid(ILogger logger, string cause);

    [LoggerMessage(EventId = 3027, EventName = nameof(WaitForConnection), Level = LogLevel.Information, Message = "{State}, next try {NextTry:HH:mm:ss}")]
    public static partial void WaitForConnection(ILogger logger, string state, DateTimeOffset nextTry);

    [LoggerMessage(EventId = 3040, EventName = nameof(OtherMachine), Level = LogLevel.Warning, Message = "This client runs on other hardware than before (before: {Before}; now: {Now})")]
    public static partial void OtherMachine(ILogger logger, string before, string now);

    [LoggerMessage(EventId = 3041, EventName = nameof(IdentityTaken), Level = LogLevel.Warning,
        Message = "This machine was client {Before}, an identity that another machine has, too; it is {DeviceId} from now on and asks the site again; fingerprint {Fingerprint}")]
    public static partial void IdentityTaken(ILogger logger, string before, string deviceId, string fingerprint);

    [LoggerMessage(EventId = 3030, EventName = nameof(EpochFollowed), Level = LogLevel.Warning,
        Message = "The site was restored (epoch {Epoch}): going on behind record {Sequence}, which is the last that it has; {Records} records are signed again")]
    public static partial void EpochFollowed(ILogger logger, long epoch, long sequence, int records);

    [LoggerMessage(EventId = 3050, EventName = nameof(BuildChanged), Level = LogLevel.Information, Message = "{Text}")]
    public static partial void BuildChanged(ILogger logger, string text);

    [LoggerMessage(EventId = 3051, EventName = nameof(BuildFailed), Level = LogLevel.Error, Message = "{Text}")]
    public static partial void BuildFailed(ILogger logger, string text);

    [LoggerMessage(EventId = 3052, EventName = nameof(BuildFileFetched), Level = LogLevel.Information, Message = "{File} of build {Build} was read from {Cap}, {Bytes} bytes by this contact, and verified")]
    public static partial void BuildFileFetched(ILogger logger, string file, string build, string cap, long bytes);

    [LoggerMessage(EventId = 3170, EventName = nameof(BuildPartMixed), Level = LogLevel.Warning, Message = "Several CAPs gave parts of {File} that are not the file the site signed together; it is read again from the one that is connected")]
    public static partial void BuildPartMixed(ILogger logger, string file);

    [LoggerMessage(EventId = 3172, EventName = nameof(TargetSeen), Level = LogLevel.Information, Message = "This client is to move to site {Site}, which was found at {Cap} and verified")]
    public static partial void TargetSeen(ILogger logger, string site, string cap);

    [LoggerMessage(EventId = 3173, EventName = nameof(DepartureTold), Level = LogLevel.Information, Message = "Site {From} is told that this client moves to site {To}")]
    public static partial void DepartureTold(ILogger logger, string from, string to);

    [LoggerMessage(EventId = 3174, EventName = nameof(MoveWaits), Level = LogLevel.Warning, Message = "Nothing was moved: site {From} has not acknowledged {Left}")]
    public static partial void MoveWaits(ILogger logger, string from, string left);

    [LoggerMessage(EventId = 3175, EventName = nameof(LeftBehind), Level = LogLevel.Warning, Message = "{Text}")]
    public static partial void LeftBehind(ILogger logger, string text);

    [LoggerMessage(EventId = 3176, EventName = nameof(Moved), Level = LogLevel.Information, Message = "This machine was client {Before} of site {From} and is client {Id} of site {To}")]
    public static partial void Moved(ILogger logger, string before, string from, string id, string to);

    [LoggerMessage(EventId = 3177, EventName = nameof(DepartureWithdrawn), Level = LogLevel.Information, Message = "A move of this client was begun and not finished: it stays with site {Site}, and says so")]
    public static partial void DepartureWithdrawn(ILogger logger, string site);

    [LoggerMessage(EventId = 3053, EventName = nameof(BuildWaits), Level = LogLevel.Information, Message = "{Text}")]
    public static partial void BuildWaits(ILogger logger, string text);

    [LoggerMessage(EventId = 3054, EventName = nameof(BuildInvalid), Level = LogLevel.Error, Message = "{Cause}")]
    public static partial void BuildInvalid(ILogger logger, string cause);

    [LoggerMessage(EventId = 3055, EventName = nameof(BuildDamaged), Level = LogLevel.Warning, Message = "{Text}")]
    public static partial void BuildDamaged(ILogger logger, string text);

    [LoggerMessage(EventId = 3056, EventName = nameof(BuildOrdered), Level = LogLevel.Information, Message = "The site orders build {Build} (order {Order})")]
    public static partial void BuildOrdered(ILogger logger, string build, long order);

    [LoggerMessage(EventId = 3120, EventName = nameof(SettingIgnored), Level = LogLevel.Warning, Message = "{Text}")]
    public static partial void SettingIgnored(ILogger logger, string text);

    [LoggerMessage(EventId = 3121, EventName = nameof(StaysAway), Level = LogLevel.Warning, Message = "No CAP of site {Site} was found for as long as its leaveAfter says; this client looks once a day from now on, next {NextTry:yyyy-MM-dd HH:mm:ss}")]
    public static partial void StaysAway(ILogger logger, string site, DateTimeOffset nextTry);

    [LoggerMessage(EventId = 3122, EventName = nameof(SealingKeyMade), Level = LogLevel.Information, Message = "The site asks for a new sealing key (order {Order}): {KeyId} was made and is announced")]
    public static partial void SealingKeyMade(ILogger logger, long order, string keyId);

    [LoggerMessage(EventId = 3123, EventName = nameof(SealingKeyTaken), Level = LogLevel.Information, Message = "The policy holds the new sealing key {KeyId}: it is this client's from now on")]
    public static partial void SealingKeyTaken(ILogger logger, string keyId);

    [LoggerMessage(EventId = 3124, EventName = nameof(SealingKeyTold), Level = LogLevel.Warning, Message = "The policy holds a sealing key that this client does not have; it tells the site that it has {KeyId}")]
    public static partial void SealingKeyTold(ILogger logger, string keyId);

    [LoggerMessage(EventId = 3125, EventName = nameof(DiagnosisMade), Level = LogLevel.Information, Message = "An administrator asks what this client knows of itself (order {Order}); the answer goes with the next record")]
    public static partial void DiagnosisMade(ILogger logger, long order);

    [LoggerMessage(EventId = 3126, EventName = nameof(DiagnosisIncomplete), Level = LogLevel.Warning, Message = "The report of this client about itself lacks {What}: {Cause}")]
    public static partial void DiagnosisIncomplete(ILogger logger, string what, string cause);

    [LoggerMessage(EventId = 3127, EventName = nameof(PlaceUnknown), Level = LogLevel.Warning, Message = "This machine's addresses cannot be read ({Cause}): no CAP counts as near")]
    public static partial void PlaceUnknown(ILogger logger, string cause);
}
