using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;
using Capstan.Nal.Arbiter.Accounts;
using Capstan.Nal.Arbiter.Core;
using Capstan.Nal.Arbiter.Machine;
using Capstan.Nal.Providers;

namespace Capstan.Nal.Arbiter;

public sealed partial class ConnectionArbiter
{
    /// <summary>How often what the journal says is brought up to date, and lines, lingering and waits are looked after: while there is anything.</summary>
    private static readonly TimeSpan Beat = TimeSpan.FromMilliseconds(500);

    /// <summary>What is kept for one server, or one place where nobody counts, beside its core. Used under the lock.</summary>
    private sealed class Desk(string name, bool isCounted, ServerCore core)
    {
        private readonly Dictionary<long, Slot> _slots = [];
        private readonly Dictionary<long, ServerSlots.Turn> _turns = [];

        public string Name => name;
        public bool IsCounted => isCounted;
        public ServerCore Core => core;
        public ServerTerms Terms { get; set; } = new();
        public Dictionary<ConnectionKey, KeptConnection> Open { get; } = [];

        /// <summary>Somebody else on this machine waits, as of the last beat.</summary>
        public bool IsWanted { get; set; }

        /// <summary>The cause of the attempt whose failure is being told to those who waited for it.</summary>
        public NalException? Cause { get; set; }

        /// <summary>What the server said when it was last full; null when it has been reached since.</summary>
        public NalException? FullCause { get; set; }

        /// <summary>How long the last wait for a full server was; zero when it has been reached since.</summary>
        public TimeSpan LastWait { get; set; }

        /// <summary>How often the server said that it is full since it was last reached.</summary>
        public int Refusals { get; set; }

        public Slot? SlotOf(long claim) => _slots.GetValueOrDefault(claim);

        public void Keep(long claim, Slot slot) => _slots.Add(claim, slot);

        public void Keep(long claim, ServerSlots.Turn turn) => _turns.Add(claim, turn);

        /// <summary>Of the open connections, by claim.</summary>
        public (long Claim, Slot Slot)[] HeldSlots() => [.. Core.Read().Where(reading => Open.ContainsKey(reading.Key) && _slots.ContainsKey(reading.Claim)).Select(reading => (reading.Claim, _slots[reading.Claim]))];

        /// <summary>Tells the line which places nobody waits for any more.</summary>
        public void TellTurns()
        {
            foreach (var (claim, turn) in _turns)
                turn.SetWanted(Core.IsAwaited(claim));
        }

        public void EndTurn(long claim) => _turns.Remove(claim);

        public void GiveBack(long claim)
        {
            if (_slots.Remove(claim, out var slot))
                slot.Dispose();
        }

        /// <returns>The claims that stood in line.</returns>
        public long[] LeaveLines()
        {
            long[] claims = [.. _turns.Keys];
            foreach (var turn in _turns.Values)
                turn.Dispose();
            _turns.Clear();
            return claims;
        }
    }

    /// <summary>Called under the lock.</summary>
    private Desk DeskOf(ConnectionKey key)
    {
        var name = key.Server ?? $"{key.Provider}|{key.Place}";
        if (key.Server is not null)
            _beat ??= _time.CreateTimer(_ => OnBeat(), state: null, Beat, Beat);
        if (_desks.TryGetValue(name, out var desk))
            return desk;
        _desks.Add(name, desk = new Desk(name, key.Server is not null, new ServerCore(key.Server is null ? ServerRules.Uncounted : RulesFor(name))));
        desk.Terms = TermsOf(name);
        return desk;
    }

    /// <summary>What was published of a server, or of another name that shares its slots. Called under the lock.</summary>
    private ServerTerms TermsOf(string server) => _terms.TryGetValue(server, out var terms) ? terms
        : _terms.FirstOrDefault(known => SlotsOf(known.Key) == server).Value ?? new();

    private ServerRules RulesFor(string server) => new()
    {
        Budget = _options.BudgetPerServer,
        MaxWaiting = _options.MaxWaitingPerServer,
        LongestLease = _options.LongestLease,
        Linger = TermsOf(server).Linger,
    };

    /// <summary>An empty desk would stay for every server that was ever named; one that was full is remembered, so that waits for it go on growing. Called under the lock.</summary>
    private void Forget(Desk desk)
    {
        if (!desk.Core.IsEmpty)
            return;
        if (desk.LastWait == TimeSpan.Zero && _desks.TryGetValue(desk.Name, out var known) && known == desk)
            _desks.Remove(desk.Name);
        if (_beat is null || _desks.Values.Any(other => other.IsCounted && !other.Core.IsEmpty))
            return;
        _beat.Dispose();
        _beat = null;
    }

    private void OnBeat()
    {
        if (Interlocked.Exchange(ref _isBeating, 1) == 1)
            return;
        try
        {
            (Desk Desk, (long Claim, Slot Slot)[] Held)[] desks;
            lock (_gate)
                desks = [.. _desks.Values.Where(desk => desk.IsCounted).Select(desk => (desk, desk.HeldSlots()))];
            foreach (var (desk, held) in desks)
            {
                // The file system is asked and written outside the lock.
                var isWanted = held.Length > 0 && _keeper.IsWanted(desk.Name);
                var lost = held.Where(one => IsLost(desk, one.Slot)).ToArray();
                (KeptConnection Kept, ConnectionReading Reading)[] open;
                lock (_gate)
                {
                    desk.IsWanted = isWanted;
                    _ = Do(desk, actions => desk.Core.Tick(isWanted, Now, actions));
                    foreach (var (claim, _) in lost)
                        _ = Do(desk, actions => desk.Core.Retire(claim, Now, actions));
                    open = [.. desk.Core.Read().Where(reading => desk.Open.ContainsKey(reading.Key)).Select(reading => (desk.Open[reading.Key], reading))];
                }
                foreach (var (kept, reading) in open)
                    _keeper.Note(kept, Show(reading.State), reading.ReferenceCount, reading.PersistenceCount, reading.Holders, _time.GetUtcNow() - (Now - reading.LastUsed));
            }
        }
        finally
        {
            Volatile.Write(ref _isBeating, 0);
        }
    }

    /// <summary>Whether somebody else has the slot by now, because its file was deleted.</summary>
    private bool IsLost(Desk desk, Slot slot)
    {
        try
        {
            var hold = slot.Look();
            if (hold != SlotHold.Kept)
                SlotFileDeleted(slot.Number, desk.Name, hold == SlotHold.Restored ? "it was made and locked again" : "another process has the new one, so this connection closes with its last lease");
            return hold == SlotHold.Lost;
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            // Looked at again at the next beat; whoever else takes the slot finds this connection in the journal.
            SlotsNotTended(desk.Name, cause);
            return false;
        }
    }

    /// <summary>Takes what other processes of this machine learned of names.</summary>
    private void LearnNames()
    {
        try
        {
            _names.Refresh();
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            NamesNotKept("other processes", cause);
        }
    }

    /// <summary>Whether a server that was reached under one name is known under another, whose slots it shares from now on.</summary>
    private void NoticeName(ConnectionKey key, Guid? id)
    {
        if (key.Server is null || id is not { } guid)
            return;
        try
        {
            if (_names.Notice(key.Show, guid, _time.GetUtcNow()) is { } other)
                ServerHasTwoNames(key.Show, other, guid);
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            NamesNotKept(key.Show, cause);
        }
    }

    private void ClaimSlot(Desk desk, long claim, ConnectionKey key)
    {
        Slot? slot = null;
        NalException? failure = null;
        try
        {
            slot = _options.Machine is null ? null : _keeper.TryClaim(desk.Name, _options.BudgetPerServer, key.Account);
        }
        catch (NalException cause)
        {
            failure = cause;
        }
        lock (_gate)
        {
            if (slot is not null)
                desk.Keep(claim, slot);
            if (failure is not null)
                FailWith(desk, failure, actions => desk.Core.SlotFailed(claim, Now, actions));
            else if (slot is null && _options.Machine is not null)
                _ = Do(desk, actions => desk.Core.SlotBusy(claim, Now, actions));
            else
                _ = Do(desk, actions => desk.Core.SlotTaken(claim, Now, actions));
        }
    }

    /// <summary>Called under the lock; the line tells later, from a thread of its own.</summary>
    private void StandInLine(Desk desk, long claim)
    {
        try
        {
            desk.Keep(claim, _keeper.StandInLine(desk.Name, _options.BudgetPerServer, (slot, failure) => Served(desk, claim, slot, failure)));
        }
        catch (IOException failure)
        {
            // Told as the line would: the core is in the middle of an event.
            _ = Start(() =>
            {
                Served(desk, claim, slot: null, failure);
                return Task.CompletedTask;
            });
        }
    }

    private void Served(Desk desk, long claim, Slot? slot, Exception? failure)
    {
        lock (_gate)
        {
            desk.EndTurn(claim);
            if (slot is not null)
            {
                desk.Keep(claim, slot);
                _ = Do(desk, actions => desk.Core.SlotTaken(claim, Now, actions));
                return;
            }
            var cause = new NalException(NalError.WriteLocal, $"no slot of {desk.Name} can be waited for on this machine: {failure!.Message}", path: null, Completion.NotSent,
                isTransient: true, desk.Name, inner: failure);
            FailWith(desk, cause, actions => desk.Core.SlotFailed(claim, Now, actions));
        }
    }

    /// <summary>Of the accounts that may be tried, all whose secrets are at hand for a server. Reads files.</summary>
    private IReadOnlyList<ConnectionAccount> KnownAccounts(ConnectionKey key, Pending pending)
    {
        if (key.Server is null)
            return [];
        return pending.Purpose.Accounts ?? [.. MayTry(key.Show, AccountsOf(key.Show), out _)];
    }

    private ImmutableArray<ConnectionAccount> AccountsOf(string server) => _accounts.TryGetValue(server, out var set) ? set : [];

    /// <summary>Without those that the server refused.</summary>
    private IReadOnlyList<ConnectionAccount> MayTry(string server, IReadOnlyList<ConnectionAccount> accounts, out DateTimeOffset? next)
    {
        next = null;
        if (accounts.Count == 0)
            return accounts;
        var now = _time.GetUtcNow();
        IReadOnlyList<StoppedAccount> stopped;
        try
        {
            stopped = _stops.Of(server, now);
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            StopsUnreadable(server, cause);
            stopped = _stops.Own(server);
        }
        if (stopped.Count == 0)
            return accounts;
        var names = StopRules.MayTry([.. accounts.Select(account => account.Name)], stopped, now, DrawOf(server), out next);
        return accounts.Where(account => names.Contains(account.Name, StringComparer.OrdinalIgnoreCase)).ToArray();
    }

    /// <summary>Stable for this device and server.</summary>
    private double DrawOf(string server) =>
        BitConverter.ToUInt32(SHA256.HashData(Encoding.UTF8.GetBytes($"{_options.OrderSeed}\n{server}"))) / (uint.MaxValue + 1.0);

    private void Stop(string server, ConnectionAccount account, NalException cause)
    {
        // What is the server's own trouble stops nobody, and what it never saw neither.
        if (cause.IsTransient || cause.Completion != Completion.Refused)
            return;
        try
        {
            _stops.Stop(new StoppedAccount(server, account.Name, cause.Message, _time.GetUtcNow()));
            AccountStopped(account.Name, server, cause.Message);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            StopsUnreadable(server, failure);
        }
    }

    private void Resume(string server, ConnectionAccount account)
    {
        try
        {
            _stops.Resume(server, account.Name);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            StopsUnreadable(server, failure);
        }
    }

    private static string Show(ConnectionState state) => state switch
    {
        ConnectionState.Claiming or ConnectionState.InLine => Journal.ConnectionStates.Waiting,
        ConnectionState.Connecting => Journal.ConnectionStates.Connecting,
        ConnectionState.Idle => Journal.ConnectionStates.Idle,
        ConnectionState.Closing => Journal.ConnectionStates.Closing,
        _ => Journal.ConnectionStates.Open,
    };
}
