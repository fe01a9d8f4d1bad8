using Capstan.Client.Configuration;
using Capstan.Client.Content;
using Capstan.Client.Programs;
using Capstan.Protocol.V1;

namespace Capstan.Tests.Client.Programs;

/// <summary>One advertisement and the same moment for 5,000 machines: what comes to the door, second by second.</summary>
public sealed class FleetPhaseTests
{
    private const int Devices = 5_000;

    /// <summary>What a site publishes for so many: five logons a second.</summary>
    private static readonly TimeSpan s_poll = TimeSpan.FromSeconds(Devices / 5);

    private static readonly DateTimeOffset s_start = new(2026, 11, 22, 2, 0, 0, TimeSpan.Zero);

    [Theory]
    [InlineData("a start and a time from which on it may be run")]
    [InlineData("a ring")]
    [InlineData("a ring after the start")]
    public void Content_for_one_start_is_read_by_few_in_each_second_and_before_it(string what)
    {
        var start = s_start.ToUnixTimeSeconds();
        var offer = what switch
        {
            "a ring" => PlannedMachine.Offer() with { Rings = [new RolloutRing(100, start)] },
            "a ring after the start" => PlannedMachine.Offer() with { StartAt = start - 36_000, Rings = [new RolloutRing(100, start)] },
            _ => PlannedMachine.Offer() with { StartAt = start, AvailableFrom = start },
        };
        var reads = new List<DateTimeOffset>();
        for (var ordinal = 0; ordinal < Devices; ordinal++)
        {
            var received = s_start.AddHours(-20) + (s_poll * EvenPhase.Fraction(ordinal));
            var before = Facts(offer, ordinal, received, received);
            var wake = AdvertisementPlanner.Plan(before).Wake!.Value;
            Assert.Null(AdvertisementPlanner.Plan(before).Step);
            var plan = AdvertisementPlanner.Plan(before with { Now = wake });
            Assert.False(Assert.IsType<ProgramStep.Fetch>(plan.Step).IsDue);
            reads.Add(wake);
        }

        Assert.All(reads, read => Assert.InRange(read, s_start.AddHours(-1), s_start.AddTicks(-1)));
        Assert.InRange(reads.GroupBy(read => read.ToUnixTimeSeconds()).Max(second => second.Count()), 1, 3);
    }

    [Fact]
    public void Machine_that_comes_late_reads_at_once()
    {
        var offer = PlannedMachine.Offer() with { StartAt = s_start.ToUnixTimeSeconds(), AvailableFrom = s_start.ToUnixTimeSeconds() };
        Assert.IsType<ProgramStep.Fetch>(AdvertisementPlanner.Plan(Facts(offer, 1, s_start.AddMinutes(-1), s_start.AddMinutes(-1))).Step);
        Assert.True(Assert.IsType<ProgramStep.Fetch>(AdvertisementPlanner.Plan(Facts(offer, 1, s_start.AddDays(-1), s_start)).Step).IsDue);
    }

    [Fact]
    public void Ends_of_programs_come_to_the_door_at_the_devices_own_times()
    {
        var random = new Random(20261122);
        var origin = TimeSpan.FromTicks(s_start.UtcTicks);
        var contacts = new List<TimeSpan>();
        for (var ordinal = 0; ordinal < Devices; ordinal++)
        {
            // All begin and end at one second; what they have to say then waits for the next contact, and makes none.
            var facts = new CycleFacts
            {
                Lifecycle = ClientLifecycle.Approved,
                Intervals = CycleIntervals.Default with { Poll = s_poll },
                Ordinal = ordinal,
                PhaseOrigin = origin,
                LastPoll = EvenPhase.Next(-s_poll * 1.5, s_poll, ordinal, origin),
                LastComplete = TimeSpan.Zero,
                LastHeartbeat = TimeSpan.Zero,
                LastInventory = TimeSpan.Zero,
                Unacknowledged = random.Next(2) == 0,
            };
            contacts.Add(CyclePlanner.Plan(facts, TimeSpan.Zero).Wake);
        }

        Assert.InRange(contacts.GroupBy(contact => (long)contact.TotalSeconds).Max(second => second.Count()), 1, 6);
        Assert.True(contacts.Max() - contacts.Min() > s_poll / 2, "they are not spread");
    }

    private static ProgramFacts Facts(Advertisement offer, int ordinal, DateTimeOffset received, DateTimeOffset now) => new()
    {
        Now = now,
        DeviceId = $"{ordinal:D32}",
        Advertisements = [new KnownAdvertisement { Document = offer, ReceivedAt = received }],
        Runs = [],
        Content = _ => new ContentPresence(null, 0, 10),
        BootId = "boot",
        Platform = "linux-x64",
        MemoryBytes = 1L << 30,
        FreeBytes = 1L << 40,
        Users = [],
        Window = DailyHours.Any,
        TimeZone = TimeZoneInfo.Utc,
        ContentSpread = TimeSpan.FromHours(1),
        Phase = EvenPhase.Fraction(ordinal),
    };
}
