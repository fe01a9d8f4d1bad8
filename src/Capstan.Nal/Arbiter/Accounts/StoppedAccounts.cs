using System.Text.Json;
using System.Text.Json.Serialization;
using Capstan.Nal.Arbiter.Machine;

namespace Capstan.Nal.Arbiter.Accounts;

/// <summary>The accounts that servers refused, for all processes of this machine: <c>Stopped/SERVER/ACCOUNT</c> in the journal's directory.</summary>
/// <remarks>Thread-safe. What cannot be read is as if it were stopped now: an account is rather tried too seldom than locked.</remarks>
internal sealed class StoppedAccounts(NalMachine machine)
{
    private readonly string _root = Path.Combine(machine.Journal, "Stopped");

    public IReadOnlyList<StoppedAccount> Of(string server, DateTimeOffset now)
    {
        var directory = DirectoryOf(server);
        return Directory.Exists(directory) ? [.. Directory.EnumerateFiles(directory, "*.json").Select(path => Read(path, server, now)).OfType<StoppedAccount>()] : [];
    }

    /// <exception cref="IOException">It cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">As above.</exception>
    public void Stop(StoppedAccount account)
    {
        var path = PathOf(account.Server, account.Account);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        // Replaced whole: a torn file would only stop the account.
        var temporary = $"{path}.{Guid.NewGuid():N}";
        File.WriteAllBytes(temporary, JsonSerializer.SerializeToUtf8Bytes(account, StopJson.Default.StoppedAccount));
        File.Move(temporary, path, overwrite: true);
    }

    /// <summary>The server accepts it again, or a person asked for a new try.</summary>
    public void Resume(string server, string account)
    {
        if (Directory.Exists(DirectoryOf(server)))
            File.Delete(PathOf(server, account));
    }

    /// <summary>All accounts of a server may be tried again.</summary>
    public void Resume(string server)
    {
        if (Directory.Exists(DirectoryOf(server)))
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

        StoppedAccount Unreadable(string why) => new(server, SlotFiles.Text(Path.GetFileNameWithoutExtension(path)), $"{path} cannot be read ({why}): delete it to try the account again", now);
    }

    private string DirectoryOf(string server) => Path.Combine(_root, SlotFiles.Name(server));

    private string PathOf(string server, string account) => Path.Combine(DirectoryOf(server), SlotFiles.Name(account.ToLowerInvariant()) + ".json");
}

[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(StoppedAccount))]
internal sealed partial class StopJson : JsonSerializerContext;
