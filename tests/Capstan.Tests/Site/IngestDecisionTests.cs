using Capstan.Protocol.V1;
using Capstan.Site.Load;
using Capstan.Site.Store;
using FsCheck;
using FsCheck.Fluent;

namespace Capstan.Tests.Site;

/// <summary>Design.md section 10: "each upload is applied once and in order, or is visibly in quarantine".</summary>
public class IngestDecisionTests
{
    private static readonly TimeSpan New = TimeSpan.Zero;
    private static readonly TimeSpan Week = TimeSpan.FromDays(7);

    [Fact]
    public void Each_place_of_the_chain_has_one_outcome()
    {
        var head = new ChainFacts(DeviceState.Approved, 5, "h5", null, false);
        Assert.Equal(new(IngestAction.Apply), IngestDecision.Of(head, new(6, "h6", "h5", false, New)));
        Assert.Equal(new(IngestAction.Quarantine, "fork"), IngestDecision.Of(head, new(6, "h6", "other", false, New)));
        Assert.Equal(new(IngestAction.Wait, "gap"), IngestDecision.Of(head, new(7, "h7", "h6", false, Week - TimeSpan.FromTicks(1))));
        Assert.Equal(new(IngestAction.ApplyAfterGap), IngestDecision.Of(head, new(7, "h7", "h6", false, Week)));
        Assert.Equal(new(IngestAction.Duplicate), IngestDecision.Of(head with { KnownHash = "h5" }, new(5, "h5", "h4", false, New)));
        Assert.Equal(new(IngestAction.Quarantine, "fork"), IngestDecision.Of(head with { KnownHash = "h5" }, new(5, "x5", "h4", false, New)));
        Assert.Equal(new(IngestAction.Quarantine, "refused_before"), IngestDecision.Of(head with { KnownHash = "h5", KnownRefused = true }, new(5, "h5", "h4", false, New)));
        Assert.Equal(new(IngestAction.Quarantine, "replayed"), IngestDecision.Of(head, new(3, "h3", "h2", false, New)));
    }

    [Fact]
    public void A_devices_state_decides_before_its_place()
    {
        var stranger = new ChainFacts(null, 0, Upload.NoPrevious, null, false);
        Assert.Equal(new(IngestAction.Quarantine, "unknown_device"), IngestDecision.Of(stranger, new(1, "h1", Upload.NoPrevious, false, New)));
        Assert.Equal(new(IngestAction.Apply), IngestDecision.Of(stranger, new(1, "h1", Upload.NoPrevious, true, New)));
        Assert.Equal(new(IngestAction.Apply), IngestDecision.Of(stranger, new(2, "h2", "h1", true, New)));
        Assert.Equal(new(IngestAction.Quarantine, "unknown_device"), IngestDecision.Of(stranger, new(2, "h2", "h1", false, Week)));

        var pending = new ChainFacts(DeviceState.Pending, 1, "h1", null, false);
        Assert.Equal(new(IngestAction.Wait, "not_approved"), IngestDecision.Of(pending, new(2, "h2", "h1", false, New)));
        Assert.Equal(new(IngestAction.Quarantine, "not_approved"), IngestDecision.Of(pending, new(2, "h2", "h1", false, Week)));
        Assert.Equal(new(IngestAction.Apply), IngestDecision.Of(pending, new(2, "h2", "h1", true, New)));

        var retired = pending with { State = DeviceState.Retired };
        Assert.Equal(new(IngestAction.Quarantine, "device_retired"), IngestDecision.Of(retired, new(2, "h2", "h1", true, New)));
    }

    [Fact]
    public void Any_order_with_any_duplicates_is_applied_once_and_in_order()
    {
        var arrivals = Gen.Choose(1, 8).ListOf(60).ToArbitrary();
        Prop.ForAll(arrivals, order =>
        {
            var ledger = new Dictionary<long, string>();
            var applied = new List<long>();
            var inbox = new List<long>();
            foreach (var arrived in order.Concat(Enumerable.Range(1, 8)))
            {
                inbox.Add(arrived);
                foreach (var sequence in inbox.Order().ToList())
                {
                    var head = applied.Count;
                    var facts = new ChainFacts(DeviceState.Approved, head, head == 0 ? Upload.NoPrevious : $"h{head}", ledger.GetValueOrDefault(sequence), false);
                    var decision = IngestDecision.Of(facts, new(sequence, $"h{sequence}", sequence == 1 ? Upload.NoPrevious : $"h{sequence - 1}", false, New));
                    if (decision.Action == IngestAction.Apply)
                    {
                        ledger.Add(sequence, $"h{sequence}");
                        applied.Add(sequence);
                    }
                    else if (decision.Action == IngestAction.Quarantine)
                        return false;
                    if (decision.Action != IngestAction.Wait)
                        inbox.Remove(sequence);
                }
            }
            return applied.SequenceEqual([1, 2, 3, 4, 5, 6, 7, 8]) && inbox.Count == 0;
        }).QuickCheckThrowOnFailure();
    }

    [Theory]
    [InlineData("readme.txt")]
    [InlineData("")]
    [InlineData("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-0-10-0000000000000000000000000000000000000000000000000000000000000000.jwe")]
    [InlineData("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-+1-10-0000000000000000000000000000000000000000000000000000000000000000.jwe")]
    [InlineData("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-1-10-000000000000000000000000000000000000000000000000000000000000000G.jwe")]
    [InlineData("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa1-1-10-0000000000000000000000000000000000000000000000000000000000000000.jwe")]
    public void A_foreign_name_is_no_upload(string name) => Assert.Null(UploadName.Parse(name));

    [Fact]
    public void A_floods_share_of_a_pass_is_bounded()
    {
        var hash = new string('0', 64);
        InboxFile File(char device, int sequence)
        {
            var name = $"{new string(device, 32)}-{sequence}-1-{hash}.jwe";
            return new InboxFile(Capstan.Nal.Providers.StorePath.Parse($"inbox/00/{name}"), 1, UploadName.Parse(name));
        }

        var files = Enumerable.Range(1, 500).Select(n => File('a', n)).Append(File('b', 3)).Append(new InboxFile(Capstan.Nal.Providers.StorePath.Parse("inbox/00/junk"), 1, null)).ToList();
        var (work, more, _) = InboxListing.Choose(files, _ => false, null);
        Assert.True(more);
        Assert.Equal(InboxListing.MaxFilesOfDevice + 2, work.Count);
        Assert.Equal(Enumerable.Range(1, InboxListing.MaxFilesOfDevice), work.Take(InboxListing.MaxFilesOfDevice).Select(file => (int)file.Name!.Value.Sequence));
        Assert.Equal('b', work[^2].FileName[0]);
        Assert.Null(work[^1].Name);
    }
}
