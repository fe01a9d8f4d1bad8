using System.Globalization;
using Capstan.Nal.Arbiter;
using Capstan.Nal.Paths;
using Capstan.Protocol.V1;

namespace Capstan.Client.Configuration;

/// <summary>The terms of the CAP list, by CAP and by server. Pure.</summary>
internal static class CapTerms
{
    /// <summary>Where devices are counted, and not connections, one stays a while for what comes next.</summary>
    public static readonly TimeSpan PerSeatLinger = TimeSpan.FromSeconds(60);

    /// <summary>A client that was refused for capacity does not hurry more than this, whatever the site publishes.</summary>
    public static readonly TimeSpan LeastHold = TimeSpan.FromSeconds(1);

    /// <summary>The list's entry for a path in either form; null when it has none.</summary>
    public static CapEntry? Entry(CapList? list, string path) => NalPath.TryParse(path, out var wanted, out _)
        ? list?.Caps.FirstOrDefault(entry => NalPath.TryParse(entry.Path, out var known, out _) && known.Equals(wanted))
        : null;

    /// <summary>Per canonical server name. Where several CAPs are on one server, the strictest term of each kind counts.</summary>
    public static IReadOnlyDictionary<string, ServerTerms> Servers(CapList list) => list.Caps
        .Select(entry => (Entry: entry, Server: NalPath.TryParse(entry.Path, out var path, out _) ? path.Server : null))
        .Where(cap => cap.Server is not null)
        .GroupBy(cap => cap.Server!, cap => cap.Entry, StringComparer.Ordinal)
        .ToDictionary(caps => caps.Key, caps => new ServerTerms
        {
            Linger = caps.All(cap => LicensingMode.Kind(cap.Licensing) == LicensingKind.PerSeat) ? PerSeatLinger : TimeSpan.Zero,
            MeanHold = Backoff.Max(LeastHold, TimeSpan.FromSeconds(caps.Max(cap => cap.MeanHoldSeconds))),
            Aliases = [.. caps.SelectMany(cap => cap.Aliases.Select(alias => Server(cap.Path, alias))).OfType<string>().Distinct(StringComparer.Ordinal)],
        }, StringComparer.Ordinal);

    /// <summary>The canonical <c>host:port</c> of another name of a CAP's server; null for what is no name.</summary>
    private static string? Server(string cap, string alias)
    {
        var path = NalPath.Parse(cap);
        var host = alias.Contains(':', StringComparison.Ordinal) ? $"[{alias.Trim('[', ']')}]" : alias;
        return NalPath.TryParse($@"{path.Provider}:\\{host}{(path.Port is { } port ? string.Create(CultureInfo.InvariantCulture, $":{port}") : "")}\x\", out var parsed, out _) ? parsed.Server : null;
    }
}
