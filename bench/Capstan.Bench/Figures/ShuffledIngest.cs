using System.Globalization;
using System.Runtime.CompilerServices;

namespace Capstan.Bench.Figures;

/// <summary>How fast a site takes in what comes out of order and twice: five records each of 2,000 devices, every fourth of them a second time, shuffled over ten passes.</summary>
/// <remarks>A record that comes before the one it follows waits on the CAP, and is looked at again in each pass. Writing the files is not measured; passes go on until none is left.</remarks>
internal static class ShuffledIngest
{
    private const int Devices = 2_000, Each = 5, Passes = 10, Rounds = 3, Seed = 7;

    /// <param name="cap">As of <see cref="IngestFigures.RunAsync"/>.</param>
    public static async IAsyncEnumerable<Figure> RunAsync(string? cap, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await using var site = await BusySite.CreateAsync(Devices, cap, cancellationToken);
        var random = new Random(Seed);
        var rounds = new List<(Cost Cost, int Files)>();
        for (var round = 0; round < Rounds; round++)
        {
            var records = site.Make(Devices, Each);
            (string, byte[])[] files = [.. records.Select(record => (record.Path, record.Content)), .. records.Where((_, n) => n % 4 == 0).Select(record => record.Again())];
            random.Shuffle(files);
            double wall = 0, cpu = 0;
            var batches = new Queue<(string, byte[])[]>(files.Chunk((files.Length + Passes - 1) / Passes));
            var (taken, refused, left) = (0L, 0L, files.Length);
            for (var pass = 0; left > 0 && pass < 2 * Passes; pass++)
            {
                var cost = await site.TakeInAsync(batches.TryDequeue(out var batch) ? batch : [], cancellationToken);
                (wall, cpu) = (wall + cost.WallSeconds, cpu + cost.CpuSeconds);
                (taken, refused, left) = await site.CountAsync(cancellationToken);
                left += batches.Sum(rest => rest.Length);
            }
            if ((taken, refused, left) != ((round + 1L) * Devices * Each, 0, 0))
                throw new InvalidOperationException($"{taken} records were taken in, {refused} files refused, and {left} are left.");
            rounds.Add((new Cost(wall, cpu), files.Length));
        }
        // The first round compiles.
        var best = rounds.Skip(1).MinBy(round => round.Cost.WallSeconds);
        var records10 = Devices * Each;
        yield return new("10,000 records of 2,000 devices, shuffled over 10 passes, every fourth twice",
            string.Create(CultureInfo.InvariantCulture, $"{records10 / best.Cost.WallSeconds:0}/s ({best.Files} files); {best.Cost.CpuSeconds / records10 * 1e6:0} µs of processor time each"), "≥ 1,000/s");
    }
}
