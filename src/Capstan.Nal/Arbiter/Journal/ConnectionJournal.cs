using System.Globalization;
using Capstan.Nal.Arbiter.Machine;

namespace Capstan.Nal.Arbiter.Journal;

/// <summary>One record as it lies in the journal.</summary>
/// <param name="Name"><c>account/Resource3</c>: what people call it.</param>
/// <param name="Record">Null when it cannot be read.</param>
/// <param name="Problem">Why it cannot be read; else empty.</param>
/// <param name="IsOwned">Its owner lives, and will end it.</param>
internal sealed record JournalEntry(string Name, string File, ConnectionRecord? Record, string Problem, bool IsOwned)
{
    /// <summary>Nobody will end it, but the rules for ghosts.</summary>
    public bool IsGhost => Record is not null && !IsOwned;
}

/// <summary>The connections of this machine, on disk: <c>Connections/ACCOUNT/Deviceless/Resource#</c>, as the registry of old had it. Thread-safe.</summary>
/// <remarks>
/// <para>The owner of a record has its file locked for as long as it lives. A record that is over is marked <c>closed</c> and its file used again: each step is then one flush in place,
/// and no name ever passes from one connection to another without the lock.</para>
/// </remarks>
internal sealed class ConnectionJournal : IDisposable
{
    private const string Prefix = "Resource";
    private const int MostRecordsOfAnAccount = 10_000;

    /// <summary>Beyond the first few, each is a millisecond.</summary>
    private const int MostTries = 100;

    private readonly string _root;
    private readonly Lock _gate = new();
    private readonly HashSet<RecordFile> _open = [];
    /// <summary>Directories whose names this process has seen on the disk.</summary>
    private readonly HashSet<string> _made = new(StringComparer.Ordinal);

    /// <exception cref="IOException">The directory cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">As above.</exception>
    public ConnectionJournal(NalMachine machine)
    {
        _root = RootOf(machine);
        Directory.CreateDirectory(_root);
    }

    /// <summary>What records of this process name as their owner.</summary>
    public string Owner { get; } = Guid.NewGuid().ToString("N");

    /// <summary>Writes a new record. It is on the disk when this returns.</summary>
    /// <exception cref="IOException">The disk is full, read-only, or failed.</exception>
    /// <exception cref="UnauthorizedAccessException">This process may not write there.</exception>
    public RecordFile Create(ConnectionRecord record)
    {
        var directory = Path.Combine(_root, SlotFiles.Name(record.Account.Length > 0 ? record.Account : "anonymous"), "Deviceless");
        Make(directory);
        for (var number = 0; number < MostRecordsOfAnAccount; number++)
        {
            var path = Path.Combine(directory, string.Create(CultureInfo.InvariantCulture, $"{Prefix}{number}"));
            if (TryTakeFree(path) is not { } free)
                continue;
            try
            {
                var isNew = free.Blocks.IsNew;
                free.Blocks.Write(record, isDurable: true);
                if (isNew)
                    Durable.Names(directory);
            }
            catch
            {
                free.Held.Dispose();
                throw;
            }
            var file = new RecordFile(free.Held, free.Blocks, Forget);
            lock (_gate)
                _open.Add(file);
            return file;
        }
        throw new IOException($"{directory} holds {MostRecordsOfAnAccount} records: settle or drop them (capstan nal connections, capstan nal drop)");
    }

    /// <summary>All records that are not closed.</summary>
    /// <exception cref="IOException">The journal cannot be listed.</exception>
    /// <exception cref="UnauthorizedAccessException">As above.</exception>
    public IReadOnlyList<JournalEntry> Read() => Read(_root);

    /// <summary>As the member, for those who only look.</summary>
    public static IReadOnlyList<JournalEntry> Read(NalMachine machine) => Read(RootOf(machine));

    /// <summary>Changes a record that nobody owns, and that is still the one that was read. Durable.</summary>
    /// <param name="next">Null marks it closed.</param>
    /// <returns>False when it has an owner, or is another one meanwhile: then it is somebody else's to end.</returns>
    /// <exception cref="IOException">It cannot be written.</exception>
    public static bool Change(JournalEntry entry, ConnectionRecord? next)
    {
        using var held = TryTakeSoon(entry.File);
        if (held is null)
            return false;
        var blocks = RecordBlocks.Read(held.File, entry.File);
        var isSame = (blocks.Record, entry.Record) is ({ } now, { } before)
            ? (now.Owner, now.Session, now.Opened, now.State) == (before.Owner, before.Session, before.Opened, before.State)
            : blocks.Record is null && entry.Record is null && !blocks.IsNew;
        if (!isSame)
            return false;
        if (next is null && blocks.Record is { } over)
            next = over with { State = ConnectionStates.Closed, NextStep = "its file is used again" };
        // What cannot be read has nothing to be kept.
        if (next is null)
            blocks.Clear();
        else
            blocks.Write(next, isDurable: true);
        return true;
    }

    /// <summary>Lets go of what is not closed, as the end of the process does: it is a ghost from now on.</summary>
    public void Dispose()
    {
        RecordFile[] left;
        lock (_gate)
            left = [.. _open];
        foreach (var file in left)
            file.Dispose();
    }

    /// <summary>Whoever only looks has the lock for an instant: an owner has it for longer than these tries.</summary>
    private static FileLock? TryTakeSoon(string path)
    {
        var spin = new SpinWait();
        FileLock? held;
        while ((held = FileLock.TryTakeExisting(path)) is null && spin.Count < MostTries)
            spin.SpinOnce();
        return held;
    }

    private void Forget(RecordFile file)
    {
        lock (_gate)
            _open.Remove(file);
    }

    private static string RootOf(NalMachine machine) => Path.Combine(machine.Journal, "Connections");

    /// <summary>Makes an account's directory, and brings the names on the way to it to the disk: whoever made them may have died before it did.</summary>
    private void Make(string directory)
    {
        lock (_gate)
        {
            if (_made.Contains(directory) && Directory.Exists(directory))
                return;
            Directory.CreateDirectory(directory);
            foreach (var parent in (string[])[directory, Path.GetDirectoryName(directory)!, _root, Path.GetDirectoryName(_root)!])
                Durable.Names(parent);
            _made.Add(directory);
        }
    }

    /// <summary>A file that holds no connection, locked; null when this one does, or somebody looks at it just now.</summary>
    /// <remarks>Looked at before it is locked: a ghost that somebody has locked for a moment would have an owner for that long, and be overlooked.</remarks>
    private static (FileLock Held, RecordBlocks Blocks)? TryTakeFree(string path)
    {
        using (var look = FileLock.OpenWithout(path))
        {
            if (look is not null && !IsFree(RecordBlocks.Read(look, path)))
                return null;
        }
        if (FileLock.TryTake(path) is not { } held)
            return null;
        try
        {
            var blocks = RecordBlocks.Read(held.File, path);
            if (IsFree(blocks))
                return (held, blocks);
        }
        catch
        {
            held.Dispose();
            throw;
        }
        held.Dispose();
        return null;
    }

    private static bool IsFree(RecordBlocks blocks) => blocks.IsNew || blocks.Record?.State == ConnectionStates.Closed;

    private static List<JournalEntry> Read(string root)
    {
        if (!Directory.Exists(root))
            return [];
        var entries = new List<JournalEntry>();
        foreach (var account in Directory.EnumerateDirectories(root).Order(StringComparer.Ordinal))
        {
            var directory = Path.Combine(account, "Deviceless");
            if (!Directory.Exists(directory))
                continue;
            foreach (var path in Directory.EnumerateFiles(directory, Prefix + "*").OrderBy(path => path.Length).ThenBy(path => path, StringComparer.Ordinal))
            {
                var name = $"{Path.GetFileName(account)}/{Path.GetFileName(path)}";
                if (ReadOne(name, path) is { } entry)
                    entries.Add(entry);
            }
        }
        return entries;
    }

    /// <summary>Null when it holds no connection.</summary>
    /// <remarks>What has no owner is read under a lock that keeps owners out: else a file that is used again between the two looks would be taken for a ghost with a living session's id.</remarks>
    private static JournalEntry? ReadOne(string name, string path)
    {
        try
        {
            using var unowned = FileLock.TryTakeExisting(path, isShared: true);
            using var file = unowned is null ? FileLock.OpenWithout(path) : null;
            if ((unowned?.File ?? file) is not { } open)
                return null;
            var blocks = RecordBlocks.Read(open, path);
            // Its owner may write the one block while the other is read.
            for (var tries = 0; tries < MostTries && unowned is null && blocks is { Record: null, IsNew: false }; tries++)
                blocks = RecordBlocks.Read(open, path);
            return blocks.IsNew || blocks.Record?.State == ConnectionStates.Closed ? null : new JournalEntry(name, path, blocks.Record, blocks.Problem, IsOwned: unowned is null);
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            return new JournalEntry(name, path, null, $"it cannot be read: {cause.Message}", IsOwned: false);
        }
    }
}
