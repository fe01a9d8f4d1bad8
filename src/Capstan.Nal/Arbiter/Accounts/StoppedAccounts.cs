using System.Collections.Concurrent;
using System.Text.Json;
using System.Text.Json.Serialization;
using Capstan.Nal.Arbiter.Machine;

namespace Capstan.Nal.Arbiter.Accounts;

/// <summary>The accounts that servers refused: those of this process, and for all processes of a machine <c>Stopped/SERVER/ACCOUNT</c> in the journal's directory.</summary>
/// <remarks>Thread-safe. What cannot be read is as if it were stopped when it was written: an account is rather tried too seldom than locked.</remarks>
/// <param name="machine">Null: this process only.</param>
internal sealed class StoppedAccounts(NalMachine? machine)
{
    private readonly string? _root = machine is null ? null : Path.Combine(machine.Journal, "Stopped");

    /// <summary>What this process was refused with and could not write down.</summary>
    private readonly ConcurrentDictionary<(string Server, string Account), StoppedAccount> _own = new();

    /// <exception cref="IOException">Those of the machine cannot be listed.</exception>
    /// <exception cref="UnauthorizedAccessException">As above.</exception>
    public IReadOnlyList<StoppedAccount> Of(string server, DateTimeOffset now)
    {
        if (_root is null || DirectoryOf(server) is var directory && !Directory.Exists(directory))
            return Own(server);
        return [.. Own(server), .. Directory.EnumerateFiles(directory, "*.json").Select(path => Read(path, server, now)).OfType<StoppedAccount>()];
    }

    /// <summary>Whether one account was refused there; cheaper than <see cref="Of"/>.</summary>
    public bool Has(string server, string account) =>
        _own.ContainsKey((server, account.ToLowerInvariant())) || (_root is not null && File.Exists(PathOf(server, account)));

    /// <summary>Those that only this process knows.</summary>
    public IReadOnlyList<StoppedAccount> Own(string server) => [.. _own.Values.Where(stop => stop.Server == server)];

    /// <exception cref="IOException">It cannot be written; this process keeps it in mind.</exception>
    /// <exception cref="UnauthorizedAccessException">As above.</exception>
    public void Stop(StoppedAccount account)
    {
        _own[(account.Server, account.Account.ToLowerInvariant())] = account;
        if (_root is null)
            return;
        var path = PathOf(account.Server, account.Account);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        // Replaced whole, and on the disk before it has its name.
        var temporary = $"{path}.{Guid.NewGuid():N}";
        using (var file = File.OpenHandle(temporary, FileMode.CreateNew, FileAccess.Write))
        {
            RandomAccess.Write(file, JsonSerializer.SerializeToUtf8Bytes(account, StopJson.Default.StoppedAccount), fileOffset: 0);
            Durable.Content(file, temporary);
        }
        File.Move(temporary, path, overwrite: true);
        _own.TryRemove((account.Server, account.Account.ToLowerInvariant()), out _);
    }

    /// <summary>The server accepts it again.</summary>
    public void Resume(string server, string account)
    {
        _own.TryRemove((server, account.ToLowerInvariant()), out _);
        if (_root is not null && Directory.Exists(DirectoryOf(server)))
            File.Delete(PathOf(server, account));
    }

    /// <summary>A person asked for a new try: all accounts of a server.</summary>
    public void Resume(string server)
    {
        foreach (var key in _own.Keys.Where(key => key.Server == server))
            _own.TryRemove(key, out _);
        if (_root is not null && Directory.Exists(DirectoryOf(server)))
            Directory.Delete(DirectoryOf(server), recursive: true);
    }

    private StoppedAccount? Read(string path, string server, DateTimeOffset now)
    {
        try
        {
            if (JsonSerializer.Deserialize(File.ReadAllBytes(path), StopJson.Default.StoppedAccount) is not { } stopped || stopped.Server != server)
                return Unreadable("it names another server");
            if (stopped.Tried <= now)
                return stopped;
            // Written by a clock that was ahead: the pause counts from now, or it would last until that time.
            stopped = stopped with { Tried = now };
            Stop(stopped);
            return stopped;
        }
        catch (FileNotFoundException)
        {
            return null;
        }
        catch (Exception broken) when (broken is JsonException or IOException or UnauthorizedAccessException)
        {
            return Unreadable(broken.Message);
        }

        StoppedAccount Unreadable(string why)
        {
            var written = new DateTimeOffset(File.GetLastWriteTimeUtc(path), TimeSpan.Zero);
            return new(server, SlotFiles.Text(Path.GetFileNameWithoutExtension(path)), $"{path} cannot be read ({why}): delete it to try the account again", written < now ? written : now);
        }
    }

    private string DirectoryOf(string server) => Path.Combine(_root!, SlotFiles.Name(server));

    private string PathOf(string server, string account) => Path.Combine(DirectoryOf(server), SlotFiles.Name(account.ToLowerInvariant()) + ".json");
}

[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(StoppedAccount))]
internal sealed partial class StopJson : JsonSerializerContext;
