using Capstan.Nal.Paths;
using Capstan.Site.Publish;
using Capstan.Site.Store;

namespace Capstan.Site.Fleet;

/// <summary>Which CAPs are on one server: it counts their connections together, whatever shares they are and by whatever name it is called. Pure.</summary>
internal static class CapServers
{
    /// <summary>For the path of each CAP, the paths of all on its server, in the order of the list; itself alone for a folder of this machine.</summary>
    public static IReadOnlyDictionary<string, IReadOnlyList<string>> Together(IReadOnlyList<CapState> caps)
    {
        var groups = new List<(HashSet<string> Names, List<CapState> Caps)>();
        foreach (var cap in caps)
        {
            (HashSet<string> Names, List<CapState> Caps) group = (Names(cap), [cap]);
            // A name may join what seemed to be two servers until now.
            foreach (var other in groups.Where(other => other.Names.Overlaps(group.Names)).ToList())
            {
                group.Names.UnionWith(other.Names);
                group.Caps.InsertRange(0, other.Caps);
                groups.Remove(other);
            }
            groups.Add(group);
        }
        return groups.SelectMany(group => group.Caps, (group, cap) => (cap.Path, Paths: (IReadOnlyList<string>)[.. group.Caps.Select(one => one.Path)]))
            .ToDictionary(cap => cap.Path, cap => cap.Paths, StringComparer.Ordinal);
    }

    private static HashSet<string> Names(CapState cap) => NalPath.TryParse(cap.Path, out var path, out _) && path.Server is { } server
        ? new HashSet<string>([$"{path.Provider} {server}", .. ServerAliases.Servers(path, cap.Aliases).Select(name => $"{path.Provider} {name}")], StringComparer.Ordinal)
        : [];
}
