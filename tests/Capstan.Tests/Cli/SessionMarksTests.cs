using Capstan.Cli.Verbs;
using Capstan.Nal.Providers.Mswnet;
using FsCheck;
using FsCheck.Fluent;

namespace Capstan.Tests.Cli;

/// <summary>Whose the sessions of a server are, and which may be ended.</summary>
public sealed class SessionMarksTests
{
    private static readonly TimeSpan Lease = SessionMarks.LongestLease;

    [Fact]
    public void A_server_that_tells_idle_times_is_judged_by_them() => Assert.Equal(
        ["capstan", "capstan-idle", "capstan", "capstan", "other", "asking"],
        Marks([Session("capclient", 5, idle: 1), Session("capclient", 9_000, idle: 3_601), Session("capclient", 9_000, idle: 3_600), Session("capsite", 9_000, files: 1, idle: 8_000),
            Session("anna", 9_000, idle: 8_000), Session("admin", 1)]));

    [Fact]
    public void Where_no_idle_time_is_told_age_and_open_files_decide() => Assert.Equal(
        ["capstan", "capstan-old", "capstan", "other", "asking"],
        Marks([Session("capclient", 3_600), Session("capclient", 3_601), Session("capclient", 9_000, files: 1), Session("anna", 9_000), Session("admin", 1)]));

    [Fact]
    public void The_youngest_session_of_the_asking_account_is_this_commands() => Assert.Equal(
        ["other", "asking"], Marks([Session("admin", 90), Session("admin", 1)]));

    [Fact]
    public void Nothing_is_called_ours_or_anothers_that_nobody_knows()
    {
        IReadOnlyList<ServerSession> sessions = [Session("capclient", 9_000), new("192.0.2.9", null, null, null, null, null)];
        Assert.Equal(["unknown", "unknown"], SessionMarks.Of(sessions, null, "admin", Lease));
        Assert.Equal(["capstan-old", "unknown"], SessionMarks.Of(sessions, ["capclient"], "admin", Lease));
    }

    [Theory]
    [InlineData("capclient", "capclient", true)]
    [InlineData("CapClient", "capclient", true)]
    [InlineData("capclient", @"FS1\capclient", true)]
    [InlineData(@"FS1\capclient", "capclient", true)]
    [InlineData(@"FS1\capclient", @"OFFICE\capclient", false)]
    [InlineData("capclient@office.example", @"office.example\capclient", true)]
    [InlineData("admin", "kerberos:admin@OFFICE.EXAMPLE", true)]
    [InlineData("", "kerberos:", false)]
    [InlineData("", "", false)]
    [InlineData(null, "capclient", false)]
    [InlineData("capclient2", "capclient", false)]
    public void Accounts_are_the_same_unless_their_domains_differ(string? user, string account, bool same) => Assert.Equal(same, SessionMarks.IsSame(user, account));

    [Fact]
    public void One_connection_in_use_protects_all_of_its_account_and_client()
    {
        var old = Session("capclient", 9_000);
        Assert.Null(SessionMarks.Objection([old, old], old.Client, "capclient", Lease));
        Assert.Contains("has 2 files open", SessionMarks.Objection([old, Session("capclient", 9_000, files: 2)], old.Client, "capclient", Lease), StringComparison.Ordinal);
        Assert.Contains("opened 5 s ago", SessionMarks.Objection([old, Session("capclient", 5)], old.Client, "capclient", Lease), StringComparison.Ordinal);
        Assert.Contains("used 5 s ago", SessionMarks.Objection([Session("capclient", 9_000, idle: 9_000), Session("capclient", 9_000, idle: 5)], old.Client, "capclient", Lease), StringComparison.Ordinal);
        Assert.Contains("neither", SessionMarks.Objection([old, old with { OpenFiles = null }], old.Client, "capclient", Lease), StringComparison.Ordinal);
        // Another machine, and another account, are not concerned.
        Assert.Null(SessionMarks.Objection([old, Session("capclient", 5) with { Client = "192.0.2.8" }, Session("anna", 5)], old.Client, "capclient", Lease));
        Assert.Contains("none any more", SessionMarks.Objection([], old.Client, "capclient", Lease), StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_in_use_or_unknown_is_never_marked_and_never_ended() =>
        Prop.ForAll(Sessions(), sessions =>
        {
            var marks = SessionMarks.Of(sessions, ["capclient"], "admin", Lease);
            var tellsIdle = SessionMarks.TellsIdle(sessions);
            return sessions.Zip(marks).All(marked => marked.Second is not (SessionMarks.Idle or SessionMarks.Old)
                || (marked.First is { User: "capclient", OpenFiles: null or 0 } && (tellsIdle ? marked.First.IdleFor > Lease : marked.First.ActiveFor > Lease)))
                && (SessionMarks.Objection(sessions, "192.0.2.7", "capclient", Lease) is not null || sessions.Zip(marks)
                    .Where(marked => marked.First is { Client: "192.0.2.7", User: "capclient" }).All(marked => marked.Second is SessionMarks.Idle or SessionMarks.Old));
        }).QuickCheckThrowOnFailure();

    private static IReadOnlyList<string> Marks(IReadOnlyList<ServerSession> sessions) => SessionMarks.Of(sessions, ["capsite", "capclient"], "admin", Lease);

    private static ServerSession Session(string user, int active, int files = 0, int idle = 0) =>
        new("192.0.2.7", user, files, TimeSpan.FromSeconds(active), TimeSpan.FromSeconds(idle), IsGuest: false);

    private static Arbitrary<IReadOnlyList<ServerSession>> Sessions()
    {
        var seconds = Gen.OneOf(Gen.Constant<TimeSpan?>(null), Gen.Elements(0, 1, 3_600, 3_601, 9_000).Select(n => (TimeSpan?)TimeSpan.FromSeconds(n)));
        return (from client in Gen.Elements("192.0.2.7", "192.0.2.8")
                from user in Gen.Elements("capclient", "anna", "admin", null)
                from files in Gen.Elements<int?>(null, 0, 0, 0, 1)
                from active in seconds
                from idle in seconds
                select new ServerSession(client, user, files, active, idle, null)).ListOf().Select(list => (IReadOnlyList<ServerSession>)list).ToArbitrary();
    }
}
