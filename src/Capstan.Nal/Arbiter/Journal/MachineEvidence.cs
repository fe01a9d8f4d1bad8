using System.Security.Cryptography;
using System.Text;

namespace Capstan.Nal.Arbiter.Journal;

/// <summary>What tells one machine from a copy of it: a virtual machine that was cloned has the journal of the first one, and none of its sessions.</summary>
/// <param name="Addresses">Permanent addresses of network devices, in order; none where there are none.</param>
/// <param name="Id">Of <c>/etc/machine-id</c>, hashed; null where there is none. A copy often has the same.</param>
/// <param name="Product">The hardware's own UUID, hashed; null where it cannot be read (only root may).</param>
internal sealed record MachineEvidence(IReadOnlyList<string> Addresses, string? Id = null, string? Product = null)
{
    /// <summary>The kernel's mark of an address that came with the device (<c>NET_ADDR_PERM</c>).</summary>
    private const string Permanent = "0";

    /// <summary>Read anew: a virtual machine may be copied while it runs.</summary>
    public static MachineEvidence Read() => Read("/etc/machine-id", "/sys/class/dmi/id/product_uuid", "/sys/class/net");

    internal static MachineEvidence Read(string id, string product, string network) => new([.. AddressesIn(network).Order(StringComparer.Ordinal)], Hash(Text(id)), Hash(Text(product)));

    /// <summary>Whether these are two machines, as far as one piece of evidence says so. What is missing on one side says nothing.</summary>
    public static bool AreTwo(MachineEvidence? one, MachineEvidence? other) => one is not null && other is not null
        && (Differ(one.Id, other.Id) || Differ(one.Product, other.Product)
            || (one.Addresses.Count > 0 && other.Addresses.Count > 0 && !one.Addresses.Intersect(other.Addresses, StringComparer.Ordinal).Any()));

    private static bool Differ(string? one, string? other) => one is not null && other is not null && one != other;

    private static IEnumerable<string> AddressesIn(string network)
    {
        if (!Directory.Exists(network))
            yield break;
        foreach (var device in Directory.EnumerateDirectories(network))
        {
            // Bridges, tunnels and ends of pairs have no device behind them, and a new address each time.
            if (Directory.Exists(Path.Combine(device, "device")) && Text(Path.Combine(device, "addr_assign_type")) == Permanent && Text(Path.Combine(device, "address")) is { Length: > 0 } address)
                yield return address;
        }
    }

    private static string? Text(string path)
    {
        try
        {
            return File.Exists(path) && File.ReadAllText(path).Trim() is { Length: > 0 } text ? text : null;
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            // No evidence is not evidence of another machine.
            return null;
        }
    }

    private static string? Hash(string? text) => text is null ? null : Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"capstan {text}")).AsSpan(0, 8));
}
