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
        if (!Directory.Exists(directory))
        {
            Directory.CreateDirectory(directory);
            Durable.Names(Path.GetDirectoryName(directory)!);
            Durable.Names(_root);
        }
        for (var number = 0; number < MostRecordsOfAnAccount; number++)
        {
            var path = Path.Combine(directory, string.Create(CultureInfo.InvariantCulture, $"{Prefix}{number}"));
            if (TryTakeFree(path, out var isNew) is not { } held)
                continue;
            var file = new RecordFile(path, held, record, Forget);
            try
            {
                file.Write(record, isDurable: true);
                if (isNew)
                    Durable.Names(directory);
            }
            catch
            {
                held.Dispose();
                throw;
            }
            lock (_gate)
                _open.Add(file);
            return file;
        }
        throw new IOException($"{directory} holds {MostRecordsOfAnAccount} records: settle or drop them (capstan nal connections, capstan nal drop)");
    }

    /// <summary>All records that are not closed, or those of one server.</summary>
    /// <exception cref="IOException">The journal cannot be listed.</exception>
    /// <exception cref="UnauthorizedAccessException">As above.</exception>
    public IReadOnlyList<JournalEntry> Read(string? server = null) => Read(_root, server);

    /// <summary>As the member, for those who only look.</summary>
    public static IReadOnlyList<JournalEntry> Read(NalMachine machine) => Read(RootOf(machine), server: null);

    /// <summary>Changes a record that nobody owns, and that is still the one that was read. Durable.</summary>
    /// <param name="next">Null marks it closed.</param>
    /// <returns>False when it has an owner, or is another one meanwhile: then it is somebody else's to end.</returns>
    /// <exception cref="IOException">It cannot be written.</exception>
    public static bool Change(JournalEntry entry, ConnectionRecord? next)
    {
        using var held = TryTakeSoon(entry.File);
        if (held is null)
            return false;
        var text = ReadAll(held.File);
        var isSame = RecordText.TryRead(text, out var now, out _)
            ? entry.Record is { } before && (now.Owner, now.Session, now.Opened, now.State) == (before.Owner, before.Session, before.Opened, before.State)
            : entry.Record is null;
        if (!isSame)
            return false;
        next ??= now is null ? null : now with { State = ConnectionStates.Closed, NextStep = "its file is used again" };
        // What cannot be read has nothing to be kept; an empty file is a free one.
        if (next is null)
            RandomAccess.SetLength(held.File, 0);
        else
            RandomAccess.Write(held.File, RecordText.Write(next, text.Length), fileOffset: 0);
        Durable.Content(held.File, entry.File);
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

    /// <summary>A file that holds no connection, locked; null when this one does, or somebody looks at it just now.</summary>
    private static FileLock? TryTakeFree(string path, out bool isNew)
    {
        isNew = !File.Exists(path);
        if (FileLock.TryTake(path) is not { } held)
            return null;
        try
        {
            var text = ReadAll(held.File);
            isNew |= text.Length == 0;
            if (text.Length == 0 || (RecordText.TryRead(text, out var record, out _) && record.State == ConnectionStates.Closed))
                return held;
        }
        catch
        {
            held.Dispose();
            throw;
        }
        held.Dispose();
        return null;
    }

    private static List<JournalEntry> Read(string root, string? server)
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
                if (ReadOne(name, path) is { } entry && (server is null || entry.Record?.Server == server))
                    entries.Add(entry);
            }
        }
        return entries;
    }

    /// <summary>Null when it holds no connection.</summary>
    private static JournalEntry? ReadOne(string name, string path)
    {
        try
        {
            var isOwned = FileLock.IsTaken(path);
            using var file = FileLock.OpenWithout(path);
            if (file is null || ReadAll(file) is not { Length: > 0 } text)
                return null;
            return !RecordText.TryRead(text, out var record, out var problem) ? new JournalEntry(name, path, null, problem, isOwned)
                : record.State == ConnectionStates.Closed ? null
                : new JournalEntry(name, path, record, "", isOwned);
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            return new JournalEntry(name, path, null, $"it cannot be read: {cause.Message}", IsOwned: false);
        }
    }

    private static byte[] ReadAll(Microsoft.Win32.SafeHandles.SafeFileHandle file)
    {
        var text = new byte[Math.Min(RandomAccess.GetLength(file), RecordText.LongestBytes)];
        var length = RandomAccess.Read(file, text, fileOffset: 0);
        return length == text.Length ? text : text[..length];
    }
}
