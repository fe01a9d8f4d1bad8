using Capstan.Smb;
using Capstan.Smb.Connection;
using Capstan.Smb.Files;
using Capstan.Testing;
using Capstan.Testing.Smb;
using Capstan.Tests.Smb.Connection;
using FsCheck;
using FsCheck.Fluent;

namespace Capstan.Tests.Smb.Files;

/// <summary>Any interleaving of callers over one connection gives the same files as the same callers over a connection each.</summary>
public sealed class ConcurrencyProperties
{
    private const int Callers = 6;

    [Fact]
    public void One_connection_does_what_many_do()
    {
        var act = Gen.Choose(0, int.MaxValue).Two();
        var scripts = act.ArrayOf(8).ArrayOf(Callers);
        Prop.ForAll(scripts.ToArbitrary(), Gen.Choose(1, 40).ToArbitrary(), (all, credits) =>
        {
            var together = RunAsync(all, credits, connections: 1).GetAwaiter().GetResult();
            var apart = RunAsync(all, credits, connections: Callers).GetAwaiter().GetResult();
            Assert.Equal(apart.Keys, together.Keys);
            Assert.All(apart, file => Assert.Equal(file.Value, together[file.Key]));
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(25));
    }

    private static async Task<SortedDictionary<string, byte[]>> RunAsync((int What, int How)[][] scripts, int credits, int connections)
    {
        var time = new ManualTime();
        await using var server = new SmbTestServer(new SmbServerRules { Time = time, Credits = SmbServerRules.AtMost(credits) });
        var trees = new SmbTree[connections];
        var links = new SmbConnection[connections];
        for (var i = 0; i < connections; i++)
        {
            links[i] = await SmbConnection.AttachAsync(server.Connect().Client, SmbWorld.Endpoint, SmbWorld.Signed(time), CancellationToken.None);
            trees[i] = await (await links[i].LogOnAsync(SmbWorld.Capa, 0, CancellationToken.None)).ConnectTreeAsync("data", CancellationToken.None);
        }
        await Task.WhenAll(scripts.Select((script, caller) => Task.Run(() => PlayAsync(trees[caller % connections], caller, script))));
        foreach (var link in links)
            await link.DisposeAsync();
        await server.QuietAsync();
        Assert.Equal(SmbHoldings.Nothing, server.Holdings);
        Assert.Empty(server.Complaints);
        return server.Files.Snapshot();
    }

    /// <summary>Each caller has names of its own, so that the order between callers does not matter.</summary>
    private static async Task PlayAsync(SmbTree tree, int caller, (int What, int How)[] script)
    {
        foreach (var (what, how) in script)
        {
            var name = $"c{caller}-{how % 3}";
            var content = new byte[how % 5 == 0 ? 150_000 : how % 5000];
            content.AsSpan().Fill((byte)how);
            switch (what % 5)
            {
                case 0:
                    await tree.ReplaceAsync($"{name}.t", name, content, flush: how % 2 == 0, CancellationToken.None);
                    break;
                case 1:
                    await tree.CreateAsync(name, new MemoryStream(content), flush: false, CancellationToken.None);
                    break;
                case 2:
                    await tree.DeleteAsync(name, CancellationToken.None);
                    break;
                case 3:
                    // What is read is what this caller wrote last, whole.
                    var read = await tree.ReadAllAsync(name, long.MaxValue, CancellationToken.None);
                    Assert.True(read.Bytes is null || read.Bytes.All(one => one == read.Bytes[0]));
                    break;
                default:
                    if (await tree.StatAsync(name, CancellationToken.None) is not null)
                        await tree.RenameAsync(name, $"c{caller}-{(how + 1) % 3}", replace: true, CancellationToken.None);
                    break;
            }
        }
    }
}
