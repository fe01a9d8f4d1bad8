using System.Globalization;
using System.Text;
using Capstan.Client;
using Capstan.Nal.Arbiter.Machine;
using Capstan.Protocol.V1;

namespace Capstan.Agent;

/// <summary>A client's status as text for people.</summary>
internal static class StatusTable
{
    public static string Of(ClientStatus status) => Table(
    [
        ("Device", status.DeviceId),
        ("Fingerprint", status.Fingerprint),
        ("Site", status.Assignment is { } why ? $"{status.SiteCode} ({why})" : status.SiteCode),
        ("State", status.State == "installed" ? "installed, not approved yet" : status.State),
        ("Policy version", status.PolicyVersion == 0 ? "none" : Number(status.PolicyVersion)),
        ("Records", $"{Number(status.Sequence)} made, {Number(status.AcknowledgedSequence)} acknowledged"),
        ("Waiting in spool", Number(status.Spooled)),
        ("Last contact", Time(status.LastContact)),
        ("Next contact", Time(status.NextContact)),
        ("Waiting for", status.Waiting ?? "nothing"),
        .. status.Caps.Select((cap, index) => (index == 0 ? "CAPs" : "", cap)),
        ("Version", status.ClientVersion),
        .. status.Build is { } build ? [("Build", status.BuildOnTrial is { } trial ? $"{build}; on trial: {trial}" : build)] : Array.Empty<(string, string)>(),
        .. status.PackageVersion is { } package ? [("Package", $"{package}{(IsNewer(package, status.ClientVersion) ? ", newer than the build that runs, which the site has ordered (capstan client build use package)" : "")}")] : Array.Empty<(string, string)>(),
        .. status.BuildWaiting is { } waiting ? [("Build waits", waiting)] : Array.Empty<(string, string)>(),
        .. status.Components.Where(component => component.State != "ok").Select(component => (component.Name, $"{component.State}: {component.Detail}")),
    ]);

    public static string Connections(IReadOnlyList<MachineConnection> connections) => connections.Count == 0
        ? "No connection is open, and none was lost."
        : Table([("CONNECTION", "STATE"), .. connections.Select(connection => ($"{connection.Server} as {connection.Account}",
            $"{connection.State}{(connection.Holders.Count > 0 ? $", used by {string.Join(", ", connection.Holders)}" : "")}; {connection.NextStep} ({connection.Record})"))]);

    /// <summary>Two columns, the first as wide as its longest text.</summary>
    public static string Table(IReadOnlyList<(string Left, string Right)> rows)
    {
        var width = rows.Max(row => row.Left.Length) + 2;
        var text = new StringBuilder();
        foreach (var (left, right) in rows)
            text.Append(left.PadRight(width)).Append(right).Append('\n');
        return text.ToString().TrimEnd('\n');
    }

    private static bool IsNewer(string package, string present) =>
        BuildVersion.TryParse(package, out var there) && BuildVersion.TryParse(present, out var here) && there.CompareRank(here) > 0;

    private static string Number(long value) => value.ToString(CultureInfo.InvariantCulture);

    private static string Time(DateTimeOffset? at) => at?.ToString("u", CultureInfo.InvariantCulture) ?? "never";
}
