using Capstan.Client.Builds;
using Capstan.Protocol.V1;

namespace Capstan.Tests.Client.Builds;

/// <summary>Trials on machines as they are: a launcher that cannot count, sessions shorter than an hour, lists of hashes that rot.</summary>
public sealed class BuildTrialTests : BuildHarness
{
    [Fact]
    public async Task A_trial_that_the_launcher_does_not_start_stops_no_report_and_is_shown()
    {
        await EnrolAsync();
        var build = await OrderAsync("1.0.0", 100);
        await RunAsync("package");
        Assert.True(Fixture.Client!.Loop.MustRestart);

        // Its disk is full, say: it starts the current build again and again.
        await SessionAsync("package");
        Assert.False(Fixture.Client!.Loop.MustRestart);
        Assert.Contains("the launcher does not start it", (await Fixture.StatusAsync()).BuildWaiting, StringComparison.Ordinal);
        Assert.Contains(await StatusAsync("build_waits"), text => text.Contains("the launcher does not start it", StringComparison.Ordinal));
        await StepsAsync(BuildPlanner.TrialPatience - TimeSpan.FromMinutes(5));
        Assert.False(Fixture.Client!.Loop.MustRestart);
        // With a contact of its own interval.
        await StepsAsync(TimeSpan.FromDays(1));
        Assert.True(Fixture.Client!.Loop.MustRestart, (await Fixture.StatusAsync()).BuildWaiting);
        await SessionAsync("package");
        Assert.False(Fixture.Client!.Loop.MustRestart);

        // Another order comes through all the same.
        var next = await OrderAsync("2.0.0", 200);
        await StepsAsync(TimeSpan.FromDays(1));
        Assert.True(Fixture.Client!.Loop.MustRestart);
        Assert.Equal(("package", null, next.Id()), Now());
        Assert.NotEqual(build.Id(), next.Id());
    }

    [Fact]
    public async Task A_process_that_finds_a_trial_beside_it_reports_before_it_ends_itself()
    {
        await EnrolAsync();
        await Folder.WriteStateAsync(new BuildState { Trial = new BuildTrial("1.0.0-a", 100) }, Stop);
        var before = (await Fixture.StatusAsync()).LastContact;
        await OpenAsync("package");
        Fixture.Time.Advance(TimeSpan.FromSeconds(1));
        await Fixture.Client!.Loop.BeginAsync(Stop);
        Assert.False(Fixture.Client!.Loop.MustRestart);
        await StepsAsync(TimeSpan.Zero);
        Assert.True(Fixture.Client!.Loop.MustRestart);
        Assert.True((await Fixture.StatusAsync()).LastContact > before);
    }

    [Fact]
    public async Task Where_no_session_lasts_an_hour_the_build_before_tells_the_site()
    {
        await EnrolAsync();
        var build = await OrderAsync("1.0.0", 100);
        await RunAsync("package");
        await CountAsync(build, 1);
        Fixture.Provider.Refuse = "its network code is broken";
        await StoppedSessionAsync(build.Id());
        Assert.True(Folder.ReadState().Trial!.IsHeld);
        Assert.Equal(0, Folder.StartsOf(new BuildTrial(build.Id(), 100)));

        Fixture.Provider.Refuse = null;
        var before = (await Fixture.StatusAsync()).LastContact;
        await SessionAsync("package");
        Assert.True((await Fixture.StatusAsync()).LastContact > before);
        // It was there, and now the trial goes on: its start was given back, and so the number is the one of the first asking.
        Assert.True(Fixture.Client!.Loop.MustRestart);
        Assert.False(Folder.ReadState().Trial!.IsHeld);
        await SessionAsync("package");
        Assert.False(Fixture.Client!.Loop.MustRestart, "asked twice in vain");
        await RunAsync(build.Id());
        Assert.Equal((build.Id(), "package", null), Now());
    }

    [Fact]
    public async Task A_stop_in_order_is_no_start_that_failed()
    {
        var build = await UpgradedAsync("1.0.0", 100);
        await File.WriteAllTextAsync(Path.Combine(Folder.Root, "launches"), $"{build.Id()} 4\n", Stop);
        Fixture.Provider.Refuse = "it is switched off before its place in the interval";
        await StoppedSessionAsync(build.Id());
        Assert.False(File.Exists(Path.Combine(Folder.Root, "launches")));
        Assert.Equal((build.Id(), "package", null), Now());
    }

    [Theory]
    [InlineData("")]
    [InlineData("x")]
    [InlineData("more")]
    [InlineData(null)]
    public async Task A_list_of_hashes_that_rots_is_written_anew_without_a_trial_or_a_byte_from_a_CAP(string? damage)
    {
        var build = await UpgradedAsync("1.0.0", 100);
        var sums = Path.Combine(Folder.FolderOf(build.Id()), BuildFolder.Sums);
        var whole = await File.ReadAllTextAsync(sums, Stop);
        if (damage is null)
            File.Delete(sums);
        else
            await File.WriteAllTextAsync(sums, damage == "more" ? whole + "\n" : damage == "x" ? "x" + whole[1..] : damage, Stop);
        var before = Counted.PackedBytes;
        await RunAsync(build.Id());
        Assert.Equal(whole, await File.ReadAllTextAsync(sums, Stop));
        Assert.Equal((build.Id(), "package", null), Now());
        Assert.Equal(before, Counted.PackedBytes);
    }

    private Task CountAsync(ClientBuild build, int starts) => File.WriteAllTextAsync(Path.Combine(Folder.Root, "starts"), $"{build.Id()} {build.Order} {starts}\n", Stop);

    /// <summary>A start of the service, as long as it has something to do.</summary>
    private async Task SessionAsync(string id)
    {
        await OpenAsync(id);
        Fixture.Time.Advance(TimeSpan.FromSeconds(1));
        await Fixture.Client!.Loop.BeginAsync(Stop);
        await StepsAsync(TimeSpan.Zero);
    }

    /// <summary>A start of the service, and the order to stop.</summary>
    private async Task StoppedSessionAsync(string id)
    {
        await OpenAsync(id);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Stop);
        var running = Fixture.Client!.RunAsync(stop.Token);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);
    }
}
