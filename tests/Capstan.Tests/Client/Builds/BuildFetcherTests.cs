using System.Security.Cryptography;
using Capstan.Client.Builds;
using Capstan.Nal;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers;
using Capstan.Protocol;
using Capstan.Protocol.Tuf;
using Capstan.Protocol.V1;
using Capstan.Testing;
using Capstan.Testing.Stores;
using FsCheck;
using FsCheck.Fluent;

namespace Capstan.Tests.Client.Builds;

/// <summary>One packed file, one part on the disk, and CAPs of which one lies: an honest one is never blamed, and whatever was before, one contact with it ends the file.</summary>
public sealed class BuildFetcherTests
{
    private const string Honest = "/honest", Liar = "/liar";

    private static readonly byte[] Content = Noise(3, 2_000_000);
    private static readonly byte[] Packed = SampleBuild.Pack(Content);
    private static readonly BuildFile File = SampleBuild.File(BuildFile.Program, Content);
    private static readonly TufLocation Location = new("targets/client/x.br", Packed.Length, Convert.ToHexStringLower(SHA256.HashData(Packed)), 1);

    /// <summary>What happens in one contact.</summary>
    public enum Contact
    {
        /// <summary>The liar gives a range of rubbish, and then says that the file ends.</summary>
        LiesShort,
        /// <summary>The liar gives a range of rubbish, and then an error.</summary>
        LiesAndFails,
        /// <summary>The liar gives rubbish to the end.</summary>
        LiesOn,
        /// <summary>The honest one breaks off after a range.</summary>
        Fails,
        /// <summary>The client is started anew: what it knew of the part is gone.</summary>
        Restart,
    }

    [Theory]
    [InlineData(Contact.LiesShort)]
    [InlineData(Contact.LiesAndFails)]
    [InlineData(Contact.LiesOn)]
    [InlineData(Contact.Fails, Contact.LiesAndFails)]
    [InlineData(Contact.Fails, Contact.LiesAndFails, Contact.Fails)]
    [InlineData(Contact.LiesAndFails, Contact.Restart)]
    [InlineData(Contact.LiesShort, Contact.LiesShort, Contact.LiesShort)]
    public Task The_next_contact_with_an_honest_CAP_ends_the_file(params Contact[] before) => LiveAsync(before);

    [Fact]
    public void Whatever_was_before_the_next_contact_with_an_honest_CAP_ends_the_file() =>
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(40), Prop.ForAll(Gen.ArrayOf(Gen.Choose(0, 4)).Resize(8).ToArbitrary(), contacts =>
            LiveAsync([.. contacts.Select(contact => (Contact)contact)]).GetAwaiter().GetResult()));

    [Fact]
    public async Task What_an_honest_CAP_gave_is_read_once_where_nobody_lied()
    {
        using var client = new Client();
        await client.MeetAsync(Contact.Fails);
        await client.MeetAsync(Contact.Restart);
        Assert.Equal((true, false), await client.EndAsync());
        Assert.Equal(Packed.Length, client.BytesRead);
    }

    private static async Task LiveAsync(Contact[] before)
    {
        using var client = new Client();
        foreach (var contact in before)
            await client.MeetAsync(contact);
        Assert.True((await client.EndAsync()).IsWhole);
        Assert.Equal(Content, await System.IO.File.ReadAllBytesAsync(client.Program, TestContext.Current.CancellationToken));
    }

    private static byte[] Noise(int seed, int length)
    {
        var bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    private sealed class Client : IDisposable
    {
        private readonly string _root = Directory.CreateTempSubdirectory("capstan-fetch-").FullName;
        private readonly ManualTime _time = new();
        private readonly BuildFolder _folder;
        private PartOrigin _origin = new();

        public Client() => _folder = new BuildFolder(_root, Path.Combine(_root, "package"));

        public string Program => Path.Combine(_folder.FolderOf("1.0.0-a"), BuildFile.Program);
        public long BytesRead { get; private set; }

        public async Task MeetAsync(Contact contact)
        {
            switch (contact)
            {
                case Contact.Restart:
                    _origin = new PartOrigin();
                    break;
                case Contact.Fails:
                    // It may have given the last range that was missing.
                    Assert.False(await Record.ExceptionAsync(() => FetchAsync(Honest, Packed, failsAfter: 1)) is ProtocolException, "an honest CAP is blamed");
                    break;
                case Contact.LiesAndFails:
                    Assert.NotNull(await Record.ExceptionAsync(() => FetchAsync(Liar, Noise(7, Packed.Length), failsAfter: 1)));
                    break;
                default:
                    await Assert.ThrowsAsync<ProtocolException>(() => FetchAsync(Liar, Noise(7, contact == Contact.LiesShort ? 512 << 10 : Packed.Length), failsAfter: null));
                    break;
            }
        }

        public Task<(bool IsWhole, bool WasMended)> EndAsync() => FetchAsync(Honest, Packed, failsAfter: null);

        public void Dispose() => Directory.Delete(_root, recursive: true);

        private async Task<(bool IsWhole, bool WasMended)> FetchAsync(string cap, byte[] content, int? failsAfter)
        {
            var cancellation = TestContext.Current.CancellationToken;
            var memory = new MemoryStore(_time);
            await memory.CreateDirectoryAsync(StorePath.Parse("targets"), cancellation);
            await memory.CreateDirectoryAsync(StorePath.Parse("targets/client"), cancellation);
            using var stream = new MemoryStream(content);
            await memory.CreateAsync(StorePath.Parse(Location.File), stream, cancellation);
            var store = new FaultStore(memory, _time);
            if (failsAfter is { } ranges)
                store.Add(new StoreFault(StoreOperations.Read, NalError.ReadRemote) { Nth = ranges + 1 });
            var fetcher = new BuildFetcher(_folder, store, NalPath.FromDirectory(cap), _origin, _time);
            try
            {
                return (await fetcher.FetchAsync("1.0.0-a", File, Location, cancellation), fetcher.Mended is not null);
            }
            finally
            {
                BytesRead += fetcher.BytesRead;
            }
        }
    }
}
