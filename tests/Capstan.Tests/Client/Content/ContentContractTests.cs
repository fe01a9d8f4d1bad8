using Capstan.Client.Content;
using Capstan.Protocol.Content;
using Capstan.Protocol.V1;
using Capstan.Testing;
using Capstan.Testing.Content;

namespace Capstan.Tests.Client.Content;

/// <summary>What whoever asks for content may rely on, whatever else goes on.</summary>
public sealed class ContentContractTests
{
    private static readonly PackageKey s_package = new("abcdefgh", 1);

    private static List<MadeEntry> Sample() => [MadeEntry.File("a/noise", MadeEntry.Noise(1, 150_000)), MadeEntry.File("b", MadeEntry.Noise(2, 20_000))];

    [Fact]
    public async Task Tree_that_is_not_what_its_manifest_names_is_read_once_more_before_it_is_impossible()
    {
        await using var fixture = new ContentFixture();
        var maker = new ContentMaker("abcdefgh");
        var manifest = await PublishAsync(fixture, maker);
        var document = Documents.PackageManifest.Decode(manifest, "x");
        var other = Documents.PackageManifest.Encode(document with { Tree = document.Tree with { Sha256 = ContentHash.Of("x"u8).ToString() } });

        var waits = await fixture.WaitsAsync(s_package, other);
        Assert.Contains("it is read again", waits.Cause, StringComparison.Ordinal);
        var before = fixture.Cap().Counts.TotalBytesRead;
        Assert.Contains("let the site publish another version", Assert.IsType<ContentOutcome.Impossible>(await fixture.EnsureAsync(s_package, other)).Cause, StringComparison.Ordinal);
        // From fresh bytes.
        Assert.True(fixture.Cap().Counts.TotalBytesRead > before);
        ContentFixture.AssertIs(Sample(), await fixture.ReadyAsync(s_package, manifest));
    }

    [Fact]
    public async Task Version_that_is_under_way_is_verified_when_it_is_here()
    {
        await using var fixture = new ContentFixture();
        var manifest = await PublishAsync(fixture, new ContentMaker("abcdefgh"));
        var (reads, goes) = (new TaskCompletionSource(), new TaskCompletionSource());
        Hold(fixture, reads, goes.Task);
        var fetching = fixture.EnsureAsync(s_package, manifest);
        await reads.Task.WaitAsync(Patience.Limit, ContentFixture.Stop);
        var verifying = fixture.Content.VerifyAsync(s_package, manifest, ContentFixture.Stop);
        Assert.False(verifying.IsCompleted);
        goes.SetResult();

        Assert.IsType<ContentOutcome.Ready>(await fetching.WaitAsync(Patience.Limit, ContentFixture.Stop));
        Assert.Null(await verifying.WaitAsync(Patience.Limit, ContentFixture.Stop));
    }

    [Fact]
    public async Task Client_that_ends_while_content_comes_ends_the_transfer_by_its_token_alone()
    {
        await using var fixture = new ContentFixture();
        var manifest = await PublishAsync(fixture, new ContentMaker("abcdefgh"));
        var (reads, goes) = (new TaskCompletionSource(), new TaskCompletionSource());
        Hold(fixture, reads, goes.Task);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(ContentFixture.Stop);
        var fetching = fixture.EnsureAsync(s_package, manifest, stop: stop.Token);
        await reads.Task.WaitAsync(Patience.Limit, ContentFixture.Stop);
        fixture.Content.Dispose();
        await stop.CancelAsync();
        goes.SetResult();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => fetching.WaitAsync(Patience.Limit, ContentFixture.Stop));
        fixture.OnRead = null;
        fixture.Restart();
        ContentFixture.AssertIs(Sample(), await fixture.ReadyAsync(s_package, manifest));
    }

    [Fact]
    public async Task Way_that_nobody_has_measured_is_left_to_those_who_may_use_it()
    {
        await using var fixture = new ContentFixture();
        var maker = new ContentMaker("abcdefgh");
        var careful = new ContentNeed(IsDue: true, AvoidsUnknown: true);
        var manifest = maker.Make(1, [MadeEntry.File("a", MadeEntry.Noise(1, 600_000))]);
        var next = maker.Make(2, [MadeEntry.File("a", MadeEntry.Noise(2, 600_000))]);
        await maker.StoreAsync(fixture.Cap(), ContentFixture.Stop);

        Assert.Contains("was not measured", (await fixture.WaitsAsync(s_package, manifest, careful)).Cause, StringComparison.Ordinal);
        Assert.Equal(0, fixture.Attempts);
        await fixture.ReadyAsync(s_package, manifest);
        Assert.IsType<ContentOutcome.Ready>(await fixture.EnsureAsync(s_package with { Version = 2 }, next, careful));
    }

    /// <summary>Tells of the first read, which goes on when the test lets it.</summary>
    private static void Hold(ContentFixture fixture, TaskCompletionSource reads, Task goes) => fixture.OnRead = _ =>
    {
        reads.TrySetResult();
        if (!goes.Wait(Patience.Limit, ContentFixture.Stop))
            throw new TimeoutException("the test has forgotten this read");
    };

    private static async Task<byte[]> PublishAsync(ContentFixture fixture, ContentMaker maker)
    {
        var manifest = maker.Make(1, Sample());
        await maker.StoreAsync(fixture.Cap(), ContentFixture.Stop);
        return manifest;
    }
}
