using System.Globalization;
using Capstan.Nal.Arbiter.Journal;
using Capstan.Nal.Paths;
using Capstan.Nal.Providers;

namespace Capstan.Nal.Arbiter.Machine;

internal sealed partial class ConnectionKeeper
{
    /// <summary>A dead process lets go of its locks one after the other.</summary>
    private static readonly TimeSpan DyingTime = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan LookAgain = TimeSpan.FromMilliseconds(100);

    /// <summary>A slot without any other connection on it, as far as the journal knows: whoever has one there although this process has the slot opened it under another name of the server,
    /// or holds a slot whose file somebody deleted.</summary>
    /// <returns>What the journal has of the server.</returns>
    /// <exception cref="NalException"><see cref="NalError.WaitForSlot"/>: there is one, and it stays.</exception>
    private async Task<List<JournalEntry>> AloneAsync(string server, Slot slot, CancellationToken cancellationToken)
    {
        for (var waited = TimeSpan.Zero; ; waited += LookAgain)
        {
            var entries = OnMachine(server, () => At(server));
            if (entries.Find(entry => entry.IsOwned && entry.Record?.Slot == slot.Number) is not { } other)
                return entries;
            if (waited >= DyingTime)
            {
                throw new NalException(NalError.WaitForSlot, $"server {server} is still used by process {other.Record!.Process} ({string.Join(", ", other.Record.Holders)}) on the slot that was free: "
                    + $"the directory {machine!.Slots} was emptied while it was used, or that process knows the server under another name; a connection is opened when {other.Name} is closed",
                    path: null, Completion.NotSent, isTransient: true, server);
            }
            await Task.Delay(LookAgain, time, cancellationToken);
        }
    }

    /// <summary>Ends a ghost under another name of the server: where its id was given.</summary>
    /// <returns>The name, when nothing can be ended there now. Null when the ghost is over.</returns>
    private async Task<string?> EndElsewhereAsync(Ghost ghost, OpeningOf opening, string server, Slot slot, CancellationToken cancellationToken)
    {
        var name = GhostRules.NameOf(ghost.Record);
        if (!NalPath.TryParse(ghost.Record.Path, out var path, out _))
            return name;
        try
        {
            // Whether the account is good there is not what this request is about.
            var refused = await EndAsync(ghost, opening with { Path = path, Name = name, Refused = static (_, _) => { } }, server, slot, cancellationToken);
            return refused is null ? null : name;
        }
        catch (NalException)
        {
            return name;
        }
    }

    /// <summary>Ends a ghost of another account, or a second one of the same, by a logon of its own.</summary>
    /// <returns>The account, when the server refuses it: it ends nothing any more. Null when the ghost is over.</returns>
    private async Task<ConnectionAccount?> EndAsync(Ghost ghost, OpeningOf opening, string server, Slot slot, CancellationToken cancellationToken)
    {
        var own = opening.Account is { } same && IsNamed(same, ghost);
        // Taken away since the plan was made: the next plan knows.
        if ((own ? opening.Account : opening.Known().FirstOrDefault(known => IsNamed(known, ghost))) is not { } account)
            return null;
        // It has a record as any other: this process may die before it is closed.
        var record = OnMachine(server, () => Journal().Create(NewRecord(opening with { Account = account }, server, slot)));
        IStorageConnection connection;
        try
        {
            connection = await opening.Provider.ConnectAsync(new ConnectRequest(opening.Path, account, PreviousOf(ghost)), cancellationToken);
        }
        catch (Exception failure)
        {
            GiveUp(record, failure);
            if (failure is not NalException { Error: NalError.Authenticate, IsTransient: false } refusal || own)
                throw;
            opening.Refused(account, refusal);
            return account;
        }
        var isClosed = false;
        try
        {
            OnMachine(server, () => record.Write(record.Record with { Session = connection.SessionId, ServerGuid = connection.Identity?.Id, Address = connection.Identity?.Address, LocalAddress = connection.Identity?.LocalAddress, State = ConnectionStates.Closing, Uptime = boot.Uptime() }, isDurable: true));
            Forget(ghost, "a logon of its own told the server its session id");
        }
        finally
        {
            isClosed = await CloseAsync(new KeptConnection(connection, record));
        }
        if (isClosed)
            return null;
        CloseNotConfirmed(server, cause: null);
        throw new NalException(NalError.Connect, $"server {server} did not confirm the end of a connection of {account.Name} that this machine had lost; it may count it still, so none is opened beside it",
            opening.Path.ToString(), Completion.NotSent, isTransient: true, server);
    }

    private GhostPlan PlanFor(OpeningOf opening, string server, Slot slot, IReadOnlySet<string> outOfReach, List<JournalEntry> entries) => OnMachine(server, () =>
    {
        var ghosts = GhostsOf(entries);
        var known = ghosts.Count == 0 ? [] : opening.Known().Select(account => account.Name.ToLowerInvariant()).ToHashSet(StringComparer.Ordinal);
        var plan = GhostRules.Plan(ghosts, Question(opening.Account?.Name ?? "", known, slot.Number, opening.Terms.IdleTime) with { Name = opening.Name, OutOfReach = outOfReach });
        foreach (var (ghost, why) in plan.Gone)
            Forget(ghost, why);
        return plan;
    });

    /// <summary>A ghost's id goes with one logon only, or the second one could name a session that the server has begun since: with the slot that the ghost uses. That of this logon
    /// is held already; another's is taken until the logon is over, and the ghost left to whoever has it or waits for it.</summary>
    private Slot? ClaimFor(ref Ghost? carry, string server, Slot slot)
    {
        if (carry is not { } ghost || ghost.Record.Slot == slot.Number)
            return null;
        var its = SlotsOf(server).TryTake([ghost.Record.Slot]);
        if (its is not null && Ghosts(server).Exists(now => now.Name == ghost.Name && (now.Record.Owner, now.Record.Sequence) == (ghost.Record.Owner, ghost.Record.Sequence)))
            return its;
        its?.Dispose();
        carry = null;
        return null;
    }

    private List<Ghost> Ghosts(string server) => GhostsOf(At(server));

    private static List<Ghost> GhostsOf(List<JournalEntry> entries) => [.. entries.Where(entry => entry.IsGhost).Select(entry => new Ghost(entry.Name, entry.Record!) { Entry = entry })];

    /// <summary>Also what was written down under another name, before it was known to be this server's.</summary>
    private List<JournalEntry> At(string server) => [.. Journal().Read().Where(entry => entry.Record is { } record && canonical(record.Server) == server)];

    private void Forget(Ghost ghost, string why)
    {
        try
        {
            // Whoever else settles it at the same time has done it then.
            if (ConnectionJournal.Change(ghost.Entry, next: null))
                GhostEnded(ghost.Name, ghost.Record.Server, why);
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            JournalNotWritten(ghost.Record.Server, cause);
        }
    }

    private static PreviousSession? PreviousOf(Ghost? ghost) => ghost?.Record is { Session: { } session } record ? new PreviousSession(session, record.ServerGuid, record.LocalAddress) : null;

    private static bool IsNamed(ConnectionAccount account, Ghost ghost) => string.Equals(account.Name, ghost.Record.Account, StringComparison.OrdinalIgnoreCase);
}
