using Capstan.Nal.Providers;
using Capstan.Protocol;
using Capstan.Site.Load;
using Capstan.Testing;
using Capstan.Testing.Stores;

namespace Capstan.Tests.Site;

public class InboxListingTests
{
    private static InboxFile Upload(string device, long sequence) => Named($"{device}-{sequence}-1-{new string('0', 64)}.jwe");

    private static InboxFile Named(string name) => new(StorePath.Parse($"inbox/aa/{name}"), 1, UploadName.Parse(name));

    private static string Device(int n) => DeviceId.FromPublicKey(BitConverter.GetBytes(n)).Value;

    [Fact]
    public void What_was_never_looked_at_comes_before_what_waits()
    {
        var (attacked, other) = (Device(1), Device(2));
        var waiting = Enumerable.Range(1, 200).Select(n => Upload(attacked, n)).ToHashSet();
        var genuine = Upload(attacked, 1_000);
        var work = InboxListing.Choose([.. waiting, genuine, Upload(other, 1)], waiting.Contains, null);
        Assert.Equal([genuine, Upload(other, 1)], work.Files.Take(2).OrderByDescending(file => file.Name!.Value.Sequence));
        Assert.Equal(2 + InboxListing.MaxFilesOfDevice, work.Files.Count);
        Assert.True(work.More);
        Assert.Null(work.Last);
    }

    [Fact]
    public void The_limit_of_a_pass_keeps_no_device_out_for_ever()
    {
        var files = Enumerable.Range(0, InboxListing.MaxFiles + 500).Select(n => Upload(Device(n), 1)).ToList();
        var first = InboxListing.Choose(files, _ => false, null);
        var second = InboxListing.Choose(files, _ => false, first.Last);
        Assert.Equal(InboxListing.MaxFiles, first.Files.Count);
        Assert.Equal(files.Count, first.Files.Union(second.Files).Count());
    }

    [Fact]
    public async Task Directories_count_for_nothing_and_a_full_bin_is_listed_in_parts()
    {
        var store = new MemoryStore(new ManualTime());
        var bin = Layout.Bins.First();
        for (var i = 0; i < 50; i++)
            await store.CreateDirectoryAsync(StorePath.Parse($"inbox/{bin}/dir{i}"), CancellationToken.None);
        for (var i = 0; i <= InboxListing.MaxFilesOfBin; i++)
            await store.ReplaceAsync(StorePath.Parse($"inbox/{bin}/file{i}"), new byte[1], CancellationToken.None);
        var from = new Dictionary<string, int>();
        var first = await InboxListing.ListAsync(store, from, new BinWatch(), CancellationToken.None);
        var second = await InboxListing.ListAsync(store, from, new BinWatch(), CancellationToken.None);
        var third = await InboxListing.ListAsync(store, from, new BinWatch(), CancellationToken.None);
        Assert.Equal((InboxListing.MaxFilesOfBin, 1, InboxListing.MaxFilesOfBin), (first.Files.Count, second.Files.Count, third.Files.Count));
        Assert.Equal(InboxListing.MaxFilesOfBin + 1, first.Files.Union(second.Files).Count());
        Assert.False(first.IsComplete || second.IsComplete);
    }
}
