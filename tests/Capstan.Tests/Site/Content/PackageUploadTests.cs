using Capstan.Site;
using Capstan.Site.Api;
using Capstan.Site.Distribution.Content;
using Capstan.Testing;

namespace Capstan.Tests.Site.Content;

/// <summary>Uploads that others wait for, and what is remembered of them.</summary>
public sealed class PackageUploadTests
{
    private static readonly Problem Refused = new("type", "title", 409, "detail", "code");

    private readonly ManualTime _time = new();

    [Fact]
    public void An_upload_under_way_is_not_forgotten_and_its_name_not_given_again()
    {
        var uploads = new PackageUploads(_time);
        uploads.Begin("long");
        for (var n = 0; n < 150; n++)
            uploads.Begin($"refused-{n}").Ends(Refused);
        Assert.Equal(PackageUpload.Receiving, uploads.Find("long")?.State);
        Assert.Equal("bad_package", Assert.Throws<SiteException>(() => uploads.Begin("long")).Code);
        Assert.Null(uploads.Find("refused-50"));
        Assert.Equal(PackageUpload.Refused, uploads.Find("refused-51")?.State);
    }

    [Fact]
    public async Task A_sender_that_drips_is_given_up()
    {
        await using var body = Body(bytesAtOnce: 1);
        var refused = await Assert.ThrowsAsync<SiteException>(() => ReadAsync(body, times: 10));
        Assert.Equal("upload_stalled", refused.Code);
        Assert.Contains("Only 3 bytes arrived in 6 minutes", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_slow_sender_is_not_given_up()
    {
        await using var body = Body(bytesAtOnce: UploadBody.LeastBytes / 3);
        await ReadAsync(body, times: 100);
    }

    [Fact]
    public async Task Of_many_that_wait_the_last_are_told_to_come_later()
    {
        using var turn = new ContentTurn();
        var first = await turn.TakeAsync("publishing One", Stop);
        var waiting = Enumerable.Range(0, ContentTurn.MostWaiting).Select(n => turn.TakeAsync($"publishing {n}", Stop)).ToList();
        var refused = await Assert.ThrowsAsync<SiteException>(() => turn.TakeAsync("publishing the last", Stop).WaitAsync(Patience.Limit, Stop));
        Assert.Equal("too_many_uploads", refused.Code);
        Assert.Contains("publishing One", refused.Message, StringComparison.Ordinal);
        first.Dispose();
        foreach (var next in waiting)
            (await next.WaitAsync(Patience.Limit, Stop)).Dispose();
        (await turn.TakeAsync("publishing the last", Stop).WaitAsync(Patience.Limit, Stop)).Dispose();
    }

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    private UploadBody Body(int bytesAtOnce) => new(new DrippingStream(_time, bytesAtOnce), new PackageUploadWatch(_time), _time, Stop);

    private static async Task ReadAsync(UploadBody body, int times)
    {
        var buffer = new byte[UploadBody.LeastBytes];
        for (var n = 0; n < times; n++)
            Assert.NotEqual(0, await body.ReadAsync(buffer, Stop));
    }

    /// <summary>Gives something shortly before its silence would be too long.</summary>
    private sealed class DrippingStream(ManualTime time, int bytesAtOnce) : MemoryStream
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            time.Advance(UploadBody.Silence - TimeSpan.FromSeconds(1));
            return ValueTask.FromResult(Math.Min(bytesAtOnce, buffer.Length));
        }
    }
}
