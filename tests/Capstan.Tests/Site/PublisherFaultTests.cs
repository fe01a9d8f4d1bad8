using Capstan.Nal;
using Capstan.Protocol;
using Capstan.Site.Load;
using Capstan.Site.Publish;
using Capstan.Testing;
using Capstan.Testing.Stores;
using Capstan.Tests.Protocol.Tuf;

namespace Capstan.Tests.Site;

/// <summary>Design.md section 10: a publish that ends at any operation leaves clients the old state or the new one, and the next pass repairs.</summary>
public class PublisherFaultTests
{
    /// <summary>How an operation fails: not done, done but not answered, or done in part under its final name.</summary>
    public static TheoryData<bool, int?> Ways => new() { { false, null }, { true, null }, { false, 0 }, { false, 40 } };

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task A_failure_of_any_operation_leaves_the_old_or_the_new_state_and_is_repaired(bool after, int? tornAt)
    {
        var time = new ManualTime();
        var storage = new FaultyStorage(time);
        var (site, device) = await SiteHarness.EnrolledAsync(time, storage.Wrap);
        await using var _ = site;
        await site.PublishAsync();
        var trust = new MemoryTrust();
        var client = await site.ClientOfCapAsync(trust);
        await client.RefreshAsync(complete: true, CancellationToken.None);

        var operation = 0;
        for (var failed = true; failed; operation++)
        {
            var old = (await client.RefreshAsync(complete: true, CancellationToken.None)).TimestampVersion;
            Assert.Equal(await site.VersionAsync(), old);
            await ChangeAsync(site, operation);
            storage[site.Cap].Add(new StoreFault(StoreOperations.All, NalError.StorageFull) { Nth = operation + 1, After = after, TearAtByte = tornAt });

            time.Advance(PublishSchedule.OrdinaryInterval);
            await site.PublishAsync();

            failed = (await site.CapStateAsync()).LastError is not null;
            await SeesOldOrNewAsync(client, trust, old, await site.VersionAsync());
            storage[site.Cap].Heal();
            time.Advance(TimeSpan.FromMinutes(20));
            await site.PublishAsync();
            Assert.Equal((null, await site.VersionAsync()), ((await site.CapStateAsync()).LastError, await site.VersionOnCapAsync()));
        }
        // Pointer read, three metadata files and a policy with a look at each, and the pointer: fewer would mean that the faults miss.
        Assert.InRange(operation, 8, 60);
        device.Dispose();
    }

    /// <summary>As a client that polls meanwhile: it goes on, or refuses and keeps what it had.</summary>
    private static async Task SeesOldOrNewAsync(Capstan.Protocol.Tuf.TufClient client, MemoryTrust trust, long old, long published)
    {
        var before = trust.Copy();
        try
        {
            var seen = (await client.RefreshAsync(complete: true, CancellationToken.None)).TimestampVersion;
            Assert.Contains(seen, new[] { old, published });
        }
        catch (ProtocolException)
        {
            Assert.Equal(before, trust.Copy());
        }
    }

    /// <summary>A device more: a policy, its bin, the CAP list's client count, snapshot and pointer change.</summary>
    private static async Task ChangeAsync(SiteHarness site, int number)
    {
        using var device = new FakeDevice(site.Context, $"pc-{number}");
        var (path, content, _) = device.Next(device.Request(await site.TokenAsync()));
        site.Drop(path, content);
        await site.DrainAsync();
        Assert.Equal("approved", (await site.ClientAsync(device)).State);
    }
}
