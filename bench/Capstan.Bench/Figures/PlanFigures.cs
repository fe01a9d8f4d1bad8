using System.Globalization;
using System.Runtime.CompilerServices;
using Capstan.Client.Content;
using Capstan.Client.Programs;
using Capstan.Client.State;
using Capstan.Protocol.V1;

namespace Capstan.Bench.Figures;

/// <summary>What 1,000 advertisements cost one client: the decision alone, and a look at all of them with the state of the client on a disk.</summary>
internal static class PlanFigures
{
    private const int Advertisements = 1_000, RunsOfEach = 5, Rounds = 20;

    private static readonly DateTimeOffset s_now = new(2026, 11, 22, 12, 0, 0, TimeSpan.Zero);

    public static async IAsyncEnumerable<Figure> RunAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var directory = Directory.CreateTempSubdirectory("capstan-bench-").FullName;
        try
        {
            using var database = ClientDatabase.Open(directory);
            var ledger = new ProgramLedger(database);
            var offers = Enumerable.Range(0, Advertisements).Select(Offer).ToList();
            var listed = offers.Select(offer => offer.AdvertisementId).ToHashSet(StringComparer.Ordinal);
            var adopted = await Cost.OfAsync(() =>
            {
                foreach (var offer in offers)
                {
                    ledger.Adopt(offer.AdvertisementId, offer.AdvertisementId, Documents.Advertisement.Encode(offer), missing: null, s_now.AddDays(-30));
                    for (var number = 1; number <= RunsOfEach; number++)
                        Ran(ledger, offer, number);
                }
                return Task.CompletedTask;
            });
            yield return new Figure($"{Advertisements:N0} advertisements adopted and {RunsOfEach * Advertisements:N0} runs noted, each durable", Text(adopted), "–");

            var facts = Facts(ledger, listed);
            var plan = AdvertisementPlanner.Plan(facts);
            var planned = await Cost.OfAsync(() =>
            {
                for (var round = 0; round < Rounds; round++)
                    plan = AdvertisementPlanner.Plan(facts);
                return Task.CompletedTask;
            });
            yield return new Figure($"{Advertisements:N0} advertisements with {RunsOfEach} runs each, planned", string.Create(CultureInfo.InvariantCulture, $"{planned.WallSeconds / Rounds * 1_000:F1} ms"), "≤ 1 s");
            ledger.Tell(plan.Decisions, s_now);
            var looked = await Cost.OfAsync(() =>
            {
                for (var round = 0; round < Rounds; round++)
                {
                    var seen = Facts(ledger, listed);
                    var again = AdvertisementPlanner.Plan(seen);
                    _ = Documents.ProgramsReport.Encode(ProgramReporter.Make(again.Decisions, seen.Advertisements, ledger.Told(), 0));
                }
                return Task.CompletedTask;
            });
            yield return new Figure("the same, read from the client's state, planned and put into a report", string.Create(CultureInfo.InvariantCulture, $"{looked.WallSeconds / Rounds * 1_000:F1} ms"), "≤ 1 s");

            var steps = 0;
            var forgotten = await Cost.OfAsync(() =>
            {
                for (; AdvertisementPlanner.Plan(Facts(ledger, new HashSet<string>(StringComparer.Ordinal))).Step is ProgramStep.Forget forget; steps++)
                    ledger.Forget(forget.All.Select(known => known.Document.AdvertisementId));
                return Task.CompletedTask;
            });
            yield return new Figure("all of them offered no more, planned and forgotten", $"{Text(forgotten)}, {steps} step", "≤ 1 s");
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    private static string Text(Cost cost) => string.Create(CultureInfo.InvariantCulture, $"{cost.WallSeconds:F2} s");

    private static ProgramFacts Facts(ProgramLedger ledger, IReadOnlySet<string> listed) => new()
    {
        Now = s_now,
        DeviceId = "abcdefghijklmnopqrstuvwxyz234567",
        Advertisements = ledger.Advertisements(listed, epoch: 1),
        Runs = ledger.Runs(),
        Content = _ => new ContentPresence("/content", 10, 10),
        BootId = "boot",
        Platform = "linux-x64",
        MemoryBytes = 1L << 30,
        FreeBytes = 1L << 40,
        Users = [],
        Window = DailyHours.Any,
        TimeZone = TimeZoneInfo.Utc,
    };

    /// <summary>Some are over, some recur, some have a roll-out.</summary>
    private static Advertisement Offer(int number) => new()
    {
        SiteCode = "ABC",
        AdvertisementId = Id(number),
        Revision = 1,
        Name = $"Offer {number}",
        Purpose = Advertisement.Required,
        State = Advertisement.Active,
        Priority = number % 10,
        OverSlowLinks = true,
        OverUnknownLinks = true,
        StartAt = s_now.AddDays(-20).ToUnixTimeSeconds(),
        Recurrence = number % 3 == 0 ? new Recurrence { MinuteOfDay = 120, TimeZone = Recurrence.Local } : null,
        Rings = number % 3 == 1 ? [new RolloutRing(50, s_now.AddDays(-10).ToUnixTimeSeconds()), new RolloutRing(100, s_now.AddDays(10).ToUnixTimeSeconds())] : null,
        Offer = new ProgramOffer
        {
            PackageId = Id(number),
            PackageVersion = 1,
            PackageName = "A package",
            Program = new ProgramRules
            {
                Name = "install",
                Command = ["setup.sh"],
                RunAs = ProgramRules.AsSystem,
                FreeDiskBytes = 0,
                MemoryBytes = 0,
                TimeLimitSeconds = 3_600,
                WaitsForChildren = false,
                SuccessCodes = [0],
                RebootCodes = [3010],
                RetryCodes = [75],
                MaxTries = 3,
                RetrySeconds = 600,
                AfterRun = ProgramRules.Nothing,
                Rerun = ProgramRules.IfFailed,
                NoticeSeconds = 0,
                MaxPostponements = 0,
            },
        },
    };

    private static void Ran(ProgramLedger ledger, Advertisement offer, int number)
    {
        var run = new LedgerRun
        {
            Id = $"{offer.AdvertisementId}-{number}",
            Program = ProgramKey.Of(offer.Offer),
            Number = number,
            PackageVersion = 1,
            AdvertisementId = offer.AdvertisementId,
            Revision = 1,
            Occasion = offer.StartAt!.Value,
            BootId = "boot",
            StartedAt = s_now.AddDays(-number),
            EndedAt = s_now.AddDays(-number),
            Outcome = number == RunsOfEach ? ProgramRun.Success : ProgramRun.Retry,
            ExitCode = 0,
            Output = new string('x', 2_000),
        };
        ledger.Begin(run, offer.Offer.Program);
        ledger.End(run);
    }

    private static string Id(int number) => string.Concat(Enumerable.Range(0, 8).Select(place => (char)('a' + (number >> (place * 4) & 15))));
}
