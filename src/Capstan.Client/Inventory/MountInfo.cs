using System.Text;

namespace Capstan.Client.Inventory;

/// <summary>One line of /proc/self/mountinfo (proc_pid_mountinfo(5)), unescaped.</summary>
/// <param name="DeviceId"><c>major:minor</c> of the file system.</param>
/// <param name="Root">The directory of the file system that is mounted; <c>/</c> except for bind mounts and subvolumes.</param>
internal sealed record Mount(string DeviceId, string Root, string MountPoint, string Type, string Source, bool ReadOnly);

/// <summary>Parses mountinfo and decides which mounts are file systems that an administrator cares for.</summary>
internal static class MountInfo
{
    /// <summary>Bound of the file; container hosts have thousands of lines.</summary>
    public const int MaxBytes = 4 * 1024 * 1024;

    /// <summary>Bound of the list.</summary>
    public const int MaxMounts = 4096;

    public static List<Mount> Parse(string text)
    {
        var mounts = new List<Mount>();
        Span<Range> fields = stackalloc Range[24];
        foreach (var line in text.AsSpan().EnumerateLines())
        {
            // 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
            var count = line.Split(fields, ' ');
            var dash = 6;
            while (dash < count && !line[fields[dash]].SequenceEqual("-"))
            {
                dash++;
            }
            if (dash + 2 >= count)
            {
                continue;
            }
            var superOptions = dash + 3 < count ? line[fields[dash + 3]] : default;
            if (Text(line[fields[2]]) is { } device && Text(line[fields[3]]) is { } root && Text(line[fields[4]]) is { } point && Text(line[fields[dash + 1]]) is { } type)
            {
                mounts.Add(new Mount(device, root, point, type, Text(line[fields[dash + 2]]) ?? "none", IsReadOnly(line[fields[5]]) || IsReadOnly(superOptions)));
                if (mounts.Count == MaxMounts)
                {
                    break;
                }
            }
        }
        return mounts;
    }

    /// <summary>Storage only, each file system once: the mount of its own root if there is one, else the shortest path; btrfs subvolumes each count. By mount point.</summary>
    public static List<Mount> Storage(IReadOnlyList<Mount> mounts)
    {
        // A later mount hides an earlier one on the same point.
        var visible = new Dictionary<string, Mount>(StringComparer.Ordinal);
        foreach (var mount in mounts)
        {
            visible[mount.MountPoint] = mount;
        }
        var chosen = new Dictionary<(string, string), Mount>();
        foreach (var mount in visible.Values)
        {
            if (!IsStorage(mount))
            {
                continue;
            }
            var key = (mount.DeviceId, mount.Type == "btrfs" ? mount.Root : "");
            if (!chosen.TryGetValue(key, out var other) || IsBetter(mount, other))
            {
                chosen[key] = mount;
            }
        }
        var result = new List<Mount>(chosen.Values);
        result.Sort((a, b) => string.CompareOrdinal(a.MountPoint, b.MountPoint));
        return result;
    }

    /// <summary>File systems whose server may be away: asking them for their size may hang for ever, beyond the reach of any signal.</summary>
    public static bool IsRemote(string type) => type switch
    {
        "nfs" or "nfs3" or "nfs4" or "cifs" or "smb3" or "smbfs" or "ncpfs" or "ncp" or "afs" or "coda" or "ceph" or "glusterfs" or "lustre" or "gfs2" or "ocfs2" or "orangefs" or "pvfs2"
            or "9p" or "virtiofs" or "davfs" or "beegfs" or "gpfs" or "fuse" => true,
        // fuseblk (ntfs-3g, exfat) is a local disk; every other FUSE file system has a process, often with a network behind it.
        _ => type.StartsWith("fuse.", StringComparison.Ordinal),
    };

    /// <summary>Kernel interfaces, memory, images of packages and layers of containers are no storage of the machine.</summary>
    private static bool IsStorage(Mount mount) => mount.Type switch
    {
        "proc" or "sysfs" or "devtmpfs" or "devpts" or "tmpfs" or "ramfs" or "cgroup" or "cgroup2" or "pstore" or "bpf" or "securityfs" or "debugfs" or "tracefs" or "configfs" or "efivarfs"
            or "fusectl" or "mqueue" or "hugetlbfs" or "autofs" or "binfmt_misc" or "rpc_pipefs" or "nsfs" or "nfsd" or "selinuxfs" or "smackfs" or "resctrl" or "binder" or "functionfs"
            or "fuse.lxcfs" or "fuse.gvfsd-fuse" or "fuse.portal" or "fuse.snapfuse" or "squashfs" or "rootfs" or "none" => false,
        "overlay" or "aufs" => mount.MountPoint == "/",
        _ => true,
    };

    private static bool IsBetter(Mount mount, Mount other) =>
        (mount.Root == "/") != (other.Root == "/") ? mount.Root == "/"
        : mount.MountPoint.Length != other.MountPoint.Length ? mount.MountPoint.Length < other.MountPoint.Length
        : string.CompareOrdinal(mount.MountPoint, other.MountPoint) < 0;

    private static bool IsReadOnly(ReadOnlySpan<char> options) => options.SequenceEqual("ro") || options.StartsWith("ro,");

    private static string? Text(ReadOnlySpan<char> field) => FactText.Clean(Unescape(field));

    /// <summary>The kernel writes blank, tab, newline, backslash and '#' as a backslash with three octal digits. Escaped bytes of one UTF-8 sequence belong together.</summary>
    internal static string Unescape(ReadOnlySpan<char> field)
    {
        if (!field.Contains('\\'))
        {
            return field.ToString();
        }
        var bytes = new List<byte>(field.Length);
        Span<byte> utf8 = stackalloc byte[4];
        for (var i = 0; i < field.Length;)
        {
            if (field[i] == '\\' && i + 3 < field.Length && field[i + 1] is >= '0' and <= '3' && field[i + 2] is >= '0' and <= '7' && field[i + 3] is >= '0' and <= '7')
            {
                bytes.Add((byte)(((field[i + 1] - '0') << 6) | ((field[i + 2] - '0') << 3) | (field[i + 3] - '0')));
                i += 4;
                continue;
            }
            // A lone surrogate is replaced, never thrown on.
            Rune.DecodeFromUtf16(field[i..], out var rune, out var consumed);
            bytes.AddRange(utf8[..rune.EncodeToUtf8(utf8)]);
            i += Math.Max(1, consumed);
        }
        return Encoding.UTF8.GetString([.. bytes]);
    }
}
