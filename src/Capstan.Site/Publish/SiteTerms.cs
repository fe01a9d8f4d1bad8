using Capstan.Nal.Arbiter;
using Capstan.Nal.Paths;
using Capstan.Protocol.V1;
using Capstan.Site.Store;

namespace Capstan.Site.Publish;

/// <summary>What the site's own list says of a server, for the site's own connections. Pure.</summary>
/// <remarks>The site lingers nowhere but where devices are counted, and it takes one name for another as its clients do. The measured hold is that of clients: it says nothing of the site, which works in passes.</remarks>
internal static class SiteTerms
{
    /// <summary>Where devices are counted, and not connections, one stays for the next pass.</summary>
    public static readonly TimeSpan PerSeatLinger = TimeSpan.FromSeconds(60);

    /// <param name="caps">The whole list: several CAPs may be on one server, and then the strictest term counts.</param>
    public static ServerTerms Of(string server, IEnumerable<CapState> caps)
    {
        var here = caps.Select(cap => (Cap: cap, Path: NalPath.TryParse(cap.Path, out var path, out _) ? path : null)).Where(cap => cap.Path?.Server == server).ToList();
        return new ServerTerms
        {
            Linger = here.Count > 0 && here.TrueForAll(cap => LicensingMode.Kind(cap.Cap.Licensing) == LicensingKind.PerSeat) ? PerSeatLinger : TimeSpan.Zero,
            Aliases = [.. here.SelectMany(cap => ServerAliases.Servers(cap.Path!, cap.Cap.Aliases)).Distinct(StringComparer.Ordinal)],
        };
    }
}
