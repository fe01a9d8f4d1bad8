namespace Capstan.Client.Inventory;

/// <summary>What the kernel and firmware show of a hypervisor or container.</summary>
/// <param name="Container">The value of <c>container=</c> that the container's manager gave to process 1, or of its marker files.</param>
/// <param name="HasDockerMarker">/.dockerenv exists.</param>
/// <param name="RootMount">The mount of <c>/</c>.</param>
/// <param name="HypervisorFlag">The processor says that it is virtual (x86: CPUID 1 ECX bit 31).</param>
/// <param name="ClockSources">Of the kernel; a paravirtual clock names its hypervisor.</param>
/// <param name="XenType">/sys/hypervisor/type.</param>
internal sealed record VirtualizationEvidence(string? Container, bool HasDockerMarker, Mount? RootMount, string? KernelRelease, string? Manufacturer, string? Model, string? BiosVendor,
    bool HypervisorFlag, string? ClockSources, string? XenType);

/// <summary>Names the hypervisor or container, in the words of systemd-detect-virt; the innermost comes first.</summary>
internal static class Virtualization
{
    public static string? Of(VirtualizationEvidence evidence)
    {
        if (evidence.Container is { Length: > 0 } container)
        {
            return container is "docker" or "podman" or "lxc" or "lxc-libvirt" or "systemd-nspawn" or "rkt" or "wsl" or "proot" or "pouch" or "openvz" ? container : "container-other";
        }
        if (evidence.KernelRelease?.Contains("microsoft", StringComparison.OrdinalIgnoreCase) == true)
        {
            return "wsl";
        }
        // A machine that was made from a container image has the marker, too; a container never has a whole block device as its root.
        if (evidence.HasDockerMarker && evidence.RootMount is not { Root: "/", Source: ['/', 'd', 'e', 'v', '/', ..] })
        {
            return "docker";
        }
        if (evidence.XenType == "xen")
        {
            return "xen";
        }
        return ByFirmware(evidence) ?? ByClock(evidence);
    }

    private static string? ByFirmware(VirtualizationEvidence evidence)
    {
        var vendors = $"{evidence.Manufacturer}\n{evidence.Model}\n{evidence.BiosVendor}";
        bool Says(string text) => vendors.Contains(text, StringComparison.OrdinalIgnoreCase);
        return Says("VMware") ? "vmware"
            : Says("VirtualBox") || Says("innotek") ? "oracle"
            : Says("Parallels") ? "parallels"
            // Surface laptops are Microsoft's, too.
            : Says("Microsoft Corporation") && Says("Virtual Machine") ? "microsoft"
            : Says("Amazon EC2") && evidence.HypervisorFlag ? "amazon"
            : Says("Google Compute Engine") && evidence.HypervisorFlag ? "google"
            : Says("Bochs") ? "bochs"
            : Says("BHYVE") ? "bhyve"
            : Says("Apple Virtualization") ? "apple"
            : Says("QEMU") || Says("KVM") || Says("OpenStack") || Says("oVirt") || Says("RHEV Hypervisor") ? HasKvmClock(evidence) || Says("KVM") ? "kvm" : "qemu"
            : Says("Xen") ? "xen"
            : null;
    }

    private static string? ByClock(VirtualizationEvidence evidence) =>
        HasKvmClock(evidence) ? "kvm"
        : evidence.ClockSources?.Contains("hyperv", StringComparison.Ordinal) == true && evidence.HypervisorFlag ? "microsoft"
        : evidence.HypervisorFlag ? "vm-other"
        : null;

    private static bool HasKvmClock(VirtualizationEvidence evidence) => evidence.ClockSources?.Contains("kvm-clock", StringComparison.Ordinal) == true;
}
