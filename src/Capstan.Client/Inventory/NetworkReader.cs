using System.Globalization;
using Capstan.Protocol.V1;

namespace Capstan.Client.Inventory;

/// <summary>Network adapters of /sys/class/net, except loopback, with every address that the kernel has.</summary>
internal static class NetworkReader
{
    private const string Loopback = "772"; // ARPHRD_LOOPBACK
    private const int MaxAddresses = 10_000; // The longest list of a document.
    private const int InterfaceUp = 1; // IFF_UP

    public static IReadOnlyList<NetworkAdapter> Read(EvidenceTree tree)
    {
        var addresses = Addresses(tree);
        var adapters = new List<NetworkAdapter>();
        foreach (var name in tree.List("sys/class/net"))
        {
            var folder = "sys/class/net/" + name;
            // bonding_masters is a file beside the adapters.
            if (!tree.HasDirectory(folder) || tree.ReadAttribute(folder + "/type") == Loopback)
            {
                continue;
            }
            // The speed of a link that is down is an error to the kernel.
            var speed = tree.ReadAttribute(folder + "/operstate") == "up" && FactText.Number(tree.ReadAttribute(folder + "/speed")) is > 0 and < int.MaxValue and var megabits ? (int)megabits : (int?)null;
            var mac = tree.ReadAttribute(folder + "/address");
            adapters.Add(new NetworkAdapter(name, mac is null or "00:00:00:00:00:00" ? null : mac, tree.LinkName(folder + "/device/driver"), IsUp(tree.ReadAttribute(folder + "/flags")), speed,
                FactText.Number(tree.ReadAttribute(folder + "/mtu")) is >= 0 and <= int.MaxValue and var mtu ? (int)mtu : 0,
                addresses.TryGetValue(name, out var own) ? Bounded(tree, name, own) : []));
        }
        return adapters;
    }

    /// <summary>All of them; only a list that no document may carry is cut, and says so.</summary>
    private static List<string> Bounded(EvidenceTree tree, string name, SortedSet<string> addresses)
    {
        List<string> list = [.. addresses];
        if (list.Count > MaxAddresses)
        {
            tree.Miss("addresses of " + name, $"{list.Count} addresses; {MaxAddresses} are listed");
            list.RemoveRange(MaxAddresses, list.Count - MaxAddresses);
        }
        return list;
    }

    internal static bool IsUp(string? flags) =>
        flags is not null && flags.StartsWith("0x", StringComparison.Ordinal)
        && uint.TryParse(flags.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value) && (value & InterfaceUp) != 0;

    private static Dictionary<string, SortedSet<string>> Addresses(EvidenceTree tree)
    {
        if (!tree.IsLive)
        {
            return [];
        }
        try
        {
            return InterfaceAddresses.Read();
        }
        catch (IOException error)
        {
            tree.Miss("network addresses", error.Message);
            return [];
        }
    }
}
