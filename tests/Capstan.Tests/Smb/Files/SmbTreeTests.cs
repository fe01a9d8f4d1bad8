using Capstan.Smb;
using Capstan.Smb.Files;
using Capstan.Testing.Smb;
using Capstan.Tests.Smb.Connection;

namespace Capstan.Tests.Smb.Files;

/// <summary>Files and directories, on servers that differ in what they do with compounds.</summary>
public sealed class SmbTreeTests
{
    public static TheoryData<SmbCompoundRule> Rules => [.. Enum.GetValues<SmbCompoundRule>()];

    [Theory]
    [MemberData(nameof(Rules))]
    public async Task The_result_is_the_same_whatever_becomes_of_compounds(SmbCompoundRule compounds)
    {
        await using var world = await SmbWorld.OpenAsync(rules => rules.Compounds = compounds);
        var tree = world.Tree;
        await tree.CreateDirectoryAsync("d", CancellationToken.None);
        await tree.CreateDirectoryAsync("d", CancellationToken.None);
        Assert.True(await tree.CreateAsync("d/new", new MemoryStream([1, 2]), flush: true, CancellationToken.None));
        Assert.False(await tree.CreateAsync("d/new", new MemoryStream([3]), flush: true, CancellationToken.None));
        await tree.ReplaceAsync("d/t", "d/new", new byte[] { 4, 5, 6 }, flush: true, CancellationToken.None);
        await tree.ReplaceAsync("d/t", "d/empty", ReadOnlyMemory<byte>.Empty, flush: false, CancellationToken.None);
        await tree.RenameAsync("d/empty", "d/moved", replace: false, CancellationToken.None);
        Assert.Equal(new byte[] { 4, 5, 6 }, (await tree.ReadAllAsync("d/new", 10, CancellationToken.None)).Bytes);
        Assert.Equal(Array.Empty<byte>(), (await tree.ReadAllAsync("d/moved", 10, CancellationToken.None)).Bytes);
        Assert.Equal((true, null, 3L), await ContentAsync(tree, "d/new", 2));
        Assert.Equal((false, null, 0L), await ContentAsync(tree, "d/none", 2));
        Assert.Equal(["moved", "new"], await NamesAsync(tree, "d", "*"));
        Assert.Equal(["new"], await NamesAsync(tree, "d", "n*"));
        Assert.Empty(await NamesAsync(tree, "d", "x*"));
        Assert.Empty(await NamesAsync(tree, "nowhere", "*"));
        Assert.Equal(3, (await tree.StatAsync("d/new", CancellationToken.None))!.LengthBytes);
        Assert.True(await tree.DeleteAsync("d/moved", CancellationToken.None));
        Assert.False(await tree.DeleteAsync("d/moved", CancellationToken.None));
        Assert.Equal(1L << 40, (await tree.GetSpaceAsync(CancellationToken.None)).TotalBytes);
        Assert.Equal(["d/", "d/new"], world.Server.Files.Snapshot().Keys);
        Assert.Equal(0, world.Server.Holdings.Opens);
        Assert.Equal(compounds != SmbCompoundRule.Refused, world.Connection.Compounds);
    }

    [Theory]
    [MemberData(nameof(Rules))]
    public async Task A_write_that_fails_never_becomes_the_file(SmbCompoundRule compounds)
    {
        await using var world = await SmbWorld.OpenAsync(rules => rules.Compounds = compounds);
        world.Server.Files.Add("final", [1]);
        world.Server.Files.FreeBytes = 10;
        foreach (var length in new[] { 11, 2_000_000 })
        {
            var thrown = await Assert.ThrowsAsync<SmbException>(async () => await world.Tree.ReplaceAsync("t", "final", new byte[length], flush: true, CancellationToken.None));
            Assert.Equal((SmbFailure.Status, NtStatus.DiskFull, SmbCommand.Write), (thrown.Failure, thrown.Status, thrown.Command));
            thrown = await Assert.ThrowsAsync<SmbException>(async () => await world.Tree.CreateAsync("new", new MemoryStream(new byte[length]), flush: true, CancellationToken.None));
            Assert.Equal(NtStatus.DiskFull, thrown.Status);
            await world.SettleAsync();
            Assert.Equal(["final"], world.Server.Files.Snapshot().Keys);
            Assert.Equal([1], world.Server.Files.Content("final"));
            Assert.Equal(0, world.Server.Holdings.Opens);
        }
    }

    [Theory]
    [MemberData(nameof(Rules))]
    public async Task Every_step_of_a_replacement_may_be_refused(SmbCompoundRule compounds)
    {
        foreach (var command in new[] { SmbCommand.Create, SmbCommand.Write, SmbCommand.Flush, SmbCommand.SetInfo })
        {
            foreach (var status in new[] { NtStatus.AccessDenied, NtStatus.InvalidParameter, NtStatus.FileClosed })
            {
                await using var world = await SmbWorld.OpenAsync(rules => rules.Compounds = compounds);
                world.Server.Files.Add("final", [1]);
                // Every one but the removal of the temporary file, which is a SET_INFO, too, and the second one.
                world.Server.Play(new SmbTrick(command, SmbTrickKind.Refuse, Nth: 1, Status: status));
                var thrown = await Record.ExceptionAsync(async () => await world.Tree.ReplaceAsync("t", "final", new byte[] { 2 }, flush: true, CancellationToken.None));
                await world.SettleAsync();
                Assert.Equal(["final"], world.Server.Files.Snapshot().Keys);
                Assert.Equal(thrown is null ? [2] : [1], world.Server.Files.Content("final"));
                Assert.Equal(0, world.Server.Holdings.Opens);
                // Where compounds are refused, the step is asked for again alone, and then nothing is wrong with it.
                if (status == NtStatus.AccessDenied && compounds != SmbCompoundRule.Refused)
                    Assert.Equal((status, command), (Assert.IsType<SmbException>(thrown).Status, ((SmbException)thrown).Command));
            }
        }
    }

    [Fact]
    public async Task A_listing_of_many_pages_is_whole()
    {
        await using var world = await SmbWorld.OpenAsync();
        for (var i = 0; i < 3000; i++)
            world.Server.Files.Add($"d/file-{i:D5}-with-a-longer-name", []);
        var names = await NamesAsync(world.Tree, "d", "*");
        Assert.Equal(3000, names.Distinct(StringComparer.Ordinal).Count());
        Assert.Equal(0, world.Server.Holdings.Opens);
    }

    [Fact]
    public async Task A_listing_without_end_can_be_left()
    {
        await using var world = await SmbWorld.OpenAsync();
        world.Server.Files.IsEndless = true;
        var count = 0;
        await foreach (var entry in world.Tree.ListAsync("", "*", CancellationToken.None))
        {
            if (++count == 1000)
                break;
        }
        Assert.Equal(0, world.Server.Holdings.Opens);
    }

    [Fact]
    public async Task A_listing_that_goes_on_with_nothing_but_dots_ends_the_link()
    {
        await using var world = await SmbWorld.OpenAsync();
        world.Server.Files.IsEndlessWithoutNames = true;
        await Assert.ThrowsAsync<SmbProtocolException>(() => NamesAsync(world.Tree, "", "*"));
        Assert.Equal(SmbFailure.Protocol, world.Connection.EndCause!.Failure);
        Assert.InRange(world.Server.Seen.Count(seen => seen.Command == SmbCommand.QueryDirectory), 3, 6);
    }

    [Fact]
    public async Task Any_name_and_a_long_path_go_over_the_wire()
    {
        await using var world = await SmbWorld.OpenAsync();
        var path = "";
        foreach (var segment in new[] { new string('ä', 200), "zwei Wörter", "日本語", "\U0001F680" })
        {
            path = path.Length == 0 ? segment : $"{path}/{segment}";
            await world.Tree.CreateDirectoryAsync(path, CancellationToken.None);
        }
        path = $"{path}/{new string('x', 100)}";
        await world.Tree.ReplaceAsync($"{path}.t", path, new byte[] { 1 }, flush: false, CancellationToken.None);
        Assert.Equal([1], (await world.Tree.ReadAllAsync(path, 1, CancellationToken.None)).Bytes);
        var thrown = await Assert.ThrowsAsync<SmbException>(async () => await world.Tree.StatAsync(new string('n', 256), CancellationToken.None));
        Assert.Equal(NtStatus.ObjectNameInvalid, thrown.Status);
    }

    [Fact]
    public async Task A_file_that_another_holds_and_a_share_for_reading_refuse_by_name()
    {
        await using var world = await SmbWorld.OpenAsync();
        world.Server.Files.Add("a", [1]);
        await using (await world.Tree.OpenAsync("a", SmbOpen.Read with { Sharing = SmbSharing.None }, CancellationToken.None))
        {
            var locked = await Assert.ThrowsAsync<SmbException>(async () => await world.Tree.ReadAllAsync("a", 1, CancellationToken.None));
            Assert.Equal(NtStatus.SharingViolation, locked.Status);
        }
        world.Server.Rules.Shares["data"].IsReadOnly = true;
        var denied = await Assert.ThrowsAsync<SmbException>(async () => await world.Tree.ReplaceAsync("t", "a", new byte[] { 2 }, flush: false, CancellationToken.None));
        Assert.Equal(NtStatus.AccessDenied, denied.Status);
    }

    [Fact]
    public async Task Closing_is_done_even_when_nobody_waits_for_it()
    {
        await using var world = await SmbWorld.OpenAsync();
        world.Server.Files.Add("a", [1]);
        var file = await world.Tree.OpenAsync("a", SmbOpen.Read, CancellationToken.None);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await file.CloseAsync(new CancellationToken(canceled: true)));
        await world.SettleAsync();
        Assert.Equal(0, world.Server.Holdings.Opens);
    }

    [Fact]
    public async Task A_pipe_answers_in_parts()
    {
        await using var world = await SmbWorld.OpenAsync();
        var ipc = await world.Session.ConnectTreeAsync("IPC$", CancellationToken.None);
        await using var pipe = await ipc.OpenPipeAsync("echo", CancellationToken.None);
        Assert.Equal([1, 2], await pipe.TransceiveAsync(new byte[] { 1, 2, 3 }, 2, CancellationToken.None));
        Assert.Equal([3], await pipe.ReadAsync(10, CancellationToken.None));
    }

    private static async Task<(bool Exists, byte[]? Bytes, long LengthBytes)> ContentAsync(SmbTree tree, string path, long most)
    {
        var content = await tree.ReadAllAsync(path, most, CancellationToken.None);
        return (content.Exists, content.Bytes, content.LengthBytes);
    }

    private static async Task<List<string>> NamesAsync(SmbTree tree, string directory, string pattern)
    {
        List<string> names = [];
        await foreach (var entry in tree.ListAsync(directory, pattern, CancellationToken.None))
            names.Add(entry.Name);
        return names;
    }
}
