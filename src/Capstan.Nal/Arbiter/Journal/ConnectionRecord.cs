using System.Text.Json.Serialization;

namespace Capstan.Nal.Arbiter.Journal;

/// <summary>What the journal says of one connection: written before it is used, <c>closed</c> after the server confirmed its end.</summary>
internal sealed record ConnectionRecord
{
    /// <summary>1: one block, written over. 2: two blocks, of which the higher sequence counts.</summary>
    public const int CurrentFormat = 2;

    public int Format { get; init; } = CurrentFormat;

    /// <summary>Of all that were written to its file; 0 in format 1.</summary>
    public long Sequence { get; init; }

    /// <summary>The path that the connection was opened for.</summary>
    public required string Path { get; init; }

    /// <summary>Canonical host and port: what the slots are counted by.</summary>
    public required string Server { get; init; }

    /// <summary>The name that it was opened under, where that is another one than <see cref="Server"/>: two names of one server share its slots. Null for the same.</summary>
    public string? Name { get; init; }

    /// <summary>As it was when the session was made; null before.</summary>
    public string? Address { get; init; }

    /// <summary>The server's own identity, from the session; null where it tells none, and before.</summary>
    public Guid? ServerGuid { get; init; }

    /// <summary>This machine's address, as the server told it: NetWare tells with it whose a connection is. Null where it is not told, and before.</summary>
    public string? LocalAddress { get; init; }

    public required string Account { get; init; }

    /// <summary>The server's session id; null before the session is known, and where there is none.</summary>
    [JsonNumberHandling(JsonNumberHandling.WriteAsString | JsonNumberHandling.AllowReadingFromString)]
    public ulong? Session { get; init; }

    /// <summary>The slot that it uses, from 0.</summary>
    public required int Slot { get; init; }

    /// <summary>Names the lock that its owner holds while it lives.</summary>
    public required string Owner { get; init; }

    /// <summary>For display only.</summary>
    public required int Process { get; init; }

    public required DateTimeOffset ProcessStart { get; init; }

    /// <summary>The start of the machine in which it was made.</summary>
    public required string Boot { get; init; }

    /// <summary>The machine that made it; null where that was not known, and in format 1.</summary>
    public MachineEvidence? Machine { get; init; }

    /// <summary>How long the machine had been up when it was last written: an age that no clock changes.</summary>
    public TimeSpan? Uptime { get; init; }

    /// <summary>As of the last second.</summary>
    public int ReferenceCount { get; init; }

    public int PersistenceCount { get; init; }

    /// <summary>Components with a lease, as of the last second.</summary>
    public IReadOnlyList<string> Holders { get; init; } = [];

    public required DateTimeOffset Opened { get; init; }

    public required DateTimeOffset LastUsed { get; init; }

    /// <summary><c>connecting</c>, <c>open</c>, <c>idle</c>, <c>closing</c>; <c>ghost</c> where its owner lives and knows that the server may still count it.</summary>
    public required string State { get; init; }

    public required string NextStep { get; init; }
}

[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(ConnectionRecord))]
internal sealed partial class JournalJson : JsonSerializerContext;
