using Capstan.Nal;
using Capstan.Nal.Providers;
using Capstan.Site;
using Capstan.Site.Publish;
using Capstan.Testing;

namespace Capstan.Tests.Site;

public class CapAccessTests
{
    [Theory]
    [InlineData("/mnt/usb/cap/", "/mnt/usb")]
    [InlineData("/mnt/usb", "/mnt/usb")]
    [InlineData("/mnt/usb2/cap", "/")]
    [InlineData("/srv/cap", "/")]
    public void A_folder_is_on_the_mount_point_nearest_above_it(string directory, string mount)
    {
        if (!OperatingSystem.IsWindows())
            Assert.Equal(mount, CapAccess.MountOf(directory, ["/", "/mnt/usb", "/proc"]));
    }

    [Fact]
    public async Task A_deleted_folder_is_made_again_where_it_was_seen()
    {
        await using var site = await SiteHarness.CreateAsync(new ManualTime());
        await site.AddCapAsync();
        Directory.Delete(site.CapDirectory, recursive: true);
        await UseAsync(site, asked: false);
        Assert.True(Directory.Exists(site.CapDirectory));
    }

    [Fact]
    public async Task A_file_system_that_is_not_mounted_is_filled_in_only_when_a_person_asks()
    {
        await using var site = await SiteHarness.CreateAsync(new ManualTime());
        site.Get<CapAccess>().MountPoints = () => ["/", site.Directory];
        await site.AddCapAsync();
        Directory.Delete(site.CapDirectory, recursive: true);
        site.Get<CapAccess>().MountPoints = () => ["/"];
        Assert.Equal(NalError.NotFound, (await Assert.ThrowsAsync<NalException>(() => UseAsync(site, asked: false))).Error);
        Assert.False(Directory.Exists(site.CapDirectory));
        await UseAsync(site, asked: true);
        Assert.True(Directory.Exists(site.CapDirectory));
    }

    [Fact]
    public async Task A_folder_that_this_process_has_never_seen_is_left_to_a_person()
    {
        await using var site = await SiteHarness.CreateAsync(new ManualTime());
        Assert.Equal(NalError.NotFound, (await Assert.ThrowsAsync<NalException>(() => UseAsync(site, asked: false))).Error);
        Assert.False(Directory.Exists(site.CapDirectory));
    }

    [Fact]
    public async Task A_first_root_too_large_to_be_ours_is_another_sites()
    {
        await using var site = await SiteHarness.CreateAsync(new ManualTime());
        Directory.CreateDirectory(Path.Combine(site.CapDirectory, "metadata"));
        var root = site.Drop("metadata/1.root.json", new byte[(1 << 20) + 1]);
        Assert.Equal("foreign_cap", (await Assert.ThrowsAsync<SiteException>(site.AddCapAsync)).Code);
        Assert.Equal((1 << 20) + 1, new FileInfo(root).Length);
    }

    private static Task<bool> UseAsync(SiteHarness site, bool asked) => site.Get<CapAccess>().UseOrMakeAsync(site.Cap, "test",
        async store => await store.StatAsync(StorePath.Root, CancellationToken.None) is not null, static () => { }, asked, CancellationToken.None);
}
