using Capstan.Nal.Arbiter.Machine;
using Microsoft.Win32.SafeHandles;

namespace Capstan.Nal.Arbiter.Journal;

/// <summary>The record of one connection of this process. Its owner writes it in place; thread-safe.</summary>
internal sealed class RecordFile(SafeFileHandle handle, ConnectionRecord record)
{
    private readonly Lock _gate = new();
    private bool _isOver;
    private int _length;

    /// <summary>Where it lies; empty while it is being made.</summary>
    public string Path { get; set; } = "";

    /// <summary>As it was last written.</summary>
    public ConnectionRecord Record { get; private set; } = record;

    /// <param name="isDurable">Whether it is on the disk when this returns.</param>
    /// <exception cref="IOException">The disk failed.</exception>
    public void Write(ConnectionRecord next, bool isDurable)
    {
        lock (_gate)
        {
            if (_isOver)
                return;
            var text = RecordText.Write(next, _length);
            RandomAccess.Write(handle, text, fileOffset: 0);
            _length = text.Length;
            Record = next;
            if (isDurable)
                Durable.Content(handle, Path);
        }
    }

    /// <summary>The server confirmed the end.</summary>
    /// <exception cref="IOException">It cannot be deleted; the record stays, and is a ghost when this process ends.</exception>
    public void Delete()
    {
        lock (_gate)
        {
            if (_isOver)
                return;
            File.Delete(Path);
            Durable.Names(System.IO.Path.GetDirectoryName(Path)!);
            _isOver = true;
            handle.Dispose();
        }
    }

    /// <summary>The server did not confirm the end: the record stays, for whoever logs on there next.</summary>
    public void Leave(ConnectionRecord ghost)
    {
        Write(ghost, isDurable: true);
        lock (_gate)
        {
            _isOver = true;
            handle.Dispose();
        }
    }
}
