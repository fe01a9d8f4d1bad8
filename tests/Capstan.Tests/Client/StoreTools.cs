using Capstan.Nal.Providers;

namespace Capstan.Tests.Client;

/// <summary>What tests do with a store behind the client's back.</summary>
internal static class StoreTools
{
    /// <summary>Every file below a directory.</summary>
    public static async Task<IReadOnlyList<StorePath>> FilesAsync(this IStore store, string directory)
    {
        var files = new List<StorePath>();
        await foreach (var entry in store.ListAsync(StorePath.Parse(directory), ClientFixture.Stop))
        {
            if (entry.IsDirectory)
                files.AddRange(await store.FilesAsync(entry.Path.Value));
            else
                files.Add(entry.Path);
        }
        return files;
    }

    /// <summary>Takes files out, so that they can be put back.</summary>
    public static async Task<IReadOnlyList<(StorePath Path, byte[] Content)>> TakeOutAsync(this IStore store, IEnumerable<StorePath> files)
    {
        var taken = new List<(StorePath, byte[])>();
        foreach (var file in files)
        {
            taken.Add((file, (await store.ReadAllAsync(file, long.MaxValue, ClientFixture.Stop))!));
            await store.DeleteAsync(file, ClientFixture.Stop);
        }
        return taken;
    }

    public static async Task PutAsync(this IStore store, IEnumerable<(StorePath Path, byte[] Content)> files)
    {
        foreach (var (path, content) in files)
            await store.ReplaceAsync(path, content, ClientFixture.Stop);
    }

    public static async Task CopyAsync(this IStore from, IStore to, params IReadOnlyList<string> directories)
    {
        foreach (var directory in directories)
            foreach (var file in await from.FilesAsync(directory))
                await to.PutAsync([(file, (await from.ReadAllAsync(file, long.MaxValue, ClientFixture.Stop))!)]);
    }
}
