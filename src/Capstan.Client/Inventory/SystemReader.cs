using System.Runtime.InteropServices;
using Capstan.Protocol.V1;
using Capstan.Client.Inventory.Smbios;

namespace Capstan.Client.Inventory;

/// <summary>Name, operating system and virtualisation of the machine.</summary>
internal static class SystemReader
{
    public static OperatingSystemFacts OperatingSystem(EvidenceTree tree)
    {
        var release = FactText.Assignments(tree.ReadText("etc/os-release") ?? tree.ReadText("usr/lib/os-release") ?? "");
        string? Value(string key) => FactText.Clean(release.GetValueOrDefault(key));
        return new OperatingSystemFacts(Value("PRETTY_NAME") ?? Value("NAME") ?? "Linux", Value("VERSION_ID"), Value("ID"),
            tree.ReadAttribute("proc/sys/kernel/osrelease") ?? "unknown", Architecture(tree), BootTime(tree.ReadText("proc/stat", 4 * 1024 * 1024)),
            tree.ReadAttribute("etc/machine-id"), TimeZone(tree))
        {
            BootId = tree.ReadAttribute("proc/sys/kernel/random/boot_id"),
        };
    }

    public static ComputerSystem System(EvidenceTree tree, SmbiosFacts firmware, IReadOnlyList<Mount> mounts, string? cpuinfo)
    {
        var configured = tree.ReadText("etc/hostname") is { } file ? FirstLine(file) : null;
        var kernelName = tree.ReadAttribute("proc/sys/kernel/hostname") ?? configured ?? "unknown";
        // Domain: of a fully qualified name, else the resolver's. The kernel's own domain name is that of NIS.
        var qualified = kernelName.Contains('.', StringComparison.Ordinal) || configured is null ? kernelName : configured;
        var dot = qualified.IndexOf('.', StringComparison.Ordinal);
        var domain = FactText.Clean(dot > 0 ? qualified[(dot + 1)..] : ResolverDomain(tree.ReadText("etc/resolv.conf") ?? ""));
        return new ComputerSystem(FactText.Clean(kernelName.Split('.')[0]) ?? kernelName, domain, firmware.Manufacturer, firmware.Model, firmware.SerialNumber, firmware.Uuid,
            Inventory.Virtualization.Of(VirtualizationEvidence(tree, firmware, mounts, cpuinfo)));
    }

    /// <summary>"btime 1700000000" of /proc/stat.</summary>
    internal static long? BootTime(string? stat)
    {
        foreach (var line in stat.AsSpan().EnumerateLines())
        {
            if (line.StartsWith("btime "))
            {
                return FactText.Seconds(FactText.Number(line[6..]));
            }
        }
        return null;
    }

    /// <summary>The last of "domain" and "search" counts (resolv.conf(5)); of a search list, its first name.</summary>
    internal static string? ResolverDomain(string resolvConf)
    {
        string? domain = null;
        foreach (var line in resolvConf.AsSpan().EnumerateLines())
        {
            var trimmed = line.Trim();
            if (trimmed.StartsWith("domain ") || trimmed.StartsWith("search ") || trimmed.StartsWith("domain\t") || trimmed.StartsWith("search\t"))
            {
                var names = trimmed[7..].Trim();
                var end = names.IndexOfAny(' ', '\t');
                var first = (end < 0 ? names : names[..end]).TrimEnd('.');
                domain = first.Length > 0 ? first.ToString() : null;
            }
        }
        return domain;
    }

    private static VirtualizationEvidence VirtualizationEvidence(EvidenceTree tree, SmbiosFacts firmware, IReadOnlyList<Mount> mounts, string? cpuinfo)
    {
        Mount? root = null;
        foreach (var mount in mounts)
        {
            root = mount.MountPoint == "/" ? mount : root;
        }
        // "flags" is one line of words on x86; other processors do not tell.
        var flags = cpuinfo?.IndexOf("\nflags", StringComparison.Ordinal) is >= 0 and var at ? cpuinfo.AsSpan(at + 1) : default;
        var end = flags.IndexOf('\n');
        flags = end < 0 ? flags : flags[..end];
        return new VirtualizationEvidence(Container(tree), tree.HasFile(".dockerenv"), root, tree.ReadAttribute("proc/sys/kernel/osrelease"), firmware.Manufacturer, firmware.Model, firmware.Bios?.Vendor,
            flags.Contains(" hypervisor", StringComparison.Ordinal), tree.ReadAttribute("sys/devices/system/clocksource/clocksource0/available_clocksource"),
            tree.ReadAttribute("sys/hypervisor/type") ?? (tree.HasDirectory("proc/xen") ? "xen" : null));
    }

    private static string? Container(EvidenceTree tree)
    {
        if (tree.ReadAttribute("run/systemd/container") is { } told)
        {
            return told;
        }
        if (tree.HasFile("run/.containerenv"))
        {
            return "podman";
        }
        return tree.ReadBytes("proc/1/environ") is { } environment ? ContainerOf(environment) : null;
    }

    /// <summary>The value of <c>container=</c> among NUL-terminated assignments.</summary>
    internal static string? ContainerOf(ReadOnlySpan<byte> environment)
    {
        while (environment.Length > 0)
        {
            var nul = environment.IndexOf((byte)0);
            var entry = nul < 0 ? environment : environment[..nul];
            environment = nul < 0 ? default : environment[(nul + 1)..];
            if (entry.StartsWith("container="u8))
            {
                return FactText.Clean(entry[10..]);
            }
        }
        return null;
    }

    /// <summary>As uname -m says it. Kernels before 6.1 do not show it in /proc; then this process's own machine is asked.</summary>
    private static string Architecture(EvidenceTree tree) => tree.ReadAttribute("proc/sys/kernel/arch") ?? RuntimeInformation.OSArchitecture switch
    {
        global::System.Runtime.InteropServices.Architecture.X64 => "x86_64",
        global::System.Runtime.InteropServices.Architecture.X86 => "i686",
        global::System.Runtime.InteropServices.Architecture.Arm64 => "aarch64",
        global::System.Runtime.InteropServices.Architecture.Arm or global::System.Runtime.InteropServices.Architecture.Armv6 => "armv7l",
        global::System.Runtime.InteropServices.Architecture.S390x => "s390x",
        global::System.Runtime.InteropServices.Architecture.Ppc64le => "ppc64le",
        global::System.Runtime.InteropServices.Architecture.RiscV64 => "riscv64",
        global::System.Runtime.InteropServices.Architecture.LoongArch64 => "loongarch64",
        _ => "unknown",
    };

    private static string? TimeZone(EvidenceTree tree)
    {
        const string Database = "zoneinfo/";
        return tree.LinkTarget("etc/localtime") is { } target && target.IndexOf(Database, StringComparison.Ordinal) is >= 0 and var at
            ? FactText.Clean(target[(at + Database.Length)..])
            : tree.ReadAttribute("etc/timezone");
    }

    private static string? FirstLine(string text)
    {
        foreach (var line in text.AsSpan().EnumerateLines())
        {
            if (!line.Trim().IsEmpty && !line.TrimStart().StartsWith('#'))
            {
                return FactText.Clean(line.ToString());
            }
        }
        return null;
    }
}
