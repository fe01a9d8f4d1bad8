using System.Globalization;
using Capstan.Nal.Paths;

namespace Capstan.Site.Publish;

/// <summary>Other names of the server of a CAP, so that clients do not take one server for two. Pure.</summary>
internal static class ServerAliases
{
    /// <summary>As many as a CAP list holds for one entry.</summary>
    public const int Most = 64;

    /// <summary>Host names or addresses in lower case, each once, without that of the path itself.</summary>
    public static IReadOnlyList<string> Canonical(NalPath path, IEnumerable<string> names) =>
        [.. names.Select(name => Host(path, name) ?? name).Distinct(StringComparer.Ordinal).Where(name => name != path.Root)];

    /// <summary>What is wrong with them; null when nothing is.</summary>
    public static string? Fault(NalPath path, IReadOnlyList<string> names) =>
        names.Count == 0 ? null
        : path.Server is null ? $"{path} names no server, so it has no other names."
        : names.Count > Most ? $"{names.Count} other names are too many: a server has at most {Most}."
        : names.FirstOrDefault(name => Host(path, name) is null) is { } bad ? $"'{bad}' is not the name or address of a server: write fs1.example.com or 192.0.2.10, without a port."
        : null;

    /// <summary>Their canonical <c>host:port</c>, with the port of the path.</summary>
    public static IEnumerable<string> Servers(NalPath path, IEnumerable<string> names) =>
        names.Select(name => NalPath.TryParse($@"{path.Provider}:\\{Bracketed(name)}{(path.Port is { } port ? string.Create(CultureInfo.InvariantCulture, $":{port}") : "")}\x\", out var parsed, out _) ? parsed.Server : null).OfType<string>();

    private static string Bracketed(string name) => name.Contains(':', StringComparison.Ordinal) ? $"[{name.Trim('[', ']')}]" : name;

    private static string? Host(NalPath path, string name) =>
        name.Length is > 0 and <= 255 && NalPath.TryParse($@"{path.Provider}:\\{Bracketed(name)}\x\", out var parsed, out _)
            && parsed is { Port: null, Segments: ["x"] } && parsed.Root.Length > 0
            ? parsed.Root
            : null;
}
