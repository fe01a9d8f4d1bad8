using System.Data.Common;
using Capstan.Site.Store;
using Capstan.Testing;

namespace Capstan.Tests.Site;

/// <summary>The disk of the site's own directory is full.</summary>
public sealed class FullDiskTests : IDisposable
{
    private readonly string _cap = Directory.CreateTempSubdirectory("capstan-cap-").FullName;

    public void Dispose() => Directory.Delete(_cap, recursive: true);

    [Fact]
    public async Task An_upload_waits_while_the_disk_is_full_and_is_taken_in_once_when_there_is_room()
    {
        await using var disk = await SmallDisk.MountAsync(megabytes: 4);
        await using var site = await SiteHarness.CreateAsync(new ManualTime(), directory: disk.Directory);
        site.CapDirectory = _cap;
        await site.AddCapAsync();
        var device = await site.EnrolAsync();
        disk.Fill();

        var (path, content, _) = device.Next(Enumerable.Range(0, 200).Select(n => Capstan.Protocol.V1.Documents.StatusMessage.ToItem(new()
        {
            Severity = "warning",
            Code = "x",
            Component = "c",
            Text = new string((char)('a' + n % 26), 4_000) + n,
            ReportedAt = n,
        })).ToList());
        site.Drop(path, content);
        var full = await Assert.ThrowsAnyAsync<DbException>(site.DrainAsync);
        Assert.True(Dialect.IsDiskFull(full));
        Assert.Single(site.Inbox());
        Assert.Equal(1, (await site.ClientAsync(device)).Sequence);

        disk.Free();
        await site.DrainAsync();
        Assert.Empty(site.Inbox());
        Assert.Equal(2, (await site.ClientAsync(device)).Sequence);
        Assert.Equal(200, (await site.Get<StatusStore>().ListAsync(device.Id.Value, "warning", null, 1_000, CancellationToken.None)).Count);
        device.Dispose();
    }
}
