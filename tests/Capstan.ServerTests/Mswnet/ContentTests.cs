using Capstan.Client.Configuration;
using Capstan.Client.Content;
using Capstan.Nal.Arbiter;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers;
using Capstan.Protocol;
using Capstan.Testing.Content;
using Microsoft.Extensions.Logging.Abstractions;

namespace Capstan.ServerTests.Mswnet;

/// <summary>Content of packages from a real share, with a pack that its server has wrong.</summary>
public sealed class ContentTests(SharedSamba samba) : IClassFixture<SharedSamba>
{
    private static readonly PackageKey s_first = new("abcdefgh", 1), s_second = new("abcdefgh", 2);

    [Fact]
    public async Task A_version_comes_from_a_share_and_what_a_share_has_wrong_from_another()
    {
        var stop = TestContext.Current.CancellationToken;
        var (good, bad) = (Folder(), Folder());
        var client = Directory.CreateTempSubdirectory("capstan-content-");
        try
        {
            var maker = new ContentMaker("abcdefgh", packBytes: 1 << 20);
            List<MadeEntry> entries = [MadeEntry.File("bin/tool", MadeEntry.Noise(1, 9_000_000), 0b111_101_101), MadeEntry.File("text", "text"u8.ToArray()), MadeEntry.Link("link", "bin/tool")];
            var first = maker.Make(1, entries);
            foreach (var folder in (string[])[good.Directory, bad.Directory])
            {
                foreach (var (pack, packed) in maker.Packs)
                {
                    var path = Path.Combine(folder, Layout.Pack(pack));
                    Directory.CreateDirectory(Path.GetDirectoryName(path)!);
                    await File.WriteAllBytesAsync(path, packed, stop);
                }
            }
            var spoiled = Path.Combine(bad.Directory, Layout.Pack(maker.Packs.First().Key));
            var bytes = await File.ReadAllBytesAsync(spoiled, stop);
            bytes[100_000] ^= 1;
            await File.WriteAllBytesAsync(spoiled, bytes, stop);

            string? told = null;
            await using var arbiter = new ConnectionArbiter(StorageProviders.All(TimeProvider.System), new ArbiterOptions(), TimeProvider.System, new Random(1), NullLoggerFactory.Instance);
            arbiter.SetAccounts(good.Path.Server!, [SharedSamba.Account("capa")]);
            using var content = new PackageContent(new ContentCache(client.FullName), new ContentSources(arbiter, () => [bad.Path, good.Path], () => [bad.Path], "device", new AvoidedCaps(new Clock(TimeProvider.System), [], static _ => { })), () => new ContentSettings(),
                (_, _, text) => told = text, NullLogger.Instance, TimeProvider.System, new Random(1));
            var ready = Assert.IsType<ContentOutcome.Ready>(await content.EnsureAsync(s_first, first, new ContentNeed(IsDue: true), new Progress<ContentProgress>(), stop));
            Assert.Equal(entries[0].Content, await File.ReadAllBytesAsync(Path.Combine(ready.Directory, "bin/tool"), stop));
            Assert.Null(await content.VerifyAsync(s_first, first, stop));
            Assert.Contains(bad.Path.ToString(), told, StringComparison.Ordinal);
            Assert.DoesNotContain(good.Path.ToString(), told, StringComparison.Ordinal);
            Assert.Empty(arbiter.Connections());

            entries[1] = MadeEntry.File("text", "other text"u8.ToArray());
            var second = maker.Make(2, entries);
            var waits = Assert.IsType<ContentOutcome.Waits>(await content.EnsureAsync(s_second, second, new ContentNeed(IsDue: true), new Progress<ContentProgress>(), stop));
            Assert.Contains("it is not there", waits.Cause, StringComparison.Ordinal);
        }
        finally
        {
            client.Delete(recursive: true);
        }
    }

    private (NalPath Path, string Directory) Folder()
    {
        var name = Guid.NewGuid().ToString("n");
        var directory = Directory.CreateDirectory(Path.Combine(samba.Server.FolderOf("cap"), name)).FullName;
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(directory, (UnixFileMode)0b111_111_111);
        return (NalPath.Parse(FormattableString.Invariant($"smb://127.0.0.1:{samba.Server.Port}/cap/{name}/")), directory);
    }
}
