using System.Collections.Frozen;

namespace Capstan.Client.Identity;

/// <summary>Knows values of hardware evidence that say nothing, since many machines have them. Pure; all values are in lower case.</summary>
internal static class JunkEvidence
{
    /// <summary>What firmware says when nobody filled in the field; also the fields' names, with which some vendors fill them.</summary>
    private static readonly FrozenSet<string> s_fillers = FrozenSet.Create(StringComparer.Ordinal,
        "default string", "to be filled by o.e.m.", "to be filled by o.e.m", "not specified", "not available", "not applicable", "not present", "not settable",
        "system serial number", "base board serial number", "chassis serial number", "serial number", "serialnumber", "system product name", "system manufacturer",
        "none", "n/a", "unknown", "undefined", "unspecified", "invalid", "empty", "o.e.m.", "(null string)", "eval", "bss-0123456789",
        "sys-1234567890", "sys-9876543210", "mb-1234567890", "sn-12345", "sn-1234567890", "12345", "123456", "1234567", "12345678", "123456789", "1234567890", "123456789000",
        "0123456789", "0123456789abcdef", "12345678901234567");

    /// <summary>UUIDs that whole series of boards carry.</summary>
    private static readonly FrozenSet<string> s_uuids = FrozenSet.Create(StringComparer.Ordinal,
        "03000200-0400-0500-0006-000700080009", "00020003-0004-0005-0006-000700080009", "12345678-1234-5678-90ab-cddeefaabbcc", "01234567-8910-1112-1314-151617181920",
        "11111111-2222-3333-4444-555555555555", "00112233-4455-6677-8899-aabbccddeeff", "4c4c4544-0000-2010-8020-80c04f202020", "6ab5b300-538d-1014-9fb5-b0684d007b53");

    /// <summary>Addresses of adapters that every installation of a program has.</summary>
    private static readonly FrozenSet<string> s_macs = FrozenSet.Create(StringComparer.Ordinal,
        "00:50:56:c0:00:01", "00:50:56:c0:00:08", "0a:00:27:00:00:00", "02:00:4c:4f:4f:50", "44:45:53:54:42:00", "44:45:53:54:00:00", "44:45:53:54:00:01", "20:41:53:59:4e:ff",
        "44:45:53:54:61:6f", "00:53:45:00:00:00", "00:05:9a:3c:7a:00", "00:09:0f:fe:00:01");

    /// <summary>Drivers of adapters that are no part of a machine: virtual ones, and those of USB, which travel with a docking station.</summary>
    private static readonly FrozenSet<string> s_travelling = FrozenSet.Create(StringComparer.Ordinal,
        "r8152", "r8153_ecm", "cdc_ether", "cdc_ncm", "cdc_mbim", "cdc_subset", "rndis_host", "ipheth", "asix", "ax88179_178a", "aqc111", "ax_usb_nic", "smsc75xx", "smsc95xx", "lan78xx",
        "dm9601", "mcs7830", "pegasus", "rtl8150", "sr9700", "sr9800", "kaweth", "catc", "qmi_wwan", "huawei_cdc_ncm", "veth", "bridge", "bonding", "team", "tun", "dummy", "vxlan", "macvlan", "ipvlan", "wireguard");

    public static bool IsSerialNumber(string text) => text.Length < 4 || s_fillers.Contains(text) || IsMonotonous(text);

    /// <summary>Also what hypervisors give the disks of every guest (QEMU: <c>QM00001</c>, <c>drive-scsi0</c>).</summary>
    public static bool IsDiskSerialNumber(string text) =>
        IsSerialNumber(text) || (text.Length == 7 && text.StartsWith("qm0", StringComparison.Ordinal)) || text.StartsWith("drive-", StringComparison.Ordinal);

    public static bool IsUuid(string text) => !Guid.TryParse(text, out _) || s_uuids.Contains(text) || IsMonotonous(text.Replace("-", "", StringComparison.Ordinal));

    /// <summary>An adapter without a driver is virtual.</summary>
    public static bool IsAdapter(string name, string? driver) =>
        driver is null || s_travelling.Contains(driver) || name.StartsWith("usb", StringComparison.Ordinal) || name.StartsWith("wwan", StringComparison.Ordinal);

    /// <summary>Also group addresses, and those that software made up: only QEMU's (<c>52:54:00</c>) are drawn at random for each guest.</summary>
    public static bool IsMac(string mac)
    {
        if (mac.Length != 17 || !byte.TryParse(mac.AsSpan(0, 2), System.Globalization.NumberStyles.AllowHexSpecifier, null, out var first) || s_macs.Contains(mac))
            return true;
        const int group = 1, local = 2;
        return (first & group) != 0 || ((first & local) != 0 && !mac.StartsWith("52:54:00", StringComparison.Ordinal)) || IsMonotonous(mac.Replace(":", "", StringComparison.Ordinal));
    }

    /// <summary>All zeros, all F, <c>fefefe…</c>, <c>--------</c>: at most two characters, whatever the length.</summary>
    private static bool IsMonotonous(string text) => text.Distinct().Take(3).Count() < 3;
}
