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
    public bool IsGhost => Record is not null && (!IsOwned || Record.State is ConnectionStates.Ghost or ConnectionStates.Abandoned);
}

/// <summary>The connections of this machine, on disk: <c>Connections/ACCOUNT/Deviceless/Resource#</c>, as the registry of old had it. Thread-safe.</summary>
internal sealed class ConnectionJournal : IDisposable
{
    private const string Prefix = "Resource";

    /// <summary>Begins the name of a record that is being made.</summary>
    private const string Unfinished = "new-";

    private const int MostRecordsOfAnAccount = 10_000;

    private readonly string _root;
    private readonly string _owners;
    private readonly string _ownerPath;
    private readonly FileLock _owner;
    private long _lastMade;

    /// <exception cref="IOException">The directories cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">As above.</exception>
    public ConnectionJournal(NalMachine machine)
    {
        _root = Path.Combine(machine.Journal, "Connections");
        _owners = Path.Combine(machine.Slots, "owners");
        Directory.CreateDirectory(_root);
        Directory.CreateDirectory(_owners);
        ForgetDeadOwners();
        while (true)
        {
            Owner = Guid.NewGuid().ToString("N");
            _ownerPath = Path.Combine(_owners, Owner);
            var held = FileLock.TryTake(_ownerPath);
            // Whoever clears dead owners away may come between the file and its lock.
            if (held is not null && File.Exists(_ownerPath))
            {
                _owner = held;
                return;
            }
            held?.Dispose();
        }
    }

    /// <summary>What records of this process name as their owner.</summary>
    public string Owner { get; }

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
        var made = Path.Combine(directory, $"{Unfinished}{Owner}-{Interlocked.Increment(ref _lastMade)}");
        var handle = File.OpenHandle(made, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
        try
        {
            // It appears under its name when it is whole: a process that dies here leaves nothing that looks like a connection.
            var file = new RecordFile(handle, record);
            file.Write(record, isDurable: true);
            for (var number = 0; number < MostRecordsOfAnAccount; number++)
            {
                var path = Path.Combine(directory, string.Create(CultureInfo.InvariantCulture, $"{Prefix}{number}"));
                if (File.Exists(path) || !TryMove(made, path))
                    continue;
                file.Path = path;
                Durable.Names(directory);
                return file;
            }
        }
        catch
        {
            handle.Dispose();
            File.Delete(made);
            throw;
        }
        handle.Dispose();
        File.Delete(made);
        throw new IOException($"{directory} holds {MostRecordsOfAnAccount} records: settle or drop them (capstan nal connections, capstan nal drop)");
    }

    /// <summary>All records, or those of one server.</summary>
    /// <exception cref="IOException">The journal cannot be listed.</exception>
    /// <exception cref="UnauthorizedAccessException">As above.</exception>
    public IReadOnlyList<JournalEntry> Read(string? server = null) => Read(_root, _owners, server);

    /// <summary>As the member, without being an owner: for those who only look.</summary>
    public static IReadOnlyList<JournalEntry> Read(NalMachine machine) =>
        Read(Path.Combine(machine.Journal, "Connections"), Path.Combine(machine.Slots, "owners"), server: null);

    /// <summary>Forgets a record whose connection is over.</summary>
    /// <exception cref="IOException">It cannot be deleted.</exception>
    public static void Remove(JournalEntry entry)
    {
        File.Delete(entry.File);
        Durable.Names(Path.GetDirectoryName(entry.File)!);
    }

    public void Dispose()
    {
        File.Delete(_ownerPath);
        _owner.Dispose();
    }

    private static List<JournalEntry> Read(string root, string owners, string? server)
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
                if (ReadOne(name, path, owners) is { } entry && (server is null || entry.Record?.Server == server))
                    entries.Add(entry);
            }
        }
        return entries;
    }

    /// <summary>Null when it was deleted meanwhile.</summary>
    private static JournalEntry? ReadOne(string name, string path, string owners)
    {
        try
        {
            using var handle = File.OpenHandle(path);
            var text = new byte[Math.Min(RandomAccess.GetLength(handle), RecordText.LongestBytes)];
            var length = RandomAccess.Read(handle, text, fileOffset: 0);
            return RecordText.TryRead(text.AsSpan(0, length), out var record, out var problem)
                ? new JournalEntry(name, path, record, "", IsAlive(owners, record.Owner))
                : new JournalEntry(name, path, null, problem, IsOwned: false);
        }
        catch (FileNotFoundException)
        {
            return null;
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            return new JournalEntry(name, path, null, $"it cannot be read: {cause.Message}", IsOwned: false);
        }
    }

    /// <summary>An owner's name is ours: anything else names nobody.</summary>
    private static bool IsAlive(string owners, string owner) =>
        Guid.TryParseExact(owner, "N", out _) && FileLock.IsTaken(Path.Combine(owners, owner));

    private void ForgetDeadOwners()
    {
        foreach (var path in Directory.EnumerateFiles(_owners))
        {
            try
            {
                using var dead = FileLock.TryTake(path);
                if (dead is not null)
                    File.Delete(path);
            }
            catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
            {
                // Another user's: it is no hindrance here.
            }
        }
    }

    /// <summary>False when somebody else took the name first.</summary>
    private static bool TryMove(string from, string to)
    {
        try
        {
            File.Move(from, to, overwrite: false);
            return true;
        }
        catch (IOException) when (File.Exists(to))
        {
            return false;
        }
    }
}
