using System.Globalization;
using Capstan.Protocol.V1;

namespace Capstan.Client.Inventory;

/// <summary>One logical processor as /proc/cpuinfo tells it.</summary>
/// <param name="Package">-1 when not told (arm64, most others).</param>
/// <param name="Core">-1 when not told.</param>
internal sealed record LogicalProcessor(int Index, int Package, int Core, string? Model, string? Vendor);

/// <summary>Parses /proc/cpuinfo and counts packages. x86, arm64, POWER, s390x and RISC-V differ in every key.</summary>
internal static class ProcessorFacts
{
    /// <summary>Bound of the list; the kernel's own limit is 8,192.</summary>
    public const int MaxProcessors = 8192;

    public static List<LogicalProcessor> Parse(string cpuinfo)
    {
        var result = new List<LogicalProcessor>();
        var trailer = new Dictionary<string, string>(StringComparer.Ordinal);
        var block = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var line in cpuinfo.AsSpan().EnumerateLines())
        {
            var colon = line.IndexOf(':');
            if (colon < 0)
            {
                continue;
            }
            var key = line[..colon].Trim().ToString();
            // s390x writes "processor 0: version = FF,  identification = …".
            if (key.StartsWith("processor ", StringComparison.Ordinal) && FactText.Number(key.AsSpan(10)) is not null)
            {
                block = Start(result, block, key[10..]);
                continue;
            }
            if (key == "processor")
            {
                block = Start(result, block, line[(colon + 1)..].Trim().ToString());
                continue;
            }
            block.TryAdd(key, line[(colon + 1)..].Trim().ToString());
            if (key is "Hardware" or "Model" or "vendor_id" or "model" or "machine")
            {
                trailer[key] = line[(colon + 1)..].Trim().ToString();
            }
        }
        Start(result, block, "");
        // arm32, POWER and s390x describe the whole machine once, outside the blocks.
        var fallback = FactText.Clean(trailer.GetValueOrDefault("Hardware") ?? trailer.GetValueOrDefault("model") ?? trailer.GetValueOrDefault("Model") ?? trailer.GetValueOrDefault("machine"));
        var vendor = FactText.Clean(trailer.GetValueOrDefault("vendor_id"));
        return result.ConvertAll(p => p with { Model = p.Model ?? fallback, Vendor = p.Vendor ?? vendor });
    }

    /// <summary>Packages in the order of their number; processors without one belong to package 0.</summary>
    /// <param name="maxMegahertz">Of a logical processor; null when not told.</param>
    /// <param name="cacheBytes">Of a package: the sum of its last-level caches.</param>
    public static List<Processor> Packages(IReadOnlyList<LogicalProcessor> logical, Func<LogicalProcessor, double?> maxMegahertz, Func<IReadOnlyList<LogicalProcessor>, long?> cacheBytes)
    {
        var packages = new SortedDictionary<int, List<LogicalProcessor>>();
        foreach (var processor in logical)
        {
            var key = Math.Max(0, processor.Package);
            if (!packages.TryGetValue(key, out var members))
            {
                packages.Add(key, members = []);
            }
            members.Add(processor);
        }
        var result = new List<Processor>(packages.Count);
        foreach (var members in packages.Values)
        {
            var cores = new HashSet<int>();
            var models = new List<string>();
            double? megahertz = null;
            foreach (var member in members)
            {
                // A processor that does not name its core is one.
                cores.Add(member.Core >= 0 ? member.Core : -1 - member.Index);
                if (member.Model is { } model && !models.Contains(model))
                {
                    // big.LITTLE: each kind of core has its own clock.
                    models.Add(model);
                    megahertz = maxMegahertz(member) is { } own && own > (megahertz ?? 0) ? own : megahertz;
                }
            }
            var name = models.Count > 0 ? string.Join(" + ", models) : "unknown";
            result.Add(new Processor(FactText.Clean(name)!, members[0].Vendor, cores.Count, members.Count, megahertz ?? FromName(name), cacheBytes(members)));
        }
        return result;
    }

    /// <summary>Sizes of sysfs: "32768K", "1M".</summary>
    public static long? CacheSize(string? text)
    {
        if (string.IsNullOrEmpty(text))
        {
            return null;
        }
        var unit = text[^1] switch { 'K' => 1024L, 'M' => 1024L * 1024, _ => 1 };
        return FactText.Number(unit == 1 ? text : text.AsSpan()[..^1]) is >= 0 and < 1L << 40 and var value ? value * unit : null;
    }

    /// <summary>"… @ 2.40GHz": the base clock in Intel's names. The "cpu MHz" line is the clock of the moment and no property of the machine.</summary>
    private static double? FromName(string name)
    {
        var at = name.LastIndexOf('@');
        return at >= 0 && name.EndsWith("GHz", StringComparison.Ordinal)
            && double.TryParse(name.AsSpan(at + 1, name.Length - at - 4).Trim(), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var gigahertz) && gigahertz is > 0 and < 100
            ? Math.Round(gigahertz * 1000, 3)
            : null;
    }

    private static Dictionary<string, string> Start(List<LogicalProcessor> result, Dictionary<string, string> block, string next)
    {
        if (block.TryGetValue("processor", out var text) && FactText.Number(text) is >= 0 and <= int.MaxValue and var index && result.Count < MaxProcessors)
        {
            var vendor = block.GetValueOrDefault("vendor_id") ?? ArmImplementer(block.GetValueOrDefault("CPU implementer"));
            var model = block.GetValueOrDefault("model name") ?? block.GetValueOrDefault("cpu") ?? block.GetValueOrDefault("uarch")
                ?? ArmModel(vendor, block.GetValueOrDefault("CPU implementer"), block.GetValueOrDefault("CPU part")) ?? block.GetValueOrDefault("isa");
            result.Add(new LogicalProcessor((int)index, Id(block, "physical id"), Id(block, "core id"), FactText.Clean(model), FactText.Clean(vendor)));
        }
        return new Dictionary<string, string>(StringComparer.Ordinal) { ["processor"] = next };
    }

    private static int Id(Dictionary<string, string> block, string key) => FactText.Number(block.GetValueOrDefault(key)) is >= 0 and <= int.MaxValue and var value ? (int)value : -1;

    private static string? ArmModel(string? vendor, string? implementer, string? part)
    {
        if (part is null)
        {
            return null;
        }
        var known = implementer == "0x41" ? ArmPart(part) : null;
        return known ?? $"{vendor ?? implementer ?? "ARM"} part {part}";
    }

    /// <summary>MIDR_EL1 implementer codes (Arm ARM, D19.2.122).</summary>
    private static string? ArmImplementer(string? code) => code switch
    {
        "0x41" => "ARM",
        "0x42" => "Broadcom",
        "0x43" => "Cavium",
        "0x46" => "Fujitsu",
        "0x48" => "HiSilicon",
        "0x4e" => "NVIDIA",
        "0x50" => "Applied Micro",
        "0x51" => "Qualcomm",
        "0x53" => "Samsung",
        "0x56" => "Marvell",
        "0x61" => "Apple",
        "0x6d" => "Microsoft",
        "0xc0" => "Ampere",
        _ => code,
    };

    private static string? ArmPart(string part) => part switch
    {
        "0xd03" => "Cortex-A53",
        "0xd04" => "Cortex-A35",
        "0xd05" => "Cortex-A55",
        "0xd07" => "Cortex-A57",
        "0xd08" => "Cortex-A72",
        "0xd09" => "Cortex-A73",
        "0xd0a" => "Cortex-A75",
        "0xd0b" => "Cortex-A76",
        "0xd0c" => "Neoverse-N1",
        "0xd40" => "Neoverse-V1",
        "0xd41" => "Cortex-A78",
        "0xd44" => "Cortex-X1",
        "0xd46" => "Cortex-A510",
        "0xd47" => "Cortex-A710",
        "0xd49" => "Neoverse-N2",
        "0xd4f" => "Neoverse-V2",
        "0xd84" => "Neoverse-V3",
        "0xd8e" => "Neoverse-N3",
        _ => null,
    };
}
