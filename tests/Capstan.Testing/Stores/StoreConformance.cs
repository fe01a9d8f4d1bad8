using System.Text;
using Capstan.Nal;
using Capstan.Nal.Providers;
using Xunit;

namespace Capstan.Testing.Stores;

/// <summary>The contract of <see cref="IStore"/>, for every implementation and every fake. A fake is trusted only because it passes.</summary>
public abstract class StoreConformance : IAsyncLifetime
{
    private static readonly CancellationToken None = CancellationToken.None;

    private IStore? _store;

    protected IStore Store => _store ?? throw new InvalidOperationException("the suite has not begun");

    /// <summary>An empty store.</summary>
    protected abstract ValueTask<IStore> CreateStoreAsync();

    public async ValueTask InitializeAsync() => _store = await CreateStoreAsync();

    public virtual ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        return ValueTask.CompletedTask;
    }

    [Fact]
    public async Task A_created_file_is_read_back()
    {
        Assert.True(await CreateAsync("a/b/file", "content"));
        Assert.Equal("content", await ReadAsync("a/b/file"));
    }

    [Fact]
    public async Task Create_refuses_a_taken_name_and_changes_nothing()
    {
        Assert.True(await CreateAsync("file", "first"));
        Assert.False(await CreateAsync("file", "second"));
        Assert.Equal("first", await ReadAsync("file"));
    }

    [Fact]
    public async Task Create_refuses_the_name_of_a_directory()
    {
        await Store.CreateDirectoryAsync(At("taken"), None);
        Assert.False(await CreateAsync("taken", "content"));
        Assert.True((await Store.StatAsync(At("taken"), None))!.IsDirectory);
    }

    [Fact]
    public async Task Of_many_creators_of_one_name_exactly_one_wins()
    {
        var wins = await Task.WhenAll(Enumerable.Range(0, 16).Select(async writer => await CreateAsync("contested", $"{writer}")));
        Assert.Single(wins, won => won);
    }

    [Fact]
    public async Task Replace_creates_and_replaces()
    {
        await Store.ReplaceAsync(At("a/pointer"), "one"u8.ToArray(), None);
        await Store.ReplaceAsync(At("a/pointer"), "second"u8.ToArray(), None);
        Assert.Equal("second", await ReadAsync("a/pointer"));
        await Store.ReplaceAsync(At("a/pointer"), ReadOnlyMemory<byte>.Empty, None);
        Assert.Equal("", await ReadAsync("a/pointer"));
        Assert.Equal(["a/pointer"], await ListAsync("a"));
    }

    [Fact]
    public async Task Replace_does_not_put_a_file_in_a_directorys_place()
    {
        await CreateAsync("a/file", "x");
        Assert.Equal(NalError.Conflict, await ErrorOf(async () => await Store.ReplaceAsync(At("a"), "x"u8.ToArray(), None)));
        Assert.Equal(["a/file"], await ListAsync("a"));
    }

    [Fact]
    public async Task Nothing_is_put_below_a_file()
    {
        await CreateAsync("file", "x");
        Assert.Equal(NalError.Conflict, await ErrorOf(async () => await CreateAsync("file/below", "x")));
        Assert.Equal(NalError.Conflict, await ErrorOf(async () => await Store.ReplaceAsync(At("file/below"), "x"u8.ToArray(), None)));
        Assert.Equal(NalError.Conflict, await ErrorOf(async () => await Store.CreateDirectoryAsync(At("file"), None)));
        Assert.Null(await Store.StatAsync(At("file/below"), None));
        Assert.Null(await Store.ReadAllAsync(At("file/below"), 10, None));
    }

    [Fact]
    public async Task What_is_not_there_is_null_or_empty()
    {
        Assert.Null(await Store.StatAsync(At("no"), None));
        Assert.Null(await Store.StatAsync(At("no/no"), None));
        Assert.Null(await Store.ReadAllAsync(At("no"), 10, None));
        Assert.Null(await Store.ReadAllAsync(At("no/no"), 10, None));
        Assert.Empty(await ListAsync("no"));
        Assert.False(await Store.DeleteAsync(At("no"), None));
        Assert.False(await Store.DeleteAsync(At("no/no"), None));
    }

    [Fact]
    public async Task A_range_of_what_is_not_there_is_an_error() =>
        Assert.Equal(NalError.NotFound, await ErrorOf(async () => await Store.ReadAsync(At("no"), 0, new byte[1], None)));

    [Fact]
    public async Task The_root_is_there()
    {
        var root = await Store.StatAsync(StorePath.Root, None);
        Assert.NotNull(root);
        Assert.True(root.IsDirectory);
        Assert.Empty(await ListAsync(""));
    }

    [Fact]
    public async Task Stat_tells_kind_and_length()
    {
        await CreateAsync("a/file", "12345");
        var file = await Store.StatAsync(At("a/file"), None);
        Assert.Equal((false, 5L, "a/file"), (file!.IsDirectory, file.LengthBytes, file.Path.Value));
        Assert.Equal(TimeSpan.Zero, file.LastWrite.Offset);
        var directory = await Store.StatAsync(At("a"), None);
        Assert.Equal((true, 0L, "a"), (directory!.IsDirectory, directory.LengthBytes, directory.Path.Value));
    }

    [Fact]
    public async Task A_limit_is_kept_to_the_byte()
    {
        await CreateAsync("file", "12345");
        Assert.Equal("12345", Encoding.UTF8.GetString((await Store.ReadAllAsync(At("file"), 5, None))!));
        Assert.Equal(NalError.TooLarge, await ErrorOf(async () => await Store.ReadAllAsync(At("file"), 4, None)));
    }

    [Theory]
    [InlineData(0, 3, "012")]
    [InlineData(8, 4, "89")]
    [InlineData(10, 4, "")]
    [InlineData(99, 4, "")]
    [InlineData(2, 0, "")]
    public async Task Ranges_are_short_only_at_the_end(long offset, int length, string expected)
    {
        await CreateAsync("digits", "0123456789");
        var buffer = new byte[length];
        var count = await Store.ReadAsync(At("digits"), offset, buffer, None);
        Assert.Equal(expected, Encoding.ASCII.GetString(buffer, 0, count));
    }

    [Fact]
    public async Task A_directory_is_not_read_as_a_file()
    {
        await Store.CreateDirectoryAsync(At("a"), None);
        Assert.Equal(NalError.Conflict, await ErrorOf(async () => await Store.ReadAllAsync(At("a"), 10, None)));
    }

    [Fact]
    public async Task A_listing_shows_one_level()
    {
        await CreateAsync("a/one", "1");
        await CreateAsync("a/two", "22");
        await CreateAsync("a/b/three", "333");
        Assert.Equal(["a/b", "a/one", "a/two"], await ListAsync("a"));
        Assert.Equal(["a"], await ListAsync(""));
    }

    [Fact]
    public async Task A_long_listing_is_complete()
    {
        foreach (var number in Enumerable.Range(0, 600))
            await CreateAsync($"many/{number:D4}", "");
        Assert.Equal(Enumerable.Range(0, 600).Select(number => $"many/{number:D4}"), await ListAsync("many"));
    }

    [Fact]
    public async Task Listing_a_file_is_an_error_or_empty_but_not_its_content()
    {
        await CreateAsync("file", "x");
        Assert.Empty(await ListAsync("file"));
    }

    [Fact]
    public async Task Deleted_is_gone_once()
    {
        await CreateAsync("a/file", "x");
        Assert.True(await Store.DeleteAsync(At("a/file"), None));
        Assert.False(await Store.DeleteAsync(At("a/file"), None));
        Assert.True(await CreateAsync("a/file", "again"));
    }

    [Fact]
    public async Task Only_empty_directories_are_deleted()
    {
        await CreateAsync("a/file", "x");
        Assert.Equal(NalError.Conflict, await ErrorOf(async () => await Store.DeleteAsync(At("a"), None)));
        await Store.DeleteAsync(At("a/file"), None);
        Assert.True(await Store.DeleteAsync(At("a"), None));
        Assert.Null(await Store.StatAsync(At("a"), None));
    }

    [Fact]
    public async Task The_root_is_never_deleted() =>
        Assert.Equal(NalError.AccessDenied, await ErrorOf(async () => await Store.DeleteAsync(StorePath.Root, None)));

    [Fact]
    public async Task Rename_moves_a_file_and_keeps_what_is_in_the_way()
    {
        await CreateAsync("from", "x");
        await Store.RenameAsync(At("from"), At("a/to"), None);
        Assert.Equal("x", await ReadAsync("a/to"));
        Assert.Null(await Store.StatAsync(At("from"), None));
        await CreateAsync("other", "y");
        Assert.Equal(NalError.Conflict, await ErrorOf(async () => await Store.RenameAsync(At("other"), At("a/to"), None)));
        Assert.Equal("x", await ReadAsync("a/to"));
        Assert.Equal(NalError.NotFound, await ErrorOf(async () => await Store.RenameAsync(At("from"), At("b"), None)));
        Assert.Equal(NalError.Conflict, await ErrorOf(async () => await Store.RenameAsync(At("a"), At("b"), None)));
    }

    [Fact]
    public async Task Making_a_directory_twice_is_as_once()
    {
        await Store.CreateDirectoryAsync(At("a/b/c"), None);
        await Store.CreateDirectoryAsync(At("a/b/c"), None);
        await Store.CreateDirectoryAsync(StorePath.Root, None);
        Assert.Equal(["a/b/c"], await ListAsync("a/b"));
    }

    [Fact]
    public async Task Space_is_told_or_unknown()
    {
        if (await Store.GetSpaceAsync(None) is { } space)
            Assert.InRange(space.FreeBytes, 0, space.TotalBytes);
    }

    [Fact]
    public async Task A_source_that_fails_leaves_the_name_free()
    {
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await Store.CreateAsync(At("a/file"), new FailingStream(), None));
        Assert.Null(await Store.StatAsync(At("a/file"), None));
        Assert.True(await CreateAsync("a/file", "complete"));
    }

    [Fact]
    public async Task A_caller_who_gave_up_changes_nothing()
    {
        using var cancelled = new CancellationTokenSource();
        await cancelled.CancelAsync();
        var token = cancelled.Token;
        await CreateAsync("file", "x");
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await Store.CreateAsync(At("new"), new MemoryStream(), token));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await Store.ReplaceAsync(At("new"), "x"u8.ToArray(), token));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await Store.DeleteAsync(At("file"), token));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await Store.ReadAllAsync(At("file"), 10, token));
        Assert.Equal(["file"], await ListAsync(""));
    }

    protected static StorePath At(string path) => StorePath.Parse(path);

    protected async Task<bool> CreateAsync(string path, string content) =>
        await Store.CreateAsync(At(path), new MemoryStream(Encoding.UTF8.GetBytes(content)), None);

    protected async Task<string> ReadAsync(string path) => Encoding.UTF8.GetString((await Store.ReadAllAsync(At(path), 1_000_000, None))!);

    /// <summary>Paths in ordinal order.</summary>
    protected async Task<IReadOnlyList<string>> ListAsync(string directory)
    {
        var found = new List<string>();
        await foreach (var entry in Store.ListAsync(At(directory), None))
            found.Add(entry.Path.Value);
        found.Sort(StringComparer.Ordinal);
        return found;
    }

    protected static async Task<NalError> ErrorOf(Func<Task> action) => (await Assert.ThrowsAsync<NalException>(action)).Error;

    private sealed class FailingStream : MemoryStream
    {
        private bool _begun;

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (_begun)
                throw new InvalidOperationException("the source failed");
            _begun = true;
            buffer.Span[..Math.Min(10, buffer.Length)].Fill(1);
            return ValueTask.FromResult(Math.Min(10, buffer.Length));
        }
    }
}
