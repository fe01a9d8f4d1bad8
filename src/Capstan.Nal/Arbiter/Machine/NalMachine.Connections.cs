using System.Globalization;
using Capstan.Nal.Arbiter.Accounts;
using Capstan.Nal.Arbiter.Journal;

namespace Capstan.Nal.Arbiter.Machine;

/// <summary>One connection of this machine, as its journal has it.</summary>
/// <param name="Record">Its name: what <see cref="NalMachine.Drop"/> takes.</param>
/// <param name="State"><c>connecting</c>, <c>open</c>, <c>idle</c>, <c>closing</c>; <c>ghost</c>: its owner is gone, and the server may still count it; <c>abandoned</c>:
/// a ghost that somebody dropped; <c>unreadable</c>: the next step says why.</param>
/// <param name="SessionId">The server's, 16 hexadecimal digits; null where it is not known.</param>
/// <param name="ProcessId">Of the owner, for display; null for a record that cannot be read.</param>
/// <param name="NextStep">What happens to it next, or what to do.</param>
public sealed record MachineConnection(string Record, string Path, string Server, string Account, string State, int ReferenceCount, int PersistenceCount,
    IReadOnlyList<string> Holders, string? SessionId, int? ProcessId, DateTimeOffset? Opened, DateTimeOffset? LastUsed, string NextStep);

/// <summary>Two names under which this machine met one server, as that says itself: they share its slots.</summary>
/// <param name="Server">Canonical host and port.</param>
/// <param name="SameAs">The name whose slots are used.</param>
/// <param name="Since">When that was noticed, by the wall clock.</param>
public sealed record SharedName(string Server, string SameAs, DateTimeOffset Since);

public sealed partial class NalMachine
{
    /// <summary>Names that share another one's slots, because the server there says the same of itself (ServerGuid). Reads only.</summary>
    /// <exception cref="NalException"><see cref="NalError.ReadLocal"/>, or <see cref="NalError.AccessDenied"/>: they cannot be read.</exception>
    public IReadOnlyList<SharedName> SharedNames()
    {
        try
        {
            var names = new ServerNames(this);
            names.Refresh();
            return [.. names.All().Where(known => known.SameAs is not null).Select(known => new SharedName(known.Name, known.SameAs!, known.Since))];
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            throw new NalException(cause is IOException ? NalError.ReadLocal : NalError.AccessDenied, $"the names of servers in {Journal} cannot be read: {cause.Message}",
                Journal, Completion.NotSent, inner: cause);
        }
    }

    /// <summary>The connections of all processes of this machine, ghosts too. Reads only; counts and holders are at most a second old.</summary>
    /// <exception cref="NalException"><see cref="NalError.ReadLocal"/>, or <see cref="NalError.AccessDenied"/>: the journal cannot be read.</exception>
    public IReadOnlyList<MachineConnection> Connections(DateTimeOffset now)
    {
        try
        {
            return [.. ConnectionJournal.Read(this).Select(entry => Show(entry, now))];
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            throw new NalException(cause is IOException ? NalError.ReadLocal : NalError.AccessDenied, $"the journal of connections in {Journal} cannot be read: {cause.Message}",
                Journal, Completion.NotSent, inner: cause);
        }
    }

    /// <summary>Gives a ghost up: it keeps no slot any more, and is forgotten at the next connection to its server. The server may count it until its own time limit.
    /// Written down in <c>dropped.log</c>.</summary>
    /// <param name="record">Its name, as <see cref="Connections"/> gives it.</param>
    /// <exception cref="NalException"><see cref="NalError.NotFound"/>: no such record; <see cref="NalError.Conflict"/>: its owner lives, and closes it;
    /// <see cref="NalError.WriteLocal"/>.</exception>
    public void Drop(string record, DateTimeOffset now)
    {
        try
        {
            var entry = ConnectionJournal.Read(this).FirstOrDefault(entry => entry.Name == record)
                ?? throw new NalException(NalError.NotFound, $"the journal has no record {record}: capstan nal connections shows those that it has", record, Completion.NotSent);
            if (entry is { IsOwned: true, Record: var held })
            {
                throw new NalException(NalError.Conflict, $"{record} is in use{(held is null ? "" : $" by process {held.Process} ({string.Join(", ", held.Holders)})")}, and its owner closes it; only what its owner left behind can be dropped",
                    record, Completion.NotSent);
            }
            Audit(string.Create(CultureInfo.InvariantCulture, $"{now:O} {Environment.UserName} dropped {record}: {(entry.Record is { } lost ? $"{lost.Server}, session {lost.Session:x}" : entry.Problem)}"));
            if (!ConnectionJournal.Change(entry, entry.Record is { } ghost ? ghost with { State = ConnectionStates.Abandoned, NextStep = "dropped by hand" } : null))
                throw new NalException(NalError.Conflict, $"{record} changed while it was looked at: capstan nal connections shows what it is now", record, Completion.NotSent, isTransient: true);
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            throw new NalException(NalError.WriteLocal, $"{record} cannot be changed: {cause.Message}", record, Completion.NotSent, inner: cause);
        }
    }

    /// <summary>Lets every account of a server be tried again, although the server refused it: a person asked for it.</summary>
    /// <exception cref="NalException"><see cref="NalError.WriteLocal"/>: what this machine remembers cannot be changed.</exception>
    public void ResumeAccounts(string server)
    {
        try
        {
            new StoppedAccounts(this).Resume(server);
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            throw new NalException(NalError.WriteLocal, $"the stopped accounts of {server} cannot be forgotten: {cause.Message}", Journal, Completion.NotSent, inner: cause);
        }
    }

    /// <summary>Who gave up what: one line each, in <c>dropped.log</c> beside the records.</summary>
    private void Audit(string line) => File.AppendAllText(Path.Combine(Journal, "dropped.log"), line.ReplaceLineEndings(" ") + "\n");

    private static MachineConnection Show(JournalEntry entry, DateTimeOffset now)
    {
        if (entry.Record is not { } record)
        {
            return new MachineConnection(entry.Name, entry.File, "", "", "unreadable", 0, 0, [], null, null, null, null,
                $"{entry.Problem}; it blocks nothing: look at {entry.File}, then capstan nal drop {entry.Name}");
        }
        var isGhost = entry.IsGhost && record.State != ConnectionStates.Abandoned;
        return new MachineConnection(entry.Name, record.Path, record.Server, record.Account, isGhost ? ConnectionStates.Ghost : record.State,
            isGhost ? 0 : record.ReferenceCount, isGhost ? 0 : record.PersistenceCount, isGhost ? [] : record.Holders, record.Session?.ToString("x16", CultureInfo.InvariantCulture), record.Process, record.Opened, record.LastUsed,
            entry.IsGhost ? GhostRules.NextStep(record, new GhostQuestion(record.Account, new HashSet<string>(StringComparer.Ordinal), record.Slot, Boot.Current.Id, Boot.Current.Uptime(), now, new ServerTerms().IdleTime)) : record.NextStep);
    }
}
