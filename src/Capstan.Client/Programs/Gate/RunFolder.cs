using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Capstan.Client.Identity;
using Capstan.Nal;

namespace Capstan.Client.Programs.Gate;

/// <summary>What a run's directory says. The order of the cases is the order of a run's life.</summary>
internal abstract record RunState
{
    private RunState()
    {
    }

    /// <summary>There is no such directory, or no order in it: nothing will run.</summary>
    public sealed record Missing : RunState;

    /// <summary>Nothing has run: a gate may be started, once more if need be.</summary>
    public sealed record NotStarted : RunState;

    /// <param name="Started">Null while the gate is just about to write it.</param>
    public sealed record Running(RunStarted? Started) : RunState;

    /// <summary>As the last, but its gate holds the directory for longer than any may: it is to be ended.</summary>
    public sealed record Stuck(RunStarted? Started, IReadOnlyList<ProcessEntry> Gates) : RunState;

    /// <summary>It was started, and nobody is left who could say how it ended: a power cut, a killed gate.</summary>
    public sealed record Lost(RunStarted Started) : RunState;

    /// <summary>Nobody has it, and one of its files cannot be understood: whether and how it ended nobody will ever know.</summary>
    /// <param name="Fault">One line.</param>
    public sealed record Damaged(string Fault) : RunState;

    public sealed record Ended(RunStarted? Started, RunEnded Result) : RunState;
}

/// <summary>The directory of one run, which is never used for another: <c>order.json</c>, <c>lock</c>, <c>started.json</c>, <c>ended.json</c>, each durable when it is there.</summary>
/// <remarks>
/// The client writes the order, before anything else; the gate writes the rest, while it has the lock. So whatever was killed when, what is there decides:
/// an end is the result; the lock taken means it runs; a start without a lock is an outcome that nobody knows; neither means that nothing was started.
/// </remarks>
internal sealed class RunFolder(string path)
{
    public const string OrderFile = "order.json", StartedFile = "started.json", EndedFile = "ended.json";

    private const string FailureFile = "failed.txt", Gone = ".gone";
    private const int MostFailure = 1_000;

    private static readonly TimeSpan s_late = TimeSpan.FromMinutes(1);

    /// <summary>The most that is read of any of the files: output is kept in one.</summary>
    private const int MaxBytes = 2 << 20;

    public string Path { get; } = path;

    /// <summary>Makes the directory with its order, durable on return. Before the run stands in the ledger.</summary>
    /// <exception cref="IOException">It cannot be written.</exception>
    public async Task PrepareAsync(RunOrder order, CancellationToken cancellationToken)
    {
        DurableFile.CreatePrivateDirectory(Path);
        await DurableFile.WriteAsync(Of(OrderFile), JsonSerializer.SerializeToUtf8Bytes(order, RunJson.Default.RunOrder), cancellationToken);
    }

    /// <summary>What was ordered; null when there is none.</summary>
    public RunOrder? Order() => Read(OrderFile, RunJson.Default.RunOrder);

    public bool HasEnded() => File.Exists(Of(EndedFile));

    public RunStarted? Started() => Read(StartedFile, RunJson.Default.RunStarted);

    /// <summary>Durable on return. Once: the second of two gates fails here, also where locks do not work or nobody has one any more.</summary>
    /// <exception cref="IOException">It cannot be written, or has been.</exception>
    public void WriteStarted(RunStarted started) => DurableFile.WriteNew(Of(StartedFile), JsonSerializer.SerializeToUtf8Bytes(started, RunJson.Default.RunStarted));

    /// <summary>Durable on return.</summary>
    /// <exception cref="IOException">It cannot be written.</exception>
    public void WriteEnded(RunEnded ended) => DurableFile.Write(Of(EndedFile), JsonSerializer.SerializeToUtf8Bytes(ended, RunJson.Default.RunEnded));

    /// <summary>Last words of a gate that ends without having started anything; where they cannot be written, it says nothing.</summary>
    public void TellFailure(string cause)
    {
        try
        {
            File.WriteAllText(Of(FailureFile), cause);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The directory has gone, or cannot be written, which may be what it wanted to say.
            return;
        }
    }

    /// <summary>What the last gate said that did not come up; null for nothing.</summary>
    public string? Failure()
    {
        try
        {
            var said = File.ReadAllText(Of(FailureFile));
            return said.Length == 0 ? null : said[..Math.Min(said.Length, MostFailure)];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It said nothing.
            return null;
        }
    }

    /// <summary>Looks without changing anything; takes the lock from nobody.</summary>
    /// <param name="machine">What runs on this machine.</param>
    /// <exception cref="IOException">The disk cannot be read.</exception>
    public RunState Inspect(ProcessTable machine)
    {
        // The lock before the files: a gate that ends between the two has written its end.
        var isTaken = Directory.Exists(Path) && DirectoryLock.IsTaken(Path);
        string? damage = null;
        var started = Look(StartedFile, RunJson.Default.RunStarted, ref damage);
        if (Look(EndedFile, RunJson.Default.RunEnded, ref damage) is { } ended)
            return new RunState.Ended(started, ended);
        if (isTaken && StuckGate.Find(machine, this, started) is { Count: > 0 } stuck)
            return new RunState.Stuck(started, stuck);
        // What else has the lock, a stranger's, writes no end and begins nothing.
        if (isTaken && StuckGate.MayLive(machine, this, started))
            return new RunState.Running(started);
        var order = Look(OrderFile, RunJson.Default.RunOrder, ref damage);
        if (damage is not null)
            return new RunState.Damaged(damage);
        if (started is not null)
        {
            // Without its gate nobody ends it: what still lives of its session beyond its time is what it left, a daemon perhaps.
            if (machine.HasSession(started) && !IsOverdue(started, s_late))
                return new RunState.Running(started);
            // Once more: a gate may have come, written its end and gone while this looked.
            return Look(EndedFile, RunJson.Default.RunEnded, ref damage) is { } late ? new RunState.Ended(started, late) : !isTaken && DirectoryLock.IsTaken(Path) ? new RunState.Running(started) : new RunState.Lost(started);
        }
        return order is null ? new RunState.Missing() : new RunState.NotStarted();
    }

    /// <summary>Whether it began longer ago than its time limit and its grace allow, by the gate's own clock: a machine that sleeps uses up none of them.</summary>
    /// <param name="started">Since this start of the machine.</param>
    public bool IsOverdue(RunStarted started, TimeSpan late)
    {
        string? damage = null;
        return Look(OrderFile, RunJson.Default.RunOrder, ref damage) is not { } order || (started.AwakeAt is { } awake ? ProgramCalls.Awake() - TimeSpan.FromMilliseconds(awake) : ProcessTable.Since(started.SessionStart)) > TimeSpan.FromSeconds(order.TimeLimitSeconds) + TimeSpan.FromSeconds(order.GraceSeconds) + late;
    }

    /// <summary>Removes the directory; a gate that comes late finds nothing to do. Cut off anywhere, it is there whole, or under a name that no gate knows, and the same call finishes it.</summary>
    /// <returns>False when its gate lives and has not written its end: nothing was removed.</returns>
    public bool Remove()
    {
        if (!Directory.Exists(Path))
            return true;
        var gone = Path;
        if (!Path.EndsWith(Gone, StringComparison.Ordinal))
        {
            // The lock, since a gate that has it may be about to begin. One that has written its end begins nothing any more.
            using var taken = DirectoryLock.TryTake(Path, out _);
            if (taken is null && !HasEnded())
                return false;
            gone = Path + Gone;
            Directory.Move(Path, gone);
            Flush(gone);
        }
        Directory.Delete(gone, recursive: true);
        Flush(gone);
        return true;
    }

    private static void Flush(string removed)
    {
        if (System.IO.Path.GetDirectoryName(removed) is { } parent)
            DurableFile.FlushDirectory(parent);
    }

    private string Of(string name) => System.IO.Path.Combine(Path, name);

    /// <exception cref="IOException">It cannot be read, or not be understood.</exception>
    private T? Read<T>(string name, JsonTypeInfo<T> type) where T : class
    {
        string? damage = null;
        var read = Look(name, type, ref damage);
        return damage is null ? read : throw new IOException(damage);
    }

    /// <param name="damage">Set to one line when it is there and cannot be understood.</param>
    /// <returns>Null, too, when it is not there.</returns>
    private T? Look<T>(string name, JsonTypeInfo<T> type, ref string? damage) where T : class
    {
        try
        {
            using var file = new FileStream(Of(name), FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            if (file.Length > MaxBytes)
            {
                damage = $"{Of(name)} has {file.Length} bytes; the limit is {MaxBytes}";
                return null;
            }
            var read = JsonSerializer.Deserialize(file, type);
            if (read is null)
                damage = $"{Of(name)} is damaged: it says nothing";
            return read;
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
        catch (JsonException e)
        {
            damage = $"{Of(name)} is damaged: {e.Message.ReplaceLineEndings(" ")}";
            return null;
        }
    }
}
