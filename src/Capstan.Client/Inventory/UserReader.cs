using Capstan.Protocol.V1;

namespace Capstan.Client.Inventory;

/// <summary>Who is logged on: sessions of systemd-logind, else utmp (which newer distributions no longer keep).</summary>
internal static class UserReader
{
    public static IReadOnlyList<LoggedOnUser> Read(EvidenceTree tree, string architecture)
    {
        var users = Sessions(tree);
        if (users.Count == 0)
        {
            var path = tree.HasFile("run/utmp") ? "run/utmp" : "var/run/utmp";
            if (tree.ReadBytes(path, Utmp.MaxBytes) is { } file)
            {
                users = Utmp.Parse(file, Utmp.RecordSize(file.Length, architecture));
            }
            else if (!tree.HasDirectory("run/systemd/sessions") && !tree.HasFile(path))
            {
                tree.Miss("logged-on users", "neither /run/utmp nor /run/systemd/sessions exists; a login manager would make one");
            }
        }
        users.Sort(static (a, b) => string.CompareOrdinal(a.Name, b.Name) is not 0 and var byName ? byName
            : string.CompareOrdinal(a.Terminal, b.Terminal) is not 0 and var byTerminal ? byTerminal
            : Nullable.Compare(a.Since, b.Since));
        return users;
    }

    private static List<LoggedOnUser> Sessions(EvidenceTree tree)
    {
        var users = new List<LoggedOnUser>();
        foreach (var id in tree.List("run/systemd/sessions"))
        {
            // "c1.ref" beside "c1" is a pipe that must not be opened.
            if (!id.EndsWith(".ref", StringComparison.Ordinal) && tree.ReadText("run/systemd/sessions/" + id) is { } text && SessionOf(FactText.Assignments(text)) is { } user)
            {
                users.Add(user);
            }
        }
        return users;
    }

    /// <summary>Greeters, lock screens, managers and sessions that are closing are not logged-on users.</summary>
    internal static LoggedOnUser? SessionOf(Dictionary<string, string> session)
    {
        var isUser = session.GetValueOrDefault("CLASS") is null or "user" or "user-early" or "user-light" && session.GetValueOrDefault("STATE") != "closing";
        var since = FactText.Seconds(FactText.Number(session.GetValueOrDefault("REALTIME")) / 1_000_000); // microseconds
        return isUser && FactText.Clean(session.GetValueOrDefault("USER")) is { } name
            ? new LoggedOnUser(name, FactText.Clean(session.GetValueOrDefault("TTY") ?? session.GetValueOrDefault("DISPLAY")), FactText.Clean(session.GetValueOrDefault("REMOTE_HOST")), since)
            : null;
    }
}
