using Capstan.Smb;
using Capstan.Testing.Smb;
using Capstan.Tests.Smb.Connection;

namespace Capstan.Tests.Smb.Files;

/// <summary>A creation that fails takes back what it made, and nothing else.</summary>
public sealed class CreationTests
{
    public static TheoryData<SmbCompoundRule, bool> Ways => new()
    {
        { SmbCompoundRule.GoesOn, true },
        { SmbCompoundRule.GoesOn, false },
        { SmbCompoundRule.FailsAllBehind, true },
        { SmbCompoundRule.FailsAllBehind, false },
        { SmbCompoundRule.Refused, true },
        { SmbCompoundRule.Refused, false },
    };

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task It_never_removes_a_file_of_another_that_took_the_name(SmbCompoundRule compounds, bool isCancelled)
    {
        await using var world = await SmbWorld.OpenAsync(rules => rules.Compounds = compounds);
        world.Server.Files.Add("other", [1]);
        if (compounds == SmbCompoundRule.Refused)
            Assert.NotNull((await world.Tree.ReadAllAsync("other", 10, CancellationToken.None)).Bytes);
        if (!isCancelled)
            world.Server.Files.FreeBytes = 0;
        var hold = world.Server.Hold(SmbCommand.Write, obeysCancel: false);
        using var cancelling = new CancellationTokenSource();
        var creating = world.Tree.CreateAsync("final", new MemoryStream([2, 2]), flush: true, cancelling.Token).AsTask();
        await hold.Reached;
        world.Server.Files.Exchange("final", [7]);
        if (isCancelled)
            await cancelling.CancelAsync();
        hold.Release();
        Assert.NotNull(await Record.ExceptionAsync(() => creating));
        await world.SettleAsync();
        Assert.Equal(["final", "other"], world.Server.Files.Snapshot().Keys);
        Assert.Equal([7], world.Server.Files.Content("final"));
        Assert.Equal(0, world.Server.Holdings.Opens);
    }

    [Fact]
    public async Task An_account_that_may_not_delete_creates_and_is_told_of_what_remains()
    {
        await using var world = await SmbWorld.OpenAsync();
        world.Server.Rules.Shares["data"].ForbidsDeleting = true;
        Assert.True(await world.Tree.CreateAsync("whole", new MemoryStream([1]), flush: true, CancellationToken.None));
        Assert.False(await world.Tree.CreateAsync("whole", new MemoryStream([2]), flush: true, CancellationToken.None));
        world.Server.Files.FreeBytes = 1;
        var thrown = await Assert.ThrowsAsync<SmbException>(async () => await world.Tree.CreateAsync("short", new MemoryStream([1, 2]), flush: true, CancellationToken.None));
        Assert.Equal(NtStatus.DiskFull, thrown.Status);
        Assert.EndsWith(@"a short file remains at \\fs1\data\short (STATUS_ACCESS_DENIED (C0000022))", thrown.Message, StringComparison.Ordinal);
        Assert.Equal(0, world.Server.Holdings.Opens);
    }

    [Fact]
    public async Task A_small_file_takes_two_round_trips()
    {
        await using var world = await SmbWorld.OpenAsync();
        var before = world.Server.Seen.Count;
        Assert.True(await world.Tree.CreateAsync("a", new MemoryStream([1]), flush: true, CancellationToken.None));
        Assert.Equal([false, true, true, false], world.Server.Seen.Skip(before).Select(seen => seen.IsRelated));
    }
}
