using Capstan.Nal;
using Capstan.Nal.Providers;
using Capstan.Site;
using Capstan.Site.Publish;
using Capstan.Testing;
using Capstan.Testing.Stores;

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
    public async Task A_cap_that_is_itself_a_mount_point_is_left_alone_while_nothing_is_mounted_there_also_after_a_restart()
    {
        var time = new ManualTime();
        await using var site = await SiteHarness.CreateAsync(time);
        Directory.CreateDirectory(site.CapDirectory);
        site.Get<CapAccess>().MountPoints = () => ["/", site.CapDirectory];
        await site.AddCapAsync();
        await UseAsync(site, asked: false);
        Directory.Delete(site.CapDirectory, recursive: true);
        Directory.CreateDirectory(site.CapDirectory);
        site.Get<CapAccess>().MountPoints = () => ["/"];
        await RefusedAsync(site);
        await using (var restarted = await SiteHarness.OpenAsync(site.Directory, time))
        {
            restarted.KeepDirectory = true;
            restarted.Get<CapAccess>().MountPoints = () => ["/"];
            await RefusedAsync(restarted);
        }

        await UseAsync(site, asked: true);
        await UseAsync(site, asked: false);

        static async Task RefusedAsync(SiteHarness site)
        {
            var refused = await Assert.ThrowsAsync<NalException>(() => UseAsync(site, asked: false));
            Assert.Equal(NalError.NotFound, refused.Error);
            Assert.Contains($"mounted at {site.CapDirectory}, which is not mounted now", refused.Message, StringComparison.Ordinal);
            await Assert.ThrowsAsync<NalException>(() => site.Get<CapAccess>().UseAsync(site.Cap, "test", _ => Task.FromResult(true), CancellationToken.None));
            Assert.Empty(Directory.EnumerateFileSystemEntries(site.CapDirectory));
        }
    }

    [Fact]
    public async Task A_check_tells_that_metadata_can_be_written_also_where_it_cannot_be_deleted()
    {
        var storage = new FaultyStorage(TimeProvider.System);
        await using var site = await SiteHarness.CreateAsync(new ManualTime(), wrap: storage.Wrap);
        await site.AddCapAsync();
        storage[site.Cap].Deny(StoreOperations.Delete | StoreOperations.List);
        var check = await site.Get<CapChecker>().CheckAsync(site.Cap, CancellationToken.None);
        var line = Assert.Single(check.Lines, line => line.Name == "write metadata");
        Assert.Equal("warning", line.State);
        var left = Assert.Single(Directory.GetFiles(Path.Combine(site.CapDirectory, "metadata"), $"{CapChecker.Prefix}*"));
        Assert.Contains($"metadata/{Path.GetFileName(left)} could not be deleted", line.Detail, StringComparison.Ordinal);
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
