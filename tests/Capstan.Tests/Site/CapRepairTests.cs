using Capstan.Nal;
using Capstan.Site;
using Capstan.Site.Api;
using Capstan.Site.Load;
using Capstan.Site.Publish;
using Capstan.Site.Store;
using Capstan.Testing;
using Capstan.Testing.Stores;
using Capstan.Tests.Protocol.Tuf;

namespace Capstan.Tests.Site;

/// <summary>What befalls a CAP from outside, and how it comes right again.</summary>
public class CapRepairTests
{
    [Fact]
    public async Task Cap_publish_mends_every_kind_of_file_that_was_cut_or_altered_alone_and_all_of_them_together()
    {
        var (site, _) = await SiteHarness.EnrolledAsync(new ManualTime());
        await using var _ = site;
        await site.PublishAsync();
        var whole = await PublishedAsync(site);
        // The bins of policies are one kind, and so are the policies.
        var kinds = whole.Keys.GroupBy(Kind, StringComparer.Ordinal).Select(kind => kind.Last()).ToList();
        Assert.Equal(11, kinds.Count);
        foreach (IReadOnlyList<string> damaged in kinds.Select(path => new[] { path }).Append([.. whole.Keys]))
        {
            await DamageAsync(site, damaged, path => whole[path][..(whole[path].Length / 2)]);
            await site.Get<Publisher>().PublishNowAsync(CancellationToken.None);
            Assert.Equal(whole, await PublishedAsync(site));

            await DamageAsync(site, damaged, path => new byte[whole[path].Length]);
            // A first root that is not ours is another site's: a person must say that it is not.
            if (damaged.Contains("metadata/1.root.json"))
                File.Delete(Path.Combine(site.CapDirectory, "metadata/1.root.json"));
            await site.Get<Publisher>().PublishNowAsync(CancellationToken.None);
            Assert.Equal(whole, await PublishedAsync(site));
        }
    }

    [Fact]
    public async Task A_folder_that_was_deleted_is_filled_again_by_the_next_pass_and_uploads_go_on()
    {
        var (site, device) = await SiteHarness.EnrolledAsync(new ManualTime());
        await using var _ = site;
        await site.PublishAsync();
        var whole = await PublishedAsync(site);
        Directory.Delete(site.CapDirectory, recursive: true);

        await site.PublishAsync();
        await site.DrainAsync();

        Assert.Equal(whole, await PublishedAsync(site));
        Assert.Equal(1, (await site.ReceiptAsync(device)).Sequence);
        await site.TakeInAsync(device, device.Heartbeat(policy: 3));
        Assert.Equal(3, (await site.ClientAsync(device)).PolicyVersion);
        Assert.DoesNotContain(await site.ConditionsAsync(), condition => condition.Code == "cap_failing");
    }

    [Fact]
    public async Task A_folder_whose_parent_is_gone_too_is_one_condition_until_it_comes_back()
    {
        var time = new ManualTime();
        var (site, _) = await SiteHarness.EnrolledAsync(time);
        await using var _ = site;
        await site.PublishAsync();
        var elsewhere = Capstan.Nal.Paths.NalPath.FromDirectory(Path.Combine(site.Directory, "mount", "cap"));
        Directory.CreateDirectory(elsewhere.LocalDirectory!);
        await site.Get<CapAdministration>().AddAsync(elsewhere, new CapAdd(elsewhere.ToString()), CancellationToken.None);
        Directory.Delete(Path.Combine(site.Directory, "mount"), recursive: true);

        await site.PublishAsync();

        var condition = await site.OnlyConditionAsync();
        Assert.Equal("cap_failing", condition.Code);
        Assert.Contains("Bring the folder or share back", condition.NextStep, StringComparison.Ordinal);
        Directory.CreateDirectory(Path.Combine(site.Directory, "mount"));
        time.Advance(TimeSpan.FromMinutes(20));
        await site.PublishAsync();
        Assert.DoesNotContain(await site.ConditionsAsync(), condition => condition.Code == "cap_failing");
        Assert.True(File.Exists(Path.Combine(elsewhere.LocalDirectory!, "metadata", "timestamp.json")));
    }

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData(null)]
    public async Task A_pointer_that_is_not_what_the_site_left_is_repaired_by_the_next_pass(string? instead)
    {
        var (site, _) = await SiteHarness.EnrolledAsync(new ManualTime());
        await using var _ = site;
        await site.PublishAsync();
        var pointer = Path.Combine(site.CapDirectory, CapWriter.Pointer);
        File.Delete(pointer);
        if (instead is not null)
            await File.WriteAllTextAsync(pointer, instead);

        await site.PublishAsync();

        Assert.Equal(await site.VersionAsync(), await site.VersionOnCapAsync());
    }

    [Fact]
    public async Task A_lost_file_behind_a_good_pointer_is_found_within_a_day()
    {
        var time = new ManualTime();
        var (site, device) = await SiteHarness.EnrolledAsync(time);
        await using var _ = site;
        await site.PublishAsync();
        var policy = Directory.GetFiles(Path.Combine(site.CapDirectory, "targets", "policy"), $"*.{device.Id}.json").Single();
        File.Delete(policy);

        await site.PublishAsync();
        Assert.False(File.Exists(policy));
        time.Advance(TimeSpan.FromDays(1));
        await site.PublishAsync();

        Assert.True(File.Exists(policy));
    }

    [Fact]
    public async Task A_pass_without_news_only_reads_the_pointer_and_news_makes_no_folders()
    {
        var time = new ManualTime();
        var storage = new FaultyStorage(time);
        var (site, device) = await SiteHarness.EnrolledAsync(time, storage.Wrap);
        await using var _ = site;
        await site.PublishAsync();

        storage[site.Cap].Deny(StoreOperations.All & ~StoreOperations.Read);
        await site.PublishAsync();
        Assert.Null((await site.CapStateAsync()).LastError);

        storage[site.Cap].Heal();
        storage[site.Cap].Deny(StoreOperations.MakeDirectory | StoreOperations.List);
        Assert.True(await site.Get<Enrolment>().RetireAsync(device.Id.Value, CancellationToken.None));
        time.Advance(PublishSchedule.OrdinaryInterval);
        await site.PublishAsync();
        Assert.Equal((null, await site.VersionAsync()), ((await site.CapStateAsync()).LastError, await site.VersionOnCapAsync()));
    }

    [Fact]
    public async Task A_cap_of_another_site_is_left_alone()
    {
        var time = new ManualTime();
        var (ours, _) = await SiteHarness.EnrolledAsync(time);
        await using var _ = ours;
        await ours.PublishAsync();
        var before = Tree(ours);
        await using var other = await SiteHarness.CreateAsync(time, "XYZ");

        Assert.Equal("foreign_cap", (await Assert.ThrowsAsync<SiteException>(() =>
            other.Get<CapAdministration>().AddAsync(ours.Cap, new CapAdd(ours.Cap.ToString()), CancellationToken.None))).Code);
        await other.AddCapAsync();
        Directory.Delete(other.CapDirectory, recursive: true);
        CopyTree(ours.CapDirectory, other.CapDirectory);
        await other.Get<Publisher>().PublishNowAsync(CancellationToken.None);

        var condition = await other.OnlyConditionAsync();
        Assert.Equal("cap_failing", condition.Code);
        Assert.Contains("Choose another folder", condition.NextStep, StringComparison.Ordinal);
        Assert.Equal(before, Tree(other));
        Assert.Equal(before, Tree(ours));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_site_restored_from_a_backup_goes_above_what_the_cap_shows(bool snapshotsLost)
    {
        var time = new ManualTime();
        var (site, device) = await SiteHarness.EnrolledAsync(time);
        await site.PublishAsync();
        var trust = new MemoryTrust();
        await site.CloseAsync();
        CopyTree(Path.Combine(site.Directory, "site"), Path.Combine(site.Directory, "backup"));

        await using (var later = await SiteHarness.OpenAsync(site.Directory, time))
        {
            later.KeepDirectory = true;
            time.Advance(TimeSpan.FromMinutes(2));
            Assert.True(await later.Get<Enrolment>().RetireAsync(device.Id.Value, CancellationToken.None));
            await later.PublishAsync();
            await (await later.ClientOfCapAsync(trust)).RefreshAsync(complete: true, CancellationToken.None);
        }
        Directory.Delete(Path.Combine(site.Directory, "site"), recursive: true);
        Directory.Move(Path.Combine(site.Directory, "backup"), Path.Combine(site.Directory, "site"));
        // The clock of the restored machine is behind, so that time alone does not help.
        time.Jump(time.GetUtcNow() - TimeSpan.FromHours(3));
        await using var restored = await SiteHarness.OpenAsync(site.Directory, time);
        var seen = await restored.VersionOnCapAsync();
        Assert.True(seen > await restored.VersionAsync());
        foreach (var snapshot in snapshotsLost ? Directory.GetFiles(Path.Combine(restored.CapDirectory, "metadata"), "*.snapshot.json") : [])
            File.Delete(snapshot);

        await restored.PublishAsync();

        Assert.True(await restored.VersionAsync() > seen);
        Assert.Contains("site_rolled_back", (await restored.ConditionsAsync()).Select(condition => condition.Code));
        Assert.Equal(await restored.VersionAsync(), (await (await restored.ClientOfCapAsync(trust)).RefreshAsync(complete: true, CancellationToken.None)).TimestampVersion);
    }

    [Fact]
    public async Task A_cap_that_cannot_be_written_is_one_condition_keeps_its_state_and_stops_no_other()
    {
        var time = new ManualTime();
        var storage = new FaultyStorage(time);
        var (site, device) = await SiteHarness.EnrolledAsync(time, storage.Wrap);
        await using var _ = site;
        await site.PublishAsync();
        var second = Capstan.Nal.Paths.NalPath.FromDirectory(Path.Combine(site.Directory, "second"));
        await site.Get<CapAdministration>().AddAsync(second, new CapAdd(second.ToString()), CancellationToken.None);
        var shown = await site.VersionOnCapAsync();

        storage[site.Cap].Deny(StoreOperations.Writes);
        Assert.True(await site.Get<Enrolment>().RetireAsync(device.Id.Value, CancellationToken.None));
        time.Advance(PublishSchedule.OrdinaryInterval);
        await site.PublishAsync();

        var condition = await site.OnlyConditionAsync();
        Assert.Equal("cap_failing", condition.Code);
        Assert.Contains("right to write", condition.NextStep, StringComparison.Ordinal);
        Assert.Equal(shown, await site.VersionOnCapAsync());
        var rows = await site.Get<CapStore>().ListAsync(CancellationToken.None);
        Assert.Equal(await site.VersionAsync(), rows.Single(row => row.Path == second.ToString()).PublishedVersion);

        // Doubling with each failure, times 0.5 to 1.5, at most 10 minutes.
        var pauses = new List<TimeSpan>();
        for (var failure = 1; failure <= 10; failure++)
        {
            var row = (await site.Get<CapStore>().ListAsync(CancellationToken.None)).Single(row => row.Path == site.Cap.ToString());
            Assert.Equal(failure, row.Failures);
            pauses.Add(Times.At(row.NextTry!.Value) - time.GetUtcNow());
            time.Jump(Times.At(row.NextTry.Value));
            await site.PublishAsync();
        }
        Assert.All(pauses.Select((pause, n) => (Pause: pause, Ideal: Math.Min(5 * Math.Pow(2, n), 600))), next => Assert.InRange(next.Pause.TotalSeconds, next.Ideal * 0.499, next.Ideal * 1.501));

        storage[site.Cap].Heal();
        await site.Get<Publisher>().PublishNowAsync(CancellationToken.None);
        Assert.DoesNotContain(await site.ConditionsAsync(), condition => condition.Code == "cap_failing");
        Assert.Equal(await site.VersionAsync(), await site.VersionOnCapAsync());
    }

    /// <summary>What is between the version or hash of a file's name and its number.</summary>
    private static string Kind(string path) => path.StartsWith("metadata/", StringComparison.Ordinal)
        ? Path.GetFileName(path).Split('.')[^2].Split('-')[0]
        : path[..path.LastIndexOf('/')] + (path.Contains("/policy/", StringComparison.Ordinal) ? "" : path[path.LastIndexOf('.', path.LastIndexOf('.') - 1)..]);

    private static async Task DamageAsync(SiteHarness site, IEnumerable<string> paths, Func<string, byte[]> instead)
    {
        foreach (var path in paths)
            await File.WriteAllBytesAsync(Path.Combine(site.CapDirectory, path), instead(path));
    }

    /// <summary>What the CAP shows now: superseded files, which are still there for a while, nobody repairs.</summary>
    private static async Task<SortedDictionary<string, byte[]>> PublishedAsync(SiteHarness site)
    {
        var current = (await site.Get<PublishStore>().CurrentAsync(null, CancellationToken.None)).Files.Select(file => file.Path).Append(CapWriter.Pointer).ToHashSet(StringComparer.Ordinal);
        return new(Tree(site).Where(file => current.Contains(file.Key)).ToDictionary(StringComparer.Ordinal), StringComparer.Ordinal);
    }

    /// <summary>Everything of metadata and targets, by path.</summary>
    private static SortedDictionary<string, byte[]> Tree(SiteHarness site) => new(new[] { "metadata", "targets" }
        .SelectMany(folder => Directory.EnumerateFiles(Path.Combine(site.CapDirectory, folder), "*", SearchOption.AllDirectories))
        .ToDictionary(file => Path.GetRelativePath(site.CapDirectory, file), File.ReadAllBytes, StringComparer.Ordinal), StringComparer.Ordinal);

    private static void CopyTree(string from, string to)
    {
        foreach (var directory in Directory.EnumerateDirectories(from, "*", SearchOption.AllDirectories).Prepend(from))
            Directory.CreateDirectory(Path.Combine(to, Path.GetRelativePath(from, directory)));
        foreach (var file in Directory.EnumerateFiles(from, "*", SearchOption.AllDirectories))
            File.Copy(file, Path.Combine(to, Path.GetRelativePath(from, file)));
    }
}
