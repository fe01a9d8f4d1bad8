using System.Diagnostics;
using System.Globalization;
using Capstan.Nal.Arbiter.Journal;
using Capstan.Nal.Arbiter.Machine;

namespace Capstan.Bench.Figures;

/// <summary>What a slot costs, and what the journal adds to one flush of the same disk.</summary>
/// <param name="parent">A directory on the disk in question.</param>
internal sealed class MachineFigures(string parent)
{
    private const int Rounds = 500;

    public async IAsyncEnumerable<Figure> RunAsync()
    {
        await Task.Yield();
        var directory = Directory.CreateDirectory(Path.Combine(parent, $"capstan-bench-{Guid.NewGuid():N}"));
        try
        {
            var machine = NalMachine.At(directory.FullName);
            machine.Prepare();
            var slots = new ServerSlots(machine.Slots, "fs1:445");
            yield return new Figure("a slot that nobody holds, taken and given back", Micro(Median(10_000, () => slots.TryTake([0])!.Dispose())), "≤ 50 µs");

            using var raw = File.OpenHandle(Path.Combine(directory.FullName, "raw"), FileMode.CreateNew, FileAccess.ReadWrite);
            var block = new byte[RecordText.BlockBytes];
            RandomAccess.Write(raw, block, 0);
            Durable.Content(raw, "raw");
            var flush = Median(Rounds, () =>
            {
                RandomAccess.Write(raw, block, 0);
                Durable.Content(raw, "raw");
            });
            yield return new Figure("one raw write and fdatasync in place", Micro(flush), "the baseline");

            using var journal = new ConnectionJournal(machine);
            var record = Record(journal);
            var file = journal.Create(record);
            var state = 0;
            var known = Median(Rounds, () => file.Write(record with { Session = (ulong)++state }, isDurable: true));
            yield return new Figure("journal: session known", Over(known, flush), "≤ 1 ms above");
            file.Delete();
            List<double> creating = [], deleting = [];
            for (var round = 0; round < Rounds; round++)
            {
                RecordFile? made = null;
                creating.Add(Once(() => made = journal.Create(record)));
                deleting.Add(Once(made!.Delete));
            }
            yield return new Figure("journal: connecting (a new record)", Over(Middle(creating), flush), "≤ 1 ms above");
            yield return new Figure("journal: closed (the record deleted)", Over(Middle(deleting), flush), "≤ 1 ms above");
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    private static double Median(int rounds, Action work) => Middle([.. Enumerable.Range(0, rounds).Select(_ => Once(work))]);

    private static double Once(Action work)
    {
        var begun = Stopwatch.GetTimestamp();
        work();
        return Stopwatch.GetElapsedTime(begun).TotalMicroseconds;
    }

    private static double Middle(List<double> times) => times.Order().ElementAt(times.Count / 2);

    private static string Micro(double time) => string.Create(CultureInfo.InvariantCulture, $"{time:F0} µs");

    private static string Over(double time, double flush) => string.Create(CultureInfo.InvariantCulture, $"{time:F0} µs, {(time - flush) / 1_000:F2} ms above");

    private static ConnectionRecord Record(ConnectionJournal journal) => new()
    {
        Path = @"MSWNET:\\fs1\cap\",
        Server = "fs1:445",
        Account = "SMSClient_ABC",
        Slot = 0,
        Owner = journal.Owner,
        Process = Environment.ProcessId,
        ProcessStart = DateTimeOffset.UnixEpoch,
        Boot = "this start",
        Opened = DateTimeOffset.UnixEpoch,
        LastUsed = DateTimeOffset.UnixEpoch,
        State = "connecting",
        NextStep = "opens, or fails",
    };
}
