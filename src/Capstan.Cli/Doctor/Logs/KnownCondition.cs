using System.Text.Json.Serialization;

namespace Capstan.Cli.Doctor.Logs;

/// <summary>How much a line says that matches. On one line only the strongest counts: a message that names its cause is not told again by the code that it carries.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<EvidenceRank>))]
internal enum EvidenceRank
{
    /// <summary>Nothing is known of the line; no condition has it.</summary>
    [JsonStringEnumMemberName("none")]
    None = 0,

    /// <summary>Looks like a failure, and is none.</summary>
    [JsonStringEnumMemberName("normal")]
    Normal = 1,

    /// <summary>Something failed, and this line does not say why.</summary>
    [JsonStringEnumMemberName("symptom")]
    Symptom = 2,

    /// <summary>A code of a protocol or a system, with its usual cause.</summary>
    [JsonStringEnumMemberName("code")]
    Code = 3,

    /// <summary>A message of which the program and the cause are known.</summary>
    [JsonStringEnumMemberName("message")]
    Message = 4,
}

/// <summary>An entry of <c>known-conditions.json</c>: what a line looks like, why it is written, and what to do.</summary>
/// <param name="Id">Stable; scripts may branch on it.</param>
/// <param name="Product"><c>sms</c>, <c>capstan</c>, <c>samba</c> or <c>windows</c>: whose line it is.</param>
/// <param name="Symptoms">Regular expressions without backtracking and look-around, case-insensitive; one that matches is enough. Groups named <c>server</c>, <c>account</c>
/// and <c>path</c> tell what a line is about.</param>
/// <param name="Sources">Articles (<c>Q208618</c>), events of docs/events.md, or documents.</param>
/// <param name="FollowsFrom">Of a symptom: the conditions that explain it when they stand in the same log.</param>
/// <param name="Examples">Lines that this condition, and none beside it, must explain.</param>
internal sealed record KnownCondition(string Id, string Product, IReadOnlyList<string> Symptoms, string Summary, string Cause, string NextStep,
    IReadOnlyList<string> Sources, IReadOnlyList<string> Examples, EvidenceRank Rank = EvidenceRank.Message, IReadOnlyList<string>? FollowsFrom = null);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, ReadCommentHandling = System.Text.Json.JsonCommentHandling.Skip,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow, RespectRequiredConstructorParameters = true, RespectNullableAnnotations = true)]
[JsonSerializable(typeof(IReadOnlyList<KnownCondition>))]
internal sealed partial class ConditionJson : JsonSerializerContext;
