using System.Text;
using Capstan.Smb;
using Capstan.Smb.Files;
using Capstan.Smb.Pipes;

namespace Capstan.ServerTests.Smb;

/// <summary>Names, rights, locks, full disks, and what another client makes of our files.</summary>
public sealed class FileTests(SharedSamba shared) : IClassFixture<SharedSamba>
{
    [Theory]
    [InlineData("Grüße aus München.txt")]
    [InlineData("日本語のファイル")]
    [InlineData("emoji 😀 und 𝔘𝔫𝔦")]
    [InlineData("e\u0301 is not \u00e9")]
    [InlineData(" leading blank")]
    [InlineData("~$.,;=[]{}!@#%^&()'`+-_")]
    [InlineData("ΑΒΓ Кириллица עברית العربية")]
    public async Task Any_Unicode_name_is_the_same_name_at_the_server(string name)
    {
        var samba = await shared.ServerAsync();
        await using var client = await Client.OpenAsync(samba);
        var content = Encoding.UTF8.GetBytes(name);
        await client.Tree.CreateDirectoryAsync("names", default);
        await client.Tree.ReplaceAsync("names/~" + content.Length, "names/" + name, content, flush: false, default);
        Assert.Equal(content, await File.ReadAllBytesAsync(Path.Combine(samba.FolderOf("cap"), "names", name)));
        Assert.Contains(name, await Exercise.NamesAsync(client.Tree, "names"));
        Assert.Equal(name, (await client.Tree.StatAsync("names/" + name, default))!.Name);
    }

    [Fact]
    public async Task A_path_of_more_than_260_characters_and_a_name_of_255_work()
    {
        var samba = await shared.ServerAsync();
        await using var client = await Client.OpenAsync(samba);
        var path = "";
        foreach (var letter in "abcdef")
        {
            path += (path.Length > 0 ? "/" : "") + new string(letter, 200);
            await client.Tree.CreateDirectoryAsync(path, default);
        }
        path += "/" + new string('x', 255);
        Assert.True(await client.Tree.CreateAsync(path, new MemoryStream([1, 2, 3]), flush: false, default));
        Assert.Equal([1, 2, 3], (await client.Tree.ReadAllAsync(path.Replace('/', '\\'), 10, default)).Bytes);
        Assert.True(File.Exists(Path.Combine(samba.FolderOf("cap"), path)));
        var failure = await Client.FailureAsync(async () => await client.Tree.CreateAsync(new string('y', 256), new MemoryStream([1]), flush: false, default));
        Assert.Contains(failure.Status, (NtStatus[])[NtStatus.NameTooLong, NtStatus.ObjectNameInvalid]);
    }

    [Fact]
    public async Task A_file_locked_by_another_is_a_sharing_violation()
    {
        var samba = await shared.ServerAsync();
        await using var holder = await Client.OpenAsync(samba, account: "capb");
        await using var client = await Client.OpenAsync(samba);
        await holder.Tree.ReplaceAsync("~held", "held", "before"u8.ToArray(), flush: false, default);
        await using (await holder.Tree.OpenAsync("held", SmbOpen.Read with { Sharing = SmbSharing.None }, default))
        {
            foreach (var attempt in (Func<Task>[])[
                async () => await client.Tree.ReadAllAsync("held", 100, default),
                async () => await client.Tree.DeleteAsync("held", default),
                async () => await client.Tree.RenameAsync("held", "other", replace: false, default)])
            {
                var failure = await Client.FailureAsync(attempt);
                Assert.Equal((SmbFailure.Status, NtStatus.SharingViolation, SmbCompletion.Refused), (failure.Failure, failure.Status, failure.Completion));
                Assert.Contains("held", failure.Message, StringComparison.Ordinal);
            }
        }
        Assert.Equal("before"u8.ToArray(), (await client.Tree.ReadAllAsync("held", 100, default)).Bytes);
    }

    [Fact]
    public async Task A_file_that_is_open_on_the_same_connection_is_not_replaced_and_no_temporary_file_stays()
    {
        // Over a file that another of its processes holds, Samba renames nevertheless; Windows never does.
        var samba = await shared.ServerAsync();
        await using var client = await Client.OpenAsync(samba);
        var other = await (await client.Connection.LogOnAsync(Client.Credentials("capb"), 0, default)).ConnectTreeAsync("cap", default);
        await other.ReplaceAsync("~open", "open", "before"u8.ToArray(), flush: false, default);
        await using (await other.OpenAsync("open", SmbOpen.Read with { Sharing = SmbSharing.Read }, default))
        {
            var failure = await Client.FailureAsync(async () => await client.Tree.ReplaceAsync("~mine", "open", "after"u8.ToArray(), flush: false, default));
            Assert.Equal((SmbFailure.Status, NtStatus.AccessDenied, SmbCompletion.Refused), (failure.Failure, failure.Status, failure.Completion));
            Assert.Contains("open", failure.Message, StringComparison.Ordinal);
        }
        Assert.Equal("before"u8.ToArray(), (await client.Tree.ReadAllAsync("open", 100, default)).Bytes);
        await client.Connection.DisposeAsync(); // waits for what is cleaned up behind a failure
        Assert.False(File.Exists(Path.Combine(samba.FolderOf("cap"), "~mine")));
    }

    [Fact]
    public async Task A_share_without_the_right_to_write_says_so_and_reads()
    {
        await using var samba = await SambaServer.StartAsync(new SambaSetup { Shares = [new("cap", ("read only", "yes"), ("write list", "capb"))] });
        await using (var writer = await Client.OpenAsync(samba, account: "capb"))
            Assert.True(await writer.Tree.CreateAsync("f", new MemoryStream([1]), flush: false, default));
        await using var client = await Client.OpenAsync(samba);
        Assert.Equal([1], (await client.Tree.ReadAllAsync("f", 10, default)).Bytes);
        foreach (var attempt in (Func<Task>[])[
            async () => await client.Tree.CreateAsync("g", new MemoryStream([1]), flush: false, default),
            async () => await client.Tree.ReplaceAsync("~f", "f", new byte[1], flush: false, default),
            async () => await client.Tree.DeleteAsync("f", default),
            async () => await client.Tree.RenameAsync("f", "g", replace: true, default),
            async () => await client.Tree.CreateDirectoryAsync("d", default)])
        {
            var failure = await Client.FailureAsync(attempt);
            Assert.Equal((SmbFailure.Status, NtStatus.AccessDenied, SmbCompletion.Refused), (failure.Failure, failure.Status, failure.Completion));
        }
        Assert.Equal(["f"], Directory.GetFileSystemEntries(samba.FolderOf("cap")).Select(Path.GetFileName));
    }

    [Theory]
    [InlineData(3_000_000)]
    [InlineData(500_000)]
    public async Task A_disk_that_fills_leaves_nothing_half_written_under_a_final_name(int bytes)
    {
        await using var samba = await SambaServer.StartAsync(new SambaSetup { DiskBytes = 1 << 20 });
        await using var client = await Client.OpenAsync(samba);
        var space = await client.Tree.GetSpaceAsync(default);
        Assert.Equal(1 << 20, space.TotalBytes);
        await client.Tree.ReplaceAsync("~keep", "keep", new byte[600_000], flush: false, default);
        Assert.Equal((600_000 + 4095) / 4096 * 4096, space.FreeBytes - (await client.Tree.GetSpaceAsync(default)).FreeBytes);
        var replace = await Client.FailureAsync(async () => await client.Tree.ReplaceAsync("~keep", "keep", new byte[bytes], flush: true, default));
        Assert.Equal((SmbFailure.Status, NtStatus.DiskFull, SmbCompletion.Refused), (replace.Failure, replace.Status, replace.Completion));
        var create = await Client.FailureAsync(async () => await client.Tree.CreateAsync("new", new MemoryStream(new byte[bytes]), flush: true, default));
        Assert.Equal(NtStatus.DiskFull, create.Status);
        Assert.Equal(600_000, (await client.Tree.StatAsync("keep", default))!.LengthBytes);
        Assert.Null(await client.Tree.StatAsync("new", default));
        // Where there is room again, the same works.
        Assert.True(await client.Tree.DeleteAsync("keep", default));
        await client.Tree.ReplaceAsync("~keep", "keep", new byte[500_000], flush: true, default);
        Assert.Equal(["keep"], await Exercise.NamesAsync(client.Tree, ""));
    }

    [Fact]
    public async Task Another_client_reads_what_we_wrote_and_we_what_it_wrote()
    {
        var samba = await shared.ServerAsync();
        await using var client = await Client.OpenAsync(samba);
        var ours = new byte[2_500_000];
        new Random(11).NextBytes(ours);
        Assert.True(await client.Tree.CreateAsync("ours", new MemoryStream(ours), flush: true, default));
        using var folder = new TemporaryDirectory();
        await PeerAsync($"get ours {folder.Combine("copy")}");
        Assert.Equal(ours, await File.ReadAllBytesAsync(folder.Combine("copy")));
        Array.Reverse(ours);
        await File.WriteAllBytesAsync(folder.Combine("theirs"), ours);
        await PeerAsync($"put {folder.Combine("theirs")} theirs");
        Assert.Equal(ours, (await client.Tree.ReadAllAsync("theirs", long.MaxValue, default)).Bytes);

        Task PeerAsync(string command) => Tools.RunAsync("smbclient",
            ["-p", $"{samba.Port}", "//127.0.0.1/cap", "-U", $"capa%{SambaServer.PasswordOf("capa")}", "-c", command]);
    }

    [Theory]
    [InlineData(SmbDialect.Smb202)]
    [InlineData(SmbDialect.Smb311)]
    public async Task A_directory_of_many_pages_is_listed_whole(SmbDialect most)
    {
        var samba = await shared.ServerAsync();
        await using var client = await Client.OpenAsync(samba, options: SmbOptions.Default with { Most = most });
        await client.Tree.CreateDirectoryAsync($"many{most}", default);
        var folder = Path.Combine(samba.FolderOf("cap"), $"many{most}");
        var names = Enumerable.Range(0, 3000).Select(i => $"file {i:D5} with a name that is long enough to fill some pages").ToArray();
        foreach (var name in names)
            await File.WriteAllBytesAsync(Path.Combine(folder, name), []);
        Assert.Equal(names, (await Exercise.NamesAsync(client.Tree, $"many{most}")).Order(StringComparer.Ordinal));
        var some = 0;
        await foreach (var entry in client.Tree.ListAsync($"many{most}", "file 0000*", default))
            some++;
        Assert.Equal(10, some);
        await foreach (var entry in client.Tree.ListAsync($"many{most}", "*", default))
            break; // a listing that is given up closes its directory
        await foreach (var entry in client.Tree.ListAsync($"many{most}", "none*", default))
            Assert.Fail(entry.Name);
        Assert.Empty(await Exercise.NamesAsync(client.Tree, "no such directory"));
        Assert.True(await client.Tree.CreateAsync($"many{most}/x", new MemoryStream([]), flush: false, default));
        Assert.DoesNotContain($"many{most}", (await samba.StatusAsync()).OpenFiles);
    }

    [Fact]
    public async Task A_DFS_link_is_refused_with_its_target()
    {
        await using var samba = await SambaServer.StartAsync(new SambaSetup { Shares = [new("cap", ("msdfs root", "yes"))] });
        File.CreateSymbolicLink(Path.Combine(samba.FolderOf("cap"), "elsewhere"), @"msdfs:fs2.example.org\data");
        await using var client = await Client.OpenAsync(samba);
        await Exercise.AllAsync(client.Tree);
        foreach (var path in (string[])["elsewhere", "elsewhere/deep/file"])
        {
            var failure = await Client.FailureAsync(async () => await client.Tree.ReadAllAsync(path, 10, default));
            Assert.Equal((SmbFailure.Unsupported, NtStatus.PathNotCovered), (failure.Failure, failure.Status));
            Assert.Equal(@"\\fs2.example.org\data", failure.DfsTarget);
            Assert.Contains(@"\\fs2.example.org\data", failure.Message, StringComparison.Ordinal);
        }
        Assert.Equal("cap", Assert.Single((await samba.StatusAsync()).Trees).Share);
    }

    [Fact]
    public async Task A_name_that_no_server_takes_is_a_status()
    {
        var samba = await shared.ServerAsync();
        await using var client = await Client.OpenAsync(samba);
        foreach (var name in (string[])["a:b:c", "a*b", "a?b", "a\"b", "a<b", "a|b"])
        {
            var failure = await Client.FailureAsync(async () => await client.Tree.CreateAsync(name, new MemoryStream([1]), flush: false, default));
            Assert.Equal((SmbFailure.Status, NtStatus.ObjectNameInvalid), (failure.Failure, failure.Status));
        }
        Assert.Equal(NtStatus.ObjectPathNotFound, (await Client.FailureAsync(async () => await client.Tree.CreateAsync("none/f", new MemoryStream([1]), flush: false, default))).Status);
        Assert.Equal(NtStatus.FileIsADirectory, (await Client.FailureAsync(async () => await client.Tree.OpenAsync("", SmbOpen.Read, default))).Status);
    }
}
