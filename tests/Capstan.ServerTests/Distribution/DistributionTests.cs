using System.Globalization;
using System.Text.RegularExpressions;
using Capstan.Client;

namespace Capstan.ServerTests.Distribution;

/// <summary>Software from a directory of an administrator to programs that ran: real site, real clients, a folder and a share, as people type it.</summary>
public sealed partial class DistributionTests(DistributedSite site) : IClassFixture<DistributedSite>
{
    [Fact]
    public async Task Machines_that_reach_different_storage_run_a_program_once_and_its_next_version_costs_what_changed()
    {
        var data = Source.Noise(1, 8_000_000);
        var source = await Source.WriteAsync(site.At("tool"), "one", data);
        var package = (await site.JsonAsync("package", "create", source, "--name", "Tool")).GetProperty("packageId").GetString()!;
        await site.CapstanAsync("program", "create", "Tool", "--name", "install", "--run", Source.Setup, "--rerun", "on-new-version");
        var dry = await site.JsonAsync("advertise", "Tool", "--to", "All Linux", "--dry-run");
        Assert.Equal(site.Machines.Select(machine => machine.DeviceId).Order(StringComparer.Ordinal), dry.GetProperty("coming").EnumerateArray().Select(client => client.GetProperty("deviceId").GetString()).Order(StringComparer.Ordinal));
        var id = await site.AdvertiseAsync("Tool", "All Linux");
        await site.BeginAsync();
        await site.SettledAsync(id, HasSucceeded, site.Machines);
        await site.UntilAsync(async () => (await site.FunnelAsync(id)).Succeeded == site.Machines.Count, "the site does not know that it has succeeded everywhere");

        var listed = (await site.JsonAsync("advertisement", "list")).EnumerateArray().Single(row => row.GetProperty("advertisementId").GetString() == id).GetProperty("funnel");
        Assert.Equal("3 3 3 3 3 0 0 0", string.Join(' ', ((string[])["targeted", "hasPolicy", "hasContent", "ran", "succeeded", "failed", "running", "waiting"]).Select(step => listed.GetProperty(step).GetInt32())));
        // It turns to the folder first, unless another test has had wrong content of it before.
        var first = site.OnBoth.Log.Contains($"CAP {site.FolderCap} gave a wrong chunk", StringComparison.Ordinal) ? site.ShareCap : site.FolderCap;
        foreach (var (machine, from) in ((Machine, string)[])[(site.OnFolder, site.FolderCap), (site.OnShare, site.ShareCap), (site.OnBoth, first)])
        {
            Assert.Equal(["one"], Said(machine));
            Assert.Equal(Source.Below(source), Source.Below(ContentOf(machine, package, 1)));
            await AssertBothSayWhyAsync(machine, id, from);
            Assert.InRange(Cost(machine, package, 1).Bytes, data.Length, data.Length + 200_000);
        }
        await site.Samba.StatusAsync(status => status.IsEmpty);

        // Three bytes in three places, and the line that it says.
        foreach (var at in (int[])[1_000_000, 4_000_000, 7_000_000])
            data[at] ^= 1;
        await Source.WriteAsync(source, "two", data);
        var second = await site.JsonAsync("package", "create", source, "--id", "Tool");
        Assert.Equal(2, second.GetProperty("version").GetInt32());
        await site.CapstanAsync("advertisement", "edit", id, "--package-version", "newest");
        await site.PublishedAsync();
        await site.BeginAsync();
        foreach (var machine in site.Machines)
            await site.UntilAsync(async () => Said(machine).Count() == 2 && await machine.FindAsync(id) is { State: "succeeded", LastOutcome: "success" }, "version 2 has not succeeded");
        await site.EndAsync();
        foreach (var machine in site.Machines)
        {
            Assert.Equal(["one", "two"], Said(machine));
            Assert.Equal(Source.Below(source), Source.Below(ContentOf(machine, package, 2)));
            // A chunk has at most 64 KiB: three of the file, what the list says of them, and the small file.
            var (bytes, reads) = Cost(machine, package, 2);
            Assert.InRange(bytes, 1, 6 * 64 << 10);
            Assert.InRange(reads, 1, 6);
        }
        await site.Samba.StatusAsync(status => status.IsEmpty);

        // Other tests run programs on these machines, before this one or after it.
        static IEnumerable<string> Said(Machine machine) => machine.Ran.Where(line => line is "one" or "two");
    }

    [Fact]
    public async Task Storage_that_changed_every_chunk_is_named_and_not_believed_and_mended_by_verifying()
    {
        var known = DistributedSite.Packs(DistributedSite.PacksOf(site.Folder));
        var source = await Source.WriteAsync(site.At("spoiled"), "whole", Source.Noise(2, 600_000));
        await site.CapstanAsync("package", "create", source, "--name", "Spoiled");
        await site.CapstanAsync("program", "create", "Spoiled", "--run", Source.Setup);
        var id = await site.AdvertiseAsync("Spoiled", "All Linux");
        var spoiled = DistributedSite.Packs(DistributedSite.PacksOf(site.Folder)).Except(known).Select(pack => pack.Name).ToList();
        Assert.Equal(2, spoiled.Count);
        foreach (var pack in spoiled)
            SpoilAllChunks(Path.Combine(DistributedSite.PacksOf(site.Folder), pack[..2], pack));
        await site.BeginAsync();
        await site.SettledAsync(id, HasSucceeded, site.OnShare, site.OnBoth);
        await site.UntilAsync(async () => await site.OnFolder.FindAsync(id) is { State: "waiting", Cause: "content" }, "the third does not wait for content");

        // Who had another source has named the bad one, in its log and to the site.
        Assert.Equal(["whole"], Last(site.OnShare));
        Assert.Equal(["whole"], Last(site.OnBoth));
        Assert.Contains($"CAP {site.FolderCap} gave a wrong chunk: pack {spoiled.First(pack => site.OnBoth.Log.Contains($"pack {pack} at byte", StringComparison.Ordinal))}", site.OnBoth.Log, StringComparison.Ordinal);
        Assert.DoesNotContain($"CAP {site.ShareCap} gave", site.OnBoth.Log, StringComparison.Ordinal);
        Assert.DoesNotContain("gave a wrong chunk", site.OnShare.Log, StringComparison.Ordinal);
        await site.UntilAsync(async () => (await site.Api.StatusAsync(site.OnBoth.DeviceId, null, null, null, CancellationToken.None)).Items.Any(row => row.Code == "content_source_bad" && row.Text.Contains(site.FolderCap, StringComparison.Ordinal)), "the site does not know of the bad CAP");
        // Who had none says which, and has run nothing.
        var why = await site.OnFolder.WhyAsync(id);
        Assert.Contains(site.FolderCap, why["content waits"], StringComparison.Ordinal);
        Assert.Contains("the bytes there are not what was published", why["content waits"], StringComparison.Ordinal);
        Assert.Contains("; next try ", why["content waits"], StringComparison.Ordinal);
        Assert.DoesNotContain("whole", site.OnFolder.Ran);

        var report = await site.JsonAsync("content", "verify");
        Assert.True(report.GetProperty("ok").GetBoolean());
        Assert.Equal(spoiled.Order(StringComparer.Ordinal), report.GetProperty("findings").EnumerateArray()
            .Where(finding => finding.GetProperty("place").GetString() == site.FolderCap && finding.GetProperty("state").GetString() == "damaged" && finding.GetProperty("mendedFrom").GetString() == "site")
            .Select(finding => finding.GetProperty("pack").GetString()).Order(StringComparer.Ordinal));
        await site.SettledAsync(id, HasSucceeded, site.OnFolder);
        await site.UntilAsync(async () => (await site.FunnelAsync(id)).Succeeded == site.Machines.Count, "the site does not know that the third went on by itself");
        Assert.Equal(["whole"], Last(site.OnFolder));
    }

    [Fact]
    public async Task Share_that_is_down_is_named_and_asked_seldom_and_the_program_runs_by_itself_when_it_is_back()
    {
        var source = await Source.WriteAsync(site.At("late"), "late", Source.Noise(3, 400_000));
        await site.CapstanAsync("package", "create", source, "--name", "Late");
        await site.CapstanAsync("program", "create", "Late", "--run", Source.Setup);
        await site.CapstanAsync("collection", "create", "Branch", "--member", site.OnShare.DeviceId);
        var id = await site.AdvertiseAsync("Late", "Branch");
        await site.OnShare.ContactAsync();
        Assert.Equal("received", (await site.OnShare.FindAsync(id))!.State);
        await site.Samba.KillAsync();
        var logged = site.OnShare.Log.Length;
        site.OnShare.Start();
        await site.UntilAsync(async () => await site.OnShare.FindAsync(id) is { State: "waiting", Cause: "content" }, "it does not wait for content");
        var why = await site.OnShare.WhyAsync(id);
        Assert.Contains(FormattableString.Invariant($"127.0.0.1:{site.Samba.Port}"), why["content waits"], StringComparison.Ordinal);
        Assert.Contains("; next try ", why["content waits"], StringComparison.Ordinal);
        // A second round, after its pause: each asks both CAPs once.
        await site.UntilAsync(() => Task.FromResult(Waits() >= 2), "it does not try again");
        Assert.InRange(Waits(), 2, 4);
        Assert.DoesNotContain("late", site.OnShare.Ran);

        await site.Samba.RestartAsync();
        await site.SettledAsync(id, HasSucceeded, site.OnShare);
        Assert.Equal(["late"], Last(site.OnShare));
        await site.UntilAsync(async () => (await site.FunnelAsync(id)).Succeeded == 1, "the site has not heard of it");

        int Waits() => WaitLine().Count(site.OnShare.Log[logged..]);
    }

    /// <summary>Changes one byte in each 4 KiB: no chunk but the last of a file is shorter.</summary>
    private static void SpoilAllChunks(string pack)
    {
        var bytes = File.ReadAllBytes(pack);
        for (var at = 0; at < bytes.Length; at += 4_000)
            bytes[at] ^= 0x20;
        bytes[^1] ^= 0x20;
        File.WriteAllBytes(pack, bytes);
    }

    private async Task AssertBothSayWhyAsync(Machine machine, string advertisement, string from)
    {
        var why = await site.Api.WhyAsync(machine.DeviceId, advertisement, CancellationToken.None);
        Assert.StartsWith("It has succeeded", why.Answer, StringComparison.Ordinal);
        var steps = why.Steps.ToDictionary(step => step.Step, StringComparer.Ordinal);
        Assert.Equal(["member", "offer", "policy", "time", "needs", "content", "run"], steps.Keys);
        Assert.All(steps.Values, step => Assert.True(step.IsMet, step.Text));
        Assert.Contains("In collection All Linux by its query", steps["member"].Text, StringComparison.Ordinal);
        Assert.EndsWith($"are on the client, read last from {from}.", steps["content"].Text, StringComparison.Ordinal);
        Assert.Contains("success, exit code 0", steps["run"].Text, StringComparison.Ordinal);

        var own = (await machine.FindAsync(advertisement))!.Facts.ToDictionary(fact => fact.Name, fact => fact.Value, StringComparer.Ordinal);
        Assert.StartsWith("succeeded since ", own["state"], StringComparison.Ordinal);
        Assert.StartsWith("yes, by policy ", own["listed"], StringComparison.Ordinal);
        Assert.EndsWith($" bytes, from {from}", own["content"], StringComparison.Ordinal);
        Assert.StartsWith("1: version 1, ", own["run"], StringComparison.Ordinal);
        Assert.Contains("success (exit code 0)", own["run"], StringComparison.Ordinal);

        // The same as people ask for it; once, since each is a process.
        if (machine != site.OnShare)
            return;
        Assert.Equal(why.Answer, (await site.JsonAsync("why", machine.DeviceId, advertisement)).GetProperty("answer").GetString());
        Assert.Equal(own, await machine.WhyAsync(advertisement));
    }

    private static bool HasSucceeded(ProgramView? program) => program?.State == "succeeded";

    private static IEnumerable<string> Last(Machine machine) => machine.Ran.TakeLast(1);

    private static string ContentOf(Machine machine, string package, int version) => Path.Combine(machine.Data, "content", string.Create(CultureInfo.InvariantCulture, $"{package}-{version}"));

    /// <summary>What a version has cost a machine, as its log says.</summary>
    private static (long Bytes, int Reads) Cost(Machine machine, string package, int version)
    {
        var line = Assert.Single(CompleteLine().Matches(machine.Log), match => match.Groups["package"].Value == string.Create(CultureInfo.InvariantCulture, $"{package}-{version}"));
        return (long.Parse(line.Groups["bytes"].Value, CultureInfo.InvariantCulture), int.Parse(line.Groups["reads"].Value, CultureInfo.InvariantCulture));
    }

    [GeneratedRegex("Content (?<package>\\S+) is complete: (?<bytes>[0-9]+) bytes were read in (?<reads>[0-9]+) reads", RegexOptions.None, matchTimeoutMilliseconds: 1_000)]
    private static partial Regex CompleteLine();

    [GeneratedRegex("Content \\S+ waits: ", RegexOptions.None, matchTimeoutMilliseconds: 1_000)]
    private static partial Regex WaitLine();
}
