using Capstan.Nal;
using Capstan.Nal.Providers;
using Capstan.Testing;
using Capstan.Testing.Stores;

namespace Capstan.Tests.Nal.Providers;

public sealed class FaultStoreTests
{
    private static readonly CancellationToken None = CancellationToken.None;
    private static readonly StorePath Pointer = StorePath.Parse("pointer");

    private readonly ManualTime _time = new();
    private readonly MemoryStore _inner;
    private readonly FaultStore _store;

    public FaultStoreTests()
    {
        _inner = new MemoryStore(_time);
        _store = new FaultStore(_inner, _time);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Before_nothing_happened_and_after_all_of_it(bool after)
    {
        _store.Add(new StoreFault(StoreOperations.Create, NalError.WriteRemote) { After = after });
        var thrown = await Assert.ThrowsAsync<NalException>(async () => await _store.CreateAsync(Pointer, new MemoryStream([1]), None));
        Assert.Equal(after ? Completion.Unknown : Completion.Refused, thrown.Completion);
        Assert.Equal(after, await _inner.StatAsync(Pointer, None) is not null);
    }

    [Fact]
    public async Task Only_the_nth_is_hit()
    {
        _store.Add(new StoreFault(StoreOperations.Replace, NalError.StorageFull) { Nth = 2 });
        await _store.ReplaceAsync(Pointer, new byte[] { 1 }, None);
        await Assert.ThrowsAsync<NalException>(async () => await _store.ReplaceAsync(Pointer, new byte[] { 2 }, None));
        await _store.ReplaceAsync(Pointer, new byte[] { 3 }, None);
        Assert.Equal([3], await _inner.ReadAllAsync(Pointer, 10, None));
    }

    [Fact]
    public async Task A_torn_write_leaves_its_beginning()
    {
        _store.Add(new StoreFault(StoreOperations.Replace, NalError.WriteRemote) { TearAtByte = 2 });
        await Assert.ThrowsAsync<NalException>(async () => await _store.ReplaceAsync(Pointer, new byte[] { 1, 2, 3 }, None));
        Assert.Equal([1, 2], await _inner.ReadAllAsync(Pointer, 10, None));
    }

    [Fact]
    public async Task A_crash_forgets_what_was_not_on_the_disk()
    {
        await _store.ReplaceAsync(Pointer, new byte[] { 1 }, None);
        _store.ForgetWrites = true;
        await _store.ReplaceAsync(Pointer, new byte[] { 2 }, None);
        await _store.CreateAsync(StorePath.Parse("new"), new MemoryStream([1]), None);
        await _store.CrashAsync(None);
        Assert.Equal([1], await _inner.ReadAllAsync(Pointer, 10, None));
        Assert.Null(await _inner.StatAsync(StorePath.Parse("new"), None));
    }

    [Fact]
    public async Task A_stale_listing_shows_what_was()
    {
        _store.StaleListings = true;
        Assert.Empty(await _store.ListAsync(StorePath.Root, None).ToArrayAsync());
        await _store.ReplaceAsync(Pointer, new byte[] { 1 }, None);
        Assert.Empty(await _store.ListAsync(StorePath.Root, None).ToArrayAsync());
    }

    [Fact]
    public async Task A_delay_ends_with_the_clock()
    {
        _store.Add(new StoreFault(StoreOperations.Stat, null) { Delay = TimeSpan.FromSeconds(5) });
        var asked = _store.StatAsync(Pointer, None).AsTask();
        Assert.False(asked.IsCompleted);
        _time.Advance(TimeSpan.FromSeconds(5));
        Assert.Null(await asked);
    }

    [Fact]
    public async Task Denied_operations_are_denied_and_the_rest_goes_on()
    {
        _store.Deny(StoreOperations.List | StoreOperations.Delete | StoreOperations.Rename);
        Assert.True(await _store.CreateAsync(Pointer, new MemoryStream([1]), None));
        var thrown = await Assert.ThrowsAsync<NalException>(async () => await _store.DeleteAsync(Pointer, None));
        Assert.Equal(NalError.AccessDenied, thrown.Error);
    }
}
