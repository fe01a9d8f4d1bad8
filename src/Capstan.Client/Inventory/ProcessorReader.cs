using System.Globalization;
using Capstan.Protocol.V1;

namespace Capstan.Client.Inventory;

/// <summary>/proc/cpuinfo, completed by the topology, clock and cache files of /sys/devices/system/cpu.</summary>
internal static class ProcessorReader
{
    /// <summary>1,500 bytes a processor on x86; enough for 5,000 of them.</summary>
    public const int MaxCpuinfoBytes = 8 * 1024 * 1024;

    public static IReadOnlyList<Processor> Read(EvidenceTree tree, string? cpuinfo)
    {
        if (cpuinfo is null)
        {
            return [];
        }
        var logical = ProcessorFacts.Parse(cpuinfo);
        for (var i = 0; i < logical.Count; i++)
        {
            // The kernel says -1 for a package that firmware does not describe.
            var it = logical[i];
            logical[i] = it with
            {
                Package = it.Package >= 0 ? it.Package : Topology(tree, it, "physical_package_id"),
                Core = it.Core >= 0 ? it.Core : Topology(tree, it, "core_id"),
            };
        }
        return ProcessorFacts.Packages(logical, it => Megahertz(tree, it), members => LastLevelCache(tree, members));
    }

    private static string Folder(LogicalProcessor processor) => string.Create(CultureInfo.InvariantCulture, $"sys/devices/system/cpu/cpu{processor.Index}");

    private static int Topology(EvidenceTree tree, LogicalProcessor processor, string name) =>
        FactText.Number(tree.ReadAttribute($"{Folder(processor)}/topology/{name}")) is >= 0 and <= int.MaxValue and var value ? (int)value : -1;

    private static double? Megahertz(EvidenceTree tree, LogicalProcessor processor) =>
        FactText.Number(tree.ReadAttribute(Folder(processor) + "/cpufreq/cpuinfo_max_freq")) is > 0 and < 100_000_000 and var kilohertz ? kilohertz / 1000.0 : null;

    /// <summary>Caches are shared: each is counted once, by the list of processors that share it.</summary>
    private static long? LastLevelCache(EvidenceTree tree, IReadOnlyList<LogicalProcessor> members)
    {
        var index = -1;
        for (var i = 0; i < 10 && tree.HasDirectory($"{Folder(members[0])}/cache/index{i}"); i++)
        {
            index = i;
        }
        if (index < 0)
        {
            return null;
        }
        var counted = new HashSet<string>(StringComparer.Ordinal);
        var sum = 0L;
        foreach (var member in members)
        {
            var cache = $"{Folder(member)}/cache/index{index}";
            var sharers = tree.ReadAttribute(cache + "/shared_cpu_list") ?? Folder(member);
            if (counted.Add(sharers))
            {
                sum += ProcessorFacts.CacheSize(tree.ReadAttribute(cache + "/size")) ?? 0;
            }
        }
        return sum > 0 ? sum : null;
    }
}
