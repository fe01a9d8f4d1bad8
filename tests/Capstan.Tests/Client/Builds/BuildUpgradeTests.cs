using System.Text;
using Capstan.Client;
using Capstan.Client.Builds;
using Capstan.Client.State;
using Capstan.Nal;
using Capstan.Nal.Providers;
using Capstan.Protocol;
using Capstan.Protocol.V1;
using Capstan.Testing;
using Capstan.Testing.Stores;

namespace Capstan.Tests.Client.Builds;

/// <summary>A client and its builds, from the order on the CAP to the build that stays.</summary>
public sealed class BuildUpgradeTests : BuildHarness
{
    [Fact]
    public async Task An_ordered_build_is_fetched_tried_and_kept_after_a_whole_contact()
    {
        await EnrolAsync();
        var build = await OrderAsync("1.0.0", 100);
        await RunAsync("package");
        Assert.True(Fixture.Client!.Loop.MustRestart);
        Assert.Equal(build.Id(), Folder.ReadState().Trial!.Id);
        Assert.Equal(SampleBuild.Files("1.0.0")[BuildFile.Program], await File.ReadAllBytesAsync(PathOf(build, BuildFile.Program), Stop));
        Assert.True(OperatingSystem.IsWindows() || File.GetUnixFileMode(PathOf(build, BuildFile.Program)).HasFlag(UnixFileMode.UserExecute));
        Assert.Equal("package", Folder.ReadState().Current);

        await RunAsync(build.Id());
        Assert.Equal((build.Id(), "package", null), Now());
        Assert.False(Fixture.Client!.Loop.MustRestart);
        Assert.Contains(await StatusAsync("build_changed"), text => text.Contains(build.Id(), StringComparison.Ordinal));
        Assert.Equal(build.Id(), (await Fixture.StatusAsync()).Build);
    }

    [Fact]
    public async Task The_next_build_fetches_only_what_changed_and_the_one_before_the_last_goes()
    {
        var first = await UpgradedAsync("1.0.0", 100);
        var before = Counted.PackedBytes;
        var second = await UpgradedAsync("2.0.0", 200);
        var program = SampleBuild.Pack(SampleBuild.Files("2.0.0")[BuildFile.Program]).Length;
        Assert.Equal(program, Counted.PackedBytes - before);
        var third = await UpgradedAsync("3.0.0", 300);
        Assert.Equal((third.Id(), second.Id(), null), Now());
        Assert.Equal([second.Id(), third.Id()], Folder.Folders().Order(StringComparer.Ordinal));
        Assert.DoesNotContain(first.Id(), Folder.Folders());
    }

    [Theory]
    [InlineData("")]
    [InlineData("x")]
    [InlineData(null)]
    public async Task A_damaged_file_is_repaired_by_its_own_bytes_alone(string? damage)
    {
        var build = await UpgradedAsync("1.0.0", 100);
        if (damage is null)
            File.Delete(PathOf(build, "lib.so"));
        else
            await File.WriteAllTextAsync(PathOf(build, "lib.so"), damage, Stop);
        var before = Counted.PackedBytes;
        await RunAsync(build.Id());
        Assert.Equal(SampleBuild.Files("1.0.0")["lib.so"], await File.ReadAllBytesAsync(PathOf(build, "lib.so"), Stop));
        Assert.Equal(SampleBuild.Pack(SampleBuild.Files("1.0.0")["lib.so"]).Length, Counted.PackedBytes - before);
        Assert.Equal((build.Id(), "package", null), Now());
        Assert.False(Fixture.Client!.Loop.MustRestart);
        Assert.Contains(await StatusAsync("build_damaged"), text => text.Contains("lib.so", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_build_that_uses_up_its_starts_is_bad_until_it_is_ordered_anew()
    {
        await EnrolAsync();
        var build = await OrderAsync("1.0.0", 100);
        await RunAsync("package");
        await UseUpAsync(build, 100);
        await File.WriteAllTextAsync(Path.Combine(Folder.Root, "ended"), $"{build.Id()} killed SEGV\n", Stop);
        await RunAsync("package");
        Assert.Equal(("package", null, null), Now());
        Assert.True(Folder.ReadState().IsBad(build.Id(), 100));
        Assert.False(Fixture.Client!.Loop.MustRestart);
        Assert.Contains(await StatusAsync("build_failed"), text => text.Contains("killed SEGV", StringComparison.Ordinal));
        Assert.Empty(Folder.Folders());
        var read = Counted.PackedBytes;
        await StepsAsync(TimeSpan.FromDays(2));
        Assert.Equal(read, Counted.PackedBytes);
        Assert.Contains("is bad and is not tried again", (await Fixture.StatusAsync()).BuildWaiting, StringComparison.Ordinal);

        await OrderAsync("1.0.0", 101);
        await RunAsync("package");
        Assert.True(Fixture.Client!.Loop.MustRestart);
        await RunAsync(build.Id());
        Assert.Equal((build.Id(), "package", null), Now());
    }

    [Fact]
    public async Task A_build_that_finds_no_CAP_gives_way_until_the_one_before_has_found_one()
    {
        await EnrolAsync();
        var build = await OrderAsync("1.0.0", 100);
        await RunAsync("package");
        Fixture.Provider.Refuse = "the cable is out";
        await RunAsync(build.Id());
        Assert.False(Fixture.Client!.Loop.MustRestart);
        await StepsAsync(BuildPlanner.TrialPatience + TimeSpan.FromMinutes(15));
        Assert.True(Fixture.Client!.Loop.MustRestart, (await Fixture.StatusAsync()).BuildWaiting);
        Assert.True(Folder.ReadState().Trial!.IsHeld);

        await RunAsync("package");
        Assert.False(Fixture.Client!.Loop.MustRestart);
        Fixture.Provider.Refuse = null;
        await StepsAsync(TimeSpan.FromDays(1));
        Assert.True(Fixture.Client!.Loop.MustRestart);
        Assert.False(Folder.ReadState().Trial!.IsHeld);
        await RunAsync(build.Id());
        Assert.Equal((build.Id(), "package", null), Now());
    }

    [Fact]
    public async Task A_trial_that_cannot_verify_what_the_site_says_is_not_kept()
    {
        await EnrolAsync();
        var build = await OrderAsync("1.0.0", 100);
        await RunAsync("package");
        await Cap.ReplaceAsync(StorePath.Parse("metadata/timestamp.json"), "{}"u8.ToArray(), Stop);
        await RunAsync(build.Id());
        Assert.Equal(build.Id(), Folder.ReadState().Trial!.Id);
    }

    [Fact]
    public async Task A_program_that_runs_is_never_interrupted()
    {
        await EnrolAsync();
        await OrderAsync("1.0.0", 100);
        Fixture.ProgramRuns = true;
        await RunAsync("package");
        Assert.NotNull(Folder.ReadState().Trial);
        Assert.False(Fixture.Client!.Loop.MustRestart);
        Fixture.ProgramRuns = false;
        await Fixture.Client!.RunNowAsync(Stop);
        Assert.True(Fixture.Client!.Loop.MustRestart);
    }

    [Fact]
    public async Task A_download_that_broke_off_goes_on_where_it_was()
    {
        await EnrolAsync();
        var files = new Dictionary<string, byte[]>(SampleBuild.Files("1.0.0")) { [BuildFile.Program] = Random(2_000_000) };
        var build = SampleBuild.Order("1.0.0", 100, files);
        SampleBuild.Set(Fixture.Site, build, files);
        await Fixture.Site.PublishAsync(Stop);
        // The order itself is the first read there, then the ranges of the program.
        Seen.Add(new StoreFault(StoreOperations.Read, NalError.ReadRemote) { PathPrefix = Layout.Targets + "/client/", Nth = 4 });
        await RunAsync("package");
        Assert.False(Fixture.Client!.Loop.MustRestart);
        await StepsAsync(TimeSpan.FromMinutes(10));
        Assert.True(Fixture.Client!.Loop.MustRestart);
        Assert.Equal(files.Values.Sum(file => SampleBuild.Pack(file).Length), Counted.PackedBytes);
        await RunAsync(build.Id());
        Assert.Equal((build.Id(), "package", null), Now());
    }

    [Theory]
    [InlineData("altered", "is not what the site signed")]
    [InlineData("short", "ends after")]
    [InlineData("absent", "")]
    public async Task Bad_content_is_thrown_away_and_named_with_its_CAP(string damage, string says)
    {
        await EnrolAsync();
        var build = await OrderAsync("1.0.0", 100);
        var path = await PackedAsync("1.0.0", BuildFile.Program);
        var good = (await Cap.ReadAllAsync(path, 1 << 20, Stop))!;
        if (damage == "absent")
            await Cap.DeleteAsync(path, Stop);
        else
            await Cap.ReplaceAsync(path, damage == "short" ? good[..100] : [.. good[..100], (byte)(good[100] ^ 1), .. good[101..]], Stop);
        await RunAsync("package");
        Assert.Null(Folder.ReadState().Trial);
        Assert.False(File.Exists(PathOf(build, BuildFile.Program)));
        Assert.False(Fixture.Client!.Loop.MustRestart);
        if (says.Length > 0)
        {
            var told = await StatusAsync("build_invalid");
            Assert.NotEmpty(told);
            Assert.All(told, text => Assert.Contains(says, text, StringComparison.Ordinal));
            Assert.All(told, text => Assert.Contains(Fixture.CapPath, text, StringComparison.Ordinal));
        }
        await Cap.ReplaceAsync(path, good, Stop);
        await StepsAsync(TimeSpan.FromMinutes(10));
        Assert.True(Fixture.Client!.Loop.MustRestart);
    }

    [Fact]
    public async Task What_unpacks_to_more_than_was_signed_is_stopped()
    {
        await EnrolAsync();
        var build = SampleBuild.Order("1.0.0", 100);
        SampleBuild.Set(Fixture.Site, build);
        // Signed as it lies there, but it unpacks to 64 MiB of nothing.
        Fixture.Site.Set(build.Files[0].Target, SampleBuild.Pack(new byte[64 << 20]));
        await Fixture.Site.PublishAsync(Stop);
        await RunAsync("package");
        Assert.All(await StatusAsync("build_invalid"), told => Assert.Contains("does not unpack to the file", told, StringComparison.Ordinal));
        Assert.Empty(Directory.EnumerateFiles(Folder.FolderOf(build.Id())));
    }

    [Fact]
    public async Task An_order_that_disappears_or_goes_back_changes_nothing()
    {
        var build = await UpgradedAsync("1.0.0", 100);
        Fixture.Site.Remove(Layout.ClientBuildsTarget);
        await Fixture.Site.PublishAsync(Stop);
        await RunAsync(build.Id());
        Assert.Equal((build.Id(), "package", null), Now());
        Assert.Contains(await StatusAsync("policy_missing"), text => text.Contains("client/builds.json", StringComparison.Ordinal));
        await OrderAsync("2.0.0", 99);
        await RunAsync(build.Id());
        Assert.Contains(await StatusAsync("policy_invalid"), text => text.Contains("order 99", StringComparison.Ordinal));
        Fixture.Site.Set(Layout.ClientBuildsTarget, Encoding.UTF8.GetBytes("{\"version\":1,\"siteCode\":\"XYZ\",\"builds\":[]}"));
        await Fixture.Site.PublishAsync(Stop);
        await RunAsync(build.Id());
        Assert.Equal((build.Id(), "package", null), Now());
        Assert.False(Fixture.Client!.Loop.MustRestart);
    }

    [Fact]
    public async Task Only_an_order_that_says_so_goes_back()
    {
        var first = await UpgradedAsync("1.0.0", 100);
        var second = await UpgradedAsync("2.0.0", 200);
        await OrderAsync("1.0.0", 300);
        await RunAsync(second.Id());
        Assert.Equal((second.Id(), first.Id(), null), Now());
        Assert.Contains("goes back only on an order that says so", (await Fixture.StatusAsync()).BuildWaiting, StringComparison.Ordinal);
        await OrderAsync("1.0.0", 301, build => build with { Downgrade = true });
        await RunAsync(second.Id());
        Assert.True(Fixture.Client!.Loop.MustRestart);
        await RunAsync(first.Id());
        Assert.Equal((first.Id(), second.Id(), null), Now());
    }

    [Fact]
    public async Task Each_device_begins_at_its_own_place_in_the_time_that_the_site_gives()
    {
        await EnrolAsync(ordinal: 1);
        await OrderAsync("1.0.0", 100, build => build with { SpreadSeconds = 3_600 });
        await RunAsync("package");
        Assert.Empty(Folder.Folders());
        Assert.Contains("this device's place", (await Fixture.StatusAsync()).BuildWaiting, StringComparison.Ordinal);
        // Ordinal 1 lies in the middle.
        await StepsAsync(TimeSpan.FromMinutes(29));
        Assert.Empty(Folder.Folders());
        await StepsAsync(TimeSpan.FromMinutes(2));
        Assert.True(Fixture.Client!.Loop.MustRestart);
    }

    [Fact]
    public async Task A_trial_that_is_told_to_stop_gets_its_start_back()
    {
        await EnrolAsync();
        var build = await OrderAsync("1.0.0", 100);
        await RunAsync("package");
        await File.WriteAllTextAsync(Path.Combine(Folder.Root, "starts"), $"{build.Id()} 100 2\n", Stop);
        Fixture.Provider.Refuse = "the cable is out";
        await OpenAsync(build.Id());
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Stop);
        var running = Fixture.Client!.RunAsync(stop.Token);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);
        Assert.Equal($"{build.Id()} 100 1\n", await File.ReadAllTextAsync(Path.Combine(Folder.Root, "starts"), Stop));
        Assert.True(Folder.ReadState().Trial!.IsHeld);
    }

    [Fact]
    public async Task Without_its_launcher_an_agent_takes_no_order_about_builds()
    {
        await Fixture.EnrolAsync();
        await OrderAsync("1.0.0", 100);
        await Fixture.Client!.RunNowAsync(Stop);
        Assert.False(Directory.Exists(Folder.Root));
        Assert.False(Fixture.Client!.Loop.MustRestart);
    }

    [Fact]
    public async Task Builds_that_cannot_be_kept_stop_nothing_else()
    {
        await EnrolAsync();
        await OrderAsync("1.0.0", 100);
        await File.WriteAllTextAsync(Folder.Root, "no folder", Stop);
        Fixture.Software = _ => Task.FromResult(ClientFixture.SampleSoftware("2.0"));
        await OpenAsync("package");
        await Fixture.Client!.Loop.BeginAsync(Stop);
        var report = await Fixture.Client!.RunNowAsync(Stop);
        Assert.True(report.Contacted);
        await Fixture.Client!.RunNowAsync(Stop);
        await Fixture.Site.DrainAsync(Stop);
        Assert.Equal("2.0", Fixture.Site.Items(Documents.SoftwareInventory)[^1].Packages[0].Version);
        Assert.Contains(Fixture.Site.Items(Documents.StatusMessage), message => (message.Code, message.Component) == ("component_failed", "client-builds"));
        Assert.Equal("failed", Assert.Single((await Fixture.StatusAsync()).Components, component => component.Name == "client-builds").State);
    }

    [Theory]
    [InlineData("starts.tmp")]
    [InlineData("my-notes")]
    [InlineData("1.0.0-0123456789abcdef")]
    public async Task A_folder_that_is_no_build_is_not_tidied_away(string name)
    {
        await UpgradedAsync("1.0.0", 100);
        var foreign = Directory.CreateDirectory(Path.Combine(Folder.Root, name)).FullName;
        await UpgradedAsync("2.0.0", 200);
        await UpgradedAsync("3.0.0", 300);
        Assert.True(Directory.Exists(foreign));
        Assert.Equal(2, Folder.Folders().Count);
    }

    [Fact]
    public async Task Uninstalling_takes_the_builds_along()
    {
        await UpgradedAsync("1.0.0", 100);
        await Fixture.CloseAsync();
        await CapstanClient.UninstallAsync(Fixture.Options, Stop);
        Assert.False(Directory.Exists(Fixture.Options.Directory));
    }
}
