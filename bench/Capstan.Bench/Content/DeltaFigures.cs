using System.Diagnostics;
using System.Globalization;
using System.Runtime.CompilerServices;
using Capstan.Bench.Figures;
using Capstan.Client.Content;
using Capstan.Protocol.Content;
using Capstan.Protocol.V1;

namespace Capstan.Bench.Content;

/// <summary>What the second version of a package costs a client that has the first: bytes, reads and files of the CAP, as the client's own planner asks for them; beside what the peers store or send.</summary>
internal static class DeltaFigures
{
    public static async IAsyncEnumerable<Figure> RunAsync(string? named, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var directory = Directory.CreateTempSubdirectory("capstan-bench-").FullName;
        try
        {
            var (first, second) = (Path.Combine(directory, "v1"), Path.Combine(directory, "v2"));
            DeltaTree.MakeFirst(Directory.CreateDirectory(first).FullName);
            await RunAsync("/usr/bin/cp", ["-a", first, second], cancellationToken);
            DeltaTree.MakeSecond(second);
            if (ServedCapstan.Find(named) is { } program)
                yield return await OursAsync(program, directory, first, second, cancellationToken);
            foreach (var peer in new Func<string, string, string, CancellationToken, Task<Figure>>[]
            {
                (d, a, b, stop) => CasyncAsync(16, d, a, b, stop), (d, a, b, stop) => CasyncAsync(64, d, a, b, stop), ResticAsync, OstreeAsync, RsyncAsync, RcloneAsync, ZsyncAsync,
            })
            {
                var scratch = Directory.CreateDirectory(Path.Combine(directory, "peer")).FullName;
                yield return await peer(scratch, first, second, cancellationToken);
                Directory.Delete(scratch, recursive: true);
            }
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    private static async Task<Figure> OursAsync(string program, string directory, string first, string second, CancellationToken cancellationToken)
    {
        await using var site = await ServedCapstan.StartAsync(program, Path.Combine(directory, "capstan"), cancellationToken);
        Directory.CreateDirectory(site.Cap);
        await site.RunAsync(["cap", "add", site.Cap], cancellationToken);
        var one = await site.RunAsync(["package", "create", first, "--name", "Delta"], cancellationToken);
        await site.SpreadAsync(cancellationToken);
        var two = await site.RunAsync(["package", "create", second, "--id", "Delta"], cancellationToken);
        await site.SpreadAsync(cancellationToken);
        await site.RunAsync(["cap", "publish"], cancellationToken);
        var (before, after) = (Manifest(site.Cap, 1), Manifest(site.Cap, 2));
        // First the tree, then, with its help, the files: two plans, as the client makes them.
        var (known, _) = await ReadAsync(site.Cap, before, cancellationToken);
        var (_, wanted) = await ReadAsync(site.Cap, after, cancellationToken);
        var here = known.Concat(before.Tree.ToExtents().SelectMany(extent => extent.Chunks).Select(chunk => chunk.Hash)).ToHashSet();
        var plans = new[] { Plan(after.Tree.ToExtents(), here), Plan(wanted, here) };
        var manifestBytes = Documents.PackageManifest.Encode(after).Length;
        return new("version 2 of the tree of 133 MB, Capstan", Text($"{plans.Sum(plan => plan.Bytes) / 1e6:0.00} MB from packs in {plans.Sum(plan => plan.Reads)} reads of {plans.SelectMany(plan => plan.Packs).Distinct().Count()} files (tree {plans[0].Bytes / 1e6:0.00} MB), manifest {manifestBytes / 1e3:0} KB; published in {one.WallSeconds:0.0} s, then {two.WallSeconds:0.0} s"),
            "≤ 1.5 MB, ≤ 40 reads, ≤ 20 files");
    }

    private static (long Bytes, int Reads, IReadOnlySet<ContentHash> Packs) Plan(IEnumerable<Extent> extents, HashSet<ContentHash> here)
    {
        var order = new Dictionary<ContentHash, int>();
        var needed = new Dictionary<ContentHash, NeededChunk>();
        foreach (var extent in extents)
        {
            var offset = extent.OffsetBytes;
            foreach (var chunk in extent.Chunks)
            {
                if (!here.Contains(chunk.Hash))
                {
                    if (!order.TryGetValue(extent.Pack, out var number))
                        order.Add(extent.Pack, number = order.Count);
                    needed.TryAdd(chunk.Hash, new NeededChunk(extent.Pack, number, offset, chunk, default));
                }
                offset += chunk.StoredBytes;
            }
        }
        var sorted = RangePlanner.Sort(needed.Values);
        var (bytes, reads) = (0L, 0);
        for (var from = 0; RangePlanner.Next(sorted, from, RangePlanner.MostBytes) is { IsEmpty: false } range; from += range.Chunks.Count)
        {
            bytes += range.Bytes;
            reads++;
        }
        return (bytes, reads, order.Keys.ToHashSet());
    }

    private static PackageManifest Manifest(string cap, int version) =>
        Documents.PackageManifest.Decode(File.ReadAllBytes(Directory.EnumerateFiles(Path.Combine(cap, "targets", "packages"), $"*-{version.ToString(CultureInfo.InvariantCulture)}.json").Single()));

    /// <summary>The chunks of all files of a version, and its extents.</summary>
    private static async Task<(IReadOnlyList<ContentHash> Chunks, IReadOnlyList<Extent> Extents)> ReadAsync(string cap, PackageManifest manifest, CancellationToken cancellationToken)
    {
        using var tree = new MemoryStream();
        foreach (var extent in manifest.Tree.ToExtents())
        {
            using var pack = File.OpenRead(Path.Combine(cap, Capstan.Protocol.Layout.Pack(extent.Pack)));
            pack.Position = extent.OffsetBytes;
            foreach (var chunk in extent.Chunks)
            {
                var (stored, plain) = (new byte[chunk.StoredBytes], new byte[chunk.LengthBytes]);
                pack.ReadExactly(stored);
                if (!ChunkCodec.TryDecode(stored, chunk, plain))
                    throw new InvalidOperationException("A chunk of the tree is not what the manifest says.");
                tree.Write(plain);
            }
        }
        tree.Position = 0;
        var reader = new TreeReader(tree);
        var extents = new List<Extent>();
        while (await reader.ReadAsync(cancellationToken) is { } line)
        {
            if (line is Extent extent)
                extents.Add(extent);
        }
        return ([.. extents.SelectMany(extent => extent.Chunks).Select(chunk => chunk.Hash)], extents);
    }

    private static async Task<Figure> CasyncAsync(int kilobytes, string scratch, string first, string second, CancellationToken cancellationToken)
    {
        var store = Path.Combine(scratch, "store");
        Task<double?> Make(string tree, string index) => RunAsync("/usr/bin/casync", ["make", "--with=unix", string.Create(CultureInfo.InvariantCulture, $"--chunk-size={kilobytes << 10}"), "--store=" + store, Path.Combine(scratch, index), tree], cancellationToken);
        if (await Make(first, "1.caidx") is not { } one)
            return Missing("casync");
        var before = Measure(store);
        var two = await Make(second, "2.caidx");
        var (bytes, files) = Measure(store);
        return new(Text($"the same, casync, chunks of {kilobytes} K"), Text($"{(bytes - before.Bytes) / 1e6:0.00} MB in {files - before.Files} new files of {files}, index {new FileInfo(Path.Combine(scratch, "2.caidx")).Length / 1e6:0.00} MB; {one:0.0} s, then {two:0.0} s"), "");
    }

    private static async Task<Figure> ResticAsync(string scratch, string first, string second, CancellationToken cancellationToken)
    {
        var (repository, password) = (Path.Combine(scratch, "repository"), Path.Combine(scratch, "password"));
        await File.WriteAllTextAsync(password, "bench", cancellationToken);
        Task<double?> Restic(params string[] arguments) => RunAsync("/usr/bin/restic", ["--no-cache", "-q", "-r", repository, "--password-file", password, .. arguments], cancellationToken);
        if (await Restic("init") is null)
            return Missing("restic");
        var one = await Restic("backup", first);
        var before = Measure(repository);
        var two = await Restic("backup", second);
        var after = Measure(repository);
        return new("the same, restic", Text($"{(after.Bytes - before.Bytes) / 1e6:0.00} MB in {after.Files - before.Files} new files; {one:0.0} s, then {two:0.0} s"), "");
    }

    private static async Task<Figure> OstreeAsync(string scratch, string first, string second, CancellationToken cancellationToken)
    {
        var repository = Path.Combine(scratch, "repository");
        Task<double?> Ostree(params string[] arguments) => RunAsync("/usr/bin/ostree", ["--repo=" + repository, .. arguments], cancellationToken);
        if (await Ostree("init", "--mode=archive") is null)
            return Missing("ostree");
        var one = await Ostree("commit", "--branch=b", "--tree=dir=" + first);
        var before = Measure(repository);
        var two = await Ostree("commit", "--branch=b", "--tree=dir=" + second);
        var after = Measure(repository);
        return new("the same, ostree (whole files)", Text($"{(after.Bytes - before.Bytes) / 1e6:0.00} MB in {after.Files - before.Files} new files; {one:0.0} s, then {two:0.0} s"), "");
    }

    private static async Task<Figure> RsyncAsync(string scratch, string first, string second, CancellationToken cancellationToken)
    {
        var copy = Path.Combine(scratch, "copy");
        await RunAsync("/usr/bin/cp", ["-a", first, copy], cancellationToken);
        var (seconds, output) = await OutputAsync("/usr/bin/rsync", ["-a", "--delete", "--no-whole-file", "--stats", second + "/", copy + "/"], cancellationToken);
        return seconds is null ? Missing("rsync") : new("the same, rsync (needs a process on both sides)", Text($"{(Number(output, "Total bytes sent:") + Number(output, "Total bytes received:")) / 1e6:0.00} MB both ways; {seconds:0.0} s"), "");
    }

    private static async Task<Figure> RcloneAsync(string scratch, string first, string second, CancellationToken cancellationToken)
    {
        var copy = Path.Combine(scratch, "copy");
        await RunAsync("/usr/bin/cp", ["-a", first, copy], cancellationToken);
        var (seconds, output) = await OutputAsync("/usr/bin/rclone", ["sync", "-v", "--stats=0", "--use-json-log", second, copy], cancellationToken);
        if (seconds is null)
            return Missing("rclone");
        var copied = output.Split('\n').Where(line => line.Contains("\"msg\":\"Copied", StringComparison.Ordinal)).Select(line => System.Text.Json.JsonElement.Parse(line).GetProperty("object").GetString()!).ToList();
        return new("the same, rclone (whole files)", Text($"{copied.Sum(name => new FileInfo(Path.Combine(second, name)).Length) / 1e6:0.00} MB in {copied.Count} files; {seconds:0.0} s"), "");
    }

    private static async Task<Figure> ZsyncAsync(string scratch, string first, string second, CancellationToken cancellationToken)
    {
        var index = Path.Combine(scratch, "big.zsync");
        var seconds = await RunAsync("/usr/bin/zsyncmake", ["-o", index, "-u", "big", Path.Combine(second, DeltaTree.Big)], cancellationToken);
        return seconds is null ? Missing("zsync") : new("the same, zsync, the big file alone", Text($"{new FileInfo(index).Length / 1e6:0.00} MB of index, then ranges over HTTP; {seconds:0.0} s"), "");
    }

    private static Figure Missing(string name) => new($"the same, {name}", "not installed (bench/debian-packages.txt)", "");

    private static (long Bytes, int Files) Measure(string directory)
    {
        var files = new DirectoryInfo(directory).EnumerateFiles("*", SearchOption.AllDirectories).ToList();
        return (files.Sum(file => file.Length), files.Count);
    }

    private static long Number(string output, string label)
    {
        var line = output.Split('\n').First(line => line.StartsWith(label, StringComparison.Ordinal));
        return long.Parse(line[label.Length..].Trim(), NumberStyles.AllowThousands, CultureInfo.InvariantCulture);
    }

    /// <summary>Wall seconds; null when the program is not there.</summary>
    private static async Task<double?> RunAsync(string program, IReadOnlyList<string> arguments, CancellationToken cancellationToken) => (await OutputAsync(program, arguments, cancellationToken)).Seconds;

    private static async Task<(double? Seconds, string Output)> OutputAsync(string program, IReadOnlyList<string> arguments, CancellationToken cancellationToken)
    {
        if (!File.Exists(program))
            return (null, "");
        var clock = Stopwatch.StartNew();
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true })!;
        var output = process.StandardOutput.ReadToEndAsync(cancellationToken);
        var error = process.StandardError.ReadToEndAsync(cancellationToken);
        await process.WaitForExitAsync(cancellationToken);
        return process.ExitCode == 0 ? (clock.Elapsed.TotalSeconds, await output + await error) : throw new InvalidOperationException($"{program} ended with {process.ExitCode}: {await error}");
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
