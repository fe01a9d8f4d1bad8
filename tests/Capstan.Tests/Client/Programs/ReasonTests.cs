using Capstan.Client.Programs;
using Capstan.Protocol.V1;

namespace Capstan.Tests.Client.Programs;

/// <summary>What an administrator reads in <c>capstan-client why</c>: the cause, the limit, the reading, and what helps, in one line. It is noon, in UTC.</summary>
public sealed class ReasonTests
{
    private readonly PlannedMachine _machine = new();

    [Theory]
    [InlineData("window", "programs begin by themselves at 22:00-06:00 only, and it is 12:00 here; capstan-client run-program aaaaaaaa runs it now")]
    [InlineData("ring", "its turn in the roll-out, in which it is at 26.9 %, is at 2026-11-22 14:00:00; its content is read from 2026-11-22 13:15:00 on; capstan-client run-program aaaaaaaa runs it now")]
    [InlineData("not-yet", "it begins at 2026-11-22 14:00:00; capstan-client run-program aaaaaaaa runs it now")]
    [InlineData("content", "no client access point is known")]
    [InlineData("disk", "it needs 2,199,023,255,562 bytes on the disk, 10 bytes of them for its content, and 1,099,511,627,776 bytes are free; free some: it is looked again at 2026-11-22 13:00:00")]
    [InlineData("platform", "it is for win-x64, and this machine is linux-x64: it never runs here; another collection, or another program, would")]
    [InlineData("memory", "it needs 2,147,483,648 bytes of memory, and this machine has 1,073,741,824 bytes: it never runs here; another collection, or another program, would")]
    [InlineData("no-user", "it runs while somebody is logged on, and nobody is; it is looked again each minute")]
    [InlineData("user-logged-on", "it runs while nobody is logged on, and ada, bob are; it is looked again each minute")]
    [InlineData("postponed", "a person at this machine postponed it until 2026-11-22 13:00:00 (1 of 2 times); capstan-client run-program aaaaaaaa runs it now")]
    [InlineData("retry", "it is tried again at 2026-11-22 12:10:00: it ended with exit code 75 (1 of 3 tries); capstan-client run-program aaaaaaaa runs it now")]
    [InlineData("reboot", "it ended with exit code 3010, which asks for a restart: start this machine anew, then it has succeeded")]
    [InlineData("halted", "the site has halted it (too many have failed): nothing of it begins until capstan advertisement resume aaaaaaaa is given there")]
    [InlineData("unknown", "it was begun at 2026-11-22 12:00:00, and nobody saw how it ended: the machine went down, or its gate was killed. By its rule (never, 3 tries) it is not run again by itself; see what it did, then capstan-client run-program aaaaaaaa runs it now")]
    [InlineData("exit-code", "it ended with exit code 9; capstan-client run-program aaaaaaaa runs it now")]
    [InlineData("offered", "start it with: capstan-client run-program aaaaaaaa")]
    [InlineData("trouble", "the disk cannot be read")]
    public void Reason_is_one_line_with_what_helps(string cause, string reason)
    {
        var offer = PlannedMachine.Offer(rules: rules => cause switch
        {
            "disk" => rules with { FreeDiskBytes = 2L << 40 },
            "platform" => rules with { Platforms = ["win-x64"] },
            "memory" => rules with { MemoryBytes = 2L << 30 },
            "no-user" => rules with { WhenLoggedOn = true },
            "user-logged-on" => rules with { WhenLoggedOn = false },
            "postponed" => rules with { MaxPostponements = 2 },
            "unknown" => rules with { Rerun = ProgramRules.Never },
            _ => rules,
        });
        offer = cause switch
        {
            "ring" => offer with { Rings = [new RolloutRing(100, _machine.At(2))] },
            "not-yet" => offer with { StartAt = _machine.At(2) },
            "offered" => offer with { Purpose = Advertisement.Available },
            "halted" => offer with { State = Advertisement.Halted, HaltedBecause = "too many have failed" },
            _ => offer,
        };
        _machine.ContentSpread = TimeSpan.FromHours(1);
        _machine.IsContentHere = cause is not ("content" or "ring" or "disk");
        _machine.Add(offer, known => cause switch
        {
            "content" => known with { Content = new ContentWait("no client access point is known", _machine.Now.AddMinutes(5)) },
            "postponed" => known with { PostponedUntil = _machine.Now.AddHours(1), Postponements = 1 },
            "trouble" => known with { Trouble = new ContentWait("the disk cannot be read", _machine.Now.AddMinutes(2)) },
            _ => known,
        });
        if (cause == "window")
            _machine.Window = new DailyHours(new TimeOnly(22, 0), new TimeOnly(6, 0));
        if (cause == "user-logged-on")
            _machine.Users.AddRange(["ada", "bob"]);
        _machine.Ends = _ => cause switch
        {
            "retry" => (ProgramRun.Retry, 75),
            "reboot" => (ProgramRun.SuccessReboot, 3010),
            "unknown" => (ProgramRun.Unknown, null),
            _ => (ProgramRun.Failure, 9),
        };
        _machine.Settle();

        var decision = Assert.Single(_machine.Plan().Decisions);
        Assert.Equal((cause, reason), (decision.Cause, decision.Reason));
    }
}
