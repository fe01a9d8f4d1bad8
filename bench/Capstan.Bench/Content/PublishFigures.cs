using System.Diagnostics;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using Capstan.Bench.Figures;
using Capstan.Protocol.Content;

namespace Capstan.Bench.Content;

/// <summary>What publishing costs: a gigabyte that cannot be packed, one of text, many small files; whole processes, command line and site together.</summary>
internal static class PublishFigures
{
    private const int Gigabyte = 1_000_000_000;
    private const int SmallFiles = 100_000;
    private const int Rounds = 3;

    public static async IAsyncEnumerable<Figure> RunAsync(string? named, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        foreach (var figure in Cores())
            yield return figure;
        if (ServedCapstan.Find(named) is not { } program)
        {
            yield return new("publishing", "no capstan: build src/Capstan.Cli with -c Release, or name one", "");
            yield break;
        }
        var directory = Directory.CreateTempSubdirectory("capstan-bench-").FullName;
        try
        {
            await foreach (var figure in BesidePeersAsync(program, directory, cancellationToken))
                yield return figure;
            yield return await PublishAsync(program, directory, "1 GB of text, one file", source => MakeFile(source, isText: true), Gigabyte, "", cancellationToken);
            yield return await PublishAsync(program, directory, "100,000 files of 100 to 4,000 bytes", MakeSmall, 0, "≤ 60 s", cancellationToken);
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    private static IEnumerable<Figure> Cores()
    {
        var bytes = new byte[128 << 20];
        new Random(1).NextBytes(bytes);
        var best = Enumerable.Range(0, 5).Min(_ =>
        {
            var clock = Stopwatch.StartNew();
            for (var from = 0; from < bytes.Length;)
                from += ContentChunker.Next(bytes.AsSpan(from), isLast: true);
            return clock.Elapsed.TotalSeconds;
        });
        yield return new("cutting into chunks, one core, best of 5", Text($"{bytes.Length / 1e6 / best:0} MB/s"), "≥ 500 MB/s");
    }

    /// <summary>A gigabyte of random bytes, by us and by others in turn: medians of processor time, which other work on the machine hardly changes, and of wall time, which it does.</summary>
    private static async IAsyncEnumerable<Figure> BesidePeersAsync(string program, string parent, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var directory = Directory.CreateDirectory(Path.Combine(parent, "peers")).FullName;
        var source = Directory.CreateDirectory(Path.Combine(directory, "source")).FullName;
        MakeFile(source, isText: false);
        var runs = new Dictionary<string, List<Run>>(StringComparer.Ordinal);
        SiteCost? before = null, worst = null;
        for (var round = 0; round < Rounds; round++)
        {
            var scratch = Directory.CreateDirectory(Path.Combine(directory, "scratch")).FullName;
            await using (var site = await ServedCapstan.StartAsync(program, Path.Combine(scratch, "capstan"), cancellationToken))
            {
                await PublishFirstAsync(site, scratch, cancellationToken);
                var costBefore = site.Cost();
                var run = await site.RunAsync(["package", "create", source, "--name", "Bench"], cancellationToken);
                var cost = site.Cost();
                Add("Capstan, command line and site", run with { CpuSeconds = run.CpuSeconds + cost.CpuSeconds - costBefore.CpuSeconds });
                if (worst is null || cost.PeakBytes > worst.PeakBytes)
                    (before, worst) = (costBefore, cost);
            }
            foreach (var (name, script) in Peers)
                Add(name, await WholeProcess.RunAsync("/bin/sh", ["-c", script, "sh", source, scratch], cancellationToken));
            Directory.Delete(scratch, recursive: true);
        }
        foreach (var (name, all) in runs)
        {
            var (wall, cpu) = (Median(all, run => run.WallSeconds), Median(all, run => run.CpuSeconds));
            var memory = name.StartsWith("Capstan", StringComparison.Ordinal) ? Text($"; the site's memory {before!.Memory} before, {worst!.Memory} after") : "";
            yield return new(Text($"1 GB of random bytes, {name}, median of {Rounds}"),
                all.Exists(run => run.ExitCode != 0) ? "not here" : Text($"{wall:0.0} s, {Gigabyte / 1e6 / wall:0} MB/s; {cpu:0.0} s of processor time, {Gigabyte / 1e6 / cpu:0} MB/s of one core{memory}"),
                memory.Length > 0 ? "≥ 200 MB/s on 2 cores, ≤ 100 MB" : "");
        }

        void Add(string name, Run run)
        {
            if (!runs.TryGetValue(name, out var all))
                runs.Add(name, all = []);
            all.Add(run);
        }
    }

    /// <summary>Scripts with the source and an empty directory as arguments; each ends with its bytes on the disk.</summary>
    private static readonly (string Name, string Script)[] Peers =
    [
        ("cp", "cp -r \"$1\" \"$2/cp\" && sync -f \"$2\""),
        ("tar into sha256sum", "tar -C \"$1\" -c . | sha256sum"),
        ("restic", "export RESTIC_PASSWORD=bench && restic --no-cache -q -r \"$2/restic\" init && restic --no-cache -q -r \"$2/restic\" backup \"$1\" && sync -f \"$2\""),
        ("casync, chunks of 16 K", "casync make --with=unix --chunk-size=16384 \"--store=$2/casync\" \"$2/1.caidx\" \"$1\" && sync -f \"$2\""),
        ("ostree", "ostree \"--repo=$2/ostree\" init --mode=archive && ostree \"--repo=$2/ostree\" commit -b bench -s bench \"$1\" && sync -f \"$2\""),
    ];

    private static double Median(List<Run> runs, Func<Run, double> of) => runs.Select(of).Order().ElementAt(runs.Count / 2);

    /// <summary>A first, small one: what the runtime loads and compiles once is not what publishing costs.</summary>
    private static async Task PublishFirstAsync(ServedCapstan site, string directory, CancellationToken cancellationToken)
    {
        var first = Directory.CreateDirectory(Path.Combine(directory, "first")).FullName;
        await File.WriteAllTextAsync(Path.Combine(first, "a"), "a", cancellationToken);
        await site.RunAsync(["package", "create", first, "--name", "First"], cancellationToken);
    }

    private static async Task<Figure> PublishAsync(string program, string parent, string what, Action<string> make, long bytes, string goal, CancellationToken cancellationToken)
    {
        var directory = Directory.CreateDirectory(Path.Combine(parent, "run")).FullName;
        var source = Path.Combine(directory, "source");
        make(Directory.CreateDirectory(source).FullName);
        try
        {
            await using var site = await ServedCapstan.StartAsync(program, directory, cancellationToken);
            await PublishFirstAsync(site, directory, cancellationToken);
            var before = site.Cost();
            var run = await site.RunAsync(["package", "create", source, "--name", "Bench"], cancellationToken);
            var after = site.Cost();
            var cpu = after.CpuSeconds - before.CpuSeconds + run.CpuSeconds;
            var speed = bytes > 0 ? Text($", {bytes / 1e6 / run.WallSeconds:0} MB/s; at full use of {Environment.ProcessorCount} cores {bytes / 1e6 / cpu * Environment.ProcessorCount:0} MB/s") : "";
            return new Figure($"publishing {what}", Text($"{run.WallSeconds:0.0} s{speed}; {cpu:0.0} s of processor time, of which {run.CpuSeconds:0.0} s are the command line's; the site's memory {before.Memory} before, {after.Memory} after; the command line's {run.PeakBytes / 1e6:0} MB"), goal);
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    private static void MakeFile(string source, bool isText)
    {
        using var file = File.Create(Path.Combine(source, "large"));
        var block = new byte[1 << 20];
        var random = new Random(7);
        for (var left = Gigabyte; left > 0; left -= block.Length)
        {
            if (isText)
                FillWithText(block, random);
            else
                random.NextBytes(block);
            file.Write(block, 0, Math.Min(left, block.Length));
        }
    }

    private static void FillWithText(byte[] block, Random random)
    {
        for (var at = 0; at < block.Length;)
        {
            var line = Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{random.Next(100_000)} update package {random.Next(1_000)} on client pc{random.Next(20_000)} ended with {random.Next(4)}\n"));
            var count = Math.Min(line.Length, block.Length - at);
            line.AsSpan(0, count).CopyTo(block.AsSpan(at));
            at += count;
        }
    }

    private static void MakeSmall(string source)
    {
        var random = new Random(8);
        for (var i = 0; i < SmallFiles; i++)
        {
            var folder = Path.Combine(source, (i / 1_000).ToString("000", CultureInfo.InvariantCulture));
            if (i % 1_000 == 0)
                Directory.CreateDirectory(folder);
            var content = new byte[random.Next(100, 4_000)];
            random.NextBytes(content);
            File.WriteAllBytes(Path.Combine(folder, $"file-{i}"), content);
        }
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
