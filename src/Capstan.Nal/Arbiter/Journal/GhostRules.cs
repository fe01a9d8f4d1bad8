using System.Globalization;

namespace Capstan.Nal.Arbiter.Journal;

/// <summary>A record without an owner that could end its connection, under its name in the journal.</summary>
internal readonly record struct Ghost(string Name, ConnectionRecord Record)
{
    /// <summary>As it was read; what the rules do not need.</summary>
    public JournalEntry Entry { get; init; } = new(Name, "", Record, "", IsOwned: false);
}

/// <summary>What a logon has to know of the ghosts of its server.</summary>
/// <param name="Account">Lower case.</param>
/// <param name="KnownAccounts">Those whose secrets are at hand, lower case.</param>
/// <param name="Slot">The slot that the logon will use.</param>
/// <param name="IdleTime">After which the server ends a session that nobody uses.</param>
internal sealed record GhostQuestion(string Account, IReadOnlySet<string> KnownAccounts, int Slot, string Boot, TimeSpan Uptime, DateTimeOffset Now, TimeSpan IdleTime)
{
    /// <summary>The machine that asks; null where nobody can tell.</summary>
    public MachineEvidence? Machine { get; init; }

    /// <summary>The name of the server that the logon goes to; null (the default) for the one that records have without another.</summary>
    public string? Name { get; init; }

    /// <summary>Names under which no ghost can be ended now.</summary>
    public IReadOnlySet<string> OutOfReach { get; init; } = new HashSet<string>(StringComparer.Ordinal);
}

/// <summary>What is to be done with the ghosts of a server, by a logon there.</summary>
/// <param name="Carry">Its session is ended by the logon itself; null when there is none.</param>
/// <param name="First">A logon under its own account has to end it before: it uses the same slot. Null when there is none.</param>
/// <param name="Gone">Over already, and why.</param>
/// <param name="WithLogon">Over as soon as the logon works, and why.</param>
/// <param name="Blocked">The slot cannot be used yet, because of this one; null when it can.</param>
/// <param name="BlockedFor">How much longer.</param>
internal sealed record GhostPlan(Ghost? Carry, Ghost? First, IReadOnlyList<(Ghost Ghost, string Why)> Gone, IReadOnlyList<(Ghost Ghost, string Why)> WithLogon, Ghost? Blocked, TimeSpan BlockedFor);

/// <summary>How a connection ends that the server may still count although its owner is gone. These rules, and no others. Pure.</summary>
/// <remarks>
/// <para>The next working logon of the same account carries its session id, and the server ends it. An id counts for 7 days: after that the server may have
/// given it to somebody else. It says something to the server's name alone that gave it, and only of a session of this machine: a copy of it has the same journal and other sessions.</para>
/// <para>Without any id, one of this start of the machine ends with the next working logon: its session was never known to be made, and the kernel answers for the dead process as soon
/// as the link works. Every other one (of an earlier start, too old, or of an account that nobody here knows) is assumed gone when it has been lost for as long as the server keeps what is idle.</para>
/// </remarks>
internal static class GhostRules
{
    public static readonly TimeSpan LongestId = TimeSpan.FromDays(7);

    public static GhostPlan Plan(IEnumerable<Ghost> ghosts, GhostQuestion question)
    {
        Ghost? carry = null, first = null, blocked = null;
        var blockedFor = TimeSpan.Zero;
        var gone = new List<(Ghost, string)>();
        var withLogon = new List<(Ghost, string)>();
        // Its own slot's ghosts come first: the logon may carry one id only.
        foreach (var ghost in ghosts.OrderBy(ghost => ghost.Record.Slot == question.Slot ? 0 : 1).ThenBy(ghost => ghost.Record.Opened))
        {
            var (record, isHere) = (ghost.Record, ghost.Record.Slot == question.Slot);
            if (record.State == ConnectionStates.Abandoned)
                gone.Add((ghost, "it was abandoned by hand"));
            else if (HasId(record, question) && IsAccount(record, question.Account) && NameOf(record) == (question.Name ?? record.Server))
            {
                if (carry is null)
                    carry = ghost;
                else if (isHere)
                    first ??= ghost;
            }
            else if (HasId(record, question) && (question.KnownAccounts.Contains(record.Account.ToLowerInvariant()) || IsAccount(record, question.Account)) && !question.OutOfReach.Contains(NameOf(record)))
            {
                if (isHere)
                    first ??= ghost;
            }
            else if (record.Session is null or 0 && record.Boot == question.Boot)
                withLogon.Add((ghost, "the server answered again, and this machine ends what its dead process left"));
            else if (Lost(record, question.Boot, question.Uptime) is var lost && lost >= question.IdleTime)
                gone.Add((ghost, string.Create(CultureInfo.InvariantCulture, $"assumed gone: it was lost for longer than the {question.IdleTime.TotalMinutes:F0} min for which the server keeps what is idle")));
            else if (isHere && question.IdleTime - lost > blockedFor)
                (blocked, blockedFor) = (ghost, question.IdleTime - lost);
        }
        return new GhostPlan(carry, first, gone, withLogon, blocked, blockedFor);
    }

    /// <summary>What will end it, for people.</summary>
    public static string NextStep(ConnectionRecord record, GhostQuestion question) =>
        record.State == ConnectionStates.Abandoned ? "forgotten at the next connection to this server"
        // NetWare ends nothing for an id: the logon looks whose the number is, and clears it where it may.
        : HasId(record, question) && record.Path.Contains("NWBIND:", StringComparison.Ordinal) ? string.Create(CultureInfo.InvariantCulture,
            $"looked at by the next logon of {record.Account} at this server, which clears it if it may; else the server's watchdog ends it, by {record.LastUsed + question.IdleTime:yyyy-MM-dd HH:mm} UTC")
        : HasId(record, question) ? $"ended by the next logon of {record.Account} at this server"
        : record.Session is null or 0 && record.Boot == question.Boot ? "ends with the next working logon at this server"
        : string.Create(CultureInfo.InvariantCulture, $"assumed gone when it has been lost for {question.IdleTime.TotalMinutes:F0} min");

    /// <summary>Within one start of the machine no clock matters. Across starts, a record from the future is of a clock that was wrong: its age is not known.</summary>
    private static bool HasId(ConnectionRecord record, GhostQuestion question)
    {
        if (record.Session is null or 0 || MachineEvidence.AreTwo(record.Machine, question.Machine))
            return false;
        if (record.Boot == question.Boot && record.Uptime is { } then)
            return question.Uptime - then <= LongestId;
        return question.Now - record.LastUsed <= LongestId && question.Now - record.LastUsed >= -TimeSpan.FromHours(1);
    }

    /// <summary>For how long nobody can have used it: since it was last written, or since the machine started.</summary>
    private static TimeSpan Lost(ConnectionRecord record, string boot, TimeSpan uptime) =>
        record.Boot == boot && record.Uptime is { } then ? uptime - then : uptime;

    /// <summary>The name under which a connection was opened.</summary>
    public static string NameOf(ConnectionRecord record) => record.Name ?? record.Server;

    private static bool IsAccount(ConnectionRecord record, string account) => string.Equals(record.Account, account, StringComparison.OrdinalIgnoreCase);
}

/// <summary>States as the journal and <c>nal connections</c> show them.</summary>
internal static class ConnectionStates
{
    public const string Waiting = "waiting";
    public const string Connecting = "connecting";
    public const string Open = "open";
    public const string Idle = "idle";
    public const string Closing = "closing";
    public const string Ghost = "ghost";
    public const string Abandoned = "abandoned";

    /// <summary>Over; its file waits for the next connection.</summary>
    public const string Closed = "closed";
}
