using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using Capstan.Nal.Arbiter.Journal;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers;
using Microsoft.Extensions.Logging;

namespace Capstan.Nal.Arbiter.Machine;

/// <summary>What a connection is opened for.</summary>
/// <param name="Server">Whose slots are used, canonical; null where the storage counts nobody.</param>
/// <param name="Name">The server's name: another one than <paramref name="Server"/>, where two names of one server share its slots.</param>
/// <param name="Known">Gives every account of the server whose secret is at hand and that may be tried: its ghosts can be ended by a logon of their own.</param>
/// <param name="Refused">Told when the server refuses such a logon.</param>
internal sealed record OpeningOf(IStorageProvider Provider, string? Server, string Name, NalPath Path, ConnectionAccount? Account, Func<IReadOnlyList<ConnectionAccount>> Known, ServerTerms Terms,
    string Component, Action<ConnectionAccount, NalException> Refused);

/// <summary>Opens and closes the connections of this process among those of the machine: a slot before, a record before and after, ghosts on the way. Thread-safe.</summary>
/// <param name="machine">Null: no slots and no journal.</param>
/// <param name="canonical">Of a server's name, the one whose slots it uses.</param>
internal sealed partial class ConnectionKeeper(NalMachine? machine, Func<string, string> canonical, Boot boot, TimeProvider time, ILogger logger) : IDisposable
{
    private readonly ConcurrentDictionary<string, ServerSlots> _slots = new(StringComparer.Ordinal);
    private readonly Lock _gate = new();
    private readonly ILogger _logger = logger;
    private ConnectionJournal? _journal;

    /// <summary>A free slot at once; null when others on this machine hold all, or wait for one.</summary>
    /// <param name="account">The ghosts of this one are ended by a logon in their slot: such a slot comes first, and one with another's ghost last.</param>
    /// <exception cref="NalException"><see cref="NalError.WriteLocal"/>: slots cannot be used here.</exception>
    public Slot? TryClaim(string server, int budget, string account) => OnMachine(server, () =>
    {
        if (budget == 1)
            return SlotsOf(server).TryTake([0]);
        var ghosts = Ghosts(server);
        return SlotsOf(server).TryTake(ghosts.Count == 0 ? Enumerable.Range(0, budget) : Enumerable.Range(0, budget).OrderBy(number =>
            !ghosts.Exists(ghost => ghost.Record.Slot == number) ? 1
            : GhostRules.Plan(ghosts, Question(account, Nobody, number, new ServerTerms().IdleTime)).Blocked is null ? 0 : 2));
    });

    /// <summary>Of one slot: more were never seen, and each is a logon.</summary>
    private const int MostGhosts = 64;

    private static readonly IReadOnlySet<string> Nobody = new HashSet<string>(StringComparer.Ordinal);

    private GhostQuestion Question(string account, IReadOnlySet<string> known, int slot, TimeSpan idleTime) =>
        new(account, known, slot, boot.Id, boot.Uptime(), time.GetUtcNow(), idleTime) { Machine = boot.Evidence?.Invoke() };

    /// <summary>As <see cref="ServerSlots.StandInLine"/>.</summary>
    public ServerSlots.Turn StandInLine(string server, int budget, Action<Slot?, Exception?> served) => SlotsOf(server).StandInLine(budget, served);

    /// <summary>Whether somebody else on this machine waits for a slot of this server. False when that cannot be told.</summary>
    public bool IsWanted(string server)
    {
        try
        {
            return _slots.TryGetValue(server, out var slots) && slots.IsWanted();
        }
        catch (IOException cause)
        {
            SlotsUnreadable(server, cause);
            return false;
        }
    }

    /// <summary>What other processes of this machine say in the journal of their connections to a server; empty when that cannot be read.</summary>
    public IReadOnlyList<ConnectionRecord> OthersAt(string server)
    {
        try
        {
            return machine is null ? [] : [.. At(server).Where(entry => entry.Record is { } record && record.Owner != Journal().Owner).Select(entry => entry.Record!)];
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            SlotsUnreadable(server, cause);
            return [];
        }
    }

    /// <summary>Opens a connection on a slot, ends the ghosts that use it, and writes what the journal has to know before and after.</summary>
    /// <param name="slot">Null where nobody counts. Stays the caller's.</param>
    /// <exception cref="NalException">As <see cref="IStorageProvider.ConnectAsync"/>; <see cref="NalError.WriteLocal"/> when the journal cannot be written: nothing is opened then;
    /// <see cref="NalError.WaitForSlot"/> when the server still counts a ghost on this slot.</exception>
    public async Task<KeptConnection> OpenAsync(OpeningOf opening, Slot? slot, CancellationToken cancellationToken)
    {
        if (machine is null || slot is null || opening.Server is not { } server)
            return new KeptConnection(await opening.Provider.ConnectAsync(new ConnectRequest(opening.Path, opening.Account, Previous: null), cancellationToken), record: null);
        var outOfReach = new HashSet<string>(StringComparer.Ordinal);
        var plan = PlanFor(opening, server, slot, outOfReach, await AloneAsync(server, slot, cancellationToken));
        // Each pass ends a ghost, or an account that could end some.
        for (var passes = 0; plan.First is { } first; passes++)
        {
            if (passes == MostGhosts)
                throw new NalException(NalError.WaitForSlot, $"server {server} may still count connections that this machine lost, and {MostGhosts} logons did not end them: see capstan nal connections", opening.Path.ToString(), Completion.NotSent, isTransient: true, server);

            if (GhostRules.NameOf(first.Record) != opening.Name)
            {
                if (await EndElsewhereAsync(first, opening, server, slot, cancellationToken) is { } unreached)
                    outOfReach.Add(unreached);
            }
            else if (await EndAsync(first, opening, server, slot, cancellationToken) is { } refused)
            {
                var before = opening.Known;
                opening = opening with { Known = () => [.. before().Where(account => account != refused)] };
            }
            plan = PlanFor(opening, server, slot, outOfReach, OnMachine(server, () => At(server)));
        }
        if (plan.Blocked is { } blocked)
        {
            throw new NalException(NalError.WaitForSlot, string.Create(CultureInfo.InvariantCulture,
                $"server {server} may still count a connection of {blocked.Record.Account} that this machine lost ({blocked.Name}, {blocked.Record.Opened:yyyy-MM-dd HH:mm}); "
                + $"it is assumed gone in {Math.Ceiling(plan.BlockedFor.TotalMinutes):F0} min, or at once with: capstan nal drop {blocked.Name}"),
                opening.Path.ToString(), Completion.NotSent, isTransient: true, server)
            { RetryAfter = plan.BlockedFor };
        }
        var carry = plan.Carry;
        using var itsSlot = OnMachine(server, () => ClaimFor(ref carry, server, slot));
        var record = OnMachine(server, () => Journal().Create(NewRecord(opening, server, slot)));
        IStorageConnection connection;
        try
        {
            connection = await opening.Provider.ConnectAsync(new ConnectRequest(opening.Path, opening.Account, PreviousOf(carry)), cancellationToken);
        }
        catch (Exception failure)
        {
            GiveUp(record, failure);
            throw;
        }
        var kept = new KeptConnection(connection, record);
        try
        {
            OnMachine(server, () => record.Write(record.Record with
            {
                Session = connection.SessionId,
                ServerGuid = connection.Identity?.Id,
                Address = connection.Identity?.Address,
                LocalAddress = connection.Identity?.LocalAddress,
                State = ConnectionStates.Open,
                NextStep = "closes after its last lease",
                LastUsed = time.GetUtcNow(),
                Uptime = boot.Uptime(),
            }, isDurable: true));
            foreach (var (ghost, why) in plan.WithLogon)
                Forget(ghost, why);
            // To another server that answers at this name the id was not sent: the first one may still count it.
            if (carry is { } carried && (carried.Record.ServerGuid is null || carried.Record.ServerGuid == connection.Identity?.Id))
                Forget(carried, "the server was told its session id");
            return kept;
        }
        catch
        {
            await CloseAsync(kept);
            throw;
        }
    }

    /// <summary>Closes a connection. Its record goes only when the server confirmed the end; else it stays, as a ghost.</summary>
    /// <returns>Whether the server confirmed it.</returns>
    /// <exception cref="Exception">What the provider threw: not confirmed.</exception>
    public async Task<bool> CloseAsync(KeptConnection kept)
    {
        var isConfirmed = false;
        try
        {
            isConfirmed = await kept.Connection.CloseAsync(CancellationToken.None);
        }
        finally
        {
            if (kept.Record is { } record)
                End(record, isConfirmed);
        }
        return isConfirmed;
    }

    /// <summary>Writes who uses a connection now, without waiting for the disk.</summary>
    public void Note(KeptConnection kept, string state, int references, int persistence, IReadOnlyList<string> holders, DateTimeOffset lastUsed)
    {
        if (kept.Record is not { } record)
            return;
        var before = record.Record;
        if (before.State == state && before.ReferenceCount == references && before.PersistenceCount == persistence && before.Holders.SequenceEqual(holders, StringComparer.Ordinal))
            return;
        try
        {
            record.Write(before with { State = state, ReferenceCount = references, PersistenceCount = persistence, Holders = holders, LastUsed = lastUsed, Uptime = boot.Uptime() }, isDurable: false);
        }
        catch (IOException cause)
        {
            JournalNotWritten(before.Server, cause);
        }
    }

    public void Dispose() => _journal?.Dispose();

    private ConnectionRecord NewRecord(OpeningOf opening, string server, Slot slot)
    {
        var now = time.GetUtcNow();
        using var process = Process.GetCurrentProcess();
        return new ConnectionRecord
        {
            Path = opening.Path.ToString(),
            Server = server,
            Name = opening.Name == server ? null : opening.Name,
            Account = opening.Account?.Name ?? "",
            Slot = slot.Number,
            Owner = Journal().Owner,
            Process = process.Id,
            ProcessStart = new DateTimeOffset(process.StartTime.ToUniversalTime()),
            Boot = boot.Id,
            Machine = boot.Evidence?.Invoke(),
            Uptime = boot.Uptime(),
            Holders = [opening.Component],
            Opened = now,
            LastUsed = now,
            State = ConnectionStates.Connecting,
            NextStep = "opens, or fails",
        };
    }

    /// <summary>Nothing was opened, as far as the server answered; where it did not, it may count what this side knows nothing of.</summary>
    private void GiveUp(RecordFile record, Exception failure)
    {
        var mayBeOpen = failure is not NalException { Completion: Completion.NotSent or Completion.Refused };
        // One such ghost says as much as many: the next working logon ends them all.
        End(record, isConfirmed: !mayBeOpen || IsKnown(record.Record));
    }

    private bool IsKnown(ConnectionRecord record)
    {
        try
        {
            return Ghosts(record.Server).Exists(ghost => ghost.Record.Session is null && ghost.Record.Boot == boot.Id && ghost.Record.Slot == record.Slot
                && ghost.Record.State != ConnectionStates.Abandoned);
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            JournalNotWritten(record.Server, cause);
            return false;
        }
    }

    private void End(RecordFile record, bool isConfirmed)
    {
        try
        {
            if (isConfirmed)
                record.Delete();
            else
                record.Leave(record.Record with
                {
                    State = ConnectionStates.Ghost,
                    ReferenceCount = 0,
                    PersistenceCount = 0,
                    Holders = [],
                    Uptime = boot.Uptime(),
                    NextStep = GhostRules.NextStep(record.Record, Question(record.Record.Account, Nobody, record.Record.Slot, new ServerTerms().IdleTime))
                });
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            // It stays as it was, and is a ghost when this process has ended.
            JournalNotWritten(record.Record.Server, cause);
        }
    }

    private ServerSlots SlotsOf(string server) => _slots.GetOrAdd(server, name => new ServerSlots(machine!.Slots, name));

    private ConnectionJournal Journal()
    {
        lock (_gate)
            return _journal ??= new ConnectionJournal(machine!);
    }

    private void OnMachine(string server, Action work) => OnMachine(server, () =>
    {
        work();
        return true;
    });

    private T OnMachine<T>(string server, Func<T> work)
    {
        try
        {
            machine!.Prepare();
            return work();
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            throw new NalException(NalError.WriteLocal, $"no connection to {server} is opened, because it could not be written down on this machine: {cause.Message}; "
                + $"make room, or make {machine!.Journal} and {machine.Slots} writable", machine.Journal, Completion.NotSent, isTransient: true, server, inner: cause);
        }
    }
}
