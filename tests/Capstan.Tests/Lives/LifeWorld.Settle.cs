using Capstan.Site.Store;
using Capstan.Tests.Client;

namespace Capstan.Tests.Lives;

internal sealed partial class LifeWorld
{
    /// <summary>What may lie in quarantine after any life: each says that nothing was applied, and why.</summary>
    private static readonly IReadOnlyList<string> s_explained = ["wrong_epoch", "unknown_device", "device_retired", "fork", "replayed", "other_machine", "not_approved", "refused_before", "unfinished", "cannot_open"];

    /// <summary>All is whole and on, an administrator is there: at the end both sides say the same. Invariants 3, 4 and 6 of docs/architecture.md.</summary>
    private async Task SettleAsync()
    {
        Tell("everything is well from here on");
        _siteIsOffUntil = TimeSpan.Zero;
        foreach (var cap in _caps)
        {
            cap.IsDown = false;
            cap.Disk.CapacityBytes = long.MaxValue;
            cap.Server.ForgetWrites = false;
        }
        while (_held.Count > 0)
            await ReturnAsync();
        await Right(_site.Time, "the site");
        await _site.StartAgainAsync();
        await SettleListAsync();
        if (May(Mishaps.Builds))
            await OrderBuildAsync(BuildFault.None);
        await PublishNowAsync();
        foreach (var machine in _machines)
        {
            machine.IsOff = false;
            await machine.CloseAsync();
            CatchUp(machine.Time);
            machine.Time.Jump(Begin + _now);
            // What it reports last is news.
            machine.Version++;
        }
        var unsettled = _machines.ToList();
        var end = _now + _rules.Quiet;
        for (var round = 0; _now < end; round++)
        {
            _now += TimeSpan.FromHours(round < 12 ? 8 : 26);
            foreach (var machine in unsettled)
            {
                CatchUp(machine.Time);
                Counts.Wakings++;
                await machine.WakeAsync(TimeSpan.FromMinutes(30));
                await LookForRollbackAsync(machine);
                if (round == 3)
                    await VisitAsync(machine);
            }
            CatchUp(_site.Time);
            Counts.Passes++;
            await _site.PassAsync();
            await _site.ApproveAsync();
            await _site.PassAsync();
            var open = new List<LifeMachine>();
            foreach (var machine in unsettled)
                if (await FaultAsync(machine) is not null)
                    open.Add(machine);
            unsettled = open;
            if (unsettled.Count > 0)
                continue;
            // Once more for all: what one machine does may unsettle another.
            if (await FaultAsync() is null)
                return;
            unsettled = [.. _machines];
        }
        var fault = await FaultAsync();
        Tell($"log of {unsettled[0].Name}:\n{string.Join('\n', unsettled[0].LastWords())}");
        throw new LifeException(this, fault ?? "it settles only after the end");
    }

    /// <summary>A person goes to a machine that knows no CAP any more.</summary>
    private async Task VisitAsync(LifeMachine machine)
    {
        var status = await machine.StatusAsync();
        if (status.Caps.Any(path => _caps.Exists(cap => cap.Path.ToString() == path)))
            return;
        Counts.Visits++;
        Tell($"{machine.Name} knows none of the CAPs that there are; somebody goes there");
        await machine.InstallAsync(await _site.TokenAsync(), _caps[0].Path.ToString());
    }

    /// <summary>What is not as it must be; null when all is.</summary>
    private async Task<string?> FaultAsync()
    {
        var ids = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var machine in _machines)
        {
            if (await FaultAsync(machine) is { } fault)
                return fault;
            // Who was retired says nothing any more, on however many machines.
            if ((await machine.StatusAsync()).State != DeviceState.Retired && !ids.TryAdd(machine.DeviceId, machine.Name))
                return $"{machine.Name} and {ids[machine.DeviceId]} are one device";
        }
        foreach (var cap in _caps)
        {
            if ((await cap.Disk.FilesAsync("inbox")).Count is > 0 and var left)
                return $"{left} uploads lie on {cap.Path}: {string.Join(", ", (await cap.Disk.FilesAsync("inbox")).Select(file => file.Name))}; waiting: {string.Join(", ", await _site.Open.Get<WaitingStore>().ListAsync(cap.Path.ToString(), CancellationToken.None))}";
            if ((await _site.Open.Get<WaitingStore>().ListAsync(cap.Path.ToString(), CancellationToken.None)).Count is > 0 and var waiting)
                return $"{waiting} uploads of {cap.Path} wait";
        }
        return (await _site.Open.QuarantineAsync()).FirstOrDefault(row => !s_explained.Contains(row.Reason, StringComparer.Ordinal)) is { } odd
            ? $"{odd.Reason} in quarantine: {odd.Detail}"
            : null;
    }

    private async Task<string?> FaultAsync(LifeMachine machine)
    {
        var status = await machine.StatusAsync();
        if (await _site.Open.Get<DeviceStore>().DetailAsync(status.DeviceId, CancellationToken.None) is not { } known)
            return $"{machine.Name} is not known ({status.Waiting})";
        if (known.Summary.State != status.State)
            return $"{machine.Name} is {status.State}, and {known.Summary.State} at the site ({status.Waiting})";
        if (status.State == DeviceState.Retired)
            return null;
        if (status.State != DeviceState.Approved)
            return $"{machine.Name} is {status.State}";
        if (status.Waiting is not null)
            return $"{machine.Name} waits: {status.Waiting}";
        // What the site has and the machine does not know yet is on its way back.
        if (status.Sequence != known.Summary.Sequence || status.Spooled > status.Sequence - status.AcknowledgedSequence)
            return $"{machine.Name}: {status.Spooled} wait, {status.Sequence} made, {status.AcknowledgedSequence} acknowledged, the site has {known.Summary.Sequence} ({status.Waiting})";
        var software = await _site.Open.Get<InventoryStore>().SoftwareAsync(known.Row.Number, CancellationToken.None);
        if (software?.Software.Packages.Single().Version is var version && version != $"{machine.Version}.0")
            return $"{machine.Name} has {machine.Version}.0, and the site {version}";
        if (known.Summary.MemoryBytes != machine.MemoryBytes || known.Summary.HostName != machine.Name)
            return $"{machine.Name} has {machine.MemoryBytes} bytes, and the site has {known.Summary.HostName} with {known.Summary.MemoryBytes}";
        var messages = await _site.Open.Get<StatusStore>().ListAsync(status.DeviceId, null, null, 10_000, CancellationToken.None);
        var failures = messages.Where(message => message is { Code: "component_failed", Component: "software-inventory" }).Sum(message => message.Count);
        if (!machine.MayRepeat && failures > machine.Failures)
            return $"{machine.Name} failed {machine.Failures} times, and the site has {failures}";
        if (_goodBuild is not null && status.Build != _goodBuild)
            return $"{machine.Name} runs {status.Build}, not {_goodBuild} ({status.BuildWaiting})";
        return null;
    }

    /// <summary>Invariant 8: no machine takes anything older than what it has.</summary>
    private async Task LookForRollbackAsync(LifeMachine machine)
    {
        var status = await machine.StatusAsync();
        if (status.DeviceId == machine.Seen.DeviceId && status.PolicyVersion < machine.Seen.Policy)
            throw new LifeException(this, $"{machine.Name} went back from policy {machine.Seen.Policy} to {status.PolicyVersion}");
        machine.Seen = new SeenVersions(status.DeviceId, status.PolicyVersion);
    }
}

/// <summary>Something that must always hold did not.</summary>
internal sealed class LifeException(LifeWorld world, string what, Exception? inner = null) : Exception($"{what}\nrepeat: {world.Repeat}\n{world.Story}", inner);
