using Capstan.Client.Builds;
using Capstan.Client.Identity;
using Capstan.Nal;
using Capstan.Protocol.V1;
using Capstan.Testing.Stores;

namespace Capstan.Tests.Client.Builds;

/// <summary>An upgrade that is cut at any operation on the storage, and at any file that it makes on the client's own disk: the build that was ordered runs in the end, and nothing is called bad for it.</summary>
public sealed class BuildFaultTests : BuildHarness
{
    /// <summary>More than an upgrade has, by <see cref="Nothing_is_left_out"/>.</summary>
    private const int Operations = 28, Flushes = 8;

    public static TheoryData<int, bool> EachOperation
    {
        get
        {
            var cases = new TheoryData<int, bool>();
            for (var nth = 1; nth <= Operations; nth++)
                cases.Add(nth, nth % 2 == 0);
            return cases;
        }
    }

    public static TheoryData<int> EachFlush => [.. Enumerable.Range(1, Flushes)];

    [Theory]
    [MemberData(nameof(EachOperation))]
    public async Task Cut_at_any_operation_on_the_storage_the_ordered_build_runs_in_the_end(int nth, bool after)
    {
        await UpgradedAsync("1.0.0", 100);
        var build = await OrderAsync("2.0.0", 200);
        Seen.Add(new StoreFault(StoreOperations.Read | StoreOperations.Create, NalError.ReadRemote) { Nth = nth, After = after });
        await UntilItRunsAsync(build);
    }

    [Theory]
    [MemberData(nameof(EachFlush))]
    public async Task Cut_at_any_file_on_the_clients_disk_the_ordered_build_runs_in_the_end(int nth)
    {
        await UpgradedAsync("1.0.0", 100);
        var build = await OrderAsync("2.0.0", 200);
        using (CutAt(nth, out _))
            await UntilItRunsAsync(build);
    }

    [Fact]
    public async Task Nothing_is_left_out()
    {
        await UpgradedAsync("1.0.0", 100);
        var build = await OrderAsync("2.0.0", 200);
        var counted = new StoreFault(StoreOperations.Read | StoreOperations.Create, null);
        Seen.Add(counted);
        using (CutAt(int.MaxValue, out var flushes))
        {
            await UntilItRunsAsync(build);
            Assert.InRange(counted.Seen, 5, Operations);
            Assert.InRange(flushes(), 3, Flushes);
        }
    }

    /// <summary>Ends the process at the n-th file below the client's directory whose folder was flushed.</summary>
    private IDisposable CutAt(int nth, out Func<int> seen)
    {
        var count = 0;
        seen = () => count;
        return DurableFile.Observe(folder =>
        {
            if (folder.StartsWith(Fixture.Options.Directory, StringComparison.Ordinal) && ++count == nth)
                throw new IOException("cut off");
        });
    }

    /// <summary>Starts what the launcher starts, until the ordered build stays.</summary>
    private async Task UntilItRunsAsync(ClientBuild build)
    {
        for (var starts = 0; Folder.ReadState() is var state && (state.Current != build.Id() || state.Trial is not null); starts++)
        {
            Assert.True(starts < 12, $"{state}\n{(await Fixture.StatusAsync()).BuildWaiting}");
            var next = state.Trial is { IsHeld: false } trial ? trial.Id : state.Current;
            try
            {
                await RunAsync(next);
            }
            catch (IOException cut) when (cut.Message == "cut off")
            {
                // As a process that died there: the next one is started.
                continue;
            }
            Fixture.Time.Advance(TimeSpan.FromHours(2));
        }
        Assert.Empty(Folder.ReadState().Bad);
        foreach (var (name, content) in SampleBuild.Files("2.0.0"))
            Assert.Equal(content, await File.ReadAllBytesAsync(PathOf(build, name), Stop));
        await Fixture.Site.DrainAsync(Stop);
        Assert.Empty(Fixture.Site.Refused);
        Assert.Equal(Enumerable.Range(1, Fixture.Site.Applied.Count).Select(n => (long)n), Fixture.Site.Applied.Select(upload => upload.Sequence));
    }
}
