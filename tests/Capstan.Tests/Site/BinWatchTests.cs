using Capstan.Nal.Providers;
using Capstan.Protocol;
using Capstan.Protocol.V1;
using Capstan.Site.Load;
using Capstan.Testing;
using Capstan.Testing.Stores;

namespace Capstan.Tests.Site;

/// <summary>An idle inbox is looked at for little, and what comes into it is found as soon as before.</summary>
public sealed class BinWatchTests
{
    private const string Bin = "3f";
    private static readonly DateTimeOffset Then = new(2026, 11, 22, 12, 0, 0, TimeSpan.Zero);

    private readonly BinWatch _watch = new();

    [Fact]
    public void A_directory_is_passed_over_when_it_was_found_empty_twice_with_one_time()
    {
        Assert.False(Look(0, Then));
        Assert.False(Look(2, Then));
        Assert.True(Look(4, Then));
        Assert.True(Look(58, Then));
    }

    [Fact]
    public void Two_looks_within_the_coarsest_tick_of_a_file_system_are_one()
    {
        Assert.False(Look(0, Then));
        Assert.False(Look(1.9, Then));
        Assert.False(Look(1.95, Then));
        Assert.False(Look(2, Then));
        Assert.True(Look(3, Then));
    }

    [Fact]
    public void Another_time_earlier_or_later_is_a_reason_to_look()
    {
        Settle();
        Assert.False(Look(6, Then.AddTicks(1)));
        Assert.False(Look(8, Then));
        Assert.False(Look(10, Then));
        Assert.True(Look(12, Then));
    }

    [Fact]
    public void A_directory_that_holds_something_is_always_listed()
    {
        Settle();
        Assert.False(Look(6, Then.AddSeconds(1), isEmpty: false));
        for (var at = 8; at < 50; at += 2)
            Assert.False(Look(at, Then.AddSeconds(1), isEmpty: false));
        Assert.False(_watch.IsUnreliable);
    }

    [Fact]
    public void Once_a_minute_everything_is_listed()
    {
        Settle();
        Assert.False(Look(60, Then));
        Assert.True(Look(62, Then));
        Assert.False(Look(120, Then));
    }

    [Fact]
    public void A_storage_whose_times_did_not_tell_of_a_file_is_not_believed_again()
    {
        Settle();
        Assert.False(Look(60, Then, isEmpty: false));
        Assert.True(_watch.IsUnreliable);
        for (var at = 62; at < 300; at += 2)
            Assert.False(Look(at, Then));
    }

    [Fact]
    public async Task An_idle_inbox_costs_one_listing_and_what_comes_is_taken_in_by_the_next_pass()
    {
        var time = new ManualTime();
        var storage = new FaultyStorage(TimeProvider.System);
        var (site, device) = await SiteHarness.EnrolledAsync(time, storage.Wrap);
        await using var _ = site;
        var counted = new StoreFault(StoreOperations.List, null) { PathPrefix = Layout.Inbox };
        storage[site.Cap].Add(counted);
        for (var pass = 0; pass < 3; pass++)
            await PassAsync();
        Assert.True(counted.Seen > 256);
        var before = counted.Seen;
        for (var pass = 0; pass < 20; pass++)
            await PassAsync();
        Assert.Equal(20, counted.Seen - before);

        var (path, content, hash) = device.Next([device.Heartbeat(policy: 7)]);
        site.Drop(path, content);
        await PassAsync();
        Assert.Equal(7, (await site.ClientAsync(device)).PolicyVersion);
        Assert.Equal(22, counted.Seen - before);

        async Task PassAsync()
        {
            time.Advance(TimeSpan.FromSeconds(2));
            await site.DrainAsync();
        }
    }

    /// <summary>As some file systems are that stand for a storage elsewhere.</summary>
    [Fact]
    public async Task Where_directories_have_no_times_an_upload_waits_for_a_minute_once()
    {
        var time = new ManualTime();
        var inner = new MemoryStore(new ManualTime());
        var bins = Layout.Bins.Take(3).ToList();
        foreach (var bin in bins)
            await inner.CreateDirectoryAsync(StorePath.Parse($"inbox/{bin}"), CancellationToken.None);
        var store = new TimelessStore(inner);
        var from = new Dictionary<string, int>();
        for (var pass = 0; pass < 5; pass++)
            Assert.Empty(await PassAsync());
        await inner.ReplaceAsync(StorePath.Parse($"inbox/{bins[1]}/one"), new byte[1], CancellationToken.None);
        var passes = 1;
        while ((await PassAsync()).Count == 0)
            passes++;
        Assert.InRange(passes * 2, 2, 60);
        await inner.DeleteAsync(StorePath.Parse($"inbox/{bins[1]}/one"), CancellationToken.None);
        Assert.Empty(await PassAsync());
        await inner.ReplaceAsync(StorePath.Parse($"inbox/{bins[2]}/two"), new byte[1], CancellationToken.None);
        Assert.Single(await PassAsync());

        async Task<IReadOnlyList<InboxFile>> PassAsync()
        {
            time.Advance(TimeSpan.FromSeconds(2));
            _watch.BeginPass(time.GetElapsedTime(0));
            return (await InboxListing.ListAsync(store, from, _watch, CancellationToken.None)).Files;
        }
    }

    private void Settle()
    {
        Assert.False(Look(0, Then));
        Assert.False(Look(2, Then));
        Assert.True(Look(4, Then));
    }

    /// <summary>One pass at so many seconds.</summary>
    /// <returns>Whether the directory was passed over.</returns>
    private bool Look(double seconds, DateTimeOffset lastWrite, bool isEmpty = true)
    {
        _watch.BeginPass(TimeSpan.FromSeconds(seconds));
        if (_watch.IsKnownEmpty(Bin, lastWrite))
            return true;
        _watch.Listed(Bin, lastWrite, isEmpty);
        return false;
    }

    private sealed class TimelessStore(IStore inner) : IStore
    {
        public async IAsyncEnumerable<StoreEntry> ListAsync(StorePath directory, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
        {
            await foreach (var entry in inner.ListAsync(directory, cancellationToken))
                yield return entry with { LastWrite = Then };
        }

        public ValueTask<StoreEntry?> StatAsync(StorePath path, CancellationToken cancellationToken) => inner.StatAsync(path, cancellationToken);
        public ValueTask<byte[]?> ReadAllAsync(StorePath path, long maxBytes, CancellationToken cancellationToken) => inner.ReadAllAsync(path, maxBytes, cancellationToken);
        public ValueTask<int> ReadAsync(StorePath path, long offset, Memory<byte> buffer, CancellationToken cancellationToken) => inner.ReadAsync(path, offset, buffer, cancellationToken);
        public ValueTask<bool> CreateAsync(StorePath path, Stream content, CancellationToken cancellationToken) => inner.CreateAsync(path, content, cancellationToken);
        public ValueTask ReplaceAsync(StorePath path, ReadOnlyMemory<byte> content, CancellationToken cancellationToken) => inner.ReplaceAsync(path, content, cancellationToken);
        public ValueTask<bool> DeleteAsync(StorePath path, CancellationToken cancellationToken) => inner.DeleteAsync(path, cancellationToken);
        public ValueTask RenameAsync(StorePath from, StorePath to, CancellationToken cancellationToken) => inner.RenameAsync(from, to, cancellationToken);
        public ValueTask CreateDirectoryAsync(StorePath path, CancellationToken cancellationToken) => inner.CreateDirectoryAsync(path, cancellationToken);
        public ValueTask<StoreSpace?> GetSpaceAsync(CancellationToken cancellationToken) => inner.GetSpaceAsync(cancellationToken);
    }
}
