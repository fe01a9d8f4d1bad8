using Capstan.Protocol.Jose;

namespace Capstan.Protocol.V1;

/// <summary>Upload item <c>sealing-key</c>: a device has made another sealing key, or tells again which one it has. Its signing key, which signs the record, is its identity and never changes.</summary>
public sealed record SealingKeyChange
{
    public int Version { get; init; } = 1;
    /// <summary>Number of the order that is answered; see <see cref="Policy.Rekey"/>. 0 for none.</summary>
    public required long Order { get; init; }
    public required Jwk SealingKey { get; init; }

    internal void Check(Problems problems)
    {
        problems.Version(Version);
        problems.Range("order", Order, 0, long.MaxValue);
        problems.Key("sealingKey", SealingKey);
    }
}

/// <summary>Upload item <c>diagnosis</c>: what a client knows of itself, for the person who asked. Shown, never used to decide.</summary>
public sealed record Diagnosis
{
    public const int MaxFacts = 100, MaxLines = 300, MaxLine = 500;

    public int Version { get; init; } = 1;
    /// <summary>Number of the order that is answered; see <see cref="Policy.Diagnose"/>.</summary>
    public required long Order { get; init; }
    /// <summary>Unix milliseconds by the device's clock.</summary>
    public required long MadeAt { get; init; }
    /// <summary>What <c>capstan-client status</c> says there.</summary>
    public required IReadOnlyList<DiagnosisFact> Facts { get; init; }
    /// <summary>How the CAP of the last contact was chosen, one line for each candidate.</summary>
    public required IReadOnlyList<string> Selection { get; init; }
    /// <summary>Connections of the machine to servers, one line each.</summary>
    public required IReadOnlyList<string> Connections { get; init; }
    /// <summary>The end of its own log, oldest first.</summary>
    public required IReadOnlyList<string> Log { get; init; }

    internal void Check(Problems problems)
    {
        problems.Version(Version);
        problems.Range("order", Order, 0, long.MaxValue);
        problems.Milliseconds("madeAt", MadeAt);
        problems.Each("facts", Facts, static (problems, fact) => fact.Check(problems), MaxFacts);
        problems.Each("selection", Selection, static (problems, line) => problems.Text("", line, MaxLine), MaxLines);
        problems.Each("connections", Connections, static (problems, line) => problems.Text("", line, MaxLine), MaxLines);
        problems.Each("log", Log, static (problems, line) => problems.Text("", line, MaxLine), MaxLines);
    }
}

public sealed record DiagnosisFact(string Name, string Value)
{
    internal void Check(Problems problems)
    {
        problems.Name("name", Name, 100);
        problems.Text("value", Value, Diagnosis.MaxLine);
    }
}
