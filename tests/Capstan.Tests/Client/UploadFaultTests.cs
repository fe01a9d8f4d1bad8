using Capstan.Client;
using Capstan.Nal;
using Capstan.Protocol.V1;
using Capstan.Testing;
using Capstan.Testing.Stores;

namespace Capstan.Tests.Client;

/// <summary>Invariant 6 of design.md 10: each upload is applied once and in order, whatever fails, and wherever the client is cut off.</summary>
public sealed class UploadFaultTests
{
    public static TheoryData<int, bool> EachOperation()
    {
        var cases = new TheoryData<int, bool>();
        for (var nth = 1; nth <= 24; nth++)
        {
            cases.Add(nth, false);
            cases.Add(nth, true);
        }
        return cases;
    }

    [Theory]
    [MemberData(nameof(EachOperation))]
    public async Task A_failure_at_any_operation_and_a_crash_after_it_loses_and_doubles_nothing(int nth, bool after)
    {
        var time = new ManualTime();
        var cap = new MemoryStore(time);
        var faulty = new FaultStore(cap, time).Add(new StoreFault(StoreOperations.Read | StoreOperations.Create, NalError.ReadRemote) { Nth = nth, After = after });
        await using var f = new ClientFixture(cap, faulty);
        await f.Site.PublishAsync(ClientFixture.Stop);
        await f.InstallAsync();
        for (var round = 0; round < 8; round++)
        {
            await f.OpenAsync(seed: round);
            await f.SettleAsync();
            await f.StepAsync(2);
            await f.CloseAsync();
            await f.Site.DrainAsync(ClientFixture.Stop);
            if (f.Site.Items(Documents.ConfigurationRequest).Count > 0 && (await f.StatusAsync()).State == "installed")
                await f.ApproveAsync();
        }
        var status = await f.StatusAsync();
        Assert.Equal("approved", status.State);
        Assert.Empty(f.Site.Refused);
        Assert.Equal(Enumerable.Range(1, f.Site.Applied.Count).Select(n => (long)n), f.Site.Applied.Select(upload => upload.Sequence));
        Assert.Equal(status.Sequence, f.Site.Applied[^1].Sequence);
        Assert.Single(f.Site.Items(Documents.ConfigurationRequest));
        Assert.Single(f.Site.Items(Documents.HardwareInventory));
        Assert.Single(f.Site.Items(Documents.SoftwareInventory));
    }

    [Fact]
    public async Task A_full_CAP_keeps_records_in_the_spool_and_they_arrive_when_there_is_room()
    {
        var time = new ManualTime();
        var cap = new MemoryStore(time);
        var faulty = new FaultStore(cap, time);
        await using var f = new ClientFixture(cap, faulty);
        await f.EnrolAsync();
        faulty.Add(new StoreFault(StoreOperations.Create, NalError.StorageFull));
        f.Software = _ => Task.FromResult(ClientFixture.SampleSoftware("2.0"));
        f.Time.Advance(TimeSpan.FromDays(2));
        await f.SettleAsync();
        Assert.Contains("injected", (await f.StatusAsync()).Waiting, StringComparison.Ordinal);
        Assert.InRange((await f.StatusAsync()).Spooled, 1, 10);
        faulty.Heal();
        await f.StepAsync();
        await f.SettleAsync();
        await f.Site.DrainAsync(ClientFixture.Stop);
        Assert.Equal("2.0", f.Site.Items(Documents.SoftwareInventory)[^1].Packages[0].Version);
        Assert.Empty(f.Site.Refused);
    }
}
