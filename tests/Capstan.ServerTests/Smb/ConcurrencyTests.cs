using System.Security.Cryptography;
using Capstan.Smb;
using Capstan.Smb.Files;
using FsCheck;
using FsCheck.Fluent;

namespace Capstan.ServerTests.Smb;

/// <summary>Many callers on one connection are as good as each on its own.</summary>
public sealed class ConcurrencyTests
{
    private const int Callers = 8;

    /// <summary>What a caller does with one of its files. Files of different callers never collide, so the outcome is one, whatever the order.</summary>
    private enum Kind { Replace, Create, Delete, Rename, Append }

    private sealed record Step(int Caller, Kind Kind, int File, int Size);

    [Fact]
    public async Task Any_interleaving_over_one_connection_gives_the_same_files_as_over_many()
    {
        await using var samba = await SambaServer.StartAsync();
        var steps = Gen.Choose(0, Callers - 1).SelectMany(caller => Gen.Choose(0, 4).SelectMany(kind => Gen.Choose(0, 2).SelectMany(file =>
            Gen.OneOf(Gen.Choose(0, 3000), Gen.Choose(60_000, 70_000), Gen.Choose(1_000_000, 1_300_000)).Select(size => new Step(caller, (Kind)kind, file, size)))));
        var run = 0;
        Prop.ForAll(Gen.ListOf(steps, 60).ToArbitrary(), list => SameAsync(samba, [.. list], ++run).GetAwaiter().GetResult())
            .Check(Config.QuickThrowOnFailure.WithMaxTest(6));
        await samba.StatusAsync(status => status.IsEmpty);
    }

    private static async Task<bool> SameAsync(SambaServer samba, Step[] steps, int run)
    {
        var expected = Model(steps);
        await using (var one = await Client.OpenAsync(samba))
        {
            await one.Tree.CreateDirectoryAsync($"one{run}", default);
            await Task.WhenAll(Enumerable.Range(0, Callers).Select(caller => Task.Run(() => RunAsync(one.Tree, $"one{run}", caller, steps))));
        }
        var clients = await Task.WhenAll(Enumerable.Range(0, Callers).Select(_ => Client.OpenAsync(samba)));
        await clients[0].Tree.CreateDirectoryAsync($"many{run}", default);
        await Task.WhenAll(clients.Select((client, caller) => Task.Run(() => RunAsync(client.Tree, $"many{run}", caller, steps))));
        foreach (var client in clients)
            await client.DisposeAsync();
        Assert.Equal(expected, Files($"{samba.FolderOf("cap")}/one{run}"));
        Assert.Equal(expected, Files($"{samba.FolderOf("cap")}/many{run}"));
        return true;
    }

    private static async Task RunAsync(SmbTree tree, string folder, int caller, Step[] steps)
    {
        foreach (var step in steps.Where(step => step.Caller == caller))
        {
            var path = $"{folder}/{Name(step)}";
            var content = Content(step);
            switch (step.Kind)
            {
                case Kind.Replace:
                    await tree.ReplaceAsync($"{folder}/~{caller}", path, content, flush: false, default);
                    break;
                case Kind.Create:
                    await tree.CreateAsync(path, new MemoryStream(content), flush: false, default);
                    break;
                case Kind.Delete:
                    await tree.DeleteAsync(path, default);
                    break;
                case Kind.Rename when await tree.StatAsync(path, default) is not null:
                    await tree.RenameAsync(path, $"{folder}/{Name(step with { File = 0 })}", replace: true, default);
                    break;
                case Kind.Append when await tree.StatAsync(path, default) is { } entry:
                    await using (var file = await tree.OpenAsync(path, new SmbOpen(SmbAccess.WriteData | SmbAccess.ReadAttributes, SmbDisposition.Open), default))
                        await file.WriteAsync(entry.LengthBytes, content, default);
                    break;
            }
        }
    }

    private static SortedDictionary<string, string> Model(Step[] steps)
    {
        var files = new Dictionary<string, byte[]>(StringComparer.Ordinal);
        foreach (var step in steps)
        {
            var name = Name(step);
            switch (step.Kind)
            {
                case Kind.Replace: files[name] = Content(step); break;
                case Kind.Create: files.TryAdd(name, Content(step)); break;
                case Kind.Delete: files.Remove(name); break;
                case Kind.Rename when step.File != 0 && files.Remove(name, out var moved): files[Name(step with { File = 0 })] = moved; break;
                case Kind.Append when files.TryGetValue(name, out var old): files[name] = [.. old, .. Content(step)]; break;
            }
        }
        return new(files.ToDictionary(file => file.Key, file => Digest(file.Value)), StringComparer.Ordinal);
    }

    private static SortedDictionary<string, string> Files(string folder) =>
        new(Directory.GetFiles(folder).ToDictionary(path => Path.GetFileName(path)!, path => Digest(File.ReadAllBytes(path))), StringComparer.Ordinal);

    private static string Name(Step step) => $"c{step.Caller}f{step.File}";

    private static byte[] Content(Step step)
    {
        var content = new byte[step.Size];
        new Random(step.Size).NextBytes(content);
        return content;
    }

    private static string Digest(byte[] content) => $"{content.Length} {Convert.ToHexString(SHA256.HashData(content))}";
}
