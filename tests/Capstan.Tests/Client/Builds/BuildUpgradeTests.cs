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

/// <summary>A client and its builds, from the order on the CAP to the build that stays. The test is the launcher.</summary>
public sealed class BuildUpgradeTests : IAsyncLifetime
{
    private readonly MemoryStore _cap = new(new ManualTime());
    private readonly FaultStore _seen;
    private readonly CountingStore _counted;
    private readonly ClientFixture _f;
    private readonly string _package = Directory.CreateTempSubdirectory("capstan-package-").FullName;
    private readonly BuildFolder _folder;

    public BuildUpgradeTests()
    {
        _seen = new FaultStore(_cap, new ManualTime());
        _counted = new CountingStore(_seen);
        _f = new ClientFixture(_cap, _counted);
        _folder = new BuildFolder(_f.Options.Directory, _package);
    }

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        await _f.DisposeAsync();
        Directory.Delete(_package, recursive: true);
    }

    [Fact]
    public async Task An_ordered_build_is_fetched_tried_and_kept_after_a_whole_contact()
    {
        await EnrolAsync();
        var build = await OrderAsync("1.0.0", 100);
        await RunAsync("package");
        Assert.True(_f.Client!.Loop.MustRestart);
        Assert.Equal(build.Id(), _folder.ReadState().Trial!.Id);
        Assert.Equal(SampleBuild.Files("1.0.0")[BuildFile.Program], await File.ReadAllBytesAsync(PathOf(build, BuildFile.Program), Stop));
        Assert.True(OperatingSystem.IsWindows() || File.GetUnixFileMode(PathOf(build, BuildFile.Program)).HasFlag(UnixFileMode.UserExecute));
        Assert.Equal("package", _folder.ReadState().Current);

        await RunAsync(build.Id());
        Assert.Equal((build.Id(), "package", null), Now());
        Assert.False(_f.Client!.Loop.MustRestart);
        Assert.Contains(await StatusAsync("build_changed"), text => text.Contains(build.Id(), StringComparison.Ordinal));
        Assert.Equal(build.Id(), (await _f.StatusAsync()).Build);
    }

    [Fact]
    public async Task The_next_build_fetches_only_what_changed_and_the_one_before_the_last_goes()
    {
        var first = await UpgradedAsync("1.0.0", 100);
        var before = _counted.PackedBytes;
        var second = await UpgradedAsync("2.0.0", 200);
        var program = SampleBuild.Pack(SampleBuild.Files("2.0.0")[BuildFile.Program]).Length;
        Assert.Equal(program, _counted.PackedBytes - before);
        var third = await UpgradedAsync("3.0.0", 300);
        Assert.Equal((third.Id(), second.Id(), null), Now());
        Assert.Equal([second.Id(), third.Id()], _folder.Folders().Order(StringComparer.Ordinal));
        Assert.DoesNotContain(first.Id(), _folder.Folders());
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
        var before = _counted.PackedBytes;
        await RunAsync(build.Id());
        Assert.Equal(SampleBuild.Files("1.0.0")["lib.so"], await File.ReadAllBytesAsync(PathOf(build, "lib.so"), Stop));
        Assert.Equal(SampleBuild.Pack(SampleBuild.Files("1.0.0")["lib.so"]).Length, _counted.PackedBytes - before);
        Assert.Equal((build.Id(), "package", null), Now());
        Assert.False(_f.Client!.Loop.MustRestart);
        Assert.Contains(await StatusAsync("build_damaged"), text => text.Contains("lib.so", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_build_that_uses_up_its_starts_is_bad_until_it_is_ordered_anew()
    {
        await EnrolAsync();
        var build = await OrderAsync("1.0.0", 100);
        await RunAsync("package");
        await UseUpAsync(build, 100);
        await File.WriteAllTextAsync(Path.Combine(_folder.Root, "ended"), $"{build.Id()} killed SEGV\n", Stop);
        await RunAsync("package");
        Assert.Equal(("package", null, null), Now());
        Assert.True(_folder.ReadState().IsBad(build.Id(), 100));
        Assert.False(_f.Client!.Loop.MustRestart);
        Assert.Contains(await StatusAsync("build_failed"), text => text.Contains("killed SEGV", StringComparison.Ordinal));
        Assert.Empty(_folder.Folders());
        var read = _counted.PackedBytes;
        await StepsAsync(TimeSpan.FromDays(2));
        Assert.Equal(read, _counted.PackedBytes);
        Assert.Contains("is bad and is not tried again", (await _f.StatusAsync()).BuildWaiting, StringComparison.Ordinal);

        await OrderAsync("1.0.0", 101);
        await RunAsync("package");
        Assert.True(_f.Client!.Loop.MustRestart);
        await RunAsync(build.Id());
        Assert.Equal((build.Id(), "package", null), Now());
    }

    [Fact]
    public async Task A_build_that_finds_no_CAP_gives_way_until_the_one_before_has_found_one()
    {
        await EnrolAsync();
        var build = await OrderAsync("1.0.0", 100);
        await RunAsync("package");
        _f.Provider.Refuse = "the cable is out";
        await RunAsync(build.Id());
        Assert.False(_f.Client!.Loop.MustRestart);
        await StepsAsync(BuildPlanner.TrialPatience + TimeSpan.FromMinutes(15));
        Assert.True(_f.Client!.Loop.MustRestart, (await _f.StatusAsync()).BuildWaiting);
        Assert.True(_folder.ReadState().Trial!.IsHeld);

        await RunAsync("package");
        Assert.False(_f.Client!.Loop.MustRestart);
        _f.Provider.Refuse = null;
        await StepsAsync(TimeSpan.FromDays(1));
        Assert.True(_f.Client!.Loop.MustRestart);
        Assert.False(_folder.ReadState().Trial!.IsHeld);
        await RunAsync(build.Id());
        Assert.Equal((build.Id(), "package", null), Now());
    }

    [Fact]
    public async Task A_trial_that_cannot_verify_what_the_site_says_is_not_kept()
    {
        await EnrolAsync();
        var build = await OrderAsync("1.0.0", 100);
        await RunAsync("package");
        await _cap.ReplaceAsync(StorePath.Parse("metadata/timestamp.json"), "{}"u8.ToArray(), Stop);
        await RunAsync(build.Id());
        Assert.Equal(build.Id(), _folder.ReadState().Trial!.Id);
    }

    [Fact]
    public async Task A_program_that_runs_is_never_interrupted()
    {
        await EnrolAsync();
        await OrderAsync("1.0.0", 100);
        _f.ProgramRuns = true;
        await RunAsync("package");
        Assert.NotNull(_folder.ReadState().Trial);
        Assert.False(_f.Client!.Loop.MustRestart);
        _f.ProgramRuns = false;
        await _f.Client!.RunNowAsync(Stop);
        Assert.True(_f.Client!.Loop.MustRestart);
    }

    [Fact]
    public async Task A_download_that_broke_off_goes_on_where_it_was()
    {
        await EnrolAsync();
        var files = new Dictionary<string, byte[]>(SampleBuild.Files("1.0.0")) { [BuildFile.Program] = Random(2_000_000) };
        var build = SampleBuild.Order("1.0.0", 100, files);
        SampleBuild.Set(_f.Site, build, files);
        await _f.Site.PublishAsync(Stop);
        // The order itself is the first read there, then the ranges of the program.
        _seen.Add(new StoreFault(StoreOperations.Read, NalError.ReadRemote) { PathPrefix = Layout.Targets + "/client/", Nth = 4 });
        await RunAsync("package");
        Assert.False(_f.Client!.Loop.MustRestart);
        await StepsAsync(TimeSpan.FromMinutes(10));
        Assert.True(_f.Client!.Loop.MustRestart);
        Assert.Equal(files.Values.Sum(file => SampleBuild.Pack(file).Length), _counted.PackedBytes);
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
        var good = (await _cap.ReadAllAsync(path, 1 << 20, Stop))!;
        if (damage == "absent")
            await _cap.DeleteAsync(path, Stop);
        else
            await _cap.ReplaceAsync(path, damage == "short" ? good[..100] : [.. good[..100], (byte)(good[100] ^ 1), .. good[101..]], Stop);
        await RunAsync("package");
        Assert.Null(_folder.ReadState().Trial);
        Assert.False(File.Exists(PathOf(build, BuildFile.Program)));
        Assert.False(_f.Client!.Loop.MustRestart);
        if (says.Length > 0)
        {
            var told = await StatusAsync("build_invalid");
            Assert.NotEmpty(told);
            Assert.All(told, text => Assert.Contains(says, text, StringComparison.Ordinal));
            Assert.All(told, text => Assert.Contains(_f.CapPath, text, StringComparison.Ordinal));
        }
        await _cap.ReplaceAsync(path, good, Stop);
        await StepsAsync(TimeSpan.FromMinutes(10));
        Assert.True(_f.Client!.Loop.MustRestart);
    }

    [Fact]
    public async Task What_unpacks_to_more_than_was_signed_is_stopped()
    {
        await EnrolAsync();
        var build = SampleBuild.Order("1.0.0", 100);
        SampleBuild.Set(_f.Site, build);
        // Signed as it lies there, but it unpacks to 64 MiB of nothing.
        _f.Site.Set(build.Files[0].Target, SampleBuild.Pack(new byte[64 << 20]));
        await _f.Site.PublishAsync(Stop);
        await RunAsync("package");
        Assert.All(await StatusAsync("build_invalid"), told => Assert.Contains("does not unpack to the file", told, StringComparison.Ordinal));
        Assert.Empty(Directory.EnumerateFiles(_folder.FolderOf(build.Id())));
    }

    [Fact]
    public async Task An_order_that_disappears_or_goes_back_changes_nothing()
    {
        var build = await UpgradedAsync("1.0.0", 100);
        _f.Site.Remove(Layout.ClientBuildsTarget);
        await _f.Site.PublishAsync(Stop);
        await RunAsync(build.Id());
        Assert.Equal((build.Id(), "package", null), Now());
        Assert.Contains(await StatusAsync("policy_missing"), text => text.Contains("client/builds.json", StringComparison.Ordinal));
        await OrderAsync("2.0.0", 99);
        await RunAsync(build.Id());
        Assert.Contains(await StatusAsync("policy_invalid"), text => text.Contains("order 99", StringComparison.Ordinal));
        _f.Site.Set(Layout.ClientBuildsTarget, Encoding.UTF8.GetBytes("{\"version\":1,\"siteCode\":\"XYZ\",\"builds\":[]}"));
        await _f.Site.PublishAsync(Stop);
        await RunAsync(build.Id());
        Assert.Equal((build.Id(), "package", null), Now());
        Assert.False(_f.Client!.Loop.MustRestart);
    }

    [Fact]
    public async Task Only_an_order_that_says_so_goes_back()
    {
        var first = await UpgradedAsync("1.0.0", 100);
        var second = await UpgradedAsync("2.0.0", 200);
        await OrderAsync("1.0.0", 300);
        await RunAsync(second.Id());
        Assert.Equal((second.Id(), first.Id(), null), Now());
        Assert.Contains("goes back only on an order that says so", (await _f.StatusAsync()).BuildWaiting, StringComparison.Ordinal);
        await OrderAsync("1.0.0", 301, build => build with { Downgrade = true });
        await RunAsync(second.Id());
        Assert.True(_f.Client!.Loop.MustRestart);
        await RunAsync(first.Id());
        Assert.Equal((first.Id(), second.Id(), null), Now());
    }

    [Fact]
    public async Task Each_device_begins_at_its_own_place_in_the_time_that_the_site_gives()
    {
        await EnrolAsync(ordinal: 1);
        await OrderAsync("1.0.0", 100, build => build with { SpreadSeconds = 3_600 });
        await RunAsync("package");
        Assert.Empty(_folder.Folders());
        Assert.Contains("this device's place", (await _f.StatusAsync()).BuildWaiting, StringComparison.Ordinal);
        // Ordinal 1 lies in the middle.
        await StepsAsync(TimeSpan.FromMinutes(29));
        Assert.Empty(_folder.Folders());
        await StepsAsync(TimeSpan.FromMinutes(2));
        Assert.True(_f.Client!.Loop.MustRestart);
    }

    [Fact]
    public async Task A_trial_that_is_told_to_stop_gets_its_start_back()
    {
        await EnrolAsync();
        var build = await OrderAsync("1.0.0", 100);
        await RunAsync("package");
        await File.WriteAllTextAsync(Path.Combine(_folder.Root, "starts"), $"{build.Id()} 100 2\n", Stop);
        _f.Provider.Refuse = "the cable is out";
        await OpenAsync(build.Id());
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Stop);
        var running = _f.Client!.RunAsync(stop.Token);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);
        Assert.Equal($"{build.Id()} 100 1\n", await File.ReadAllTextAsync(Path.Combine(_folder.Root, "starts"), Stop));
    }

    [Fact]
    public async Task Without_its_launcher_an_agent_takes_no_order_about_builds()
    {
        await _f.EnrolAsync();
        await OrderAsync("1.0.0", 100);
        await _f.Client!.RunNowAsync(Stop);
        Assert.False(Directory.Exists(_folder.Root));
        Assert.False(_f.Client!.Loop.MustRestart);
    }

    [Fact]
    public async Task Builds_that_cannot_be_kept_stop_nothing_else()
    {
        await EnrolAsync();
        await OrderAsync("1.0.0", 100);
        await File.WriteAllTextAsync(_folder.Root, "no folder", Stop);
        _f.Software = _ => Task.FromResult(ClientFixture.SampleSoftware("2.0"));
        await OpenAsync("package");
        await _f.Client!.Loop.BeginAsync(Stop);
        var report = await _f.Client!.RunNowAsync(Stop);
        Assert.True(report.Contacted);
        await _f.Client!.RunNowAsync(Stop);
        await _f.Site.DrainAsync(Stop);
        Assert.Equal("2.0", _f.Site.Items(Documents.SoftwareInventory)[^1].Packages[0].Version);
        Assert.Contains(_f.Site.Items(Documents.StatusMessage), message => (message.Code, message.Component) == ("component_failed", "client-builds"));
        Assert.Equal("failed", Assert.Single((await _f.StatusAsync()).Components, component => component.Name == "client-builds").State);
    }

    [Fact]
    public async Task Uninstalling_takes_the_builds_along()
    {
        await UpgradedAsync("1.0.0", 100);
        await _f.CloseAsync();
        await CapstanClient.UninstallAsync(_f.Options, Stop);
        Assert.False(Directory.Exists(_f.Options.Directory));
    }

    private static CancellationToken Stop => ClientFixture.Stop;

    private static byte[] Random(int length)
    {
        var bytes = new byte[length];
        new Random(7).NextBytes(bytes);
        return bytes;
    }

    private (string Current, string? Previous, string? Trial) Now() => _folder.ReadState() is var state ? (state.Current, state.Previous, state.Trial?.Id) : default;

    private string PathOf(ClientBuild build, string file) => Path.Combine(_folder.FolderOf(build.Id()), file);

    private async Task<StorePath> PackedAsync(string version, string file)
    {
        var hash = SampleBuild.File(file, SampleBuild.Files(version)[file]).Sha256;
        await foreach (var entry in _cap.ListAsync(StorePath.Parse("targets/client"), Stop))
        {
            if (entry.Path.Name.EndsWith($".{hash}.br", StringComparison.Ordinal))
                return entry.Path;
        }
        throw new InvalidOperationException($"{file} {version} is not on the CAP");
    }

    private async Task EnrolAsync(long ordinal = 0)
    {
        await _f.EnrolAsync(ordinal);
        await _f.CloseAsync();
    }

    private async Task<ClientBuild> OrderAsync(string version, long order, Func<ClientBuild, ClientBuild>? change = null)
    {
        var build = SampleBuild.Order(version, order);
        build = change?.Invoke(build) ?? build;
        SampleBuild.Set(_f.Site, build);
        await _f.Site.PublishAsync(Stop);
        return build;
    }

    private async Task<ClientBuild> UpgradedAsync(string version, long order)
    {
        if (!Directory.Exists(_f.Options.Directory))
            await EnrolAsync();
        var build = await OrderAsync(version, order);
        await RunAsync(_folder.ReadState().Current);
        Assert.True(_f.Client!.Loop.MustRestart, (await _f.StatusAsync()).BuildWaiting);
        await RunAsync(build.Id());
        Assert.Equal(build.Id(), _folder.ReadState().Current);
        return build;
    }

    private async Task OpenAsync(string id)
    {
        await _f.CloseAsync();
        _f.Options = new ClientOptions { Directory = _f.Options.Directory, Build = new BuildIdentity(id, _package) };
        await _f.OpenAsync();
    }

    /// <summary>What the launcher starts: this build, until it waits or wants to be another.</summary>
    private async Task RunAsync(string id)
    {
        await OpenAsync(id);
        await _f.Client!.Loop.BeginAsync(Stop);
        // A trial makes its contact by itself.
        if (!_f.Client!.Loop.MustRestart && _folder.ReadState().Trial?.Id != id)
            await _f.Client!.RunNowAsync(Stop);
        await StepsAsync(TimeSpan.Zero);
    }

    /// <summary>Lets the loop work for a time, as it does: until it wants another build.</summary>
    private async Task StepsAsync(TimeSpan duration)
    {
        for (var waited = TimeSpan.Zero; !_f.Client!.Loop.MustRestart;)
        {
            var pause = await _f.Client!.Loop.StepAsync(Stop);
            if (waited + pause > duration)
            {
                _f.Time.Advance(duration - waited);
                return;
            }
            _f.Time.Advance(pause);
            waited += pause;
        }
    }

    private Task UseUpAsync(ClientBuild build, long order) => File.WriteAllTextAsync(Path.Combine(_folder.Root, "starts"), $"{build.Id()} {order} 3\n", Stop);

    private async Task<IReadOnlyList<string>> StatusAsync(string code)
    {
        _f.Provider.Refuse = null;
        await _f.Client!.RunNowAsync(Stop);
        await _f.Site.DrainAsync(Stop);
        return [.. _f.Site.Items(Documents.StatusMessage).Where(message => message.Code == code).Select(message => message.Text)];
    }
}

/// <summary>Counts the bytes that are read, by path.</summary>
internal sealed class CountingStore(IStore inner) : IStore
{
    private readonly List<(string Path, long Bytes)> _reads = [];

    /// <summary>Of packed files of builds.</summary>
    public long PackedBytes => _reads.Where(read => read.Path.EndsWith(".br", StringComparison.Ordinal)).Sum(read => read.Bytes);

    public async ValueTask<byte[]?> ReadAllAsync(StorePath path, long maxBytes, CancellationToken cancellationToken)
    {
        var content = await inner.ReadAllAsync(path, maxBytes, cancellationToken);
        _reads.Add((path.Value, content?.Length ?? 0));
        return content;
    }

    public async ValueTask<int> ReadAsync(StorePath path, long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        var count = await inner.ReadAsync(path, offset, buffer, cancellationToken);
        _reads.Add((path.Value, count));
        return count;
    }

    public ValueTask<StoreEntry?> StatAsync(StorePath path, CancellationToken cancellationToken) => inner.StatAsync(path, cancellationToken);
    public IAsyncEnumerable<StoreEntry> ListAsync(StorePath directory, CancellationToken cancellationToken) => inner.ListAsync(directory, cancellationToken);
    public ValueTask<bool> CreateAsync(StorePath path, Stream content, CancellationToken cancellationToken) => inner.CreateAsync(path, content, cancellationToken);
    public ValueTask ReplaceAsync(StorePath path, ReadOnlyMemory<byte> content, CancellationToken cancellationToken) => inner.ReplaceAsync(path, content, cancellationToken);
    public ValueTask<bool> DeleteAsync(StorePath path, CancellationToken cancellationToken) => inner.DeleteAsync(path, cancellationToken);
    public ValueTask RenameAsync(StorePath from, StorePath to, CancellationToken cancellationToken) => inner.RenameAsync(from, to, cancellationToken);
    public ValueTask CreateDirectoryAsync(StorePath path, CancellationToken cancellationToken) => inner.CreateDirectoryAsync(path, cancellationToken);
    public ValueTask<StoreSpace?> GetSpaceAsync(CancellationToken cancellationToken) => inner.GetSpaceAsync(cancellationToken);
}
