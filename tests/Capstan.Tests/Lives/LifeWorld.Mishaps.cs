using Capstan.Nal.Providers;
using Capstan.Site.Keeping;
using Capstan.Tests.Client;

namespace Capstan.Tests.Lives;

internal sealed partial class LifeWorld
{
    private readonly List<(LifeMachine Machine, string Snapshot, int Version, SeenVersions Seen)> _snapshots = [];
    private readonly List<IReadOnlyList<(StorePath Path, byte[] Content)>> _held = [];
    private readonly Dictionary<LifeCap, IReadOnlyList<(StorePath Path, byte[] Content)>> _copies = [];
    private TimeSpan _siteIsOffUntil;

    private async Task MishapAsync()
    {
        Func<Task>[] kinds =
        [
            SnapshotAsync, CloneAsync, LoseStateAsync, ClocksAsync, UploadsAsync, UploadsAsync, StorageAsync, StorageAsync, ReplaceAsync, SiteAsync, SiteAsync, RotateAsync, BuildAsync, RetireAsync, AbsenceAsync, AbsenceAsync,
        ];
        await Pick(kinds)();
        After(Drawn(_rules.MeanMishap), MishapAsync);
    }

    private LifeMachine? AnyMachine() => _machines.Count == 0 ? null : Pick(_machines);

    private async Task SnapshotAsync()
    {
        if (!May(Mishaps.Snapshots) || AnyMachine() is not { } machine)
            return;
        await machine.CloseAsync();
        if (_snapshots.Find(known => known.Machine == machine) is { Snapshot: { } snapshot } taken)
        {
            Tell($"{machine.Name} is set back to its snapshot");
            LifeDisk.Copy(snapshot, machine.Directory);
            _snapshots.Remove(taken);
            machine.MayRepeat = true;
            machine.Seen = taken.Seen;
            return;
        }
        Tell($"a snapshot of {machine.Name}");
        var copy = Path.Combine(_root, $"snapshot{_numbers++}");
        LifeDisk.Copy(machine.Directory, copy);
        _snapshots.Add((machine, copy, machine.Version, machine.Seen));
    }

    private async Task CloneAsync()
    {
        if (!May(Mishaps.Clones) || AnyMachine() is not { } original || _machines.Count > _rules.Machines * 3 / 2)
            return;
        await original.CloseAsync();
        // The hardware of a virtual machine may be copied with it.
        var copy = Machine($"pc{++_named}", original.Uuid is null || Chance(0.2) ? original.Uuid : Guid(_named));
        Tell($"{copy.Name} is made of {original.Name}{(copy.Uuid == original.Uuid ? ", its hardware looks the same" : "")}");
        LifeDisk.Copy(original.Directory, copy.Directory);
        copy.Version = original.Version + 1_000 * _named;
        copy.Seen = original.Seen;
        (original.MayRepeat, copy.MayRepeat) = (true, true);
        After(Drawn(TimeSpan.FromDays(1)), () => WakingsAsync(copy));
    }

    private async Task LoseStateAsync()
    {
        if (!May(Mishaps.LostStates) || AnyMachine() is not { } machine)
            return;
        Tell($"{machine.Name} loses its database, and is installed again");
        await machine.CloseAsync();
        machine.LoseState();
        machine.Seen = SeenVersions.None;
        machine.MayRepeat = true;
        CatchUp(_site.Time);
        await machine.InstallAsync(await _site.TokenAsync());
    }

    private Task ClocksAsync()
    {
        if (!May(Mishaps.Clocks))
            return Task.CompletedTask;
        if (Chance(0.7) && AnyMachine() is { } machine)
        {
            CatchUp(machine.Time);
            var by = _random.Next(4) switch { 0 => TimeSpan.FromDays(3_650), 1 => TimeSpan.FromDays(-3_650), 2 => TimeSpan.FromHours(_random.Next(-48, 48)), _ => TimeSpan.FromDays(_random.Next(-60, 60)) };
            Tell($"{machine.Name}'s clock is {by.TotalDays:F1} days off");
            machine.Time.Jump(Begin + _now + by);
            After(Drawn(TimeSpan.FromDays(5)), () => Right(machine.Time, machine.Name));
            return Task.CompletedTask;
        }
        CatchUp(_site.Time);
        var years = Pick([-10, 10, 0]);
        var jump = years != 0 ? TimeSpan.FromDays(365 * years) : TimeSpan.FromHours(_random.Next(-72, 72));
        Tell($"the site's clock is {jump.TotalDays:F1} days off");
        _site.Time.Jump(Begin + _now + jump);
        After(Drawn(TimeSpan.FromDays(3)), () => Right(_site.Time, "the site"));
        return Task.CompletedTask;
    }

    private Task Right(Capstan.Testing.ManualTime time, string whose)
    {
        CatchUp(time);
        Tell($"the clock of {whose} is right");
        time.Jump(Begin + _now);
        return Task.CompletedTask;
    }

    private async Task UploadsAsync()
    {
        if (!May(Mishaps.Uploads))
            return;
        var cap = Pick(_caps);
        var files = (await cap.Disk.FilesAsync("inbox")).ToList();
        if (files.Count == 0)
            return;
        var some = files.Where(_ => Chance(0.6)).ToList();
        switch (_random.Next(4))
        {
            case 0:
                Tell($"{some.Count} uploads are deleted");
                await cap.Disk.TakeOutAsync(some);
                break;
            case 1:
                Tell($"{some.Count} uploads are put into another CAP, too, and come back later");
                var copies = await CopiesAsync(cap, some);
                if (Pick(_caps) is { Disk: { CapacityBytes: long.MaxValue } other })
                    await other.PutAsync(copies);
                _held.Add(copies);
                After(Drawn(TimeSpan.FromDays(4)), ReturnAsync);
                break;
            default:
                Tell($"{some.Count} uploads are held back");
                _held.Add(await cap.Disk.TakeOutAsync(some));
                After(Drawn(TimeSpan.FromDays(4)), ReturnAsync);
                break;
        }
    }

    private async Task ReturnAsync()
    {
        if (_held.Count == 0)
            return;
        var roomy = _caps.Where(cap => cap.Disk.CapacityBytes == long.MaxValue).ToList();
        if (roomy.Count == 0)
        {
            After(TimeSpan.FromDays(1), ReturnAsync);
            return;
        }
        var held = Pick(_held);
        _held.Remove(held);
        Tell($"{held.Count} uploads come back");
        await Pick(roomy).Disk.PutAsync(held);
    }

    private static async Task<IReadOnlyList<(StorePath Path, byte[] Content)>> CopiesAsync(LifeCap cap, IEnumerable<StorePath> files)
    {
        var copies = new List<(StorePath, byte[])>();
        foreach (var file in files)
            copies.Add((file, (await cap.Disk.ReadAllAsync(file, long.MaxValue, CancellationToken.None))!));
        return copies;
    }

    private async Task StorageAsync()
    {
        if (!May(Mishaps.Storage))
            return;
        var cap = Pick(_caps);
        switch (_random.Next(4))
        {
            case 0:
                Tell($"{cap.Path} is down");
                cap.IsDown = true;
                After(Drawn(TimeSpan.FromDays(2)), () =>
                {
                    Tell($"{cap.Path} is up");
                    cap.IsDown = false;
                    return Task.CompletedTask;
                });
                break;
            case 1:
                Tell($"{cap.Path} is full");
                cap.Disk.CapacityBytes = 0;
                After(Drawn(TimeSpan.FromDays(2)), () =>
                {
                    Tell($"{cap.Path} has room");
                    cap.Disk.CapacityBytes = long.MaxValue;
                    return Task.CompletedTask;
                });
                break;
            case 2:
                Tell($"{cap.Path} flushes nothing");
                var server = cap.Server;
                server.ForgetWrites = true;
                After(Drawn(TimeSpan.FromDays(1)), async () =>
                {
                    Tell($"{cap.Path} has a power cut: what was not flushed is gone");
                    server.ForgetWrites = false;
                    await server.CrashAsync(CancellationToken.None);
                });
                break;
            default:
                await PutBackAsync(cap);
                break;
        }
    }

    /// <summary>A copy of a CAP is made, or put back.</summary>
    private async Task PutBackAsync(LifeCap cap)
    {
        if (!_copies.Remove(cap, out var copy))
        {
            Tell($"a copy of {cap.Path}");
            _copies[cap] = await CopiesAsync(cap, await cap.Disk.FilesAsync(""));
            return;
        }
        Tell($"{cap.Path} is put back to an older copy");
        await cap.Disk.TakeOutAsync(await cap.Disk.FilesAsync(""));
        cap.Disk.CapacityBytes = long.MaxValue;
        await cap.Disk.PutAsync(copy);
    }

    private async Task ReplaceAsync()
    {
        if (!May(Mishaps.Replacements))
            return;
        CatchUp(_site.Time);
        if (Chance(0.5))
        {
            Tell("every CAP has another, empty disk");
            foreach (var cap in _caps)
            {
                cap.Replace();
                _copies.Remove(cap);
            }
            await PublishNowAsync();
            return;
        }
        var old = Pick(_caps);
        Tell($"{old.Path} is replaced by another server");
        try
        {
            await AddCapAsync();
        }
        catch (Capstan.Site.SiteException e)
        {
            Tell($"it cannot be added: {e.Message}");
            return;
        }
        After(TimeSpan.FromDays(3) + Drawn(TimeSpan.FromDays(10)), async () =>
        {
            if (_caps.Count < 2)
                return;
            Tell($"{old.Path} is taken off the list, and is gone a week later");
            CatchUp(_site.Time);
            _caps.Remove(old);
            await _site.RemoveCapAsync(old);
            After(TimeSpan.FromDays(7), () =>
            {
                old.IsDown = true;
                return Task.CompletedTask;
            });
        });
    }

    private async Task SiteAsync()
    {
        if (!May(Mishaps.Restores))
            return;
        CatchUp(_site.Time);
        switch (_random.Next(5))
        {
            case 0:
                var off = Drawn(TimeSpan.FromDays(8));
                Tell($"the site is off for {off.TotalDays:F1} days");
                _siteIsOffUntil = _now + off;
                break;
            case 1:
                var (operations, after) = (_random.Next(1, 400), Chance(0.5));
                Tell($"the site dies {(after ? "after" : "before")} its operation {operations}");
                _site.Doom(operations, after);
                break;
            case 2 or 3:
                Tell("a backup");
                await _site.BackUpAsync();
                break;
            default:
                await RestoreAsync();
                break;
        }
    }

    private async Task RestoreAsync()
    {
        // The administrator has set the clock right first, and a clock that ran ahead has left versions that only a CAP tells of.
        await Right(_site.Time, "the site");
        var which = _random.Next(_site.Backups);
        Tell($"the site is restored from backup {which} of {_site.Backups}");
        await _site.RestoreAsync(which);
        await SettleListAsync();
        await PublishNowAsync();
    }

    /// <summary>The list of CAPs is what it was at the time of the backup: the administrator puts it right.</summary>
    private async Task SettleListAsync()
    {
        var listed = (await _site.Open.Get<Capstan.Site.Store.CapStore>().ListAsync(CancellationToken.None)).Select(cap => cap.Path).ToList();
        foreach (var cap in _caps.Where(cap => !listed.Contains(cap.Path.ToString())).ToList())
        {
            try
            {
                await _site.AddCapAsync(cap);
            }
            catch (Capstan.Site.SiteException e)
            {
                Tell($"{cap.Path} cannot be put on the list: {e.Message}");
            }
        }
        foreach (var gone in listed.Where(path => _caps.TrueForAll(cap => cap.Path.ToString() != path)))
            await _site.Open.Get<Capstan.Site.Publish.CapAdministration>().RemoveAsync(Capstan.Nal.Paths.NalPath.Parse(gone), CancellationToken.None);
    }

    private async Task PublishNowAsync()
    {
        try
        {
            await _site.PublishNowAsync();
        }
        catch (Capstan.Site.SiteException e)
        {
            Tell($"publishing: {e.Message}");
        }
    }

    private async Task RotateAsync()
    {
        if (!May(Mishaps.Rotations) || Chance(0.5))
            return;
        CatchUp(_site.Time);
        IReadOnlyList<string> roles = Chance(0.5) ? [] : [Pick(RotationPlan.Names)];
        var withRoot = roles.Count == 0 && Chance(0.5);
        Tell($"new keys: {(roles.Count == 0 ? "all" : roles[0])}{(withRoot ? ", root" : "")}");
        await _site.RotateAsync(withRoot ? RotationPlan.Names : roles, withRoot);
    }

    private async Task BuildAsync()
    {
        if (!May(Mishaps.Builds))
            return;
        CatchUp(_site.Time);
        await OrderBuildAsync(Pick([BuildFault.None, BuildFault.DoesNotStart, BuildFault.IsDeaf]));
    }

    private async Task OrderBuildAsync(BuildFault fault)
    {
        var version = $"1.{++_builds}.0";
        Tell($"build {version} is ordered ({fault})");
        var id = await _site.OrderAsync(version);
        _faults[id] = fault;
        _goodBuild = fault == BuildFault.None ? id : null;
    }

    private async Task RetireAsync()
    {
        if (!May(Mishaps.Retirements) || Chance(0.7) || AnyMachine() is not { } machine)
            return;
        Tell($"{machine.Name} is retired");
        CatchUp(_site.Time);
        await _site.RetireAsync((await machine.StatusAsync()).DeviceId);
    }

    private Task AbsenceAsync()
    {
        if (!May(Mishaps.Absences) || AnyMachine() is not { IsOff: false } machine)
            return Task.CompletedTask;
        var off = TimeSpan.FromDays(_random.Next(5, 70));
        Tell($"{machine.Name} is off for {off.TotalDays:F0} days");
        machine.IsOff = true;
        After(off, () =>
        {
            machine.IsOff = false;
            return Task.CompletedTask;
        });
        return Task.CompletedTask;
    }
}
