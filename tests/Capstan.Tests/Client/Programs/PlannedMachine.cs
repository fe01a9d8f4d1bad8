using Capstan.Client.Content;
using Capstan.Client.Programs;
using Capstan.Protocol.V1;

namespace Capstan.Tests.Client.Programs;

/// <summary>Facts of one machine, and what becomes of them when a plan is carried out.</summary>
internal sealed class PlannedMachine
{
    public const string Device = "abcdefghijklmnopqrstuvwxyz234567";

    private readonly HashSet<PackageKey> _here = [];

    public DateTimeOffset Now { get; set; } = new(2026, 11, 22, 12, 0, 0, TimeSpan.Zero);
    public List<KnownAdvertisement> Advertisements { get; } = [];
    public List<LedgerRun> Runs { get; } = [];
    public string BootId { get; set; } = "boot 1";
    public List<string> Users { get; } = [];
    public DailyHours Window { get; set; } = DailyHours.Any;
    public long FreeBytes { get; set; } = 1L << 40;
    public TimeZoneInfo TimeZone { get; set; } = TimeZoneInfo.Utc;
    public TimeSpan ContentSpread { get; set; }

    /// <summary>How the next run ends.</summary>
    public Func<ProgramOffer, (string Outcome, int? Code)> Ends { get; set; } = _ => (ProgramRun.Success, 0);
    public bool IsContentHere { get; set; } = true;

    public long At(int hours) => Now.AddHours(hours).ToUnixTimeSeconds();

    public ProgramFacts Facts() => new()
    {
        Now = Now,
        DeviceId = Device,
        Advertisements = [.. Advertisements],
        Runs = [.. Runs],
        Content = package => IsContentHere || _here.Contains(package) ? new ContentPresence("/content", 10, 10) : new ContentPresence(null, 0, 10),
        BootId = BootId,
        Platform = "linux-x64",
        MemoryBytes = 1L << 30,
        FreeBytes = FreeBytes,
        Users = [.. Users],
        Window = Window,
        TimeZone = TimeZone,
        ContentSpread = ContentSpread,
        Phase = 0.25,
    };

    /// <summary>What its programs have done and not taken away again.</summary>
    public HashSet<ProgramKey> Installed { get; } = [];

    /// <summary>The clock is set; what lies ahead of it counts as now, as the ledger does it.</summary>
    public void SetClock(DateTimeOffset now)
    {
        Now = now;
        DateTimeOffset? Past(DateTimeOffset? moment) => moment > now ? now : moment;
        for (var place = 0; place < Advertisements.Count; place++)
        {
            var known = Advertisements[place];
            Advertisements[place] = known with { ReceivedAt = Past(known.ReceivedAt)!.Value, WithdrawnAt = Past(known.WithdrawnAt), NoticedAt = Past(known.NoticedAt), PostponedUntil = known.PostponedUntil > now.AddDays(7) ? now.AddDays(7) : known.PostponedUntil };
        }
        for (var place = 0; place < Runs.Count; place++)
            Runs[place] = Runs[place] with { StartedAt = Past(Runs[place].StartedAt)!.Value, EndedAt = Past(Runs[place].EndedAt) };
    }

    /// <summary>All content is gone from here.</summary>
    public void LoseContent() => _here.Clear();

    public ProgramPlan Plan() => AdvertisementPlanner.Plan(Facts());

    /// <summary>State, cause and step of the only advertisement, or of the one that is named.</summary>
    public string Says(string? id = null)
    {
        var plan = Plan();
        var decision = id is null ? Assert.Single(plan.Decisions) : Assert.Single(plan.Decisions, decision => decision.AdvertisementId == id);
        return $"{decision.State}{(decision.Cause is null ? "" : " " + decision.Cause)}{(plan.Step is null ? "" : " → " + plan.Step.GetType().Name)}";
    }

    public void Add(Advertisement document, Func<KnownAdvertisement, KnownAdvertisement>? change = null)
    {
        var known = new KnownAdvertisement { Document = document, ReceivedAt = Now };
        Advertisements.Add(change is null ? known : change(known));
    }

    public void Change(string id, Func<KnownAdvertisement, KnownAdvertisement> change)
    {
        var place = Advertisements.FindIndex(known => known.Document.AdvertisementId == id);
        Advertisements[place] = change(Advertisements[place]);
    }

    /// <summary>Carries out what is planned until there is nothing to do now; each run is over at once.</summary>
    /// <returns>The programs that ran, in order.</returns>
    public List<string> Settle()
    {
        var ran = new List<string>();
        for (var steps = 0; Plan().Step is { } step; steps++)
        {
            Assert.True(steps < 1_000, $"the plan does not end: {step}");
            Act(step, ran);
        }
        return ran;
    }

    public void Act(ProgramStep step, List<string> ran)
    {
        switch (step)
        {
            case ProgramStep.Fetch fetch:
                _here.Add(AdvertisementPlanner.Package(fetch.Offer));
                break;
            case ProgramStep.Notice notice:
                Change(notice.For.Document.AdvertisementId, known => known with { NoticedAt = Now });
                break;
            case ProgramStep.Forget forget:
                Advertisements.RemoveAll(known => forget.All.Any(gone => gone.Document.AdvertisementId == known.Document.AdvertisementId));
                break;
            case ProgramStep.Restart:
                BootId += "+";
                ran.Add("restart");
                break;
            case ProgramStep.Run run:
                var (outcome, code) = Ends(run.Offer);
                ran.Add((run.IsRemoval ? "-" : "") + run.Offer.Program.Name);
                if (CommandLine.NeedsContent(run))
                    Assert.True(IsContentHere || _here.Contains(AdvertisementPlanner.Package(run.Offer)), $"{run.Offer.Program.Name} was run without its content");
                if (outcome is ProgramRun.Success or ProgramRun.SuccessReboot && run.IsRemoval)
                    Installed.Remove(ProgramKey.Of(run.Offer));
                else if (outcome is ProgramRun.Success or ProgramRun.SuccessReboot)
                    Installed.Add(ProgramKey.Of(run.Offer));
                Runs.Add(new LedgerRun
                {
                    Id = $"{Runs.Count}",
                    Program = ProgramKey.Of(run.Offer),
                    Number = Runs.Count + 1,
                    PackageVersion = run.Offer.PackageVersion,
                    AdvertisementId = run.For.Document.AdvertisementId,
                    Revision = run.For.Document.Revision,
                    Occasion = run.Occasion,
                    IsRemoval = run.IsRemoval,
                    BootId = BootId,
                    StartedAt = Now,
                    EndedAt = Now,
                    Outcome = outcome,
                    ExitCode = code,
                });
                Change(run.For.Document.AdvertisementId, known => known with { IsAsked = false, NoticedAt = null, PostponedUntil = null, Postponements = 0 });
                break;
        }
    }

    public static Advertisement Offer(string id = "aaaaaaaa", Func<ProgramRules, ProgramRules>? rules = null, string program = "install", long version = 1, string package = "pppppppp") => new()
    {
        SiteCode = "ABC",
        AdvertisementId = id,
        Revision = 1,
        Name = "An offer",
        Purpose = Advertisement.Required,
        State = Advertisement.Active,
        Priority = 0,
        OverSlowLinks = true,
        OverUnknownLinks = true,
        Offer = OfferOf(rules, program, version, package),
    };

    public static ProgramOffer OfferOf(Func<ProgramRules, ProgramRules>? rules = null, string program = "install", long version = 1, string package = "pppppppp") => new()
    {
        PackageId = package,
        PackageVersion = version,
        PackageName = "A package",
        Program = (rules ?? (same => same))(Rules(program)),
    };

    public static ProgramRules Rules(string name) => new()
    {
        Name = name,
        Command = ["setup.sh"],
        RunAs = ProgramRules.AsSystem,
        FreeDiskBytes = 0,
        MemoryBytes = 0,
        TimeLimitSeconds = 3_600,
        WaitsForChildren = false,
        SuccessCodes = [0],
        RebootCodes = [3010, 1641],
        RetryCodes = [75],
        MaxTries = 3,
        RetrySeconds = 600,
        AfterRun = ProgramRules.Nothing,
        Rerun = ProgramRules.IfFailed,
        NoticeSeconds = 0,
        MaxPostponements = 0,
    };
}
