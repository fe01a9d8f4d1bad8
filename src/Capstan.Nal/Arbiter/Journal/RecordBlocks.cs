using Capstan.Nal.Arbiter.Machine;
using Microsoft.Win32.SafeHandles;

namespace Capstan.Nal.Arbiter.Journal;

/// <summary>The blocks of one record's file, for whoever has it locked. Not thread-safe.</summary>
/// <remarks>The last record that is known to be on the disk is never written over: neither a power cut nor a reader at a bad moment finds no whole one. What is written without waiting
/// for the disk goes beside it, again and again, and so does the next durable one.</remarks>
internal sealed class RecordBlocks
{
    private readonly SafeFileHandle _file;
    private readonly string _path;
    private RecordPlace _kept;
    private long _sequence;
    private bool _isNew;

    private RecordBlocks(SafeFileHandle file, string path) => (_file, _path) = (file, path);

    /// <summary>Null when there is none, or none that can be read.</summary>
    public ConnectionRecord? Record { get; private set; }

    /// <summary>Why <see cref="Record"/> cannot be read; empty when it can, and when the file is empty.</summary>
    public string Problem { get; private set; } = "";

    /// <summary>Nothing was ever written to it.</summary>
    public bool IsNew => _isNew;

    /// <exception cref="IOException">It cannot be read.</exception>
    public static RecordBlocks Read(SafeFileHandle file, string path)
    {
        var blocks = new RecordBlocks(file, path);
        var text = ReadAll(file);
        blocks._isNew = text.Length == 0;
        if (blocks._isNew)
            return blocks;
        if (RecordText.TryRead(text, out var record, out blocks._kept, out var problem))
            blocks._sequence = blocks._kept.Sequence;
        (blocks.Record, blocks.Problem) = (record, problem);
        return blocks;
    }

    /// <param name="isDurable">Whether it is on the disk when this returns.</param>
    /// <exception cref="IOException">The disk is full, read-only or failed: what was durable before is so still.</exception>
    public void Write(ConnectionRecord next, bool isDurable)
    {
        next = next with { Format = ConnectionRecord.CurrentFormat, Sequence = ++_sequence };
        var text = RecordText.Write(next);
        var place = new RecordPlace(_sequence, RecordText.OffsetBeside(_kept, text.Length), text.Length);
        if (_isNew)
        {
            // With room for the second block: the flush behind the next one has then no length to bring to the disk.
            RandomAccess.Write(_file, (ReadOnlyMemory<byte>[])[text, Blank()], place.Offset);
            _isNew = false;
        }
        else
        {
            RandomAccess.Write(_file, text, place.Offset);
        }
        Record = next;
        if (!isDurable)
            return;
        Durable.Content(_file, _path);
        _kept = place;
    }

    /// <summary>Forgets what cannot be read: an empty file is a free one.</summary>
    /// <exception cref="IOException">As <see cref="Write"/>.</exception>
    public void Clear()
    {
        RandomAccess.SetLength(_file, 0);
        Durable.Content(_file, _path);
        (Record, Problem, _kept, _isNew) = (null, "", default, true);
    }

    /// <exception cref="IOException">It cannot be read.</exception>
    public static byte[] ReadAll(SafeFileHandle file)
    {
        var text = new byte[Math.Min(RandomAccess.GetLength(file), RecordText.LongestBytes)];
        var length = RandomAccess.Read(file, text, fileOffset: 0);
        return length == text.Length ? text : text[..length];
    }

    private static byte[] Blank()
    {
        var blank = new byte[RecordText.BlockBytes];
        blank.AsSpan().Fill((byte)' ');
        blank[^1] = (byte)'\n';
        return blank;
    }
}
