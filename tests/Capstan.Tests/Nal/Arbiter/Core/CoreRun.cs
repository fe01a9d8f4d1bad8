using Capstan.Nal.Arbiter.Core;

namespace Capstan.Tests.Nal.Arbiter.Core;

/// <summary>A core with a clock, whose events return what the core decided.</summary>
internal sealed class CoreRun(ServerRules rules)
{
    public static readonly ConnectionKey One = new("MSWNET", "fs1:445", "one", "");
    public static readonly ConnectionKey Two = One with { Account = "two" };
    /// <summary>Later than anything a test waits for.</summary>
    public static readonly TimeSpan Never = TimeSpan.FromDays(1);

    public ServerCore Core { get; } = new(rules);

    public TimeSpan Now { get; set; }

    /// <summary>The only connection there is.</summary>
    public ConnectionReading Only => Assert.Single(Core.Read());

    public List<ArbiterAction> Ask(long request, ConnectionKey key, string? component = null, bool keepWarm = false, bool mayQueue = true, TimeSpan? deadline = null) =>
        Do(actions => Core.Request(new ConnectionRequest(request, key, component ?? $"c{request}", keepWarm, mayQueue, deadline ?? Never, Now), Now, actions));

    public List<ArbiterAction> Release(long request) => Do(actions => Core.Release(request, Now, actions));

    public List<ArbiterAction> SlotTaken(long claim) => Do(actions => Core.SlotTaken(claim, Now, actions));

    public List<ArbiterAction> SlotBusy(long claim) => Do(actions => Core.SlotBusy(claim, Now, actions));

    public List<ArbiterAction> SlotFailed(long claim) => Do(actions => Core.SlotFailed(claim, Now, actions));

    public List<ArbiterAction> Connected(long claim) => Do(actions => Core.Connected(claim, Now, actions));

    public List<ArbiterAction> ConnectFailed(long claim, TimeSpan? retryAt = null) => Do(actions => Core.ConnectFailed(claim, retryAt, Now, actions));

    public List<ArbiterAction> Broken(long claim) => Do(actions => Core.Broken(claim, actions));

    public List<ArbiterAction> Closed(long claim) => Do(actions => Core.Closed(claim, Now, actions));

    public List<ArbiterAction> Retire(long claim) => Do(actions => Core.Retire(claim, Now, actions));

    public List<ArbiterAction> Tick(TimeSpan now, bool isWanted = false)
    {
        Now = now;
        return Do(actions => Core.Tick(isWanted, Now, actions));
    }

    public List<ArbiterAction> Stop() => Do(actions => Core.Stop(Now, actions));

    /// <summary>Claim 1, on which request 1 holds a lease.</summary>
    public CoreRun Open(ConnectionKey? key = null, bool keepWarm = false)
    {
        Ask(1, key ?? One, keepWarm: keepWarm);
        SlotTaken(1);
        Connected(1);
        return this;
    }

    private static List<ArbiterAction> Do(Action<List<ArbiterAction>> happen)
    {
        var actions = new List<ArbiterAction>();
        happen(actions);
        return actions;
    }
}
