using System.Security.Cryptography;
using Capstan.Client;
using Capstan.Client.Configuration;
using Capstan.Client.Identity;
using Capstan.Client.Spool;
using Capstan.Client.State;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers;
using Capstan.Protocol;
using Capstan.Protocol.Jose;
using Capstan.Protocol.V1;
using Capstan.Testing;
using Capstan.Testing.Stores;
using Microsoft.Extensions.Logging.Abstractions;

namespace Capstan.Tests.Client;

/// <summary>Invariant 8 of design.md 10 for receipts: a copy that lags is no alarm, one that was put back or is kept back is one.</summary>
public sealed class OldReceiptsTests : IAsyncLifetime
{
    private static readonly TimeSpan Cycle = TimeSpan.FromHours(23);

    private readonly string _directory = Directory.CreateTempSubdirectory("capstan-receipts-").FullName;
    private readonly ManualTime _time = new();
    private readonly ECDsa _key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly ECDiffieHellman _sealing = ECDiffieHellman.Create(ECCurve.NamedCurves.nistP256);
    private ClientCore? _core;

    public async ValueTask InitializeAsync()
    {
        await DeviceKeys.EnsureAsync(_directory, CancellationToken.None);
        _core = new ClientCore(_directory, DeviceKeys.Load(_directory), ClientDatabase.Open(_directory), new Clock(_time), NullLogger.Instance);
        _core.State.Set((StateKey.SiteCode, "ABC"), (StateKey.Lifecycle, "approved"), (StateKey.Sequence, "9"), (StateKey.LastHash, new string('9', 64)));
    }

    public ValueTask DisposeAsync()
    {
        _core?.Dispose();
        _key.Dispose();
        _sealing.Dispose();
        Directory.Delete(_directory, recursive: true);
        return ValueTask.CompletedTask;
    }

    [Fact]
    public async Task A_copy_on_another_CAP_that_lags_is_ignored_without_a_word()
    {
        Assert.Null(await ReadAsync("/a", 7));
        for (var look = 0; look < 5; look++, _time.Advance(TimeSpan.FromHours(4)))
            Assert.Null(await ReadAsync("/b", 5));
        // It follows, later than the other: it is no copy that was kept back.
        Assert.Null(await ReadAsync("/a", 9));
        _time.Advance(TimeSpan.FromHours(4));
        Assert.Null(await ReadAsync("/b", 7));
        Assert.Equal(9, _core!.State.GetNumber(StateKey.ReceiptsRevision));
        Assert.Empty(_core.Spool.Items());
    }

    [Fact]
    public async Task A_copy_that_stays_old_for_a_whole_cycle_is_reported_once_for_each_CAP()
    {
        await ReadAsync("/a", 7);
        await ReadAsync("/b", 5);
        await ReadAsync("/c", 6);
        _time.Advance(Cycle);
        var texts = new List<string?>();
        for (var look = 0; look < 3; look++)
        {
            Assert.Null(await ReadAsync("/a", 7));
            texts.Add(await ReadAsync("/b", 5));
            texts.Add(await ReadAsync("/c", 6));
        }
        Assert.All(texts, Assert.NotNull);
        Assert.Equal(2, texts.Distinct().Count());
        Assert.Equal(2, Assert.Single(_core!.Spool.Items()).Count);
    }

    [Fact]
    public async Task A_copy_that_a_CAP_puts_back_is_reported_at_once_and_its_text_holds_no_number_that_changes()
    {
        await ReadAsync("/a", 7);
        var first = await ReadAsync("/a", 6);
        var second = await ReadAsync("/a", 5);
        Assert.Contains("older than the one that it has shown before", first, StringComparison.Ordinal);
        Assert.Equal(first, second);
        Assert.Equal(("receipts_invalid", 1), Assert.Single(_core!.Spool.Items()) is var item ? (item.Code.Split('/')[1], item.Count) : default);
        // And again when it happens again.
        Assert.Null(await ReadAsync("/a", 8));
        Assert.NotNull(await ReadAsync("/a", 7));
        Assert.Equal(2, Assert.Single(_core.Spool.Items()).Count);
    }

    [Fact]
    public void A_clock_that_was_ahead_and_a_new_epoch_begin_the_wait_anew()
    {
        var now = _time.GetUtcNow();
        var ahead = new ShownReceipts(1, 5, now.AddYears(1), IsReported: false);
        Assert.Equal((ReceiptsAge.Behind, ahead with { BehindSince = now }), ShownReceipts.Judge(ahead, 7, Receipts(5), now, Cycle));
        var old = new ShownReceipts(1, 500, now.AddYears(-1), IsReported: true);
        Assert.Equal((ReceiptsAge.Behind, new ShownReceipts(2, 5, now, IsReported: false)), ShownReceipts.Judge(old, 7, Receipts(5) with { Epoch = 2 }, now, Cycle));
        Assert.Equal((ReceiptsAge.Current, new ShownReceipts(2, 1, null, IsReported: false)), ShownReceipts.Judge(old, 0, Receipts(1) with { Epoch = 2 }, now, Cycle));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void What_is_remembered_of_a_CAP_survives_a_restart(bool behind)
    {
        var shown = new ShownReceipts(3, 1_795_348_800, behind ? DateTimeOffset.FromUnixTimeMilliseconds(1_795_348_800_123) : null, IsReported: behind);
        Assert.Equal(shown, ShownReceipts.Parse(shown.ToText()));
        Assert.Null(ShownReceipts.Parse(null));
    }

    /// <summary>Reads receipts of this revision on this CAP.</summary>
    /// <returns>The problem.</returns>
    private async Task<string?> ReadAsync(string cap, long revision)
    {
        var store = new MemoryStore(_time);
        await store.ReplaceAsync(StorePath.Parse(Layout.ReceiptsFile(_core!.Keys.Id.Bin)), ReceiptsCodec.Sign(Receipts(revision), _key), CancellationToken.None);
        var reader = new ReceiptReader(_core, store, NalPath.FromDirectory(cap));
        await reader.ReadAsync(new SiteDescription { SiteCode = "ABC", Epoch = 1, SealingKey = Jwk.From(_sealing), ReceiptsKey = Jwk.From(_key) }, CancellationToken.None);
        return reader.Problem;
    }

    private Receipts Receipts(long revision) => new()
    {
        SiteCode = "ABC",
        Epoch = 1,
        Revision = revision,
        Bin = _core!.Keys.Id.Bin,
        Devices = [new Receipt(_core.Keys.Id.Value, 9, new string('9', 64), [])],
    };
}
