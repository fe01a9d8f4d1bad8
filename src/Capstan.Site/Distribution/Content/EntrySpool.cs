using System.Text;
using Capstan.Protocol.Content;

namespace Capstan.Site.Distribution.Content;

/// <summary>The entries of a publication on the disk, since they may be more than memory holds: as they came, and in the order of trees. Used by one thread.</summary>
/// <remarks>Entries that came in the order of trees, as the command line sends them, are read as they lie; others are sorted some megabytes at a time, on the disk.</remarks>
/// <param name="runBytes">How much of them is sorted in memory.</param>
internal sealed class EntrySpool(PackFolder folder, int runBytes = 8 << 20) : IDisposable
{
    private const int BytesAtOnce = 64 << 10;

    /// <summary>Of each run that is being read: some hundreds are open for a million entries with long names.</summary>
    private const int RunBytesAtOnce = 8 << 10;

    private readonly SpoolFile _file = new(folder);
    private string _last = "";
    private bool _isSorted = true;

    /// <summary>Entries so far, those that a later one replaces included.</summary>
    public int Count { get; private set; }

    /// <exception cref="SiteException"><c>disk_full</c></exception>
    public void Add(SpooledEntry entry)
    {
        _isSorted &= TreePath.Compare(_last, entry.Path) <= 0;
        _last = entry.Path;
        Count++;
        _file.Add(entry);
    }

    /// <summary>As they came. Nothing may be added while it is read.</summary>
    public IEnumerable<SpooledEntry> Entries() => _file.Read(0, Count, BytesAtOnce);

    /// <summary>In the order of trees; of several with one path, the last that came: a file that was sent again. Nothing may be added while it is read.</summary>
    /// <param name="keepAll">Those that a later one replaces, too.</param>
    public IEnumerable<SpooledEntry> Sorted(bool keepAll = false)
    {
        SpooledEntry? before = null;
        foreach (var entry in _isSorted ? Entries() : Merged())
        {
            if (before is not null && (keepAll || !string.Equals(before.Path, entry.Path, StringComparison.Ordinal)))
                yield return before;
            before = entry;
        }
        if (before is not null)
            yield return before;
    }

    public void Dispose() => _file.Dispose();

    /// <summary>Entries in the order in which they come, divided into runs that memory holds: each ends with the entry that makes it as large as it may be.</summary>
    internal static IEnumerable<IReadOnlyList<SpooledEntry>> Runs(IEnumerable<SpooledEntry> entries, int runBytes)
    {
        var (run, bytes) = (new List<SpooledEntry>(), 0L);
        foreach (var entry in entries)
        {
            run.Add(entry);
            bytes += entry.MemoryBytes;
            if (bytes < runBytes)
                continue;
            yield return run;
            (run, bytes) = ([], 0);
        }
        if (run.Count > 0)
            yield return run;
    }

    /// <summary>Sorted runs one behind the other in a second file, read side by side. Of equal paths that of the earlier run comes first, so that the last that came stays the last.</summary>
    private IEnumerable<SpooledEntry> Merged()
    {
        using var runs = new SpoolFile(folder);
        var open = new List<IEnumerator<SpooledEntry>>();
        try
        {
            foreach (var run in Runs(Entries(), runBytes))
            {
                var begin = runs.LengthBytes;
                foreach (var entry in run.Order(Comparer<SpooledEntry>.Create(static (left, right) => TreePath.Compare(left.Path, right.Path))))
                    runs.Add(entry);
                open.Add(runs.Read(begin, run.Count, RunBytesAtOnce).GetEnumerator());
            }
            var next = new PriorityQueue<int, (string Path, int Run)>(Comparer<(string Path, int Run)>.Create(static (left, right) =>
                TreePath.Compare(left.Path, right.Path) is not 0 and var order ? order : left.Run.CompareTo(right.Run)));
            for (var run = 0; run < open.Count; run++)
                Enqueue(run);
            while (next.TryDequeue(out var run, out _))
            {
                yield return open[run].Current;
                Enqueue(run);
            }

            void Enqueue(int run)
            {
                if (open[run].MoveNext())
                    next.Enqueue(run, (open[run].Current.Path, run));
            }
        }
        finally
        {
            foreach (var run in open)
                run.Dispose();
        }
    }

    /// <summary>Entries in a file of their own that goes with it.</summary>
    private sealed class SpoolFile : IDisposable
    {
        private readonly PackFolder _folder;
        private readonly FileStream _file;
        /// <summary>Entries that are not in the file yet.</summary>
        private readonly MemoryStream _new = new();
        private readonly BinaryWriter _writer;
        private long _written;

        public SpoolFile(PackFolder folder)
        {
            (_folder, _file) = (folder, folder.CreateTemporary(deleteOnClose: true));
            _writer = new BinaryWriter(_new, Encoding.UTF8, leaveOpen: true);
        }

        public long LengthBytes => _written + _new.Length;

        public void Add(SpooledEntry entry)
        {
            entry.Write(_writer);
            if (_new.Length >= BytesAtOnce)
                Flush();
        }

        /// <summary>So many entries from a place on, all of which were added before the first is asked for.</summary>
        public IEnumerable<SpooledEntry> Read(long from, int count, int bytesAtOnce)
        {
            Flush();
            using var reader = new BinaryReader(new BufferedStream(new FileSlice(_file.SafeFileHandle, from), bytesAtOnce), Encoding.UTF8);
            for (var i = 0; i < count; i++)
                yield return SpooledEntry.Read(reader);
        }

        public void Dispose()
        {
            _writer.Dispose();
            _new.Dispose();
            _file.Dispose();
        }

        private void Flush()
        {
            _folder.NeedRoom(_new.Length);
            RandomAccess.Write(_file.SafeFileHandle, _new.GetBuffer().AsSpan(0, (int)_new.Length), _written);
            _written += _new.Length;
            _new.SetLength(0);
        }
    }
}
