using Capstan.Protocol.V1;

namespace Capstan.Client.Inventory;

/// <summary>Memory as the kernel counts it (without what firmware keeps for itself) and the modules that firmware lists.</summary>
internal static class MemoryReader
{
    public static MemoryFacts Read(EvidenceTree tree, IReadOnlyList<MemoryModule> modules)
    {
        var meminfo = tree.ReadText("proc/meminfo") ?? "";
        if (Value(meminfo, "MemTotal") is not { } total)
        {
            tree.Miss("/proc/meminfo", "no MemTotal; is /proc mounted?");
            total = 0;
        }
        return new MemoryFacts(total, Value(meminfo, "SwapTotal") ?? 0, modules);
    }

    /// <summary>"MemTotal:       24684096 kB": kB means KiB here.</summary>
    internal static long? Value(string meminfo, string key)
    {
        foreach (var line in meminfo.AsSpan().EnumerateLines())
        {
            if (line.StartsWith(key) && line.Length > key.Length && line[key.Length] == ':')
            {
                var rest = line[(key.Length + 1)..].Trim();
                rest = rest.EndsWith(" kB") ? rest[..^3] : rest;
                return FactText.Number(rest) is >= 0 and < long.MaxValue / 1024 and var kibibytes ? kibibytes * 1024 : null;
            }
        }
        return null;
    }
}
