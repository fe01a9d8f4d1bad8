using Capstan.Site.Api;
using Capstan.Testing;
using Microsoft.AspNetCore.Connections;

namespace Capstan.Tests.Site;

/// <summary>The memory that connections receive into.</summary>
public sealed class ConnectionBlocksTests
{
    [Fact]
    public void Two_rentals_never_share_bytes_though_one_is_given_back_twice()
    {
        using var pool = new ConnectionBlocks();
        var first = pool.Rent();
        first.Dispose();
        first.Dispose();
        Assert.Equal(1, pool.Kept);
        using var one = pool.Rent();
        first.Dispose();
        using var other = pool.Rent();
        Assert.False(one.Memory.Span == other.Memory.Span);
        Assert.Throws<ObjectDisposedException>(() => first.Memory);
    }

    [Fact]
    public void More_than_is_kept_goes_to_the_collector()
    {
        using var pool = new ConnectionBlocks();
        var rented = Enumerable.Range(0, ConnectionBlocks.MostKept + 3).Select(_ => pool.Rent()).ToList();
        rented.ForEach(block => block.Dispose());
        Assert.Equal(ConnectionBlocks.MostKept, pool.Kept);
        // And the count goes down again with those that are taken.
        rented = [.. Enumerable.Range(0, ConnectionBlocks.MostKept).Select(_ => pool.Rent())];
        rented.ForEach(block => block.Dispose());
        Assert.Equal(ConnectionBlocks.MostKept, pool.Kept);
    }

    [Fact]
    public void Kestrel_learns_how_much_a_block_holds()
    {
        using var pool = new ConnectionBlocksFactory().Create();
        Assert.Equal(ConnectionBlocks.BlockBytes, pool.MaxBufferSize);
        Assert.Throws<ArgumentOutOfRangeException>(() => pool.Rent(pool.MaxBufferSize + 1));
    }

    [Fact]
    public void What_is_given_back_after_the_end_is_not_kept()
    {
        var pool = new ConnectionBlocks();
        var block = pool.Rent();
        pool.Dispose();
        block.Dispose();
        Assert.Equal(0, pool.Kept);
        Assert.Throws<ObjectDisposedException>(() => pool.Rent());
    }

    [Fact]
    public async Task A_site_receives_into_them()
    {
        await using var site = await SiteHarness.CreateAsync(new ManualTime());
        Assert.IsType<ConnectionBlocksFactory>(site.Get<IMemoryPoolFactory<byte>>());
    }
}
