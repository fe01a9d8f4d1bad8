using Capstan.Client.Content;
using Capstan.Nal.Arbiter;
using Capstan.Protocol.V1;
using Capstan.Testing;
using Capstan.Testing.Content;
using Capstan.Testing.Stores;
using Microsoft.Extensions.Logging.Abstractions;

namespace Capstan.Tests.Client.Content;

/// <summary>Where places decide which CAP is near, and this machine does not know its own.</summary>
public sealed class NearContentTests
{
    [Fact]
    public async Task Content_comes_to_a_machine_whose_addresses_cannot_be_read()
    {
        var cap = new MemoryStore(new ManualTime());
        await using var client = new ClientFixture(cap);
        client.Site.Describe(new CapEntry { Path = client.CapPath, Boundaries = ["10.1.0.0/16"] });
        await client.EnrolAsync();
        var maker = new ContentMaker("abcdefgh");
        List<MadeEntry> entries = [MadeEntry.File("a", MadeEntry.Noise(1, 100_000))];
        var manifest = maker.Make(1, entries);
        await maker.StoreAsync(cap, ClientFixture.Stop);
        await using var arbiter = new ConnectionArbiter([client.Provider], new ArbiterOptions(), client.Time, new Random(1), NullLoggerFactory.Instance);
        using var content = PackageContent.Of(client.Client!.Core, arbiter, () => throw new System.Net.NetworkInformation.NetworkInformationException(13), client.Time, new Random(1));
        var outcome = await content.EnsureAsync(new PackageKey("abcdefgh", 1), manifest, new ContentNeed(IsDue: true), new Progress<ContentProgress>(), ClientFixture.Stop);
        ContentFixture.AssertIs(entries, Assert.IsType<ContentOutcome.Ready>(outcome).Directory);
    }
}
