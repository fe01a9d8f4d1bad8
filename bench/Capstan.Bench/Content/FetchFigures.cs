using System.Diagnostics;
using System.Globalization;
using System.Runtime.CompilerServices;
using Capstan.Bench.Figures;
using Capstan.Client.Content;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers.Local;
using Capstan.Testing.Content;
using Capstan.Testing.Servers;

namespace Capstan.Bench.Content;

/// <summary>What it costs a client to bring package versions here: beside <c>cp</c> from a folder, beside <c>smbclient</c> from Samba. Each fetch is a process of its own.</summary>
/// <param name="directory">On the disk that is meant; what is made below it is removed in the end.</param>
/// <param name="only">One of <c>delta cold many samba</c>; null for all.</param>
internal sealed class FetchFigures(string directory, string? only)
{
    private const int Runs = 5;
    private const long ColdBytes = 1_000_000_000;
    private const string Share = "cap", Account = "capa";
    private const string LongPackage = "abcdefgh", ManyPackage = "manyfile";

    private readonly string _root = Path.Combine(directory, "capstan-bench-content");
    private ContentMaker? _warm;

    public async IAsyncEnumerable<Figure> RunAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(_root);
        try
        {
            await WarmAsync();
            foreach (var (name, group) in new (string, Func<IAsyncEnumerable<Figure>>)[]
            {
                ("delta", () => DeltaAsync(cancellationToken)), ("cold", () => ColdAsync(cancellationToken)), ("many", () => ManyAsync(cancellationToken)), ("samba", () => SambaAsync(cancellationToken)),
            })
            {
                if (only is not null && only != name)
                    continue;
                await foreach (var figure in group())
                    yield return figure;
            }
        }
        finally
        {
            Clear(_root);
        }
    }

    /// <summary>The tree of users.md, "Delta".</summary>
    private async IAsyncEnumerable<Figure> DeltaAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var (maker, cap, client) = (new ContentMaker("deltaabc"), Folder("delta-cap"), Folder("delta-client"));
        var entries = new Dictionary<string, byte[]>(StringComparer.Ordinal) { ["big"] = MadeEntry.Noise(1, 64 << 20) };
        var random = new Random(2);
        for (var i = 0; i < 2_000; i++)
            entries[Text($"small/{i:D4}")] = MadeEntry.Noise(10 + i, random.Next(4_000, 60_000));
        var first = await PublishAsync(maker, 1, entries.Select(entry => MadeEntry.File(entry.Key, entry.Value)), cap);
        var cold = await FetchAsync(client, NalPath.FromDirectory(cap), new PackageKey("deltaabc", 1), first, cancellationToken);
        var big = entries["big"].ToList();
        for (var i = 0; i < 20; i++)
        {
            var at = random.Next(big.Count - 100);
            foreach (var (index, value) in MadeEntry.Noise(5_000 + i, 100).Index())
                big[at + index] = value;
        }
        big.InsertRange(1_000, MadeEntry.Noise(6_000, 1_000));
        entries["big"] = [.. big];
        for (var i = 0; i < 20; i++)
            entries[Text($"small/{i * 7:D4}")] = [.. entries[Text($"small/{i * 7:D4}")], .. MadeEntry.Noise(7_000 + i, 100)];
        for (var i = 0; i < 5; i++)
        {
            entries.Remove(Text($"small/{1_000 + i:D4}"));
            entries[Text($"small/new{i}")] = MadeEntry.Noise(8_000 + i, 30_000);
        }
        var second = await PublishAsync(maker, 2, entries.Select(entry => MadeEntry.File(entry.Key, entry.Value)), cap);
        var delta = await FetchAsync(client, NalPath.FromDirectory(cap), new PackageKey("deltaabc", 2), second, cancellationToken);
        yield return new Figure("tree of users.md (133 MB, 2,001 files), cold", Cost(cold), "");
        yield return new Figure("its version 2, with version 1 here", Cost(delta), "≤ 1.5 MB, ≤ 40 reads, ≤ 20 files");
    }

    private async IAsyncEnumerable<Figure> ColdAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var (source, cap) = (Folder("source"), Folder("cap"));
        var manifest = await LongAsync(source, cap);
        var copied = new List<Run>();
        var fetched = new List<FetchCost>();
        for (var run = 0; run <= Runs; run++)
        {
            // In turn, so that what the machine does else meets both.
            var copy = Path.Combine(_root, "copy");
            await SettleAsync(cancellationToken);
            var seconds = await RunAsync("cp", ["-r", source, copy], cancellationToken);
            Clear(copy);
            var client = Folder("client");
            await SettleAsync(cancellationToken);
            var cost = await FetchAsync(client, NalPath.FromDirectory(cap), new PackageKey(LongPackage, 1), manifest, cancellationToken);
            Clear(client);
            if (run == 0)
                continue;
            copied.Add(seconds);
            fetched.Add(cost);
        }
        var (cp, ours) = (Median(copied), fetched.OrderBy(cost => cost.Seconds).ElementAt(Runs / 2));
        yield return new Figure("1 GB (9 files of 100 MB, 6,700 small) by cp -r", Text($"{Rate(cp.WallSeconds)}; {cp.CpuSeconds:F2} s of processor time"), "");
        yield return new Figure("the same, cold, from a CAP in a folder, each chunk verified", Text($"{Rate(ours.Seconds)}; {cp.WallSeconds / ours.Seconds * 100:F0} % of cp; {Cost(ours)}"), "≥ 70 % of cp");
        yield return new Figure("reading all of it again before a run", Rate(ours.VerifySeconds), "");
    }

    private async IAsyncEnumerable<Figure> ManyAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var (maker, cap, client) = (new ContentMaker(ManyPackage), Folder("many-cap"), Folder("many-client"));
        var entries = Enumerable.Range(0, 200_000).Select(i => MadeEntry.File(Text($"usr/share/directory-{i / 500:D3}/some-file-of-a-package-{i:D6}"), MadeEntry.Noise(i, 600))).ToList();
        var first = await PublishAsync(maker, 1, entries, cap);
        var cold = await FetchAsync(client, NalPath.FromDirectory(cap), new PackageKey(ManyPackage, 1), first, cancellationToken);
        entries[100_000] = MadeEntry.File(entries[100_000].Path, MadeEntry.Noise(-1, 600));
        var second = await PublishAsync(maker, 2, entries, cap);
        var delta = await FetchAsync(client, NalPath.FromDirectory(cap), new PackageKey(ManyPackage, 2), second, cancellationToken);
        yield return new Figure("200,000 files of 600 bytes, cold", Cost(cold), "≤ 100 MB of memory");
        yield return new Figure("version 2 with one of them changed", Cost(delta), "≤ 100 MB of memory");
    }

    private async IAsyncEnumerable<Figure> SambaAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await using var samba = await SambaServer.StartAsync(new SambaSetup { Shares = [new SambaShare(Share, ("force user", "root"))] });
        var share = samba.FolderOf(Share);
        var manifest = await LongAsync(Path.Combine(share, "tree"), share);
        await File.WriteAllBytesAsync(Path.Combine(share, "big"), MadeEntry.Noise(1, (int)ColdBytes), cancellationToken);
        var password = Path.Combine(_root, "password");
        await File.WriteAllTextAsync(password, SambaServer.PasswordOf(Account), cancellationToken);
        var accountFile = Path.Combine(_root, "account");
        await File.WriteAllTextAsync(accountFile, $"username = {Account}\npassword = {SambaServer.PasswordOf(Account)}\n", cancellationToken);
        // What the issue compares with comes first; the others read what ours reads, and write what ours writes.
        var peers = new (string Name, string Protection, string Commands, List<Run> Runs)[]
        {
            ("one file of 1 GB by smbclient get, from Samba on loopback, encrypted", "encrypt", "get big", []),
            ("the same, neither signed nor encrypted", "off", "get big", []),
            ("the packs by smbclient mget, encrypted", "encrypt", "recurse on; prompt off; mget packs", []),
            ("the tree itself, 6,700 files, by smbclient mget, encrypted", "encrypt", "recurse on; prompt off; mget tree", []),
        };
        var fetched = new List<FetchCost>();
        for (var run = 0; run <= Runs; run++)
        {
            foreach (var peer in peers)
            {
                var got = await GetAsync(peer.Protection, peer.Commands);
                if (run > 0)
                    peer.Runs.Add(got);
            }
            var client = Folder("client");
            await SettleAsync(cancellationToken);
            var cost = await FetchAsync(client, NalPath.Parse(Text($"smb://127.0.0.1:{samba.Port}/{Share}/")), new PackageKey(LongPackage, 1), manifest, cancellationToken, password);
            Clear(client);
            if (run > 0)
                fetched.Add(cost);
        }
        var ours = fetched.OrderBy(cost => cost.Seconds).ElementAt(Runs / 2);
        var all = peers.Select(peer => (peer.Name, Median: Median(peer.Runs))).ToList();
        foreach (var (name, median) in all)
            yield return new Figure(name, Text($"{Rate(median.WallSeconds)}; {median.CpuSeconds:F2} s of processor time"), "");
        yield return new Figure("the same 1 GB package as above from that Samba, encrypted, each chunk verified",
            Text($"{Rate(ours.Seconds)}; {string.Join(", ", all.Select(peer => Text($"{peer.Median.WallSeconds / ours.Seconds * 100:F0} %")))} of these; {Cost(ours)}"), "≥ 90 % of the first");

        async Task<Run> GetAsync(string protection, string commands)
        {
            var copy = Folder("copy");
            await SettleAsync(cancellationToken);
            var run = await WholeProcess.RunAsync("smbclient", [Text($"//127.0.0.1/{Share}"), "-p", Text($"{samba.Port}"), "-A", accountFile, $"--client-protection={protection}", "-c", $"lcd {copy}; {commands}"], cancellationToken);
            Clear(copy);
            return run.ExitCode == 0 ? run : throw new InvalidOperationException($"smbclient ended with {run.ExitCode}");
        }
    }

    private static Run Median(List<Run> runs) => runs.OrderBy(run => run.WallSeconds).ElementAt(runs.Count / 2);

    /// <summary>What each fetch begins with, and each CAP has: 6 MB, noise and text, large and small.</summary>
    private async Task WarmAsync()
    {
        var text = System.Text.Encoding.ASCII.GetBytes(string.Concat(Enumerable.Range(0, 100_000).Select(i => Text($"line {i} of {i * 7919 % 1009}\n"))));
        var entries = Enumerable.Range(0, 100).Select(i => MadeEntry.File(Text($"small/{i:D3}"), MadeEntry.Noise(i, 1 + i * 7919 % 30_000)))
            .Append(MadeEntry.File("noise", MadeEntry.Noise(-1, 4_000_000))).Append(MadeEntry.File("text", text)).Append(MadeEntry.Link("link", "text"));
        var maker = new ContentMaker(FetchOnce.Warm.PackageId);
        await File.WriteAllBytesAsync(Path.Combine(_root, FetchOnce.WarmManifest), maker.Make(1, entries));
        _warm = maker;
    }

    /// <summary>1 GB that does not compress, as files in <paramref name="source"/> and as packs in <paramref name="cap"/>.</summary>
    private async Task<string> LongAsync(string source, string cap)
    {
        var entries = new List<MadeEntry>();
        for (var i = 0; i < 9; i++)
            entries.Add(MadeEntry.File(Text($"big/{i}"), MadeEntry.Noise(i, 100_000_000)));
        for (var (i, left) = (0, ColdBytes - 900_000_000); left > 0; i++)
        {
            var small = MadeEntry.File(Text($"small/{i % 50}/{i:D5}"), MadeEntry.Noise(100 + i, 1 + i * 7919 % 30_000));
            entries.Add(small);
            left -= small.Content.Length;
        }
        foreach (var entry in entries)
        {
            var path = Path.Combine(source, entry.Path);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            await File.WriteAllBytesAsync(path, entry.Content);
        }
        return await PublishAsync(new ContentMaker(LongPackage), 1, entries, cap);
    }

    private async Task<string> PublishAsync(ContentMaker maker, int version, IEnumerable<MadeEntry> entries, string cap)
    {
        var manifest = Path.Combine(_root, Text($"{maker.PackageId}-{version}.json"));
        await File.WriteAllBytesAsync(manifest, maker.Make(version, entries));
        foreach (var stored in new[] { maker, _warm! })
            await stored.StoreAsync(new LocalStore(cap, TimeProvider.System), CancellationToken.None);
        return manifest;
    }

    private static async Task<FetchCost> FetchAsync(string client, NalPath cap, PackageKey package, string manifest, CancellationToken cancellationToken, string? passwordFile = null)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!, ["fetch-once", client, cap.ToString(), package.PackageId, Text($"{package.Version}"), manifest, .. passwordFile is null ? Array.Empty<string>() : [Account, passwordFile]])
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
        };
        // As capstan-client is published.
        foreach (var (name, value) in new[] { ("DOTNET_TieredCompilation", "0"), ("DOTNET_gcConcurrent", "0"), ("DOTNET_GCConserveMemory", "9"), ("DOTNET_GCGen0MaxBudget", "400000") })
            start.Environment[name] = value;
        using var process = Process.Start(start)!;
        var output = await process.StandardOutput.ReadToEndAsync(cancellationToken);
        await process.WaitForExitAsync(cancellationToken);
        return process.ExitCode == 0 ? FetchCost.Parse(output.Trim()) : throw new InvalidOperationException($"the fetch ended with {process.ExitCode}");
    }

    /// <summary>What was written before is on the disk: it slows nobody down.</summary>
    private static async Task SettleAsync(CancellationToken cancellationToken) => await WholeProcess.RunAsync("sync", [], cancellationToken);

    private static async Task<Run> RunAsync(string program, IReadOnlyList<string> arguments, CancellationToken cancellationToken)
    {
        var run = await WholeProcess.RunAsync(program, arguments, cancellationToken);
        return run.ExitCode == 0 ? run : throw new InvalidOperationException($"{program} ended with {run.ExitCode}");
    }

    private string Folder(string name)
    {
        Clear(Path.Combine(_root, name));
        return Directory.CreateDirectory(Path.Combine(_root, name)).FullName;
    }

    private static void Clear(string directory)
    {
        if (!Directory.Exists(directory))
            return;
        using var parent = VersionFolder.Open(Path.GetDirectoryName(directory)!);
        parent.Remove(Path.GetFileName(directory));
    }

    private static string Cost(FetchCost cost) => Text($"{cost.Seconds:F2} s and {cost.CpuSeconds:F2} s of processor time, {cost.BytesRead / 1e6:F2} MB in {cost.Reads} reads of {cost.Packs} files, peak {cost.PeakBytes / 1e6:F0} MB");

    private static string Rate(double seconds) => Text($"{ColdBytes / seconds / 1e6:F0} MB/s");

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
