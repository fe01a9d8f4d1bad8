using Capstan.Client.Inventory;

namespace Capstan.Tests.Client.Inventory;

public sealed class MountInfoTests
{
    [Fact]
    public void Escapes_and_options_are_understood()
    {
        var mounts = MountInfo.Parse(System.Text.Encoding.UTF8.GetString(Samples.CorpusFile("MountInfo", "four")));
        Assert.Equal(
            [
                new Mount("0:21", "/", "/proc", "proc", "proc", false),
                new Mount("254:0", "/", "/", "ext4", "/dev/vda1", false),
                new Mount("8:17", "/", @"/mnt/with blank\and tab", "vfat", "/dev/sdb1", true),
                new Mount("0:45", "/", "/mnt/nas", "nfs4", "fs1:/export", false),
            ],
            mounts);
    }

    [Fact]
    public void Storage_is_each_file_system_once_without_the_kernels_own()
    {
        var mounts = MountInfo.Parse("""
            1 0 8:1 / / rw - ext4 /dev/sda1 rw
            2 1 8:1 /var/lib/docker/volumes/a /srv rw - ext4 /dev/sda1 rw
            3 1 0:5 / /run rw - tmpfs tmpfs rw
            4 1 0:6 / /var/lib/docker/overlay2/x/merged rw - overlay overlay rw
            5 1 0:40 /@ /data rw - btrfs /dev/sdb rw
            6 1 0:40 /@home /home rw - btrfs /dev/sdb rw
            7 1 7:1 / /snap/core/1 ro - squashfs /dev/loop1 ro
            8 1 0:50 / /mnt/nas rw - nfs4 fs1:/export rw
            9 1 0:51 / /mnt/nas rw - nfs4 fs2:/export rw
            """);
        Assert.Equal(["/ /dev/sda1", "/data /dev/sdb", "/home /dev/sdb", "/mnt/nas fs2:/export"], MountInfo.Storage(mounts).Select(m => $"{m.MountPoint} {m.Source}"));
    }

    [Theory]
    [InlineData("nfs", true)]
    [InlineData("cifs", true)]
    [InlineData("fuse.sshfs", true)]
    [InlineData("9p", true)]
    [InlineData("ext4", false)]
    [InlineData("fuseblk", false)]
    [InlineData("zfs", false)]
    public void Network_file_systems_are_known_by_type(string type, bool remote) => Assert.Equal(remote, MountInfo.IsRemote(type));

    [Theory]
    [InlineData(@"\303\244", "ä")]
    [InlineData(@"a\134040b", @"a\040b")]
    [InlineData(@"\04", @"\04")]
    [InlineData(@"\777", @"\777")]
    [InlineData(@"end\", @"end\")]
    public void Octal_escapes_are_bytes_of_utf8(string text, string expected) => Assert.Equal(expected, MountInfo.Unescape(text));
}
