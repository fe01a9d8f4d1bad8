using System.Globalization;
using Capstan.Nal.Arbiter;
using Capstan.Nal.Providers.Mswnet;
using Capstan.Site.Console;

namespace Capstan.Cli.Verbs;

/// <summary>Whose sessions of a server are, and which of ours have outlived every lease. Pure.</summary>
internal static class SessionMarks
{
    /// <summary>No lease is longer, so a session of ours that was not used for this long is one that nobody gives back any more.</summary>
    public static readonly TimeSpan LongestLease = new ArbiterOptions().LongestLease;

    /// <summary>Words of the column and of the JSON; stable.</summary>
    public const string Capstan = "capstan";
    public const string Idle = "capstan-idle";
    /// <summary>The server does not tell idle times: it is older than the longest lease and has nothing open.</summary>
    public const string Old = "capstan-old";
    public const string Other = "other";
    public const string Asking = "asking";
    public const string Unknown = "unknown";

    /// <summary>One word for each session, in their order.</summary>
    /// <param name="ours">Names of Capstan's accounts at this server; null when they are not known.</param>
    /// <param name="asking">The account that asks: its youngest session is this command's.</param>
    public static IReadOnlyList<string> Of(IReadOnlyList<ServerSession> sessions, IReadOnlyCollection<string>? ours, string asking, TimeSpan staleAfter)
    {
        var own = sessions.Where(session => IsSame(session.User, asking)).MinBy(session => session.ActiveFor ?? TimeSpan.MaxValue);
        var tellsIdle = TellsIdle(sessions);
        return [.. sessions.Select(session => ReferenceEquals(session, own) ? Asking
            : ours is null || session.User is null ? Unknown
            : !ours.Any(name => IsSame(session.User, name)) ? Other
            : WhyActive(session, tellsIdle, staleAfter) is not null ? Capstan
            : tellsIdle ? Idle : Old)];
    }

    /// <summary>Samba says zero of every session. A server of which all sessions were used this very second is taken for one, too: then age and open files decide.</summary>
    public static bool TellsIdle(IReadOnlyList<ServerSession> sessions) => sessions.Any(session => session.IdleFor > TimeSpan.Zero);

    /// <summary>Why not all connections of this account from this client may be ended; null when they may.</summary>
    /// <remarks>The server ends all of them or none, so that one which is in use protects the others. What the server does not tell counts as use.</remarks>
    public static string? Objection(IReadOnlyList<ServerSession> sessions, string client, string user, TimeSpan staleAfter)
    {
        var tellsIdle = TellsIdle(sessions);
        var same = sessions.Where(session => session.Client == client && session.User == user).ToList();
        return same.Count == 0 ? "there are none any more"
            : same.Select(session => WhyActive(session, tellsIdle, staleAfter)).FirstOrDefault(why => why is not null);
    }

    /// <summary>Whether two names may be one account: where both name a domain, it must be the same.</summary>
    public static bool IsSame(string? user, string account)
    {
        var (domain, name) = Split(user ?? "");
        var (ownDomain, ownName) = Split(TicketAccount.Is(account) ? account[(account.IndexOf(':', StringComparison.Ordinal) + 1)..] : account);
        return name.Length > 0 && name.Equals(ownName, StringComparison.OrdinalIgnoreCase)
            && (domain is null || ownDomain is null || domain.Equals(ownDomain, StringComparison.OrdinalIgnoreCase));
    }

    private static string? WhyActive(ServerSession session, bool tellsIdle, TimeSpan staleAfter) => session switch
    {
        { OpenFiles: > 0 and var files } => string.Create(CultureInfo.InvariantCulture, $"one of them has {files} files open"),
        _ when tellsIdle => session.IdleFor > staleAfter ? null : $"one of them was used {Ago(session.IdleFor)}, and {Display.Duration(staleAfter)} is the longest lease",
        { OpenFiles: null } => "the server tells neither how long they are idle nor what they have open",
        _ => session.ActiveFor > staleAfter ? null : $"one of them was opened {Ago(session.ActiveFor)}, and {Display.Duration(staleAfter)} is the longest lease; the server does not tell how long it is idle",
    };

    private static string Ago(TimeSpan? time) => time is { } known ? $"{Display.Duration(known)} ago" : "at an unknown time";

    private static (string? Domain, string Name) Split(string account) => (account.IndexOf('\\', StringComparison.Ordinal), account.IndexOf('@', StringComparison.Ordinal)) switch
    {
        ( >= 0 and var slash, _) => (account[..slash], account[(slash + 1)..]),
        (_, > 0 and var at) => (account[(at + 1)..], account[..at]),
        _ => (null, account),
    };
}
