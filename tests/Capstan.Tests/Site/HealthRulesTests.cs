using Capstan.Site.Load;
using Capstan.Site.Status;
using Capstan.Site.Store;

namespace Capstan.Tests.Site;

/// <summary>Design.md section 9: one cause, one line, with its next step.</summary>
public class HealthRulesTests
{
    private static readonly DateTimeOffset Now = new(2026, 11, 22, 12, 0, 0, TimeSpan.Zero);
    private static readonly CapState Cap = new(@"LOCAL:\\srv\cap\", null, 0, 0, 7, 0, 0, 0, null, null, null, null);

    private static readonly HealthFacts Well = new(Now, 0, 0, [Cap], Now.AddDays(30), Now.AddDays(3650), RootKeyPresent: false, Now,
        new Dictionary<string, InboxFacts>(), new Dictionary<string, CycleFailure>());

    public static TheoryData<string, string, string> Conditions => new()
    {
        { nameof(Well), "", "" },
        { "no cap", "no_cap:warning", "capstan cap add" },
        { "failing cap", "cap_failing:error", "Free space there" },
        { "foreign cap", "cap_failing:error", "Choose another folder" },
        { "failing cap with a full inbox", "cap_failing:error", "Check that the server runs" },
        { "undeletable", "inbox_delete_failed:warning", "right to delete" },
        { "full bins", "receipts_full:error", "capstan site init" },
        { "rolled back", "site_rolled_back:error", "capstan site new-epoch" },
        { "waiting", "inbox_waiting:warning", "Nothing to do" },
        { "waiting a little", "", "" },
        { "quarantine", "quarantine:warning", "capstan status" },
        { "timestamp soon", "timestamp_expiring:warning", "capstan cap publish" },
        { "timestamp over", "timestamp_expiring:error", "capstan cap publish" },
        { "root soon", "root_expiring:warning", "--root-key FILE" },
        { "root over", "root_expiring:error", "--root-key FILE" },
        { "certificate soon", "certificate_expiring:warning", "without a restart" },
        { "certificate over", "certificate_expiring:error", "without a restart" },
        { "certificate key open", "certificate_key_open:warning", "chmod" },
        { "clock back", "clock_suspicious:error", "timedatectl" },
        { "clock back a little", "", "" },
        { "root key", "root_key_online:information", "offline" },
        { "both parts, one cause", "site_failing:error", "Free space on the disk" },
    };

    [Theory]
    [MemberData(nameof(Conditions))]
    public void Each_state_is_one_condition_with_its_next_step(string state, string expected, string nextStep)
    {
        var conditions = HealthRules.Judge(Facts(state));
        Assert.Equal(expected, string.Join(",", conditions.Select(condition => $"{condition.Code}:{condition.Severity}")));
        Assert.All(conditions, condition => Assert.Contains(nextStep, condition.NextStep, StringComparison.Ordinal));
    }

    [Fact]
    public void What_is_wrong_in_several_places_is_one_line_for_each()
    {
        var facts = Facts("failing cap") with { Quarantined = 3, QuarantineDropped = 2, RootKeyPresent = true };
        Assert.Equal(["cap_failing", "quarantine", "root_key_online"], HealthRules.Judge(facts).Select(condition => condition.Code));
        Assert.Contains("2 older files were dropped", HealthRules.Judge(facts)[1].Text, StringComparison.Ordinal);
    }

    private static HealthFacts Facts(string state) => state switch
    {
        nameof(Well) => Well,
        "certificate soon" => Well with { Tls = new("site.pem", Now.AddDays(30), IsKeyOpen: false) },
        "certificate over" => Well with { Tls = new("site.pem", Now, IsKeyOpen: false) },
        "certificate key open" => Well with { Tls = new("site.pem", Now.AddDays(31), IsKeyOpen: true) },
        "no cap" => Well with { Caps = [] },
        "failing cap" => Well with { Caps = [Failing("StorageFull")] },
        "foreign cap" => Well with { Caps = [Failing("foreign_cap")] },
        "failing cap with a full inbox" => Well with { Caps = [Well.Caps[0] with { DrainFailures = 2, DrainFailingSince = 0, DrainErrorCode = "Connect", DrainLastError = "because" }], Inboxes = Inbox(Now.AddDays(-3), 4) },
        "undeletable" => Well with { Inboxes = Inbox(null, 4) },
        "full bins" => Well with { Inboxes = new Dictionary<string, InboxFacts> { [Cap.Path] = new InboxFacts(null, 0, FullBins: 2) } },
        "rolled back" => Well with { RolledBackFrom = 7 },
        "waiting" => Well with { Inboxes = Inbox(Now.AddHours(-25), 0) },
        "waiting a little" => Well with { Inboxes = Inbox(Now.AddHours(-23), 0) },
        "quarantine" => Well with { Quarantined = 1 },
        "timestamp soon" => Well with { TimestampExpires = Now.AddDays(13) },
        "timestamp over" => Well with { TimestampExpires = Now.AddSeconds(-1) },
        "root soon" => Well with { RootExpires = Now.AddDays(179) },
        "root over" => Well with { RootExpires = Now.AddSeconds(-1) },
        "clock back" => Well with { LastSigned = Now.AddHours(2) },
        "clock back a little" => Well with { LastSigned = Now.AddMinutes(59) },
        "root key" => Well with { RootKeyPresent = true },
        "both parts, one cause" => Well with
        {
            Cycles = new Dictionary<string, CycleFailure> { ["loader"] = new(3, "disk is full", true), ["publisher"] = new(1, "disk is full", true) },
        },
        _ => throw new ArgumentOutOfRangeException(nameof(state), state, null),
    };

    private static CapState Failing(string code) => Cap with { Failures = 2, FailingSince = 1, NextTry = 2, ErrorCode = code, LastError = "because" };

    private static Dictionary<string, InboxFacts> Inbox(DateTimeOffset? oldest, int undeletable) => new() { [Cap.Path] = new InboxFacts(oldest, undeletable) };
}
