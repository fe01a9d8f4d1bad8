using System.Diagnostics;
using Capstan.Nal;
using Capstan.Nal.Providers;
using Capstan.Nal.Providers.Local;
using Capstan.Testing;

namespace Capstan.Tests.Nal.Providers;

public sealed class LocalStoreTests : IDisposable
{
    private static readonly CancellationToken None = CancellationToken.None;

    private readonly DirectoryInfo _top = Directory.CreateTempSubdirectory("capstan-local-");
    private readonly string _root;
    private readonly string _outside;
    private readonly ManualTime _time = new(new DateTimeOffset(2100, 1, 1, 0, 0, 0, TimeSpan.Zero));
    private readonly LocalStore _store;

    public LocalStoreTests()
    {
        _root = _top.CreateSubdirectory("root").FullName;
        _outside = _top.CreateSubdirectory("outside").FullName;
        File.WriteAllText(Path.Combine(_outside, "secret"), "secret");
        _store = new LocalStore(_root, _time);
    }

    public void Dispose() => _top.Delete(recursive: true);

    [Theory]
    [InlineData("link/secret")]
    [InlineData("a/link/secret")]
    [InlineData("file-link")]
    [InlineData("a/relative/secret")]
    public async Task No_operation_passes_through_a_link(string path)
    {
        Directory.CreateDirectory(Path.Combine(_root, "a"));
        Directory.CreateSymbolicLink(Path.Combine(_root, "link"), _outside);
        Directory.CreateSymbolicLink(Path.Combine(_root, "a", "link"), _outside);
        Directory.CreateSymbolicLink(Path.Combine(_root, "a", "relative"), "../../outside");
        File.CreateSymbolicLink(Path.Combine(_root, "file-link"), Path.Combine(_outside, "secret"));
        var at = StorePath.Parse(path);
        await Refused(async () => await _store.StatAsync(at, None));
        await Refused(async () => await _store.ReadAllAsync(at, 100, None));
        await Refused(async () => await _store.ReadAsync(at, 0, new byte[10], None));
        await Refused(async () => await _store.DeleteAsync(at, None));
        await Refused(async () => await _store.RenameAsync(at, StorePath.Parse("stolen"), None));
        await Refused(async () => await _store.CreateDirectoryAsync(at.Combine("made"), None));
        if (path != "file-link")
        {
            await Refused(async () => await _store.CreateAsync(at.Parent.Combine("new"), new MemoryStream([1]), None));
            await Refused(async () => await _store.ReplaceAsync(at, "x"u8.ToArray(), None));
            await Refused(async () => await _store.ListAsync(at.Parent, None).ToArrayAsync());
        }
        Assert.Equal("secret", await File.ReadAllTextAsync(Path.Combine(_outside, "secret"), None));
        Assert.Single(Directory.GetFileSystemEntries(_outside));
    }

    [Fact]
    public async Task Writing_over_a_link_replaces_the_link_and_not_its_target()
    {
        File.CreateSymbolicLink(Path.Combine(_root, "file"), Path.Combine(_outside, "secret"));
        Assert.False(await _store.CreateAsync(StorePath.Parse("file"), new MemoryStream([1]), None));
        await _store.ReplaceAsync(StorePath.Parse("file"), "mine"u8.ToArray(), None);
        Assert.Equal("secret", await File.ReadAllTextAsync(Path.Combine(_outside, "secret"), None));
        Assert.Equal("mine"u8.ToArray(), await _store.ReadAllAsync(StorePath.Parse("file"), 10, None));
    }

    [Fact]
    public async Task Listings_leave_out_links_temporaries_and_names_that_no_path_can_hold()
    {
        File.CreateSymbolicLink(Path.Combine(_root, "link"), Path.Combine(_outside, "secret"));
        await File.WriteAllTextAsync(Path.Combine(_root, ".capstan-0123456789abcdef.tmp"), "", None);
        await File.WriteAllTextAsync(Path.Combine(_root, "a:b"), "", None);
        await File.WriteAllTextAsync(Path.Combine(_root, ".hidden"), "", None);
        Assert.Equal([".hidden"], (await _store.ListAsync(StorePath.Root, None).ToArrayAsync()).Select(entry => entry.Path.Value));
        Assert.Null(await _store.StatAsync(StorePath.Parse(".capstan-0123456789abcdef.tmp"), None));
    }

    [Fact]
    public async Task A_temporary_of_a_killed_process_goes_after_an_hour()
    {
        var old = Path.Combine(_root, ".capstan-0123456789abcdef.tmp");
        var young = Path.Combine(_root, ".capstan-fedcba9876543210.tmp");
        await File.WriteAllTextAsync(old, "", None);
        await File.WriteAllTextAsync(young, "", None);
        File.SetLastWriteTimeUtc(old, _time.GetUtcNow().UtcDateTime - TimeSpan.FromHours(1));
        File.SetLastWriteTimeUtc(young, _time.GetUtcNow().UtcDateTime - TimeSpan.FromMinutes(59));
        await _store.ReplaceAsync(StorePath.Parse("pointer"), "x"u8.ToArray(), None);
        Assert.Equal((false, true), (File.Exists(old), File.Exists(young)));
    }

    [Fact]
    public async Task A_root_that_is_gone_is_an_error_and_not_emptiness()
    {
        Directory.Delete(_root);
        var thrown = await Assert.ThrowsAsync<NalException>(async () => await _store.ListAsync(StorePath.Root, None).ToArrayAsync());
        Assert.Equal(NalError.NotFound, thrown.Error);
        Assert.Contains($"the directory {_root} is not there; create it", thrown.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<NalException>(async () => await _store.ReadAllAsync(StorePath.Parse("x"), 1, None));
        await Assert.ThrowsAsync<NalException>(async () => await _store.CreateAsync(StorePath.Parse("x"), new MemoryStream(), None));
        await _store.CreateDirectoryAsync(StorePath.Root, None);
        Assert.True(await _store.CreateAsync(StorePath.Parse("x"), new MemoryStream(), None));
    }

    [Fact]
    public async Task A_pipe_in_the_tree_does_not_hang_a_reader()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "mkfifo");
        using (var made = Process.Start("mkfifo", Path.Combine(_root, "pipe")))
            await made.WaitForExitAsync(None);
        var thrown = await Assert.ThrowsAsync<NalException>(async () => await _store.ReadAllAsync(StorePath.Parse("pipe"), 10, None));
        Assert.Equal(NalError.Conflict, thrown.Error);
    }

    [Fact]
    public async Task Full_and_read_only_disks_are_named()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && Environment.IsPrivilegedProcess, "mounting a small disk needs Linux and root");
        var disk = _top.CreateSubdirectory("disk").FullName;
        Assert.SkipUnless(await RunAsync("mount", "-t", "tmpfs", "-o", "size=64k", "capstan-test", disk) == 0, "tmpfs cannot be mounted here");
        try
        {
            var store = new LocalStore(disk, _time);
            await store.ReplaceAsync(StorePath.Parse("pointer"), "good"u8.ToArray(), None);
            var full = await Assert.ThrowsAsync<NalException>(async () => await store.CreateAsync(StorePath.Parse("big"), new MemoryStream(new byte[200_000]), None));
            Assert.Equal((NalError.StorageFull, true), (full.Error, full.IsTransient));
            await Assert.ThrowsAsync<NalException>(async () => await store.ReplaceAsync(StorePath.Parse("pointer"), new byte[200_000], None));
            Assert.Equal("good"u8.ToArray(), await store.ReadAllAsync(StorePath.Parse("pointer"), 10, None));
            Assert.Equal(["pointer"], Directory.GetFileSystemEntries(disk).Select(Path.GetFileName));

            Assert.Equal(0, await RunAsync("mount", "-o", "remount,ro", disk));
            var readOnly = await Assert.ThrowsAsync<NalException>(async () => await store.CreateAsync(StorePath.Parse("new"), new MemoryStream(), None));
            Assert.Equal(NalError.AccessDenied, readOnly.Error);
            Assert.Contains("the file system is read-only", readOnly.Message, StringComparison.Ordinal);
            Assert.Equal("good"u8.ToArray(), await store.ReadAllAsync(StorePath.Parse("pointer"), 10, None));
        }
        finally
        {
            await RunAsync("umount", "-l", disk);
        }
    }

    private static async Task<int> RunAsync(string command, params string[] arguments)
    {
        using var process = Process.Start(command, arguments);
        await process.WaitForExitAsync(None);
        return process.ExitCode;
    }

    private static async Task Refused(Func<Task> action)
    {
        var thrown = await Assert.ThrowsAsync<NalException>(action);
        Assert.Equal(NalError.AccessDenied, thrown.Error);
        Assert.Contains("link", thrown.Message, StringComparison.Ordinal);
    }
}
