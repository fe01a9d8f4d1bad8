using Capstan.Protocol.V1;
using Capstan.Site.Status.Clients;
using Capstan.Site.Store;

namespace Capstan.Tests.Site;

/// <summary>Issue 5: one cause per line, the worst first, each with what the administrator does.</summary>
public sealed class ClientHealthRulesTests
{
    private static readonly DateTimeOffset Now = new(2026, 11, 22, 12, 0, 0, TimeSpan.Zero);

    private static readonly ClientHealthFacts Well = new()
    {
        State = DeviceState.Approved,
        RequestedAt = Now.AddDays(-100),
        ApprovedAt = Now.AddDays(-100),
        LastSeen = Now.AddHours(-2),
        HeartbeatAt = Now.AddDays(-1),
        HeartbeatMadeAt = Now.AddDays(-1).AddMinutes(-3),
        PolicyVersion = 200,
        PolicySignedAt = Now.AddDays(-9),
        PolicySignedVersion = 200,
        ClientVersion = "0.2.0+abc",
        Platform = "linux-x64",
        Components = [new ComponentState("hardware-inventory", "ok", null)],
    };

    private static readonly FleetFacts Fleet = new(Now, [new OrderedBuild("linux-x64", "0.2.0", Now.AddDays(-30), Now.AddDays(-29)), new OrderedBuild("linux-arm64", "0.9.0", Now.AddDays(-30), Now.AddDays(-29))]);

    /// <summary>What differs from a client that is well, and what is said of it.</summary>
    public static TheoryData<string, string> Clients => new()
    {
        { nameof(Well), "" },
        { "retired", "" },
        { "moved a month ago", "moved:information" },
        { "moved, and then retired", "" },
        { "asked a minute ago", "" },
        { "asked yesterday", "waits_for_approval:warning" },
        { "approved ten minutes ago", "" },
        { "approved two hours ago", "never_reported:warning" },
        { "approved over a weekend", "never_reported:warning" },
        { "approved six days ago", "never_reported:error" },
        { "silent from Friday morning to Tuesday", "" },
        { "silent from Friday morning to Tuesday, reporting every five minutes", "" },
        { "silent for six days", "silent:warning" },
        { "silent for fifteen days", "silent:error" },
        { "silent for six days, reporting monthly", "" },
        { "no CAP for an evening", "" },
        { "policy refused a week ago, reporting monthly", "" },
        { "policy signed under a clock ahead", "" },
        { "other build, held", "" },
        { "other build, of a platform without an order", "" },
        { "other build, of a platform that it does not tell", "" },
        { "newer build", "" },
        { "copied", "identity_shared:warning" },
        { "component fails", "component_failed:error" },
        { "component failed, the next heartbeat says it works", "" },
        { "component failed after the heartbeat", "component_failed:error" },
        { "component fails, twice told", "component_failed:error" },
        { "policy refused", "policy_invalid:error" },
        { "policy refused a week ago", "" },
        { "an unknown error", "something_new:error" },
        { "an unknown warning", "" },
        { "licence waiting", "capacity:information" },
        { "licence waiting often", "capacity:warning" },
        { "upload refused", "uploads_refused:error" },
        { "upload refused long ago", "" },
        { "gap for an hour", "" },
        { "gap for two days", "records_missing:warning" },
        { "policy old, heartbeat from before", "" },
        { "policy old, heartbeat soon after", "" },
        { "policy old, heartbeat days after", "policy_behind:warning" },
        { "clock ahead", "clock_wrong:warning" },
        { "clock behind", "clock_wrong:warning" },
        { "clock a little ahead", "" },
        { "made offline, brought late", "" },
        { "other build", "build_behind:warning" },
        { "other build, ordered just now", "" },
        { "build failed", "build_failed:error" },
        { "build failed, the next one stays", "" },
        { "a copy is told", "" },
    };

    [Theory]
    [MemberData(nameof(Clients))]
    public void Each_state_is_one_cause_with_its_next_step(string state, string expected)
    {
        var (client, fleet) = Facts(state);
        var causes = ClientHealthRules.Judge(client, fleet);
        Assert.Equal(expected, string.Join(",", causes.Select(cause => $"{cause.Code}:{cause.Severity}")));
        Assert.All(causes, cause => Assert.False(string.IsNullOrWhiteSpace(cause.NextStep)));
    }

    [Fact]
    public void The_worst_comes_first_and_none_hides_another()
    {
        var client = Facts("silent for six days").Client with
        {
            Copies = 1,
            WaitingSince = Now.AddDays(-2),
            Refused = new RefusedUploads(2, "malformed", Now.AddHours(-1)),
            Conditions = [Said("cap_full", "information", 3)],
        };
        Assert.Equal(["uploads_refused", "silent", "identity_shared", "records_missing", "capacity"], ClientHealthRules.Judge(client, Fleet).Select(cause => cause.Code));
    }

    private static (ClientHealthFacts Client, FleetFacts Fleet) Facts(string state) => state switch
    {
        nameof(Well) => (Well, Fleet),
        "retired" => (Well with { State = DeviceState.Retired, LastSeen = Now.AddDays(-400) }, Fleet),
        "moved a month ago" => (Moved(), Fleet),
        "moved, and then retired" => (Moved() with { State = DeviceState.Retired }, Fleet),
        "asked a minute ago" => (Pending(TimeSpan.FromMinutes(1)), Fleet),
        "asked yesterday" => (Pending(TimeSpan.FromDays(1)), Fleet),
        "approved ten minutes ago" => (Fresh(TimeSpan.FromMinutes(10)), Fleet),
        "approved two hours ago" => (Fresh(TimeSpan.FromHours(2)), Fleet),
        "approved over a weekend" => (Fresh(TimeSpan.FromDays(3)), Fleet),
        "approved six days ago" => (Fresh(TimeSpan.FromDays(6)), Fleet),
        "silent from Friday morning to Tuesday" => (Well with { LastSeen = Now.AddHours(-97) }, Fleet),
        "silent from Friday morning to Tuesday, reporting every five minutes" => (Well with { LastSeen = Now.AddHours(-97), Cycle = TimeSpan.FromMinutes(5), Heartbeat = TimeSpan.FromHours(1) }, Fleet),
        "silent for six days" => (Well with { LastSeen = Now.AddDays(-6) }, Fleet),
        "no CAP for an evening" => (Well with { Conditions = [Said("cap_unreachable", "warning")] }, Fleet),
        "policy refused a week ago, reporting monthly" =>
            (Well with { Cycle = TimeSpan.FromDays(30), Conditions = [Said("policy_invalid", "error") with { ReceivedAt = Times.Of(Now.AddDays(-8)) }] }, Fleet),
        "policy signed under a clock ahead" => (Well with { PolicySignedAt = Now.AddDays(3) }, Fleet),
        "other build, held" => (Well with { ClientVersion = "0.1.0", HoldsBuilds = true }, Fleet),
        "other build, of a platform without an order" => (Well with { ClientVersion = "0.1.0", Platform = "win-x64" }, Fleet),
        "other build, of a platform that it does not tell" => (Well with { ClientVersion = "0.1.0", Platform = null }, Fleet),
        "newer build" => (Well with { ClientVersion = "0.3.0" }, Fleet),
        "silent for fifteen days" => (Well with { LastSeen = Now.AddDays(-15) }, Fleet),
        "silent for six days, reporting monthly" => (Well with { LastSeen = Now.AddDays(-6), Cycle = TimeSpan.FromDays(30) }, Fleet),
        "copied" => (Well with { Copies = 1 }, Fleet),
        "component fails" => (Well with { Components = [new ComponentState("hardware-inventory", "failed", "/sys is not mounted")] }, Fleet),
        "component failed, the next heartbeat says it works" => (Well with { HeartbeatAt = Now.AddMinutes(-10), HeartbeatMadeAt = Now.AddMinutes(-11), Conditions = [Said("component_failed", "error") with { Component = "hardware-inventory" }] }, Fleet),
        "component failed after the heartbeat" => (Well with { Conditions = [Said("component_failed", "error") with { Component = "hardware-inventory" }] }, Fleet),
        "component fails, twice told" => (Well with { Components = [new ComponentState("x", "failed", "y")], Conditions = [Said("component_failed", "error") with { Component = "x" }] }, Fleet),
        "policy refused" => (Well with { Conditions = [Said("policy_invalid", "error")] }, Fleet),
        "policy refused a week ago" => (Well with { Conditions = [Said("policy_invalid", "error") with { ReceivedAt = Times.Of(Now.AddDays(-7)) }] }, Fleet),
        "an unknown error" => (Well with { Conditions = [Said("something_new", "error")] }, Fleet),
        "an unknown warning" => (Well with { Conditions = [Said("something_new", "warning")] }, Fleet),
        "licence waiting" => (Well with { Conditions = [Said("cap_full", "information", 3)] }, Fleet),
        "licence waiting often" => (Well with { Conditions = [Said("cap_full", "information", ClientHealthRules.ManyRefusals)] }, Fleet),
        "upload refused" => (Well with { Refused = new RefusedUploads(1, "malformed", Now.AddHours(-1)) }, Fleet),
        "upload refused long ago" => (Well with { Refused = new RefusedUploads(1, "malformed", Now.AddDays(-8)) }, Fleet),
        "gap for an hour" => (Well with { WaitingSince = Now.AddHours(-1) }, Fleet),
        "gap for two days" => (Well with { WaitingSince = Now.AddDays(-2) }, Fleet),
        "policy old, heartbeat from before" => (Well with { PolicyVersion = 100, PolicySignedAt = Now.AddHours(-1) }, Fleet),
        "policy old, heartbeat soon after" => (Well with { PolicyVersion = 100, PolicySignedAt = Now.AddHours(-30) }, Fleet),
        "policy old, heartbeat days after" => (Well with { PolicyVersion = 100 }, Fleet),
        "clock ahead" => (Well with { HeartbeatMadeAt = Now.AddHours(2) }, Fleet),
        "clock behind" => (Well with { HeartbeatMadeAt = Well.PolicySignedAt!.Value.AddHours(-2) }, Fleet),
        "clock a little ahead" => (Well with { HeartbeatMadeAt = Well.HeartbeatAt!.Value.AddMinutes(30) }, Fleet),
        "made offline, brought late" => (Well with { HeartbeatMadeAt = Well.HeartbeatAt!.Value.AddDays(-5) }, Fleet),
        "other build" => (Well with { ClientVersion = "0.1.0" }, Fleet),
        "other build, ordered just now" => (Well with { ClientVersion = "0.1.0" }, Fleet with { Builds = [new OrderedBuild("linux-x64", "0.2.0", Now.AddHours(-30), Now.AddHours(-26))] }),
        "build failed" => (Well with { Conditions = [Said("build_failed", "error")] }, Fleet),
        "build failed, the next one stays" => (Well with { Conditions = [Said("build_failed", "error"), Said("build_changed", "information")] }, Fleet),
        "a copy is told" => (Well with { Conditions = [Said("chain_forked", "warning")] }, Fleet),
        _ => throw new ArgumentException(state, nameof(state)),
    };

    private static ClientHealthFacts Pending(TimeSpan ago) => Well with { State = DeviceState.Pending, RequestedAt = Now - ago };

    /// <summary>With all that would be told of a client that is lost.</summary>
    private static ClientHealthFacts Moved() => Well with { MovedTo = "XYZ", MovedAt = Now.AddDays(-30), LastSeen = Now.AddDays(-30), PolicyVersion = 100, Conditions = [Said("policy_invalid", "error")] };

    private static ClientHealthFacts Fresh(TimeSpan ago) => Well with { ApprovedAt = Now - ago, LastSeen = Now - ago, HeartbeatAt = null, PolicyVersion = null };

    private static ConditionRow Said(string code, string severity, long count = 1) => new(1, code, severity, "CCIM", "because", Times.Of(Now), Times.Of(Now.AddHours(-1)), count);
}
