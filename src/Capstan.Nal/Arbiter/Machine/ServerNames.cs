using System.Text.Json;
using System.Text.Json.Serialization;

namespace Capstan.Nal.Arbiter.Machine;

/// <summary>A server as this machine knows it.</summary>
/// <param name="Name">Canonical host and port.</param>
/// <param name="Id">What it says of itself (ServerGuid).</param>
/// <param name="SameAs">The name whose slots it shares, because the server there says the same; null for its own.</param>
/// <param name="Since">When it first said so, by the wall clock.</param>
internal sealed record ServerName(string Name, Guid Id, string? SameAs, DateTimeOffset Since);

/// <summary>Which names are one server, by what the servers say of themselves: those of this process, and for all processes of a machine <c>servers.json</c> in the journal's directory. Thread-safe.</summary>
/// <remarks>Two servers may say the same (Samba makes its identity of its NetBIOS name, and copies keep theirs). So only slots are shared for it, never a connection or an account.</remarks>
/// <param name="machine">Null: this process only.</param>
internal sealed class ServerNames(NalMachine? machine)
{
    /// <summary>The oldest names that no other one leans on make room for new ones.</summary>
    public const int Most = 1_024;

    private const int CurrentFormat = 1;
    private const int LongestBytes = 1_024 * 1_024;

    private readonly string? _path = machine is null ? null : Path.Combine(machine.Journal, "servers.json");
    private readonly Lock _gate = new();
    private Dictionary<string, ServerName> _known = new(StringComparer.Ordinal);
    private (DateTime Written, long Length) _stamp;

    /// <summary>The name whose slots <paramref name="server"/> shares: mostly its own.</summary>
    public string SlotsOf(string server)
    {
        lock (_gate)
            return _known.GetValueOrDefault(server)?.SameAs ?? server;
    }

    public IReadOnlyList<ServerName> All()
    {
        lock (_gate)
            return [.. _known.Values.OrderBy(known => known.Name, StringComparer.Ordinal)];
    }

    /// <summary>Takes what other processes of the machine learned since.</summary>
    /// <exception cref="IOException">It cannot be read; what is known stays.</exception>
    /// <exception cref="UnauthorizedAccessException">As above.</exception>
    public void Refresh()
    {
        if (_path is null)
            return;
        var file = new FileInfo(_path);
        var stamp = file.Exists ? (file.LastWriteTimeUtc, file.Length) : default;
        lock (_gate)
        {
            if (stamp == _stamp)
                return;
            _known = Read(_path);
            _stamp = stamp;
        }
    }

    /// <summary>What a server said of itself at a logon under one of its names. On the disk when this returns, if it is news.</summary>
    /// <returns>The name whose slots it shares from now on, when that is news; else null.</returns>
    /// <exception cref="IOException">It cannot be written: this process keeps it in mind.</exception>
    /// <exception cref="UnauthorizedAccessException">As above.</exception>
    public string? Notice(string server, Guid id, DateTimeOffset now)
    {
        if (id == Guid.Empty)
            return null;
        lock (_gate)
        {
            if (_known.GetValueOrDefault(server)?.Id == id)
                return null;
            if (_path is null)
                return Learn(server, id, now);
            // Others of this machine may be learning, too.
            Directory.CreateDirectory(Path.GetDirectoryName(_path)!);
            using var door = FileLock.Wait(_path + ".lock");
            var mine = _known;
            _known = Read(_path);
            foreach (var (name, known) in mine)
                _known.TryAdd(name, known);
            if (_known.GetValueOrDefault(server)?.Id == id)
                return _known[server].SameAs;
            var same = Learn(server, id, now);
            Write();
            return same;
        }
    }

    private string? Learn(string server, Guid id, DateTimeOffset now)
    {
        var before = _known.GetValueOrDefault(server)?.SameAs;
        // Names that lean on this one keep doing so: they were this server before it said something else, and say themselves when they are not.
        var same = _known.Values.Any(known => known.SameAs == server) ? null
            : _known.Values.Where(known => known.Name != server && known.SameAs is null && known.Id == id).OrderBy(known => known.Since).ThenBy(known => known.Name, StringComparer.Ordinal).FirstOrDefault()?.Name;
        _known[server] = new ServerName(server, id, same, now);
        if (_known.Count > Most)
        {
            var leaned = _known.Values.Select(known => known.SameAs).ToHashSet(StringComparer.Ordinal);
            _known.Remove(_known.Values.Where(known => known.Name != server && !leaned.Contains(known.Name)).MinBy(known => known.Since)!.Name);
        }
        return same == before ? null : same;
    }

    private void Write()
    {
        var temporary = $"{_path}.{Guid.NewGuid():N}";
        using (var file = File.OpenHandle(temporary, FileMode.CreateNew, FileAccess.Write))
        {
            RandomAccess.Write(file, JsonSerializer.SerializeToUtf8Bytes(new KnownServers(CurrentFormat, [.. _known.Values]), ServerNamesJson.Default.KnownServers), fileOffset: 0);
            Durable.Content(file, temporary);
        }
        File.Move(temporary, _path!, overwrite: true);
        Durable.Names(Path.GetDirectoryName(_path)!);
        var written = new FileInfo(_path!);
        _stamp = (written.LastWriteTimeUtc, written.Length);
    }

    /// <summary>What cannot be read, or is of another version, is learned anew: at the next logons.</summary>
    private static Dictionary<string, ServerName> Read(string path)
    {
        if (!File.Exists(path) || new FileInfo(path).Length > LongestBytes)
            return new(StringComparer.Ordinal);
        try
        {
            var known = JsonSerializer.Deserialize(File.ReadAllBytes(path), ServerNamesJson.Default.KnownServers);
            return known is not { Format: CurrentFormat, Servers: not null } ? new(StringComparer.Ordinal)
                : known.Servers.DistinctBy(server => server.Name, StringComparer.Ordinal).Take(Most).ToDictionary(server => server.Name, StringComparer.Ordinal);
        }
        catch (JsonException)
        {
            return new(StringComparer.Ordinal);
        }
    }
}

internal sealed record KnownServers(int Format, IReadOnlyList<ServerName>? Servers);

[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    RespectNullableAnnotations = true)]
[JsonSerializable(typeof(KnownServers))]
internal sealed partial class ServerNamesJson : JsonSerializerContext;
