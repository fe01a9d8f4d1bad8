using Capstan.Nal.Arbiter.Machine;

namespace Capstan.Nal.Arbiter.Journal;

/// <summary>The record of one connection of this process, which has its file locked. Thread-safe.</summary>
/// <param name="held">The lock; disposed with this.</param>
/// <param name="blocks">With a record in it.</param>
/// <param name="over">Told once, when the lock is given back.</param>
internal sealed class RecordFile(FileLock held, RecordBlocks blocks, Action<RecordFile> over) : IDisposable
{
    private readonly Lock _gate = new();
    private bool _isOver;

    /// <summary>As it was last written.</summary>
    public ConnectionRecord Record { get { lock (_gate) return blocks.Record!; } }

    /// <param name="isDurable">Whether it is on the disk when this returns.</param>
    /// <exception cref="IOException">The disk failed.</exception>
    public void Write(ConnectionRecord next, bool isDurable)
    {
        lock (_gate)
        {
            if (!_isOver)
                blocks.Write(next, isDurable);
        }
    }

    /// <summary>The server confirmed the end: the record is over, and its file free for another.</summary>
    /// <exception cref="IOException">It cannot be written; the record stays, as a ghost.</exception>
    public void Delete() => End(Record with { State = ConnectionStates.Closed, ReferenceCount = 0, PersistenceCount = 0, Holders = [], NextStep = "its file is used again" });

    /// <summary>The server did not confirm the end: the record stays, for whoever logs on there next.</summary>
    /// <exception cref="IOException">As <see cref="Delete"/>.</exception>
    public void Leave(ConnectionRecord ghost) => End(ghost);

    /// <summary>Gives the lock back, and writes nothing: as the end of the process does.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            if (_isOver)
                return;
            _isOver = true;
            held.Dispose();
        }
        over(this);
    }

    private void End(ConnectionRecord last)
    {
        try
        {
            Write(last, isDurable: true);
        }
        finally
        {
            // Nobody uses its slot any more: a record with an owner would say the contrary.
            Dispose();
        }
    }
}
