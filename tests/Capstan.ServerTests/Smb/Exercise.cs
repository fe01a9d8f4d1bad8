using Capstan.Smb;
using Capstan.Smb.Files;

namespace Capstan.ServerTests.Smb;

/// <summary>A little of everything that a share is used for, checked as it goes. Leaves the share as it was.</summary>
internal static class Exercise
{
    private static readonly byte[] Small = [.. Enumerable.Range(0, 3000).Select(i => (byte)i)];
    private static readonly byte[] Large = [.. Enumerable.Range(0, 3_000_000).Select(i => (byte)(i * 7 / 3))];

    public static async Task AllAsync(SmbTree tree)
    {
        await tree.CreateDirectoryAsync("d", default);
        await tree.ReplaceAsync("d/~small", "d/small", Small, flush: true, default);
        await tree.ReplaceAsync("d/~small", "d/small", Small, flush: false, default);
        Assert.Equal(Small, (await tree.ReadAllAsync("d/small", Small.Length, default)).Bytes);
        Assert.True(await tree.CreateAsync("d/large", new MemoryStream(Large), flush: false, default));
        Assert.False(await tree.CreateAsync("d/large", new MemoryStream(Small), flush: false, default));
        Assert.Equal(Large, (await tree.ReadAllAsync("d/large", Large.Length, default)).Bytes);
        Assert.Equal((true, null, Large.Length), Facts(await tree.ReadAllAsync("d/large", 100, default)));
        Assert.False((await tree.ReadAllAsync("d/none", 100, default)).Exists);
        await using (var file = await tree.OpenAsync("d/large", SmbOpen.Read, default))
        {
            var part = new byte[1000];
            Assert.Equal(1000, await file.ReadAsync(2_000_000, part, default));
            Assert.Equal(Large[2_000_000..2_001_000], part);
            Assert.Equal(0, await file.ReadAsync(Large.Length, part, default));
        }
        await tree.RenameAsync("d/large", "d/moved", replace: false, default);
        Assert.Equal(NtStatus.ObjectNameCollision, (await Client.FailureAsync(async () => await tree.RenameAsync("d/moved", "d/small", replace: false, default))).Status);
        Assert.Equal(["moved", "small"], (await NamesAsync(tree, "d")).Order(StringComparer.Ordinal));
        Assert.Equal(Large.Length, (await tree.StatAsync("d/moved", default))!.LengthBytes);
        Assert.Null(await tree.StatAsync("d/large", default));
        Assert.True((await tree.GetSpaceAsync(default)).FreeBytes > 0);
        Assert.Equal(NtStatus.DirectoryNotEmpty, (await Client.FailureAsync(async () => await tree.DeleteAsync("d", default))).Status);
        Assert.True(await tree.DeleteAsync("d/moved", default));
        Assert.True(await tree.DeleteAsync("d/small", default));
        Assert.False(await tree.DeleteAsync("d/small", default));
        Assert.True(await tree.DeleteAsync("d", default));
    }

    /// <summary>The names in a directory, without itself and its parent.</summary>
    public static async Task<List<string>> NamesAsync(SmbTree tree, string directory)
    {
        var names = new List<string>();
        await foreach (var entry in tree.ListAsync(directory, "*", default))
            names.Add(entry.Name);
        names.RemoveAll(name => name is "." or "..");
        return names;
    }

    private static (bool, byte[]?, long) Facts(SmbContent content) => (content.Exists, content.Bytes, content.LengthBytes);
}
