using Capstan.Protocol.V1;
using Capstan.Testing;
using Capstan.Testing.Stores;

namespace Capstan.Tests.Client;

/// <summary>The disk of the client's own directory is full: its state, its spool and its log cannot be written.</summary>
public sealed class ClientDiskTests
{
    [Fact]
    public async Task A_client_whose_disk_is_full_waits_loses_nothing_and_goes_on_when_there_is_room()
    {
        await using var disk = await SmallDisk.MountAsync(megabytes: 4);
        await using var f = new ClientFixture(new MemoryStore(new ManualTime()), directory: disk.Directory);
        await f.EnrolAsync();
        await f.StepAsync();
        var before = await f.StatusAsync();

        disk.Fill();
        f.Software = _ => Task.FromResult(Large());
        f.Time.Advance(TimeSpan.FromDays(2));
        // Each cycle fails and is put off; none ends the loop.
        for (var failure = 0; failure < 5; failure++)
        {
            await f.SettleAsync();
            var pause = await f.Client!.Loop.StepAsync(ClientFixture.Stop);
            Assert.True(pause > TimeSpan.Zero);
            f.Time.Advance(pause);
        }
        Assert.Contains("disk", Assert.Single((await f.Client!.RunNowAsync(ClientFixture.Stop)).Problems), StringComparison.Ordinal);
        Assert.Equal((before.State, before.Sequence, before.PolicyVersion), await FactsAsync());

        disk.Free();
        await f.StepAsync(2);
        await f.SettleAsync();
        await f.Site.DrainAsync(ClientFixture.Stop);
        Assert.Equal(2_000, f.Site.Items(Documents.SoftwareInventory)[^1].Packages.Count);
        Assert.Equal(2, f.Site.Items(Documents.SoftwareInventory).Count);
        Assert.Empty(f.Site.Refused);
        Assert.Equal(Enumerable.Range(1, f.Site.Applied.Count).Select(n => (long)n), f.Site.Applied.Select(upload => upload.Sequence));

        async Task<(string, long, long)> FactsAsync() => await f.StatusAsync() is var now ? (now.State, now.Sequence, now.PolicyVersion) : default;
    }

    /// <summary>More than the pages that the database has left in its file.</summary>
    private static SoftwareInventory Large() => new()
    {
        Packages = [.. Enumerable.Range(0, 2_000).Select(n => new InstalledPackage($"package-{n}", "1.0", "amd64", null, null, "dpkg", null, null))],
    };
}
