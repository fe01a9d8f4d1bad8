using System.Globalization;
using System.Text;

namespace Capstan.Nal.Arbiter.Machine;

/// <summary>Whether a slot still excludes others.</summary>
internal enum SlotHold
{
    Kept = 1,
    /// <summary>Its file was deleted, and made and locked again.</summary>
    Restored = 2,
    /// <summary>Its file was deleted, and somebody else has the new one.</summary>
    Lost = 3,
}

/// <summary>A slot that this process holds. Disposing it gives it back; so does the end of the process. Thread-safe.</summary>
internal sealed class Slot(int number, string path, FileLock held) : IDisposable
{
    private readonly Lock _gate = new();
    private FileLock _held = held;
    private bool _isLost;
    private bool _isOver;

    /// <summary>From 0; below the budget of the server when it was taken.</summary>
    public int Number => number;

    /// <summary>Looks whether somebody deleted the file under the lock, and mends it. <see cref="SlotHold.Lost"/> is said once.</summary>
    /// <exception cref="IOException">The file cannot be made again.</exception>
    public SlotHold Look()
    {
        lock (_gate)
        {
            // Given back, it may be somebody else's by now.
            if (_isOver || _isLost || _held.IsInPlace)
                return SlotHold.Kept;
            NalMachine.Make(Path.GetDirectoryName(path)!);
            if (FileLock.TryTake(path) is not { } again)
            {
                _isLost = true;
                return SlotHold.Lost;
            }
            _held.Dispose();
            _held = again;
            return SlotHold.Restored;
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _isOver = true;
            _held.Dispose();
        }
    }
}

/// <summary>The slots of one server on this machine, and the line of processes that wait for one. Thread-safe.</summary>
/// <remarks>
/// <para>Whoever waits draws a ticket and waits for the end of the one before it, in the kernel: in turn, without asking again and again, and no ticket of a dead
/// process is in the way. The first in line then waits for whichever slot comes free.</para>
/// <para>A wait in the kernel cannot be called off. What nobody wants any more goes on standing, and gives back what it gets; there is one such thread for each slot,
/// and one for each place in line, however often callers come and go.</para>
/// </remarks>
internal sealed class ServerSlots
{
    private readonly SlotFiles _files;
    private readonly Lock _gate = new();
    private readonly HashSet<int> _watched = [];
    private Turn? _first;

    public ServerSlots(string slots, string server)
    {
        _files = new SlotFiles(slots, server);
        Make();
    }

    /// <summary>A free slot at once, unless there is none or somebody waits: nobody is overtaken.</summary>
    /// <param name="order">The slots to try, in this order.</param>
    /// <exception cref="IOException">The slots cannot be used.</exception>
    /// <exception cref="UnauthorizedAccessException">As above.</exception>
    public Slot? TryTake(IEnumerable<int> order)
    {
        Make();
        // One asks at a time: whoever finds the lock taken has then found somebody who waits. While it is held nobody enters the line.
        using var door = FileLock.Wait(_files.Door);
        using var nobodyWaits = FileLock.TryTake(_files.Waiting);
        return nobodyWaits is null ? null : TryEach(order);
    }

    /// <summary>Stands in line for one of the first <paramref name="budget"/> slots.</summary>
    /// <param name="served">Called once, from a thread of the line, with the slot or with why there is none; not after the place was left.</param>
    public Turn StandInLine(int budget, Action<Slot?, Exception?> served)
    {
        var turn = new Turn(this, budget, served);
        Begin("line", turn.Run);
        return turn;
    }

    /// <summary>Whether somebody on this machine waits for a slot of this server.</summary>
    public bool IsWanted()
    {
        Make();
        using var door = FileLock.Wait(_files.Door);
        using var nobodyWaits = FileLock.TryTake(_files.Waiting);
        return nobodyWaits is null;
    }

    private Slot? TryEach(IEnumerable<int> order)
    {
        foreach (var number in order)
        {
            if (FileLock.TryTake(_files.Slot(number)) is { } held)
                return new Slot(number, _files.Slot(number), held);
        }
        return null;
    }

    /// <summary>Lets a thread wait for a slot, unless one does already, and gives what it gets to the first in line of that moment.</summary>
    private void Watch(int number)
    {
        lock (_gate)
        {
            if (!_watched.Add(number))
                return;
        }
        Begin("slot", () => WaitFor(number), orElse: () => _watched.Remove(number));
    }

    private void WaitFor(int number)
    {
        FileLock? held = null;
        Exception? failure = null;
        try
        {
            held = FileLock.Wait(_files.Slot(number));
        }
        catch (Exception cause)
        {
            // Whatever it is, the first in line is told; a thread that ended by it would end the process.
            failure = cause;
        }
        Turn? first;
        lock (_gate)
        {
            _watched.Remove(number);
            first = _first;
        }
        if (first is null || !first.Offer(held is null ? null : new Slot(number, _files.Slot(number), held), failure))
            held?.Dispose();
    }

    /// <summary>Again, should somebody have emptied the directory under the processes that use it.</summary>
    private void Make()
    {
        if (!Directory.Exists(_files.Directory))
            NalMachine.Make(_files.Directory);
    }

    /// <exception cref="IOException">The system gives no further thread.</exception>
    private void Begin(string what, Action work, Action? orElse = null)
    {
        try
        {
            new Thread(() => work(), maxStackSize: 256 * 1024) { IsBackground = true, Name = $"capstan {what}" }.Start();
        }
        catch (OutOfMemoryException cause)
        {
            lock (_gate)
                orElse?.Invoke();
            throw new IOException("the system gives no further thread to wait for a slot with (its limit of tasks is reached)", cause);
        }
    }

    /// <summary>One place in line, from the ticket to the slot.</summary>
    internal sealed class Turn(ServerSlots slots, int budget, Action<Slot?, Exception?> served) : IDisposable
    {
        private readonly Lock _gate = new();
        private FileLock? _waiting;
        private FileLock? _ticket;
        private string? _ticketPath;
        private bool _hasEntered;
        private bool _isDeserted;
        private bool _isOver;

        public void Run()
        {
            try
            {
                if (!Enter(out var ticket))
                    return;
                // New tickets are higher: those below become fewer, and one that is over never counts again.
                for (var limit = ticket; slots._files.HighestTicketBelow(limit) is { } before; limit = before)
                {
                    var path = slots._files.Ticket(before);
                    FileLock.WaitForEnd(path);
                    // Its owner is served, or dead.
                    Forget(path);
                    if (_isOver)
                        return;
                }
                BeFirst();
            }
            catch (Exception failure)
            {
                // As above.
                Offer(null, failure);
            }
        }

        /// <summary>Whether anybody wants what this place is for. One that nobody wants stays in line, since a wait in the kernel cannot be called off, and makes no holder hurry.</summary>
        /// <remarks>Said again and again: it may not succeed at once while somebody asks at the door.</remarks>
        /// <exception cref="IOException">The line cannot be used.</exception>
        public void SetWanted(bool isWanted)
        {
            lock (_gate)
            {
                _isDeserted = !isWanted;
                if (_isOver || !_hasEntered)
                    return;
                if (isWanted)
                {
                    _waiting ??= FileLock.TryTake(slots._files.Waiting, isShared: true);
                    return;
                }
                _waiting?.Dispose();
                _waiting = null;
            }
        }

        /// <summary>Takes what the turn was for. False when it is over: the slot stays the giver's.</summary>
        public bool Offer(Slot? slot, Exception? failure)
        {
            lock (_gate)
            {
                if (_isOver)
                    return false;
                Leave();
            }
            served(slot, failure);
            return true;
        }

        public void Dispose()
        {
            lock (_gate)
                Leave();
        }

        /// <summary>Draws a ticket. False when the place was left before.</summary>
        private bool Enter(out long ticket)
        {
            slots.Make();
            var waiting = FileLock.Wait(slots._files.Waiting, isShared: true);
            lock (_gate)
            {
                _hasEntered = true;
                ticket = 0;
                if (_isOver || _isDeserted)
                    waiting.Dispose();
                else
                    _waiting = waiting;
                if (_isOver)
                    return false;
            }
            using var line = FileLock.Wait(slots._files.Line);
            Span<byte> text = stackalloc byte[20];
            var length = RandomAccess.Read(line.File, text, fileOffset: 0);
            // Nothing, or what is no number, is a line that begins, behind whoever stands there.
            _ = long.TryParse(text[..length], NumberStyles.None, CultureInfo.InvariantCulture, out var last);
            ticket = Math.Max(last, slots._files.HighestTicketBelow(long.MaxValue) ?? 0) + 1;
            RandomAccess.Write(line.File, Encoding.ASCII.GetBytes(ticket.ToString("D19", CultureInfo.InvariantCulture)), fileOffset: 0);
            lock (_gate)
            {
                if (_isOver)
                    return false;
                _ticketPath = slots._files.Ticket(ticket);
                _ticket = FileLock.Wait(_ticketPath);
            }
            return true;
        }

        private void BeFirst()
        {
            lock (_gate)
            {
                if (_isOver)
                    return;
                lock (slots._gate)
                    slots._first = this;
            }
            if (slots.TryEach(Enumerable.Range(0, budget)) is { } free)
            {
                if (!Offer(free, null))
                    free.Dispose();
                return;
            }
            for (var number = 0; number < budget; number++)
                slots.Watch(number);
        }

        private void Leave()
        {
            _isOver = true;
            lock (slots._gate)
            {
                if (slots._first == this)
                    slots._first = null;
            }
            if (_ticket is not null)
                Forget(_ticketPath!);
            _ticket?.Dispose();
            _ticket = null;
            _waiting?.Dispose();
            _waiting = null;
        }

        /// <summary>A ticket that cannot be deleted is in nobody's way: whoever stands behind it finds it without an owner.</summary>
        private static void Forget(string ticket)
        {
            try
            {
                File.Delete(ticket);
            }
            catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
            {
                // Deleting only keeps the directory small.
            }
        }
    }
}
